"""The rules of the options of every command, by `neurondeath.commands.option_rules`.

An option that would contradict another one, or be ignored beside it, is refused.
"""

from neurondeath.commands.option_rules import OptionRules

__all__ = ["RULES"]

SHOWN = ("--columns", "--format")  # what is written on stdout
COLUMNS = {"--columns": ("--format json",)}  # JSON always holds everything
RANDOM_SETS = tuple(f"--inputs {kind}:" for kind in ("gaussian", "sphere", "cube", "orthant"))
CHOSEN_IMAGES = tuple(f"--inputs {kind}:" for kind in ("digits", "mnist", "cifar10"))
IMAGE_FILES = ("--inputs mnist", "--inputs cifar10", "--inputs mnist:", "--inputs cifar10:")
STUDIES_BY_HAND = (
    "absolute_value",
    "alive_and_learning",
    "noise_only",
    "removal_speed",
    "inference_speed",
    "weight_drift",
)
BY_HAND = ("--store", "--data-dir", "--device", "--jobs", "--run", "--save")  # of studies that are no grid of trainings
LAW_OPTIONS = (
    *("--width", "--depth", "--widths", "--inputs", "--input-dim", "--input-seed", "--data-dir", "--architecture"),
    *("--block-depth", "--effective-depth", "--input-mean-square", "--activation", "--tau", "--m", "--slope", "--init"),
    *("--weight-variance", "--degrees-of-freedom", "--zero-share", "--bias-variance", "--bias-law", "--sign-flip"),
    "--networks",
)

RULES = {
    "bounds": OptionRules(
        needs={"--first-layer": ("--inputs",)},
        excludes={
            **COLUMNS,
            "--widths": ("--width", "--depth"),
            "--first-layer": ("--bias",),
            "--one-dimensional-input": ("--inputs", "--input-dim", "--nonnegative-inputs", "--bias"),
            "--inputs": ("--per-layer", "--nonnegative-inputs"),
        },
    ),
    "size": OptionRules(
        needs={"--growth": ("--depth",), "--first": ("--growth",)},
        excludes={**COLUMNS, "--growth": ("--survival", "--width"), "--depth": ("--width",)},
        remedies={
            "--growth --survival": "raise --first until the bound at infinite depth, in the last line, is enough"
        },
    ),
    "eoc": OptionRules(
        needs={
            "--width": ("--depth",),
            "--depth": ("--width",),
            "--seed": ("--width",),
            "--larger-q": ("--m",),
            "--hold": ("--larger-q",),
        },
        excludes={
            **COLUMNS,
            "--v-prime": ("--m",),
            "--larger-q": ("--width", "--depth", "--scales"),
        },
    ),
    "speed": OptionRules(excludes={**COLUMNS, "--v-prime": ("--m",)}),
    "forecast": OptionRules(
        needs={
            **dict.fromkeys(("--data", "--weights", "--input-shape"), ("MODEL",)),
            "--input-seed": ("no --inputs", *RANDOM_SETS, *CHOSEN_IMAGES),
            "--data-dir": IMAGE_FILES,
        },
        excludes={**COLUMNS, "--widths": ("--width", "--depth"), "MODEL": LAW_OPTIONS},
    ),
    "advise": OptionRules(excludes={**COLUMNS, "--no-simulation": ("--trials", "--seed")}),
    "simulate": OptionRules(
        alone={"--grid-template": (), "--grid-keys": SHOWN},
        needs={
            "--max-trials": ("--relative-error",),
            "--input-seed": ("no --inputs", *RANDOM_SETS, *CHOSEN_IMAGES),
            "--resample-inputs": ("no --inputs", *RANDOM_SETS),
            "--data-dir": IMAGE_FILES,
        },
        excludes={
            **COLUMNS,
            "--widths": ("--width", "--depth"),
            "--resample-inputs": ("--input-seed",),
            "--per-layer": ("--columns", "--format json", "--format csv", "--dry-run"),
        },
    ),
    "results": OptionRules(excludes={"--per-layer": ("--layer",), "--export": ("--format",)}),
    "merge": OptionRules(excludes=COLUMNS),
    "plot": OptionRules(excludes={"--kind map": ("--log-x", "--bounds", "--no-bounds")}),
    "figures": OptionRules(
        alone={"NAMES list": ("--columns",)},
        needs={"--columns": ("NAMES list",)},
        excludes={"--redraw": ("--quick",)},
    ),
    "check": OptionRules(
        alone={
            "--claim-template": (),
            "--list": (*SHOWN, "--paper", "--only", "--claims"),
            "--show": (*SHOWN, "--claims"),
        },
        needs={
            "--data-dir": ("--retrain",),
            "--figures": ("--format html",),
            "--no-figures": ("--format html",),
        },
        excludes={
            "--columns": ("--format json", "--format html"),
            "--retrain": ("--self-test", "--studies"),
            "--with": ("--self-test",),
        },
    ),
    "lint": OptionRules(
        needs={
            "--input-shape": ("MODEL",),
            **dict.fromkeys(("--max-collapsed", "--networks", "--seed"), ("--inputs",)),
        },
        excludes={"--widths": ("--width", "--depth"), "MODEL": ("--widths", "--width", "--depth", "--input-dim")},
    ),
    "audit": OptionRules(excludes={**COLUMNS, "--per-layer": ("--columns", "--format json", "--format csv")}),
    "train": OptionRules(alone={"--template": (), "--explain": SHOWN}, excludes=COLUMNS),
    "study": OptionRules(
        alone={"NAME list": SHOWN},
        needs=dict.fromkeys(SHOWN, ("NAME list",)),
        excludes={
            **COLUMNS,
            **{f"NAME {study}": BY_HAND for study in STUDIES_BY_HAND},
            "--jobs": ("--run", "--save"),
        },
    ),
    "runs": OptionRules(excludes=COLUMNS),
}

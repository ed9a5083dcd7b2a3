"""Configuration of a training run: data, model, optimiser, method; read from TOML and hashed to a stable id.

    epochs = 10                       [data]                  [model]                 [optimiser]
    seeds = [0, 1, 2]                 name = "digits"         kind = "mlp"            kind = "sgd"
                                      validation = 0.1        widths = [64, 64]       learning_rate = 0.1

    [method]                          [grid]
    kind = "synaptic-stripping"       "optimiser.learning_rate" = [0.01, 0.1]
    every = 2                         "model.widths" = [[64, 64], [128, 128]]

`[grid]` runs every combination of its lists; each table of a list of tables (`method = [{...}, {...}]`) overrides keys
of the table of that name, here `[method]`. All keys except `epochs` have defaults. The keys of `[model]` in addition to
those of `ModelChoice` depend on its kind (the keywords of the builders in `models`), and the keys of `[method]` depend
on its kind (the keywords of the methods).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from neurondeath_theory.foundation.configuration import (
    check_fields,
    choice_field,
    count_field,
    flag_field,
    real_field,
    text_field,
)
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.input_files import read_toml
from neurondeath_theory.foundation.validation import check_count, invalid, shorten
from neurondeath_theory.foundation.visible_text import visible
from neurondeath_theory.gaussian_limit.edge_of_chaos import KINDS

__all__ = [
    "CHAINS",
    "PARTS",
    "TAILORED",
    "DataChoice",
    "Experiment",
    "MethodChoice",
    "ModelChoice",
    "OptimiserChoice",
    "is_id_of",
    "read_experiment",
    "read_experiments",
    "varying_settings",
]

KINDS_OF_DATA = ("digits", "mnist", "cifar10")
CHAINS = ("mlp", "cnn")  # models whose modules form one plain chain
KINDS_OF_MODEL = ("mlp", "cnn", "lenet", "vgg", "resnet", "vit")
TAILORED = "tailored-leaky-relu"  # a leaky ReLU whose slope follows the depth
ACTIVATIONS = (*KINDS, TAILORED)
INITIALISATIONS = ("default", "he", "rai", "edge-of-chaos", "looks-linear")
NORMALISE = ("input", "layers")
SIGN_FLIPS = ("none", "layer", "neuron")
OPTIMISERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "cosine", "one-cycle", "step")
METHODS = (
    "none",
    "synaptic-stripping",
    "demon-pruning",
    "activate-while-pruning",
    "magnitude-pruning",
    "structured-pruning",
    "redo",
)
MOST_RUNS = 100_000
LONGEST_KEY = 60  # characters of a key in a message
LOOP_VERSION = 1  # part of every id: increased if the loop trains differently

Table = TypeVar("Table")


@dataclass(frozen=True, kw_only=True)
class DataChoice:
    """The data: see `labelled_data.load_labelled_data`."""

    name: str = choice_field("Data set.", KINDS_OF_DATA, "digits")
    n_train: int | None = count_field("Training images, taken from the start; all by default.", None)
    n_test: int | None = count_field("Test images, taken from the start; all by default.", None)
    validation: float = real_field(
        "Share of the training images set aside for validation.", 0.1, low=0.0, high=1.0, high_open=True
    )
    augment: bool = flag_field("Shift images by up to 1/8 of their side; mirror cifar10.", False)

    def __post_init__(self) -> None:
        check_fields(self, "data.")


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The model, its activation and how it is initialised; `options` are the keywords of its builder in `models`.

    A sparsifying activation is designed at `q` from `sparsity` and, if it clips, `v_prime` or `m`; or given directly by
    `tau` and `m`.
    """

    kind: str = choice_field("Architecture; further keys depend on it.", KINDS_OF_MODEL, "mlp")
    activation: str = choice_field(
        "Activation of every hidden layer; the tailored one has the slope for its depth.", ACTIVATIONS, "relu"
    )
    sparsity: float | None = real_field("Share of zeros at q of a sparsifying activation, in (0, 1).", None)
    v_prime: float | None = real_field("V'(q*) of a clipped activation, in (0, 1).", None)
    tau: float | None = real_field("Threshold, in place of sparsity.", None)
    m: float | None = real_field("Clipping height, above 0, in place of v_prime.", None)
    q: float = real_field("Variance q* of the design.", 1.0, low=0.0, low_open=True)
    initialisation: str = choice_field("Law of the weights; default is PyTorch's.", INITIALISATIONS, "default")
    sign_flip: str = choice_field("Sign flip on the training images after the initialisation.", SIGN_FLIPS, "none")
    residual: bool = flag_field("Sums h + phi(W h + b) around the layers of equal width of an mlp or cnn.", False)
    effective_depth: float | None = real_field(
        "Effective depth D, which makes these sums critical residual streams at the edge of chaos.",
        None,
        low=0.0,
        low_open=True,
    )
    normalise: str = choice_field(
        "What critical residual streams bring to q*: every input, or what every layer reads too, which holds zeros.",
        NORMALISE,
        "input",
    )
    fixed_biases: bool = flag_field("Biases of linear and convolutional layers stay as they are drawn.", False)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "model.")
        self._check_streams()
        given = [name for name in ("sparsity", "v_prime", "tau", "m") if getattr(self, name) is not None]
        if self.activation in ("relu", TAILORED):
            if given:
                raise invalid(f"model.{given[0]}", f"be left out for {self.activation}", getattr(self, given[0]))
            return
        if (self.sparsity is None) == (self.tau is None):
            raise invalid("model.sparsity", "be given, or tau in its place", self.sparsity)
        clipped = self.activation.startswith("clipped")
        if self.v_prime is not None and (not clipped or self.sparsity is None or self.m is not None):
            raise invalid("model.v_prime", "stand with sparsity for a clipped activation, without m", self.v_prime)
        if clipped and self.v_prime is None and self.m is None:
            raise invalid("model.m", "be given for a clipped activation, or v_prime in its place", None)
        if not clipped and self.m is not None:
            raise invalid("model.m", "be left out for an activation that does not clip", self.m)

    def _check_streams(self) -> None:
        if self.effective_depth is not None and not self.residual:
            raise invalid("model.effective_depth", "stand with residual = true", self.effective_depth)
        if self.normalise != "input" and self.effective_depth is None:
            raise invalid("model.normalise", "stand with effective_depth", self.normalise)
        if self.residual and self.kind not in CHAINS:
            raise invalid("model.residual", f"be left out for {self.kind}: only mlp and cnn are chains of layers", True)
        if self.activation == TAILORED and self.kind not in CHAINS:
            rule = f"have a depth to be tailored to, that of an mlp or cnn, not of {self.kind}"
            raise invalid("model.activation", rule, self.activation)
        if self.effective_depth is not None and self.initialisation not in ("default", "edge-of-chaos"):
            rule = "be edge-of-chaos or left out with effective_depth, which draws the weights at the edge of chaos"
            raise invalid("model.initialisation", rule, self.initialisation)
        if self.residual and self.initialisation == "looks-linear":
            rule = "be another one with residual: sums are not linear in the layers' inputs"
            raise invalid("model.initialisation", rule, self.initialisation)
        if self.residual and self.sign_flip != "none":
            rule = "be none with residual: flips are defined, and proved, for plain networks"
            raise invalid("model.sign_flip", rule, self.sign_flip)


@dataclass(frozen=True, kw_only=True)
class OptimiserChoice:
    """The optimiser and its learning-rate schedule, which is updated every step."""

    kind: str = choice_field("Optimiser.", OPTIMISERS, "sgd")
    learning_rate: float = real_field("Learning rate at the start.", 0.1, low=0.0)
    momentum: float = real_field("Momentum of sgd.", 0.9, low=0.0, high=1.0, high_open=True)
    weight_decay: float = real_field("Weight decay.", 0.0, low=0.0)
    batch_size: int = count_field("Images per batch.", 64)
    schedule: str = choice_field(
        "Learning rate over the run: cosine falls to 0; one-cycle rises over 30 % of the run and then falls; step "
        "divides the rate by 10 at half and at three quarters of the run.",
        SCHEDULES,
        "constant",
    )
    clip: float | None = real_field("Largest norm of the gradient.", None, low=0.0, low_open=True)

    def __post_init__(self) -> None:
        check_fields(self, "optimiser.")


@dataclass(frozen=True, kw_only=True)
class MethodChoice:
    """The method against dead units during training; `options` are its keywords."""

    kind: str = choice_field("Method during training; further keys depend on it.", METHODS, "none")
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "method.")
        if self.kind == "none" and self.options:
            name = next(iter(self.options))
            raise invalid(f"method.{name}", "be left out for kind none", self.options[name])


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training, without its seed; the name is not part of its id."""

    epochs: int = count_field("Passes over the training images.")
    measure: int = count_field("Training images, taken from the start, on which dead units are measured.", 4096)
    data: DataChoice = field(default_factory=DataChoice)
    model: ModelChoice = field(default_factory=ModelChoice)
    optimiser: OptimiserChoice = field(default_factory=OptimiserChoice)
    method: MethodChoice = field(default_factory=MethodChoice)
    name: str = text_field("A label of the runs; not part of their id.", "")

    def __post_init__(self) -> None:
        check_fields(self)

    @cached_property
    def experiment_id(self) -> str:
        """Hash of all settings that affect the result, except the seed; settings with default values are left out."""
        return _digest(self.description(), LOOP_VERSION)

    def description(self) -> dict[str, Any]:
        """Describe the experiment by the settings that differ from their defaults."""
        parts = {
            name: kept
            for name in ("data", "model", "optimiser", "method")
            if (kept := _without_defaults(getattr(self, name)))
        }
        measure = {} if self.measure == type(self).measure else {"measure": self.measure}
        return {"epochs": self.epochs, **measure, **parts}

    def settings(self) -> dict[str, Any]:
        """Return every setting under its dotted key, including defaults."""
        flat: dict[str, Any] = {"epochs": self.epochs, "measure": self.measure}
        for name in PARTS:
            values = asdict(getattr(self, name))
            values.update(values.pop("options", {}))
            flat.update({f"{name}.{key}": value for key, value in values.items()})
        return flat

    def __str__(self) -> str:
        words = [self.data.name, self.model.kind, self.optimiser.kind]
        words += [self.method.kind] if self.method.kind != "none" else []
        return self.name or ", ".join(words)


PARTS: dict[str, type[Any]] = {
    "data": DataChoice,
    "model": ModelChoice,
    "optimiser": OptimiserChoice,
    "method": MethodChoice,
}
OPEN_PARTS = ("model", "method")  # parts whose further keys are keywords of the model or method


def is_id_of(experiment_id: str, description: Mapping[str, Any]) -> bool:
    """Whether an id is that of a description, under this version of the loop or an older one.

    Examples
    --------
    >>> is_id_of(Experiment(epochs=2).experiment_id, {"epochs": 2}), is_id_of("0123456789abcdef", {"epochs": 2})
    (True, False)
    """
    return any(_digest(description, loop) == experiment_id for loop in range(1, LOOP_VERSION + 1))


def _digest(description: Mapping[str, Any], loop: int) -> str:
    text = json.dumps({"loop": loop, **description}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_experiment(description: Mapping[str, Any]) -> Experiment:
    """Build an experiment from a description as returned by `Experiment.description`."""
    return _experiment(description)


def read_experiments(source: str | Path | Mapping[str, Any]) -> tuple[list[Experiment], list[int]]:
    """Read the experiments of a TOML file, one for every combination of its grid, and their seeds.

    Parameters
    ----------
    source : path or mapping
        The file, or the contents of such a file.

    Returns
    -------
    experiments : list of Experiment
        In the order of the grid; the last list varies fastest.
    seeds : list of int
        Seeds of each experiment; [0] by default.

    Raises
    ------
    InvalidArgumentError
        If the file cannot be read, a key is unknown or a value is out of its domain.

    Examples
    --------
    >>> document = {"epochs": 2, "seeds": [0, 1], "grid": {"optimiser.learning_rate": [0.01, 0.1]}}
    >>> experiments, seeds = read_experiments(document)
    >>> [experiment.optimiser.learning_rate for experiment in experiments], seeds
    ([0.01, 0.1], [0, 1])
    """
    if isinstance(source, Mapping):
        return _experiments(dict(source))
    document = read_toml("CONFIG.toml", source)
    try:
        return _experiments(document)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{shorten(str(source))}: {error}") from None


def _experiments(document: dict[str, Any]) -> tuple[list[Experiment], list[int]]:
    """Read the experiments of a document."""
    seeds = _read_seeds(document.pop("seeds", [0]))
    grid = document.pop("grid", {})
    if not isinstance(grid, Mapping) or not all(isinstance(values, list) and values for values in grid.values()):
        raise invalid("grid", 'hold non-empty lists, as "optimiser.learning_rate" = [0.01, 0.1]', grid)
    n_runs = len(seeds)
    for values in grid.values():
        n_runs *= len(values)
    if n_runs > MOST_RUNS:
        raise invalid("grid", f"define at most {MOST_RUNS} runs", n_runs)
    experiments = []
    for values in product(*grid.values()):
        chosen = {key: dict(value) if isinstance(value, Mapping) else value for key, value in document.items()}
        for key, value in zip(grid, values, strict=True):
            _place(chosen, key, value)
        experiments.append(_experiment(chosen))
    return experiments, seeds


def _read_seeds(seeds: Any) -> list[int]:
    if not isinstance(seeds, Sequence) or isinstance(seeds, str) or not seeds:
        raise invalid("seeds", "be a non-empty list of whole numbers", seeds)
    checked = [check_count(f"seeds[{i}]", seed, least=0) for i, seed in enumerate(seeds)]
    if len(set(checked)) < len(checked):
        raise invalid("seeds", "be distinct", seeds)
    return checked


def _place(document: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; a table overrides keys of an existing one."""
    part, dot, name = key.partition(".")
    if not dot:
        held = document.get(part)
        document[part] = {**held, **value} if isinstance(held, dict) and isinstance(value, Mapping) else value
        return
    table = document.setdefault(part, {})
    if not isinstance(table, dict):
        raise invalid(_shown(part), "be a table", table)
    table[name] = value


def _experiment(document: Mapping[str, Any]) -> Experiment:
    known = [f.name for f in fields(Experiment)]
    for key in document:
        if key not in known:
            raise invalid(_shown(key), f"be one of {', '.join([*known, 'seeds', 'grid'])}", document[key])
    if "epochs" not in document:
        raise invalid("epochs", "be given", None)
    plain = {key: value for key, value in document.items() if key not in PARTS}
    return Experiment(**plain, **{name: _part(name, document.get(name, {})) for name in PARTS})


def _part(name: str, table: Any) -> Any:
    if not isinstance(table, Mapping):
        raise invalid(name, "be a table", table)
    known = [f.name for f in fields(PARTS[name]) if f.name != "options"]
    own = {key: value for key, value in table.items() if key in known}
    further = {key: value for key, value in table.items() if key not in known}
    if further and name not in OPEN_PARTS:
        key = next(iter(further))
        raise invalid(f"{name}.{_shown(key)}", f"be one of {', '.join(known)}", further[key])
    for key in further:
        if not str(key).isidentifier():
            raise invalid(f"{name}.{_shown(key)}", "be a word of letters, digits and _", key)
    return PARTS[name](**own, **({"options": further} if further else {}))


def _shown(key: object) -> str:
    """Return a key of a file as it is named in a message."""
    return visible(str(key)[:LONGEST_KEY])


def varying_settings(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the settings in which runs differ, except the number of epochs.

    Examples
    --------
    >>> varying_settings([{"a": 1, "b": 2, "epochs": 3}, {"a": 1, "b": 3, "c": 0, "epochs": 4}])
    ['b', 'c']
    """
    keys = dict.fromkeys(key for each in settings for key in each if key != "epochs")
    return [key for key in keys if len({repr(each.get(key)) for each in settings}) > 1]


def _without_defaults(part: Any) -> dict[str, Any]:
    values = asdict(part)
    defaults = {f.name: f.default for f in fields(part) if f.default is not MISSING}
    kept = {name: value for name, value in values.items() if name != "options" and value != defaults.get(name)}
    return {**kept, **values.get("options", {})}

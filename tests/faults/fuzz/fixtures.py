"""The good files that invocations name, made once per campaign by the program itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

__all__ = ["make_fixtures", "use_fixtures"]

MODEL = """import torch


def build():
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
"""
EXPERIMENT = """epochs = 1
measure = 32
[data]
n_train = 64
n_test = 32
[model]
width = 4
depth = 1
"""
GRID = """[[study]]
width = [3]
depth = [4]
inputs = ["gaussian:8"]
"""
TABLES = ("collapse", "activations", "absorbing_walk")
SIMULATE = ("simulate", "--depth", "4", "--trials", "20", "--quiet")
TRAIN = ("train", "good_experiment.toml", "--quiet", "--store", "good_runs.sqlite")
SAVE = "import torch, good_model; torch.save(good_model.build().state_dict(), 'good_weights.pt')"

STORES = ("simulate", "results", "merge", "plot", "check", "train", "study", "runs")

# file or folder whose making needs a command -> the subcommands whose cases may name it
OF_SUBCOMMANDS = {
    "good_store.sqlite": STORES,
    "good_runs.sqlite": STORES,
    "good_other.sqlite": ("simulate", "results", "merge", "plot"),
    "good_claims.toml": ("check",),
    "good_weights.pt": ("audit", "forecast"),
    "good_tables": ("figures", "check", "study"),
}


def make_fixtures(folder, environment, subcommands):
    """Make the good files that some subcommands need in a folder; those that are there stay."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    points = np.random.default_rng(0).normal(size=(6, 4))
    np.save(folder / "good_points.npy", points)
    np.savez(folder / "good_points.npz", points=points)
    (folder / "good_model.py").write_text(MODEL)
    (folder / "good_experiment.toml").write_text(EXPERIMENT)
    (folder / "good_long.toml").write_text(EXPERIMENT.replace("epochs = 1", "epochs = 3000"))
    (folder / "good_grid.toml").write_text(GRID)

    def run(*words):
        done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    command = ("-m", "neurondeath")
    makers = {
        "good_store.sqlite": lambda: run(*command, *SIMULATE, "--width", "2,3", "--store", "good_store.sqlite"),
        "good_other.sqlite": lambda: run(*command, *SIMULATE, "--width", "4", "--store", "good_other.sqlite"),
        "good_claims.toml": lambda: (folder / "good_claims.toml").write_text(
            run(*command, "check", "--claim-template")
        ),
        "good_runs.sqlite": lambda: run(*command, *TRAIN),
        "good_weights.pt": lambda: run("-c", SAVE),
        "good_tables": lambda: run(*command, "figures", *TABLES, "--quick", "--out", "good_tables"),
    }
    for name, make in makers.items():
        if set(OF_SUBCOMMANDS[name]) & set(subcommands) and not (folder / name).exists():
            make()
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)


def use_fixtures(source, folder, subcommand, words):
    """Copy the good files that the words of an invocation name, as far as its subcommand has them."""
    joined = "\n".join(words)
    for entry in os.scandir(source):
        if subcommand not in OF_SUBCOMMANDS.get(entry.name.removesuffix(".checkpoints"), (subcommand,)):
            continue
        if entry.name not in joined and not (entry.name == "good_points.npy" and "good_grid" in joined):
            continue
        if entry.is_dir():
            shutil.copytree(entry.path, Path(folder, entry.name))
        else:
            shutil.copy(entry.path, Path(folder, entry.name))

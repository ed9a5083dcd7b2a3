"""Checks of a campaign before any of its work: what cannot end well leaves nothing behind, and does not take hours."""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.training.campaign import Run
from neurondeath_torch.training.labelled_data import LabelledData
from neurondeath_torch.training.loop import load_experiment_data
from neurondeath_torch.training.method_building import build_method, cycle_epochs
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.optimisers import make_optimiser
from neurondeath_torch.training.run_store import RunStore
from neurondeath_torch.training.task_sequences import TaskSequence

__all__ = ["check_checkpoint_folder", "check_runs", "check_store"]

BUILDING_SECONDS = 10.0  # of building networks in advance; those that are left are checked when their turn comes


def check_store(name: str, path: Path, runs: Iterable[Run] = ()) -> None:
    """Check that runs can be stored in a file; nothing is made or changed.

    Parameters
    ----------
    name : str
        Name of the argument in messages.
    path : path
        The store, or where it will be made.
    runs : iterable of (Experiment, seed)
        What will be stored; those of them that are stored already must be readable.

    Raises
    ------
    InvalidArgumentError
        If no file can be made there.
    RunStoreError
        If what is there is not a store of training runs, or one of the runs is damaged.
    """
    if os.path.lexists(path):
        with RunStore(path, readonly=True) as store:
            for experiment, seed in runs:
                store.run(experiment.experiment_id, seed)
        if not os.access(path, os.W_OK):
            raise invalid(name, "name a file that you can write", str(path))
    _check_folder(name, path, "file")


def check_checkpoint_folder(name: str, folder: Path) -> None:
    """Check that a folder is there or can be made, and can be written.

    Raises
    ------
    InvalidArgumentError
        If it cannot.
    """
    if not os.path.lexists(folder):
        _check_folder(name, folder, "folder")
    elif not folder.is_dir():
        raise invalid(name, "name a folder", str(folder))
    elif not os.access(folder, os.W_OK | os.X_OK):
        raise invalid(name, "name a folder that you can write", str(folder))


def check_runs(runs: Sequence[Run], data_dir: str | Path | None = None) -> None:
    """Check that the data are there, and that models and methods of runs can be built, as far as this takes seconds.

    Raises
    ------
    InvalidArgumentError
        If data are missing, or parts of an experiment are incompatible.
    """
    begun = time.monotonic()
    by_data: dict[str, dict[str, Run]] = {}
    for experiment, seed in runs:
        by_data.setdefault(repr(experiment.data), {}).setdefault(experiment.experiment_id, (experiment, seed))
    for experiments in by_data.values():
        first, *_ = experiments.values()
        data = load_experiment_data(first[0], data_dir)
        for run in experiments.values():
            if time.monotonic() - begun < BUILDING_SECONDS:
                _build(run, data)


def _build(run: Run, data: LabelledData) -> None:
    experiment, seed = run
    cycle_epochs(experiment)
    data = TaskSequence(experiment.tasks, data, seed=seed, epochs=experiment.epochs).data_of(0)
    model = build_model(experiment.model, data.shape, data.n_classes, seed=seed, images=data.train.images)
    optimiser = make_optimiser(experiment.optimiser, model.parameters())
    build_method(experiment, model, optimiser, data, seed=seed, steps=1)


def _check_folder(name: str, path: Path, what: str) -> None:
    try:
        if not path.parent.is_dir():
            raise invalid(name, f"name a {what} in a folder that exists", str(path), f"make {path.parent} first")
    except ValueError as error:  # a null character in the path
        raise invalid(name, f"name a {what}", str(path), reason=str(error)) from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise invalid(name, f"name a {what} in a folder that you can write", str(path))

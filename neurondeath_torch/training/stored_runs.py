"""A run as read from a store, and the checks of its rows: a row that is not as it was written is a ValueError."""

import math
from dataclasses import dataclass, field
from typing import Any

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.visible_text import visible
from neurondeath_torch.training.configuration import is_id_of
from neurondeath_torch.training.experiment_files import read_experiment
from neurondeath_torch.training.run_rows import read_measured, read_object
from neurondeath_torch.training.run_schema import epoch_checksum, run_checksum
from neurondeath_torch.training.task_choice import all_epochs

__all__ = ["StoredRun", "add_epoch", "read_head", "run_words"]

LONGEST_NAME = 10_000
LARGEST_SEED = 2**63 - 1
LONGEST_WORD = 40


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """One run as read from a store.

    Attributes
    ----------
    experiment_id, seed, name : str, int, str
        The run.
    description : dict
        The settings of the experiment that differ from their defaults.
    provenance : dict
        Versions, processor, device and threads at its start.
    epochs : list of dict
        Measurements, one dict per epoch, starting with epoch 0 (before training).
    resumed : dict of int to dict
        Provenance of the epochs that were trained elsewhere than the run began.
    started : float
        Seconds since 1970.
    """

    experiment_id: str
    seed: int
    name: str
    description: dict[str, Any]
    provenance: dict[str, Any]
    epochs: list[dict[str, Any]]
    resumed: dict[int, dict[str, Any]] = field(default_factory=dict)
    started: float = 0.0

    def provenance_of(self, epoch: int) -> dict[str, Any]:
        """Return where an epoch was trained."""
        return self.resumed.get(epoch, self.provenance)

    @property
    def finished(self) -> bool:
        """Whether all of its epochs are stored, or it diverged."""
        diverged = bool(self.epochs and self.epochs[-1].get("diverged"))
        return diverged or len(self.epochs) > all_epochs(self.description)


def read_head(row: tuple[Any, ...]) -> StoredRun:
    """Read the row of a run, without its epochs.

    Parameters
    ----------
    row : tuple
        experiment_id, seed, name, description, provenance, started, checksum; the checksum is None in schema 1.

    Raises
    ------
    ValueError
        If it is not as it was written.
    """
    experiment_id, seed, name, description, provenance, started, checksum = row
    try:
        if checksum not in (None, run_checksum(*row[:-1])):
            raise ValueError("the checksum differs")
        settings = read_object(description)
        if not is_id_of(experiment_id, settings):
            raise ValueError("its id is not that of its settings")
        if type(seed) is not int or not 0 <= seed <= LARGEST_SEED or len(name) > LONGEST_NAME:
            raise ValueError("a value is out of range")
        if not math.isfinite(started):
            raise ValueError("a time is out of range")
        read_experiment(settings)
        made = read_object(provenance)
    except (TypeError, InvalidArgumentError) as error:
        raise ValueError(str(error)) from None
    return StoredRun(
        experiment_id=experiment_id,
        seed=seed,
        name=name,
        description=settings,
        provenance=made,
        epochs=[],
        started=float(started),
    )


def add_epoch(run: StoredRun, row: tuple[Any, ...], *, words: bool) -> None:
    """Read the row of the next epoch of a run.

    Parameters
    ----------
    run : StoredRun
        The run with the epochs before it; changed in place.
    row : tuple
        epoch, made, measured, checksum; the checksum is None in schema 1.
    words : bool
        Accept NaN and Infinity without quotes, as in schema 1.

    Raises
    ------
    ValueError
        If it is not as it was written, or another epoch is the next one.
    """
    epoch, made, measured, checksum = row
    goal = all_epochs(run.description)
    if type(epoch) is not int or epoch != len(run.epochs) or epoch > goal:
        raise ValueError(f"it follows {len(run.epochs)} epochs of {goal}")
    try:
        if checksum not in (None, epoch_checksum(run.experiment_id, run.seed, epoch, made, measured)):
            raise ValueError("the checksum differs")
        place = read_object(made) if made else None
        run.epochs.append(read_measured(measured, epoch, words=words))
    except TypeError as error:
        raise ValueError(str(error)) from None
    if place is not None:
        run.resumed[epoch] = place


def run_words(experiment_id: Any, seed: Any) -> str:
    """Name a run in a message."""
    return f"run {_cut(experiment_id)}, seed {_cut(seed)}"


def _cut(value: Any) -> str:
    return visible(str(value)[:LONGEST_WORD])

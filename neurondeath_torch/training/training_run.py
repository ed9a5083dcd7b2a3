"""The result of a training: what was measured every epoch, and the trained network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_torch.training.configuration import Experiment

__all__ = ["TrainingRun"]


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Result):
    """Result of one training.

    Attributes
    ----------
    experiment : Experiment
        The experiment.
    seed : int
        Its seed.
    epochs : tuple of dict
        Measurements, one dict per epoch, starting with epoch 0 (before training); see `measurements` and `forecasts`.
    finished : bool
        Whether the run is complete; False if it was stopped.
    model : nn.Module or None
        The network after the last epoch; None if the run was read from a store without a checkpoint.
    """

    experiment: Experiment
    seed: int
    epochs: tuple[Mapping[str, Any], ...]
    finished: bool
    model: nn.Module | None = None

    @property
    def last(self) -> Mapping[str, Any]:
        """Measurements of the last epoch."""
        return self.epochs[-1]

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table: the measurements that are single numbers, one row per epoch."""
        names = [name for name, value in self.last.items() if not isinstance(value, (list, dict))]
        return {name: [epoch.get(name) for epoch in self.epochs] for name in names}

    def __str__(self) -> str:
        last = self.last
        ended = "diverged" if last["diverged"] else "" if self.finished else "stopped"
        quality = "test_loss" if last["test_accuracy"] is None else "test_accuracy"
        return (
            f"{self.experiment}, seed {self.seed}: {quality.replace('_', ' ')} {format_number(last[quality])} after "
            f"{last['epoch']} epochs, {last['dead_units']} of {last['units']} units dead, "
            f"{last['active_parameters']} active parameters" + (f"; {ended}" if ended else "")
        )

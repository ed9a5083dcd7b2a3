"""Progress of training runs, on stderr."""

import time
from collections.abc import Mapping
from typing import Any

from neurondeath.commands.messages import message
from neurondeath_torch.training.configuration import Experiment

__all__ = ["RunLines"]

PLAIN_SECONDS = 5.0  # between lines about the epochs of a run


class RunLines:
    """A line on stderr for every finished run, and every few seconds for an epoch."""

    def __init__(self, n_runs: int, *, quiet: bool) -> None:
        self.n_runs, self.quiet = n_runs, quiet
        self.done = 0
        self.begun = self.last = time.monotonic()

    def epoch_done(self, experiment: Experiment, seed: int, measured: Mapping[str, Any] | None) -> None:
        """Report an epoch, unless there was a line within the last seconds."""
        if not self.quiet and measured is not None and time.monotonic() - self.last > PLAIN_SECONDS:
            self._report(f"  epoch {measured.get('epoch')}/{experiment.epochs} of {experiment}, seed {seed}", measured)

    def run_done(self, experiment: Experiment, seed: int, measured: Mapping[str, Any] | None) -> None:
        """Report a finished run."""
        self.done += 1
        if not self.quiet and measured is not None:
            left = (time.monotonic() - self.begun) * (self.n_runs / self.done - 1)
            self._report(f"run {self.done}/{self.n_runs}, about {left:.0f} s left: {experiment}, seed {seed}", measured)

    def _report(self, what: str, measured: Mapping[str, Any]) -> None:
        self.last = time.monotonic()
        units = f"{measured.get('dead_units')} of {measured.get('units')} units dead"
        dead = "diverged" if measured.get("diverged") else units
        accuracy = measured.get("test_accuracy")
        message(f"{what}: test accuracy {'unknown' if accuracy is None else f'{accuracy:.4f}'}, {dead}")

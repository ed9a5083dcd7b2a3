"""Progress of training runs, on stderr."""

import time
from collections.abc import Mapping
from typing import Any

from neurondeath.commands.messages import message
from neurondeath_theory.foundation.progress import clock
from neurondeath_torch.training.configuration import Experiment

__all__ = ["RunLines"]

PLAIN_SECONDS = 5.0  # between lines about the epochs of a run
STORED_SECONDS = 0.1  # in which a resumed run reports the epochs that it does not train again


class RunLines:
    """A line on stderr for every finished run, and every few seconds for an epoch."""

    def __init__(self, n_runs: int, *, quiet: bool) -> None:
        self.n_runs, self.quiet = n_runs, quiet
        self.done = 0
        self.begun = self.last = time.monotonic()
        self.run: tuple[Experiment, int] | None = None  # the run in progress, the time of its line and its epoch then
        self.first, self.first_epoch = self.begun, 0

    def epoch_done(self, experiment: Experiment, seed: int, measured: Mapping[str, Any] | None) -> None:
        """Report an epoch, unless there was a line within the last seconds."""
        if measured is None:
            return
        epoch, goal, now = int(measured.get("epoch") or 0), experiment.all_epochs, time.monotonic()
        if self.run != (experiment, seed):
            self.run, self.first, self.first_epoch = (experiment, seed), now, epoch
        elif now - self.first < STORED_SECONDS:
            self.first_epoch = epoch
        if self.quiet or now - self.last <= PLAIN_SECONDS:
            return
        trained = epoch - self.first_epoch
        left = f", about {clock((now - self.first) / trained * (goal - epoch))} left" if trained else ""
        task = f", task {measured['task'] + 1}/{experiment.tasks.number}" if measured.get("task") is not None else ""
        self._report(f"  epoch {epoch}/{goal}{task}{left} of {experiment}, seed {seed}", measured)

    def run_done(self, experiment: Experiment, seed: int, measured: Mapping[str, Any] | None) -> None:
        """Report a finished run."""
        self.done += 1
        if not self.quiet and measured is not None:
            left = (time.monotonic() - self.begun) * (self.n_runs / self.done - 1)
            self._report(
                f"run {self.done}/{self.n_runs}, about {clock(left)} left: {experiment}, seed {seed}", measured
            )

    def _report(self, what: str, measured: Mapping[str, Any]) -> None:
        self.last = time.monotonic()
        units = f"{measured.get('dead_units')} of {measured.get('units')} units dead"
        dead = "diverged" if measured.get("diverged") else units
        accuracy, loss = measured.get("test_accuracy"), measured.get("test_loss")
        found = f"test accuracy {accuracy:.4f}" if accuracy is not None else f"test loss {loss:.4g}" if loss else ""
        message(f"{what}: {found or 'test accuracy unknown'}, {dead}")

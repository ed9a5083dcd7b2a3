"""Progress of a run, in trials, tasks and time left, on the display of the process."""

import time
from types import TracebackType
from typing import Self

from neurondeath_theory.foundation.progress import Display, PlainLines, clock, new_display

__all__ = ["Progress"]


class Progress:
    """Count finished trials of a run.

    Parameters
    ----------
    n_tasks : int
        Tasks still to do.
    n_trials : int or None
        Trials still to do; None if only a time limit ends the run.
    quiet : bool
        Show nothing.
    seconds : float, optional
        Time the run may take.
    what : str
        Text before the word "tasks", for a preliminary step, which prints no plain lines at its start and end.
    """

    def __init__(
        self, n_tasks: int, n_trials: int | None, *, quiet: bool = False, seconds: float | None = None, what: str = ""
    ) -> None:
        self.n_tasks, self.n_trials, self.seconds, self.what = n_tasks, n_trials, seconds, what
        self.tasks_done, self.trials_done = 0, 0
        self.quiet = quiet or n_tasks == 0
        self._display: Display | None = None
        self._begun = self._last = time.monotonic()

    def __enter__(self) -> Self:
        if not self.quiet:
            self._display = new_display()
            if not (self.what and isinstance(self._display, PlainLines)):
                self._show(time.monotonic())
        return self

    def advance(self, trials: int, *, task_done: bool = False) -> None:
        """Count a finished shard."""
        self.trials_done += trials
        self.tasks_done += task_done
        now = time.monotonic()
        if self._display is not None and now - self._last > self._display.seconds:
            self._show(now)

    def say(self, message: str) -> None:
        """Print a message above the progress display."""
        if self._display is not None:
            self._display.say(message)

    def seconds_left(self) -> float | None:
        """Estimate the remaining time; None before the first trials are done."""
        elapsed = time.monotonic() - self._begun
        guesses = []
        if self.seconds is not None:
            guesses.append(max(self.seconds - elapsed, 0.0))
        if self.n_trials is not None and self.trials_done:
            guesses.append(elapsed * (self.n_trials / self.trials_done - 1))
        return min(guesses, default=None)

    def _show(self, now: float) -> None:
        self._last = now
        left = self.seconds_left()
        share = 0.0 if left is None else (now - self._begun) / max(now - self._begun + left, 1e-9)
        if self._display is not None:
            self._display.update(share, self._tasks(), self._trials())

    def _tasks(self) -> str:
        return f"{self.what}tasks {self.tasks_done}/{self.n_tasks}"

    def _trials(self) -> str:
        elapsed = time.monotonic() - self._begun
        rate = f"{self.trials_done / max(elapsed, 1e-9):.0f}/s" if self.trials_done else "starting"
        left = self.seconds_left()
        more = f", {clock(left)} left" if left is not None and self.trials_done != self.n_trials else ""
        of = "" if self.n_trials is None else f"/{self.n_trials}"
        return f"{self.trials_done}{of} trials, {rate}{more}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            if not (self.what and isinstance(self._display, PlainLines)):
                self._show(time.monotonic())
            self._display.close()

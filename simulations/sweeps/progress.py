"""How far a run has come, on stderr: a bar on a terminal, a plain line now and then elsewhere, or nothing."""

import sys
import time
from types import TracebackType
from typing import Any, Self

__all__ = ["Progress"]

PLAIN_SECONDS = 5.0  # between plain lines
BAR_SECONDS = 0.1  # between updates of the bar


class Progress:
    """Count finished trials of a run.

    Parameters
    ----------
    n_tasks : int
        Tasks still to do.
    n_trials : int or None
        Trials still to do; None where time alone ends the run.
    quiet : bool
        Show nothing.
    seconds : float, optional
        Time the run may take.
    what : str
        What comes before the word "tasks"; a preliminary step has such a name, and no plain lines at its ends.
    """

    def __init__(
        self, n_tasks: int, n_trials: int | None, *, quiet: bool = False, seconds: float | None = None, what: str = ""
    ) -> None:
        self.n_tasks, self.n_trials, self.seconds, self.what = n_tasks, n_trials, seconds, what
        self.tasks_done, self.trials_done = 0, 0
        self.quiet = quiet or n_tasks == 0
        self._bar: Any = None
        self._begun = self._last = time.monotonic()

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.fields[tasks]}"),
                BarColumn(),
                TextColumn("{task.fields[trials]}"),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._row = self._bar.add_task("", total=1.0, tasks=self._tasks(), trials=self._trials())
        elif not self.quiet and not self.what:
            self._line()
        return self

    def advance(self, trials: int, *, task_done: bool = False) -> None:
        """Count a finished shard."""
        self.trials_done += trials
        self.tasks_done += task_done
        if self.quiet:
            return
        now = time.monotonic()
        if now - self._last > (PLAIN_SECONDS if self._bar is None else BAR_SECONDS):
            self._show(now)

    def say(self, message: str) -> None:
        """Print a message beside the bar."""
        if self._bar is not None:
            self._bar.console.print(message, highlight=False)
        elif not self.quiet:
            print(message, file=sys.stderr, flush=True)

    def seconds_left(self) -> float | None:
        """Guess how long the rest takes; None before anything is known."""
        elapsed = time.monotonic() - self._begun
        guesses = []
        if self.seconds is not None:
            guesses.append(max(self.seconds - elapsed, 0.0))
        if self.n_trials is not None and self.trials_done:
            guesses.append(elapsed * (self.n_trials / self.trials_done - 1))
        return min(guesses, default=None)

    def _show(self, now: float) -> None:
        self._last = now
        if self._bar is None:
            self._line()
            return
        left = self.seconds_left()
        share = 0.0 if left is None else (now - self._begun) / max(now - self._begun + left, 1e-9)
        self._bar.update(self._row, completed=share, tasks=self._tasks(), trials=self._trials())

    def _tasks(self) -> str:
        return f"{self.what}tasks {self.tasks_done}/{self.n_tasks}"

    def _trials(self) -> str:
        elapsed = time.monotonic() - self._begun
        rate = f"{self.trials_done / max(elapsed, 1e-9):.0f}/s" if self.trials_done else "starting"
        left = self.seconds_left()
        more = f", {_clock(left)} left" if left is not None and self.trials_done != self.n_trials else ""
        of = "" if self.n_trials is None else f"/{self.n_trials}"
        return f"{self.trials_done}{of} trials, {rate}{more}"

    def _line(self) -> None:
        self.say(f"{self._tasks()}, {self._trials()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.quiet and (self._bar is not None or not self.what):
            self._show(time.monotonic())
        if self._bar is not None:
            self._bar.stop()


def _clock(seconds: float) -> str:
    """Write a time in the unit that fits.

    Examples
    --------
    >>> _clock(7.2), _clock(125), _clock(7300)
    ('7 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

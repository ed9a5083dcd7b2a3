"""How far a run has come, on stderr: a bar on a terminal, a plain line now and then elsewhere, or nothing."""

import sys
import time
from types import TracebackType
from typing import Any, Self

__all__ = ["Progress"]

PLAIN_SECONDS = 5.0  # between plain lines


class Progress:
    """Count finished trials of a run.

    Parameters
    ----------
    n_tasks, n_trials : int
        Tasks and trials still to do.
    quiet : bool
        Show nothing.
    """

    def __init__(self, n_tasks: int, n_trials: int, *, quiet: bool = False) -> None:
        self.n_tasks, self.n_trials = n_tasks, n_trials
        self.tasks_done, self.trials_done = 0, 0
        self.quiet = quiet or n_trials == 0
        self._bar: Any = None
        self._begun = self._last = time.monotonic()

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.fields[tasks]}"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f} trials, {task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._row = self._bar.add_task("", total=self.n_trials, tasks=self._tasks(), rate=self._rate())
        elif not self.quiet:
            self._line()
        return self

    def advance(self, trials: int, *, task_done: bool = False) -> None:
        """Count a finished shard."""
        self.trials_done += trials
        self.tasks_done += task_done
        if self._bar is not None:
            self._bar.update(self._row, advance=trials, tasks=self._tasks(), rate=self._rate())
        elif not self.quiet and time.monotonic() - self._last > PLAIN_SECONDS:
            self._line()

    def say(self, message: str) -> None:
        """Print a message beside the bar."""
        if self._bar is not None:
            self._bar.console.print(message, highlight=False)
        elif not self.quiet:
            print(message, file=sys.stderr, flush=True)

    def _tasks(self) -> str:
        return f"tasks {self.tasks_done}/{self.n_tasks}"

    def _rate(self) -> str:
        elapsed = time.monotonic() - self._begun
        return f"{self.trials_done / elapsed:.0f}/s" if self.trials_done else "starting"

    def _line(self) -> None:
        self._last = time.monotonic()
        left = ""
        if 0 < self.trials_done < self.n_trials:
            elapsed = self._last - self._begun
            left = f", {elapsed * (self.n_trials / self.trials_done - 1):.0f} s left"
        self.say(f"{self._tasks()}, {self.trials_done}/{self.n_trials} trials, {self._rate()}{left}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif not self.quiet:
            self._line()

"""Where long work reports how far it has come: plain lines on stderr, in a notebook a bar, or what replaces them.

The libraries know no screen. Who has one, such as the command line, names its display by `use_display`.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from neurondeath_theory.foundation.notebook_display import NotebookBar, in_notebook
from neurondeath_theory.foundation.validation import check_flag

__all__ = [
    "Display",
    "PatientProgress",
    "PlainLines",
    "clock",
    "displays_made",
    "is_quiet",
    "new_display",
    "notebook_progress",
    "use_display",
]

PLAIN_SECONDS = 5.0  # between lines


class Display(Protocol):
    """What shows the progress of one piece of work."""

    seconds: float  # least time between two updates

    def update(self, share: float, what: str, how_far: str) -> None:
        """Show that a share, in [0, 1], is done: what is being done, and how far it is in words."""

    def say(self, message: str) -> None:
        """Print a message beside the progress."""

    def close(self) -> None:
        """End the display."""


class PlainLines:
    """A line on stderr now and then."""

    seconds = PLAIN_SECONDS

    def update(self, share: float, what: str, how_far: str) -> None:
        """Print one line."""
        self.say(f"{what}, {how_far}")

    def say(self, message: str) -> None:
        """Print one line."""
        print(message, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing: the lines stay."""


def _usual() -> Display:
    return NotebookBar() if in_notebook() else PlainLines()


_maker: Callable[[], Display] = _usual
_made = 0


def use_display(maker: Callable[[], Display]) -> None:
    """Show all progress from now on in what `maker` makes."""
    global _maker
    _maker = maker


def new_display() -> Display:
    """Return a display for a piece of work that begins."""
    global _made
    _made += 1
    return _maker()


def displays_made() -> int:
    """Count the displays of this process so far."""
    return _made


class PatientProgress:
    """Count the steps of work, and show them once it has taken some seconds.

    Parameters
    ----------
    what : str
        The work.
    total : int
        Number of steps; 0 if it is not known.
    step : str
        What a step is, where that is not plain.
    patience : float
        Seconds without a display; none in a notebook, whose bar waits for itself.
    """

    def __init__(self, what: str, total: int, *, step: str = "", patience: float = PLAIN_SECONDS) -> None:
        self._what, self._total, self._step = what, total, f"{step} " if step else ""
        self._patience = 0.0 if in_notebook() else patience
        self._done = 0
        self._display: Display | None = None
        self._begun = self._last = time.monotonic()

    def step(self, remark: str = "") -> None:
        """Count a step; show how many are done, the time left and the remark if the last update is old."""
        self._done += 1
        now = time.monotonic()
        wait = self._patience if self._display is None else self._display.seconds
        ended = self._done == self._total and isinstance(self._display, NotebookBar)  # its last state stays
        if not ended and (now - self._last < wait or (self._display is None and self._done == self._total)):
            return
        self._display, self._last = self._display or new_display(), now
        done, total = self._done, self._total
        how_far = f"{self._step}{done}{f'/{total}' if total else ''}"
        if done < total:
            how_far += f", about {clock((now - self._begun) * (total / done - 1))} left"
        share = min(done / total, 1.0) if total else 0.0
        self._display.update(share, self._what, how_far + (f", {remark}" if remark else ""))

    def close(self) -> None:
        """End the display."""
        if self._display is not None:
            self._display.close()


def is_quiet(quiet: bool | None) -> bool:
    """Validate a wish for silence; without one, only a notebook is not quiet.

    Raises
    ------
    InvalidArgumentError
        If it is neither True, False nor None.
    """
    return not in_notebook() if quiet is None else check_flag("quiet", quiet)


@contextmanager
def notebook_progress(what: str, total: int, *, step: str = "") -> Iterator[PatientProgress | None]:
    """Count the steps of work that shows progress in a notebook only; None elsewhere.

    Parameters
    ----------
    what, total, step
        As for `PatientProgress`.
    """
    progress = PatientProgress(what, total, step=step) if in_notebook() else None
    try:
        yield progress
    finally:
        if progress is not None:
            progress.close()


def clock(seconds: float) -> str:
    """Format a time in suitable units.

    Examples
    --------
    >>> clock(7.2), clock(125), clock(7300)
    ('7 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

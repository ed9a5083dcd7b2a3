"""How long a list of works will still take, for the lines that a terminal shows of them."""

import sys
import time

from neurondeath_theory.foundation.progress import clock

__all__ = ["TimeLeft"]


class TimeLeft:
    """Estimate the time left from the mean of the works that are done.

    Parameters
    ----------
    total : int
        Number of works.
    """

    def __init__(self, total: int) -> None:
        self._total, self._begun = total, time.monotonic()

    def text(self, done: int) -> str:
        """Return ", about ... left" once something is done; nothing where stderr is no terminal."""
        if not sys.stderr.isatty() or not 0 < done < self._total:
            return ""
        return f", about {clock((time.monotonic() - self._begun) * (self._total / done - 1))} left"

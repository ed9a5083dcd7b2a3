"""Where long work reports how far it has come: one display per process, plain lines on stderr unless replaced.

The libraries know no screen. Who has one, such as the command line, replaces `PlainLines` by `use_display`.
"""

import sys
from collections.abc import Callable
from typing import Protocol

__all__ = ["Display", "PlainLines", "displays_made", "new_display", "use_display"]

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


_maker: Callable[[], Display] = PlainLines
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

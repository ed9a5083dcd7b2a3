"""Progress of a command that works through a list, on stderr, once it has taken some seconds."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from neurondeath_theory.foundation.progress import Display, new_display

__all__ = ["with_progress"]

PATIENCE = 2.0  # seconds without a word

Item = TypeVar("Item")


def with_progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """Generate the items, and report how many of them are done.

    Parameters
    ----------
    items : sequence
        What is worked through.
    what : str
        What they are, in the plural.
    """
    display: Display | None = None
    last = time.monotonic()
    try:
        for done, item in enumerate(items):
            now = time.monotonic()
            if now - last > (PATIENCE if display is None else display.seconds):
                display = display or new_display()
                display.update(done / len(items), what, f"{done}/{len(items)}")
                last = now
            yield item
    finally:
        if display is not None:
            display.close()

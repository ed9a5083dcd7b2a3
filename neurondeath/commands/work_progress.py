"""Progress of a command on stderr once it has taken some seconds: of a list, or that a single computation goes on."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from neurondeath.commands.messages import lines_begun, message
from neurondeath_theory.foundation.progress import PatientProgress, displays_made

__all__ = ["signs_of_life", "with_progress"]

PATIENCE = 2.0  # seconds without a word
SIGNS = (5.0, 15.0, 30.0, 60.0)  # seconds of the run after which a silent command says that it works; then by minutes

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
    progress = PatientProgress(what, len(items), patience=PATIENCE)
    try:
        for item in items:
            yield item
            progress.step()
    finally:
        progress.close()


@contextmanager
def signs_of_life(name: str, begun: float | None = None) -> Iterator[None]:
    """Print a line now and then while a command works without progress of its own.

    Parameters
    ----------
    name : str
        The command.
    begun : float, optional
        When the run began, by `time.monotonic`; now by default.
    """
    since = time.monotonic() if begun is None else begun
    ended, before = threading.Event(), _shown()

    def speak() -> None:
        number = 0
        while True:
            next_sign = SIGNS[number] if number < len(SIGNS) else SIGNS[-1] * (number - len(SIGNS) + 2)
            if ended.wait(max(since + next_sign - time.monotonic(), 0.0)) or _shown() != before:
                return
            message(f"{name}: working for {next_sign:.0f} s")
            number += 1

    threading.Thread(target=speak, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _shown() -> tuple[int, int]:
    return displays_made(), lines_begun()

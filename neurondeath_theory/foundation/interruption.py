"""Ctrl-C and SIGTERM as requests: long work notices them, keeps what is finished and says how to go on."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from neurondeath_theory.foundation.errors import NeuronDeathError

__all__ = ["Interrupted", "stop_requests"]


class Interrupted(NeuronDeathError):  # noqa: N818 - it is no error
    """A run was told to stop; all that was finished is stored.

    Attributes
    ----------
    exit_code : int
        128 plus the signal's number, as shells have it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


@contextmanager
def stop_requests() -> Iterator[Callable[[], int | None]]:
    """Note SIGINT and SIGTERM instead of dying of them; a second one acts as ever.

    Yields
    ------
    callable
        Gives the number of the signal that has come, or None; in a thread that is not the main one, always None.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    previous: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for other, handler in previous.items():
            signal.signal(other, handler)

    for which in (signal.SIGINT, signal.SIGTERM):
        previous[which] = signal.signal(which, note)
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

"""Ctrl-C and SIGTERM as requests to stop: long computations detect them and keep all finished work."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from neurondeath_theory.foundation.errors import NeuronDeathError

__all__ = ["Interrupted", "stop_requests"]


class Interrupted(NeuronDeathError):  # noqa: N818 - not an error
    """A run was asked to stop; all finished work is stored.

    Attributes
    ----------
    exit_code : int
        128 plus the signal's number, the convention of shells.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


@contextmanager
def stop_requests() -> Iterator[Callable[[], int | None]]:
    """Turn SIGINT and SIGTERM into a flag; a second signal has its default effect.

    Yields
    ------
    callable
        Returns the number of the signal received, or None; outside the main thread always None.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    previous: dict[int, Any] = {}

    def record(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for other, handler in previous.items():
            signal.signal(other, handler)

    for which in (signal.SIGINT, signal.SIGTERM):
        previous[which] = signal.signal(which, record)
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

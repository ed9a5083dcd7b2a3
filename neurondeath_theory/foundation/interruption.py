"""Signals that ask to stop: Ctrl-C, SIGTERM, and SIGHUP when a terminal closes.

A process that has called `raise_on_signals` ends by an exception wherever it is, so that files and databases are
closed properly. Long computations turn the signals into a flag instead, by `stop_requests`, and keep all finished work.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from neurondeath_theory.foundation.errors import NeuronDeathError

__all__ = [
    "Interrupted",
    "Stopped",
    "at_once",
    "raise_on_signals",
    "raised_signal",
    "signal_of",
    "stop_requests",
    "stop_word",
]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_raised: list[int] = []
_at_once: list[None] = []  # one entry for every `at_once` that the main thread is in
RETRY_SECONDS = 0.05  # after which a signal is raised again that came at a place where Python cannot raise


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


class Stopped(KeyboardInterrupt):
    """A signal asked this process to stop.

    Attributes
    ----------
    signal_number : int
        Which signal.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


def signal_of(error: KeyboardInterrupt) -> int:
    """Return the number of the signal behind an interruption; SIGINT unless it is recorded.

    Examples
    --------
    >>> signal_of(KeyboardInterrupt()) == signal.SIGINT
    True
    """
    return error.signal_number if isinstance(error, Stopped) else int(signal.SIGINT)


def raised_signal() -> int | None:
    """Return the signal that `Stopped` was raised for last, also if a library has lost the exception; else None."""
    return _raised[-1] if _raised else None


def stop_word(number: int) -> str:
    """Return one word for what a signal did.

    Examples
    --------
    >>> stop_word(signal.SIGINT), stop_word(signal.SIGTERM)
    ('interrupted', 'terminated')
    """
    return "interrupted" if number == signal.SIGINT else "terminated"


def raise_on_signals() -> None:
    """From now on raise `Stopped` in the main thread on every signal that asks to stop.

    A signal that the process was started to ignore (as by `nohup`) stays ignored. Where Python drops an exception, as
    in a finaliser, the signal is raised again.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        _raised.append(number)
        raise Stopped(number)

    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, stop)
    report = sys.unraisablehook

    def retry(dropped: "sys.UnraisableHookArgs") -> None:
        if isinstance(dropped.exc_value, Stopped):
            timer = threading.Timer(RETRY_SECONDS, _signal_main_thread, [dropped.exc_value.signal_number])
            timer.daemon = True
            timer.start()
        else:
            report(dropped)

    sys.unraisablehook = retry


def _signal_main_thread(number: int) -> None:
    """Send a signal to the main thread itself, so that a wait there ends."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)


@contextmanager
def at_once() -> Iterator[None]:
    """Let a signal end what runs inside by `Stopped`, also where `stop_requests` holds: nothing would be kept of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _at_once.append(None)
    try:
        yield
    finally:
        _at_once.pop()


@contextmanager
def stop_requests() -> Iterator[Callable[[], int | None]]:
    """Turn signals that ask to stop into a flag, and raise `Stopped` too in `at_once`; a second has its former effect.

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
        if _at_once:
            raise Stopped(number)

    for which in SIGNALS:
        if signal.getsignal(which) is not signal.SIG_IGN:
            previous[which] = signal.signal(which, record)
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

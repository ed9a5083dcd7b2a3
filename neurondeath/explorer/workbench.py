"""One thread that does what takes seconds, for as long as somebody waits for it.

A page asks again and again. Each design of a page is a place, and what was asked for last in a place is wanted there
for a few seconds; a piece of work that no place wants is dropped, also while it runs. Finished answers are kept.
"""

import threading
import time
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from neurondeath.explorer.choices import Choice
from neurondeath.explorer.work import WORKS, Abandoned
from neurondeath_theory.foundation.errors import NeuronDeathError

__all__ = ["FAULT", "Workbench"]

LEASE = 5.0  # seconds after the last question in which an answer is wanted
MOST_JOBS = 64  # that are kept, the oldest dropped first
MOST_PLACES = 64
LONGEST_CLOSING = 5.0  # seconds that the end waits for a piece of work
FAULT = "a fault of this program, {kind}: {text}; please report it"

Key = tuple[str, Choice]


@dataclass
class _Job:
    """A piece of work and what is known of it."""

    state: str = "waiting"
    progress: float = 0.0
    answer: dict[str, Any] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        return {"state": self.state, "progress": self.progress, **self.answer}


class Workbench:
    """Work for the pages of one server; `close` ends it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: OrderedDict[Key, _Job] = OrderedDict()
        self._wanted: dict[tuple[str, str], tuple[Key, float]] = {}  # place and kind -> what, and when it was asked for
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="explorer-work", daemon=True)
        self._thread.start()

    def ask(self, place: str, kind: str, choice: Choice) -> dict[str, Any]:
        """Report what is known of a piece of work, and have it done if it is new.

        Parameters
        ----------
        place : str
            Who asks; what this place asked for before, of the same kind, is not wanted any more.
        kind : str
            One of `WORKS`.
        choice : Choice
            The design.

        Returns
        -------
        dict
            "state", waiting, running, done or refused; "progress", in [0, 1]; what is known; the "error" of a refusal.
        """
        key, now = (kind, choice), time.monotonic()
        with self._changed:
            self._wanted = {where: what for where, what in self._wanted.items() if now - what[1] < LEASE}
            self._wanted[place, kind] = (key, now)
            while len(self._wanted) > MOST_PLACES:
                del self._wanted[next(iter(self._wanted))]
            job = self._jobs.setdefault(key, _Job())
            self._jobs.move_to_end(key)
            self._drop_old()
            self._changed.notify_all()
            return job.report()

    def close(self, seconds: float = LONGEST_CLOSING) -> None:
        """End the work, and wait for the thread for some seconds at most."""
        with self._changed:
            self._closed = True
            self._wanted.clear()
            self._changed.notify_all()
        self._thread.join(seconds)

    def _drop_old(self) -> None:
        old = [key for key, job in self._jobs.items() if job.state != "running"]
        for key in old[: max(len(self._jobs) - MOST_JOBS, 0)]:
            del self._jobs[key]

    def _is_wanted(self, key: Key) -> bool:
        now = time.monotonic()
        return any(what == key and now - when < LEASE for what, when in tuple(self._wanted.values()))

    def _next(self) -> Key | None:
        """Wait for work; None at the end. What nobody wants any more is forgotten."""
        with self._changed:
            while not self._closed:
                for key in [key for key, job in self._jobs.items() if job.state == "waiting"]:
                    if self._is_wanted(key):
                        self._jobs[key].state = "running"
                        return key
                    del self._jobs[key]
                self._changed.wait()
            return None

    def _work(self) -> None:
        while (key := self._next()) is not None:
            try:
                self._do(key)
            except Abandoned:
                with self._changed:
                    self._jobs.pop(key, None)
            except NeuronDeathError as error:
                self._set(key, "refused", 1.0, {"error": str(error)})
            except Exception as error:
                text = FAULT.format(kind=type(error).__name__, text=str(error))
                self._set(key, "refused", 1.0, {"error": text})

    def _do(self, key: Key) -> None:
        kind, choice = key
        with closing(WORKS[kind](choice, lambda: self._is_wanted(key))) as steps:  # type: ignore[type-var]
            for progress, answer in steps:
                self._set(key, "running" if progress < 1.0 else "done", progress, answer)
                if progress < 1.0 and not self._is_wanted(key):
                    raise Abandoned

    def _set(self, key: Key, state: str, progress: float, answer: dict[str, Any]) -> None:
        with self._changed:
            job = self._jobs.setdefault(key, _Job())
            job.state, job.progress, job.answer = state, progress, answer

"""Store of training runs: one SQLite file with one row per run and one per epoch; no epoch is lost or duplicated.

The measurements of an epoch are one JSON object, so that new kinds of measurements do not invalidate old stores. The
file has an application id and a schema version; other files are refused with a remedy. Several processes may write to
one store.
"""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.version import __version__

__all__ = ["RunStore", "RunStoreError", "StoredRun"]

APPLICATION_ID = 0x4E44_5452  # "NDTR"
SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0

SCHEMA = (
    """CREATE TABLE runs (
        experiment_id TEXT NOT NULL,
        seed INTEGER NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        provenance TEXT NOT NULL,
        started REAL NOT NULL,
        PRIMARY KEY (experiment_id, seed)
    ) WITHOUT ROWID""",
    """CREATE TABLE epochs (
        experiment_id TEXT NOT NULL,
        seed INTEGER NOT NULL,
        epoch INTEGER NOT NULL CHECK (epoch >= 0),
        measured TEXT NOT NULL,
        PRIMARY KEY (experiment_id, seed, epoch),
        FOREIGN KEY (experiment_id, seed) REFERENCES runs
    ) WITHOUT ROWID""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class RunStoreError(NeuronDeathError):
    """A store of training runs cannot be opened, read or written."""


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """One run as read from a store.

    Attributes
    ----------
    experiment_id, seed, name : str, int, str
        The run.
    description : dict
        The settings of the experiment that differ from their defaults.
    provenance : dict
        Versions, device and threads at its start.
    epochs : list of dict
        Measurements, one dict per epoch, starting with epoch 0 (before training).
    """

    experiment_id: str
    seed: int
    name: str
    description: dict[str, Any]
    provenance: dict[str, Any]
    epochs: list[dict[str, Any]]


class RunStore:
    """An open store of training runs.

    Parameters
    ----------
    path : path-like or ":memory:"
        The file; created if it is missing, unless `readonly`.
    readonly : bool
        Open an existing store without changing it.

    Raises
    ------
    RunStoreError
        If the file is not such a store, has another schema, is missing for reading or not writable.

    Examples
    --------
    >>> with RunStore(":memory:") as store:
    ...     store.begin("abc", 0, name="demo", description={}, provenance={})
    ...     store.note("abc", 0, 0, {"test_accuracy": 0.1})
    ...     store.runs()[0].epochs
    [{'test_accuracy': 0.1}]
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        self.path = str(path)
        in_memory = self.path == ":memory:"
        if readonly and not in_memory and not Path(self.path).is_file():
            raise RunStoreError(f"no store of runs at {self.path!r}; run `neurondeath train --store {self.path}` first")
        mode = "ro" if readonly else "rwc"
        address = ":memory:" if in_memory else f"{Path(self.path).absolute().as_uri()}?mode={mode}"
        try:
            self._connection = sqlite3.connect(address, uri=not in_memory, timeout=BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise self._refusal(error) from None
        try:
            self._prepare(readonly)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._refusal(error) from None
        except RunStoreError:
            self._connection.close()
            raise

    def _prepare(self, readonly: bool) -> None:
        if not readonly:
            with closing(self._connection.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")  # two processes may create the same store at once
                if cursor.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
                    for statement in SCHEMA:
                        cursor.execute(statement)
                cursor.execute("COMMIT")
        if self._pragma("application_id") != APPLICATION_ID:
            raise RunStoreError(f"{self.path!r} is not a store of training runs; name another file")
        found = self._pragma("user_version")
        if found != SCHEMA_VERSION:
            raise RunStoreError(
                f"{self.path!r} has schema {found} of training runs, this version reads {SCHEMA_VERSION}; "
                "use the version of neurondeath that wrote it, or another file"
            )

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _refusal(self, error: sqlite3.Error) -> RunStoreError:
        return RunStoreError(f"the store of runs {self.path!r} failed ({error}); name another file or free it")

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._refusal(error) from None

    def begin(
        self,
        experiment_id: str,
        seed: int,
        *,
        name: str,
        description: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """Record a run; repeated calls have no effect."""
        self._execute(
            "INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?, ?, ?)",
            (
                experiment_id,
                seed,
                name,
                json.dumps(description, sort_keys=True),
                json.dumps({"neurondeath": __version__, **provenance}, sort_keys=True),
                time.time(),
            ),
        )

    def note(self, experiment_id: str, seed: int, epoch: int, measured: Mapping[str, Any]) -> None:
        """Commit an epoch's measurements; those of a repeated epoch replace the old ones."""
        self._execute(
            "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?)",
            (experiment_id, seed, epoch, json.dumps(measured, sort_keys=True)),
        )

    def n_epochs(self, experiment_id: str, seed: int) -> int:
        """Count the stored epochs of a run, including epoch 0."""
        statement = "SELECT count(*) FROM epochs WHERE experiment_id = ? AND seed = ?"
        return int(self._execute(statement, (experiment_id, seed))[0][0])

    def runs(self, experiment_id: str = "") -> list[StoredRun]:
        """Read the runs whose experiment id starts with a prefix, in the order in which they were started."""
        rows = self._execute(
            "SELECT experiment_id, seed, name, description, provenance FROM runs "
            "WHERE substr(experiment_id, 1, ?) = ? ORDER BY started, experiment_id, seed",
            (len(experiment_id), experiment_id),
        )
        return [
            StoredRun(
                experiment_id=run,
                seed=seed,
                name=name,
                description=json.loads(description),
                provenance=json.loads(provenance),
                epochs=[
                    json.loads(measured)
                    for (measured,) in self._execute(
                        "SELECT measured FROM epochs WHERE experiment_id = ? AND seed = ? ORDER BY epoch", (run, seed)
                    )
                ],
            )
            for run, seed, name, description, provenance in rows
        ]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

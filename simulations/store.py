"""The results store: one SQLite file of finished shards that never loses or doubles one.

- The file carries an application id and a schema version; anything else is refused with the remedy.
- A row a finished shard, committed at once: a killed run loses at most the shards in flight.
- A trigger refuses shards that overlap; the same shard again is ignored if it says the same, an error if not.
- While a run writes, the file is in write-ahead mode; at the end it is one plain file again. Readers open read-only.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from neurondeath_theory._version import __version__
from neurondeath_theory.errors import NeuronDeathError
from simulations.shards import Shard, pack_statistics, unpack_statistics
from simulations.task import Task

__all__ = ["Store", "StoreError"]

APPLICATION_ID = 0x4E44_5354  # "NDST"
SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0

SCHEMA = """
CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY,
    description TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE shards (
    task_id TEXT NOT NULL REFERENCES tasks,
    seed INTEGER NOT NULL,
    start INTEGER NOT NULL CHECK (start >= 0),
    stop INTEGER NOT NULL CHECK (stop > start),
    statistics BLOB NOT NULL,
    cpu_seconds REAL NOT NULL,
    version TEXT NOT NULL,
    finished REAL NOT NULL,
    PRIMARY KEY (task_id, seed, start)
);
CREATE TRIGGER shards_never_overlap BEFORE INSERT ON shards
WHEN EXISTS (
    SELECT 1 FROM shards WHERE task_id = NEW.task_id AND seed = NEW.seed AND start < NEW.stop AND stop > NEW.start
)
BEGIN SELECT RAISE(ABORT, 'overlap'); END;
"""


class StoreError(NeuronDeathError):
    """A store cannot be opened, read or written, or two stores contradict each other."""


class Store:
    """An open store.

    Parameters
    ----------
    path : path-like or ":memory:"
        The file; made if it is missing and the store is to be written.
    readonly : bool
        Open an existing store without changing it.

    Raises
    ------
    StoreError
        If the file is no store, of another schema, missing for reading or not writable.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        self.path = str(path)
        self.readonly = readonly
        in_memory = self.path == ":memory:"
        exists = not in_memory and Path(self.path).exists()
        if readonly and not exists:
            raise StoreError(f"no store at {self.path!r}; run `neurondeath simulate --store {self.path}` first")
        if exists and Path(self.path).is_dir():
            raise StoreError(f"{self.path!r} is a folder, not a store; name a file")
        try:
            self._connection = self._connect(in_memory)
        except sqlite3.Error as error:
            raise self._refusal(error) from None
        try:
            self._prepare(new=in_memory or not exists or Path(self.path).stat().st_size == 0)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._refusal(error) from None
        except StoreError:
            self._connection.close()
            raise

    def _connect(self, in_memory: bool) -> sqlite3.Connection:
        if in_memory:
            return sqlite3.connect(":memory:", isolation_level=None)
        uri = f"{Path(self.path).absolute().as_uri()}?mode={'ro' if self.readonly else 'rwc'}"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)

    def _prepare(self, new: bool) -> None:
        if new and not self.readonly:
            with self._transaction():  # two runs may make the same store at once: the second finds it made
                if self._pragma("application_id") == 0 and not self._has_tables():
                    for statement in SCHEMA.split(";\n"):
                        if statement.strip():
                            self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        if self._pragma("application_id") != APPLICATION_ID:
            raise StoreError(f"{self.path!r} is not a neurondeath store; name another file")
        found = self._pragma("user_version")
        if found != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path!r} has store schema {found}, this version reads {SCHEMA_VERSION}; "
                "use the version of neurondeath that wrote it, or another file"
            )
        if not self.readonly:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _has_tables(self) -> bool:
        return self._connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._connection)

    def _refusal(self, error: sqlite3.Error) -> StoreError:
        """Word what SQLite found wrong."""
        text = str(error)
        if isinstance(error, sqlite3.DatabaseError) and "not a database" in text:
            return StoreError(f"{self.path!r} is not a neurondeath store; name another file")
        if "unable to open" in text or "readonly" in text:
            return StoreError(
                f"cannot write the store {self.path!r} ({text}); name a file in a folder you can write to"
            )
        if "malformed" in text:
            return StoreError(f"the store {self.path!r} is damaged ({text}); restore a copy or name another file")
        if "full" in text:
            return StoreError(f"no room left for the store {self.path!r}; free some and run the same command again")
        if "locked" in text or "busy" in text:
            return StoreError(f"the store {self.path!r} stayed locked for {BUSY_SECONDS:g} s by another process")
        return StoreError(f"the store {self.path!r} failed: {text}")

    def add_task(self, task: Task) -> None:
        """Note what a task is; once is enough."""
        try:
            with self._transaction():
                self._connection.execute(
                    "INSERT OR IGNORE INTO tasks VALUES (?, ?)",
                    (task.task_id, json.dumps(task.description(), sort_keys=True)),
                )
        except sqlite3.Error as error:
            raise self._refusal(error) from None

    def add(self, shard: Shard) -> None:
        """Commit a finished shard; the same shard again changes nothing.

        Raises
        ------
        StoreError
            If it overlaps another shard or contradicts the one that is stored.
        """
        row = (
            shard.task_id,
            shard.seed,
            shard.start,
            shard.stop,
            pack_statistics(shard.statistics),
            shard.cpu_seconds,
            __version__,
            time.time(),
        )
        try:
            with self._transaction():
                self._connection.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            stored = [old for old in self.shards(shard.task_id, shard.seed) if old == shard]
            if stored and stored[0].same_numbers(shard):
                return
            what = "contradict the stored ones" if stored else "overlap stored ones"
            trials = f"trials {shard.start} to {shard.stop - 1} of task {shard.task_id}, seed {shard.seed},"
            raise StoreError(f"{trials} {what} in {self.path!r}") from None
        except sqlite3.Error as error:
            raise self._refusal(error) from None

    def done(self, task_id: str, seed: int) -> list[tuple[int, int]]:
        """Give the stretches of trials that are stored, in order."""
        query = "SELECT start, stop FROM shards WHERE task_id = ? AND seed = ? ORDER BY start"
        return self._rows(query, (task_id, seed))

    def shards(self, task_id: str, seed: int) -> Iterator[Shard]:
        """Give a task's stored shards in order of trials."""
        query = "SELECT start, stop, statistics, cpu_seconds FROM shards WHERE task_id = ? AND seed = ? ORDER BY start"
        for start, stop, packed, cpu_seconds in self._rows(query, (task_id, seed)):
            yield Shard(
                task_id=task_id,
                seed=seed,
                start=start,
                stop=stop,
                statistics=unpack_statistics(packed),
                cpu_seconds=cpu_seconds,
            )

    def contents(self) -> list[tuple[str, int, dict[str, Any]]]:
        """List what is stored: (task id, seed, description), in the order the tasks were first finished."""
        query = (
            "SELECT task_id, seed, description FROM shards JOIN tasks USING (task_id) "
            "GROUP BY task_id, seed ORDER BY min(shards.rowid)"
        )
        return [(task_id, seed, json.loads(text)) for task_id, seed, text in self._rows(query, ())]

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            with closing(self._connection.execute(query, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise self._refusal(error) from None

    def close(self) -> None:
        """Close the store, leaving one plain file unless another process still uses it."""
        if not self.readonly:
            try:
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error:
                pass  # another process is still writing; the last one to close does it
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Transaction:
    """One immediate transaction: committed at the end, rolled back on any error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.connection.execute("COMMIT")
        elif self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

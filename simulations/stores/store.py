"""The results store: one SQLite file of finished shards, which loses none and counts none twice.

- The file contains an application id and a schema version; other files are refused with a remedy, an older schema is
  converted to this one when the store is opened for writing.
- One row per finished shard, committed immediately: a killed run loses at most the shards in flight. A power failure
  may also lose the last seconds before it, but nothing else.
- A trigger refuses shards that overlap; adding a stored shard again has no effect if the numbers are equal, and is an
  error if not. Every row has a checksum, so that a damaged file leads to an error and not to wrong numbers.
- While a run writes, the file is in write-ahead mode (`-wal` and `-shm` beside it); the last run to end leaves one
  plain file. Readers open read-only and see what was committed when they began to read.
- On network file systems write-ahead mode is not used, since its shared memory does not work between machines, and a
  warning is printed: file locks are unreliable there, so each machine needs its own store, and `neurondeath merge`.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from neurondeath.simulations.stores.errors import (
    BUSY_SECONDS,
    FAILURES,
    ContradictionError,
    OverlapError,
    StoreError,
    damage,
    explain,
)
from neurondeath.simulations.stores.files import choose_journal, has_leftovers, leave_one_file, open_reader
from neurondeath.simulations.stores.provenance import Provenance
from neurondeath.simulations.stores.schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    create_tables,
    migrate,
    row_checksum,
    task_checksum,
)
from neurondeath.simulations.stores.seeds import PILOT_SEEDS
from neurondeath.simulations.stores.shards import Shard, pack_statistics, unpack_statistics
from neurondeath.simulations.task import Task

__all__ = ["ContradictionError", "OverlapError", "Store", "StoreError"]

FETCHED_ROWS = 64


class Store:
    """An open store, for one thread.

    Parameters
    ----------
    path : path-like or ":memory:"
        The file; created if missing, unless `readonly`.
    readonly : bool
        Open an existing store without changing it.

    Raises
    ------
    StoreError
        If the file is not a store, damaged, of a newer schema, missing (`readonly`) or not writable.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        self.path = str(path)
        self.readonly = readonly
        self._file = None if self.path == ":memory:" else Path(self.path)
        self._copy: TemporaryDirectory[str] | None = None
        exists = self._file is not None and self._file.exists()
        if readonly and not exists:
            raise StoreError(f"no store at {self.path!r}; run `neurondeath simulate --store {self.path}` first")
        if self._file is not None and self._file.is_dir():
            raise StoreError(f"{self.path!r} is a folder, not a store; name a file")
        suspect = exists and self._file is not None and has_leftovers(self._file)
        try:
            self._connection = self._connect()
        except FAILURES as error:
            raise self._refusal(error) from None
        try:
            self._prepare(suspect)
        except BaseException as error:
            self._release()
            if isinstance(error, FAILURES):
                raise self._refusal(error) from None
            raise

    def _connect(self) -> sqlite3.Connection:
        if self._file is None:
            return sqlite3.connect(":memory:", isolation_level=None)
        if self.readonly:
            connection, self._copy = open_reader(self._file, BUSY_SECONDS)
            return connection
        if self._file.exists() and not (
            os.access(self._file, os.W_OK) and os.access(self._file.absolute().parent, os.W_OK)
        ):
            raise StoreError(f"cannot write the store {self.path!r} (read-only); name a file in a folder you can write")
        uri = f"{self._file.absolute().as_uri()}?mode=rwc"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)

    def _prepare(self, suspect: bool) -> None:
        """Create the tables of a new store; check that an existing file is a complete store of this schema."""
        if not self.readonly and not self._pragma("application_id") and not self._has_tables():
            with self.transaction():  # two runs may create the same store at the same time
                if not self._has_tables():
                    create_tables(self._connection)
        if self._pragma("application_id") != APPLICATION_ID:
            if self.readonly and not self._has_tables():
                raise StoreError(f"the store {self.path!r} is empty: no run has written to it yet")
            raise StoreError(f"{self.path!r} is not a neurondeath store; name another file")
        self._schema = self._pragma("user_version")
        if self._schema > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path!r} has store schema {self._schema}, this version reads up to {SCHEMA_VERSION}; "
                "use the version of neurondeath that wrote it, or another file"
            )
        self._check_for_damage(suspect)
        if self.readonly:
            return
        if self._schema < SCHEMA_VERSION:
            with self.transaction():
                if (found := self._pragma("user_version")) < SCHEMA_VERSION:
                    migrate(self._connection, found)
            self._schema = SCHEMA_VERSION
        self._connection.execute("PRAGMA foreign_keys = ON")
        if self._file is not None:
            self._inode = self._file.stat().st_ino
            choose_journal(self._connection, self._file)

    def _check_for_damage(self, suspect: bool) -> None:
        """Check the length of the file; all of its pages if a run did not end properly."""
        file = None if self._copy is not None else self._file
        length = self._pragma("page_count") * self._pragma("page_size")
        if file is not None and not suspect and not has_leftovers(file) and file.stat().st_size < length:
            raise StoreError(f"the store {self.path!r} is cut short; restore a copy or name another file")
        if suspect:
            word = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if word != "ok":
                raise damage(self.path, f"({word})")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _has_tables(self) -> bool:
        return self._connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None

    def _refusal(self, error: Exception) -> StoreError:
        return explain(error, self.path, "read" if self.readonly else "write")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Read and write in one transaction, which is committed as a whole or not at all. May be nested.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        nested = self._connection.in_transaction
        if nested:
            yield
            return
        try:
            self._connection.execute("BEGIN" if self.readonly else "BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, FAILURES):
                raise self._refusal(error) from None
            raise

    def add_task(self, task: Task) -> None:
        """Record the description of a task; recording it again has no effect."""
        self.add_description(task.task_id, task.description())

    def add_description(self, task_id: str, description: dict[str, Any]) -> None:
        """Record the description of a task id; recording it again has no effect."""
        with self.transaction():
            text = json.dumps(description, sort_keys=True)
            row = (task_id, text, task_checksum(task_id, text))
            self._connection.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?, ?)", row)

    def add(self, shard: Shard) -> None:
        """Commit a finished shard of a task that was added; adding the same shard again has no effect.

        Raises
        ------
        OverlapError
            If it shares trials with a stored shard but has other limits.
        ContradictionError
            If the same trials are stored with different numbers.
        StoreError
            If it cannot be written.
        """
        self.add_many([shard])

    def add_many(self, shards: Iterable[Shard]) -> int:
        """Commit finished shards in one transaction; return how many were new.

        Raises
        ------
        StoreError
            As `add`.
        """
        self._check_file_exists()
        with self.transaction():
            return sum([self._insert(shard) for shard in shards])

    def _check_file_exists(self) -> None:
        """Refuse to write to a file that has been deleted or replaced."""
        if self._file is None or self.readonly:
            return
        try:
            there = self._file.stat().st_ino == self._inode
        except OSError:
            there = False
        if not there:
            raise StoreError(f"the store {self.path!r} was moved or deleted while in use; put it back and run again")

    def _insert(self, shard: Shard) -> bool:
        packed = pack_statistics(shard.statistics)
        key = (shard.task_id, shard.seed, shard.start, shard.stop)
        made = shard.provenance or Provenance.here()
        row = (*key, shard.cpu_seconds, made.version, made.cpu, made.finished, row_checksum(*key, packed), packed)
        try:
            self._connection.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            self._compare_with_stored(shard)
            return False
        return True

    def _compare_with_stored(self, shard: Shard) -> None:
        """Raise the reason why a shard was refused; the same shard with the same numbers is no error."""
        stored = next(self.shards(shard.task_id, shard.seed, first=shard.start, last=shard.stop), None)
        trials = f"trials {shard.start} to {shard.stop - 1} of task {shard.task_id}, seed {shard.seed},"
        if stored is None:
            raise StoreError(f"{trials} were refused by {self.path!r}: the task was not added, or no trials are named")
        if stored != shard:
            raise OverlapError(
                f"{trials} overlap trials {stored.start} to {stored.stop - 1} stored in {self.path!r}; "
                "runs in separate stores need different seeds or parts"
            )
        if not stored.same_numbers(shard):
            raise ContradictionError(
                f"{trials} contradict the stored ones in {self.path!r} ({stored.provenance} there, "
                f"{shard.provenance or Provenance.here()} here); keep the two in separate stores"
            )

    def done(self, task_id: str, seed: int) -> list[tuple[int, int]]:
        """Return the ranges of trials that are stored, in order."""
        query = "SELECT start, stop FROM shards WHERE task_id = ? AND seed = ? ORDER BY start"
        return list(self._rows(query, (task_id, seed)))

    def effort(self, task_id: str, seed: int) -> tuple[int, float]:
        """Return the number of stored trials and their processor time in seconds."""
        query = "SELECT total(stop - start), total(cpu_seconds) FROM shards WHERE task_id = ? AND seed = ?"
        ((trials, cpu_seconds),) = self._rows(query, (task_id, seed))
        return int(trials), cpu_seconds

    def shards(self, task_id: str, seed: int, *, first: int = 0, last: int | None = None) -> Iterator[Shard]:
        """Generate the stored shards of a task in order of trials; each is read from disk when it is needed.

        Parameters
        ----------
        task_id : str
            The task.
        seed : int
            The seed.
        first, last : int
            Only shards that contain some of the trials first .. last - 1.

        Raises
        ------
        StoreError
            If a shard is not as it was written.
        """
        provenance = "version, cpu, finished, checksum" if self._schema > 1 else "version, '', finished, NULL"
        query = (
            f"SELECT start, stop, cpu_seconds, {provenance}, statistics FROM shards "
            "WHERE task_id = :task AND seed = :seed AND stop > :first AND start < :last AND start >= "
            "(SELECT coalesce(max(start), 0) FROM shards WHERE task_id = :task AND seed = :seed AND start <= :first) "
            "ORDER BY start"
        )
        end = 0
        limits = {"task": task_id, "seed": seed, "first": first, "last": 2**63 - 1 if last is None else last}
        rows = self._rows(query, limits)
        for start, stop, cpu_seconds, version, cpu, finished, checksum, packed in rows:
            try:
                if start < end or checksum not in (None, row_checksum(task_id, seed, start, stop, packed)):
                    raise ValueError
                statistics = unpack_statistics(packed)
            except (TypeError, ValueError):
                raise damage(self.path, f"at trials {start} to {stop} of task {task_id}, seed {seed}") from None
            end = stop
            yield Shard(
                task_id=task_id,
                seed=seed,
                start=start,
                stop=stop,
                statistics=statistics,
                cpu_seconds=cpu_seconds,
                provenance=Provenance(version=version, cpu=cpu, finished=finished),
            )

    def tasks(self) -> list[tuple[str, dict[str, Any]]]:
        """List the tasks that were added, with or without finished trials: (task id, description)."""
        checksum = "checksum" if self._schema > 1 else "NULL"
        rows = self._rows(f"SELECT task_id, description, {checksum} FROM tasks", ())
        return [(task_id, self._description(task_id, text, check)) for task_id, text, check in rows]

    def contents(self, *, pilots: bool = False) -> list[tuple[str, int, dict[str, Any]]]:
        """List what is stored: (task id, seed, description), in the order the tasks were first finished.

        The pilots of `neurondeath.simulations.sweeps.stopping` are left out unless `pilots`.
        """
        query = (
            f"SELECT task_id, seed, description, {'tasks.checksum' if self._schema > 1 else 'NULL'} FROM "
            "(SELECT task_id, seed, min(rowid) AS place FROM shards GROUP BY task_id, seed) JOIN tasks USING (task_id) "
            f"{'' if pilots else f'WHERE seed < {PILOT_SEEDS} '}ORDER BY place"
        )
        rows = self._rows(query, ())
        return [(task_id, seed, self._description(task_id, text, check)) for task_id, seed, text, check in rows]

    def _description(self, task_id: str, text: str, checksum: int | None) -> dict[str, Any]:
        """Read the description of a task, after a check of its checksum."""
        try:
            if checksum not in (None, task_checksum(task_id, text)):
                raise ValueError
            return dict(json.loads(text))
        except (TypeError, ValueError):
            raise damage(self.path, f"at task {task_id}") from None

    def _rows(self, query: str, values: tuple[Any, ...] | dict[str, Any]) -> Iterator[Any]:
        """Read rows a few at a time, all from the state of the store at the first read."""
        cursor = None
        try:
            cursor = self._connection.execute(query, values)
            while rows := cursor.fetchmany(FETCHED_ROWS):
                yield from rows
        except FAILURES as error:
            raise self._refusal(error) from None
        finally:
            if cursor is not None:
                with suppress(sqlite3.ProgrammingError):  # the store was closed before the reader finished
                    cursor.close()

    def close(self) -> None:
        """Close the store, leaving one plain file unless another process still uses it."""
        if not self.readonly and self._file is not None:
            self._connection = leave_one_file(self._connection, self._file)
        self._release()

    def _release(self) -> None:
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""The results store: one SQLite file of finished shards that never loses or doubles one.

- The file carries an application id and a schema version; anything else is refused with the remedy, an older schema is
  brought to this one when the store is opened for writing.
- A row a finished shard, committed at once: a killed run loses at most the shards in flight. A power cut may lose the
  last seconds before it, too, but nothing else.
- A trigger refuses shards that overlap; the same shard again is ignored if it says the same, an error if not. Every row
  has a checksum, so that a damaged file gives an error and no numbers.
- While a run writes, the file is in write-ahead mode (`-wal` and `-shm` beside it); the last run to end leaves one
  plain file. Readers open read-only and see what was committed when they began to read.
- On network file systems there is no write-ahead mode, whose shared memory does not reach other machines, and a
  warning: their locks are not to be trusted, so that two machines need a store each, and `neurondeath merge`.
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
        The file; made if it is missing and the store is to be written.
    readonly : bool
        Open an existing store without changing it.

    Raises
    ------
    StoreError
        If the file is no store, damaged, of a newer schema, missing for reading or not writable.
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
        """Make the tables of a new store; see that an old one is a store, whole and of this schema."""
        if not self.readonly and not self._pragma("application_id") and not self._has_tables():
            with self.transaction():  # two runs may make the same store at once: the second finds it made
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
        self._look_for_damage(suspect)
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

    def _look_for_damage(self, suspect: bool) -> None:
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
        """Make all that is read or written inside one step: it happens as a whole or not at all. May be nested.

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
        """Note what a task is; once is enough."""
        self.add_description(task.task_id, task.description())

    def add_description(self, task_id: str, description: dict[str, Any]) -> None:
        """Note what the task of an id is; once is enough."""
        with self.transaction():
            text = json.dumps(description, sort_keys=True)
            row = (task_id, text, task_checksum(task_id, text))
            self._connection.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?, ?)", row)

    def add(self, shard: Shard) -> None:
        """Commit a finished shard of a task that was added; the same shard again changes nothing.

        Raises
        ------
        OverlapError
            If it shares trials with a stored shard and is not the same stretch.
        ContradictionError
            If the same trials are stored with other numbers.
        StoreError
            If it cannot be written.
        """
        self.add_many([shard])

    def add_many(self, shards: Iterable[Shard]) -> int:
        """Commit finished shards in one step, all or none; gives how many were not there already.

        Raises
        ------
        StoreError
            As `add`.
        """
        self._look_for_the_file()
        with self.transaction():
            return sum([self._insert(shard) for shard in shards])

    def _look_for_the_file(self) -> None:
        """Refuse to write into a file that has been deleted or replaced: nobody would find it."""
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
        """Find why a shard was refused; only the same shard with the same numbers is in order."""
        stored = next(self.shards(shard.task_id, shard.seed, first=shard.start, last=shard.stop), None)
        trials = f"trials {shard.start} to {shard.stop - 1} of task {shard.task_id}, seed {shard.seed},"
        if stored is None:
            raise StoreError(f"{trials} were refused by {self.path!r}: the task was not added, or no trials are named")
        if stored != shard:
            raise OverlapError(
                f"{trials} overlap trials {stored.start} to {stored.stop - 1} stored in {self.path!r}; "
                "runs in separate stores need each a seed or a part of their own"
            )
        if not stored.same_numbers(shard):
            raise ContradictionError(
                f"{trials} contradict the stored ones in {self.path!r} ({stored.provenance} there, "
                f"{shard.provenance or Provenance.here()} here); keep the two in separate stores"
            )

    def done(self, task_id: str, seed: int) -> list[tuple[int, int]]:
        """Give the stretches of trials that are stored, in order."""
        query = "SELECT start, stop FROM shards WHERE task_id = ? AND seed = ? ORDER BY start"
        return list(self._rows(query, (task_id, seed)))

    def effort(self, task_id: str, seed: int) -> tuple[int, float]:
        """Give the number of stored trials and the processor time they took, in seconds."""
        query = "SELECT total(stop - start), total(cpu_seconds) FROM shards WHERE task_id = ? AND seed = ?"
        ((trials, cpu_seconds),) = self._rows(query, (task_id, seed))
        return int(trials), cpu_seconds

    def shards(self, task_id: str, seed: int, *, first: int = 0, last: int | None = None) -> Iterator[Shard]:
        """Give a task's stored shards in order of trials, read from disk as they are asked for.

        Parameters
        ----------
        task_id : str
            The task.
        seed : int
            The seed.
        first, last : int
            Only shards that hold some of the trials first .. last - 1.

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
        """List the tasks that were added, finished trials or not: (task id, description)."""
        checksum = "checksum" if self._schema > 1 else "NULL"
        rows = self._rows(f"SELECT task_id, description, {checksum} FROM tasks", ())
        return [(task_id, self._description(task_id, text, check)) for task_id, text, check in rows]

    def contents(self, *, pilots: bool = False) -> list[tuple[str, int, dict[str, Any]]]:
        """List what is stored: (task id, seed, description), in the order the tasks were first finished.

        The pilots of `neurondeath.simulations.sweeps.stopping` are left out unless they are asked for.
        """
        query = (
            f"SELECT task_id, seed, description, {'tasks.checksum' if self._schema > 1 else 'NULL'} FROM "
            "(SELECT task_id, seed, min(rowid) AS place FROM shards GROUP BY task_id, seed) JOIN tasks USING (task_id) "
            f"{'' if pilots else f'WHERE seed < {PILOT_SEEDS} '}ORDER BY place"
        )
        rows = self._rows(query, ())
        return [(task_id, seed, self._description(task_id, text, check)) for task_id, seed, text, check in rows]

    def _description(self, task_id: str, text: str, checksum: int | None) -> dict[str, Any]:
        """Read a task's description, if it is as it was written."""
        try:
            if checksum not in (None, task_checksum(task_id, text)):
                raise ValueError
            return dict(json.loads(text))
        except (TypeError, ValueError):
            raise damage(self.path, f"at task {task_id}") from None

    def _rows(self, query: str, values: tuple[Any, ...] | dict[str, Any]) -> Iterator[Any]:
        """Read rows a few at a time, all as they stood when the first was read."""
        cursor = None
        try:
            cursor = self._connection.execute(query, values)
            while rows := cursor.fetchmany(FETCHED_ROWS):
                yield from rows
        except FAILURES as error:
            raise self._refusal(error) from None
        finally:
            if cursor is not None:
                with suppress(sqlite3.ProgrammingError):  # the store was closed before the reader had enough
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

"""A SQLite file of this project: recognised, complete, free of foreign objects, created and closed as one plain file.

- The file contains an application id and a schema version; other files are refused with a remedy, an older schema is
  converted when the file is opened for writing.
- Only the tables, indexes and triggers of its schema may be in it. A view or a trigger of somebody else could change
  what a reader sees or a writer stores, so a file with any other object is refused before its rows are read.
- A new file appears complete, with its tables: a file without any content has lost it, and is refused.
- While a process writes, the file is in write-ahead mode (`-wal` and `-shm` beside it); the last process to end leaves
  one plain file. Readers open read-only and see what was committed when they began to read.
- On network file systems write-ahead mode is not used, since its shared memory does not work between machines, and a
  warning is printed: file locks are unreliable there.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from neurondeath.simulations.stores.errors import BUSY_SECONDS, FAILURES, StoreError, damage, explain
from neurondeath.simulations.stores.files import (
    choose_journal,
    create_file,
    has_leftovers,
    leave_one_file,
    open_reader,
)

__all__ = ["Database", "FileKind"]

FETCHED_ROWS = 64
LONGEST_VALUE = 2**26  # bytes of one value in a row; SQLite refuses longer ones
NO_SQL = "automatic index"  # SQLite lists the index of a primary key without a statement


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Attributes
    ----------
    what : str
        Its name in messages.
    application_id : int
        The number in its header.
    schemas : mapping of int to sequence of str
        Schema version -> the statements that create its objects. The greatest version is the one that is written.
    migrate : callable
        `migrate(connection, found)` converts a file of the older version `found`, within the caller's transaction.
    maker : str
        The command that writes such files.
    error : type
        Class of the errors raised.
    """

    what: str
    application_id: int
    schemas: Mapping[int, Sequence[str]]
    migrate: Callable[[sqlite3.Connection, int], None]
    maker: str
    error: type[StoreError]

    @property
    def version(self) -> int:
        """The schema version that is written."""
        return max(self.schemas)

    def create(self, connection: sqlite3.Connection) -> None:
        """Create the objects of an empty file."""
        for statement in self.schemas[self.version]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {self.application_id}")
        connection.execute(f"PRAGMA user_version = {self.version}")


class Database:
    """An open file of one kind, for one thread.

    Parameters
    ----------
    path : path-like or ":memory:"
        The file; created if missing, unless `readonly`.
    kind : FileKind
        What it must be.
    readonly : bool
        Open an existing file without changing it.

    Raises
    ------
    StoreError
        Of the kind's class, if the file is of another kind, damaged, of a newer schema, contains foreign objects, is
        missing (`readonly`) or not writable.
    """

    def __init__(self, path: str | Path, kind: FileKind, *, readonly: bool = False) -> None:
        self.path = str(path)
        self.kind = kind
        self.readonly = readonly
        self._file = None if self.path == ":memory:" else Path(self.path)
        self._copy: TemporaryDirectory[str] | None = None
        suspect = self._file is not None and self._check_place(self._file)
        try:
            self.connection = self._connect()
        except FAILURES as error:
            raise self.refusal(error) from None
        try:
            self._prepare(suspect)
        except BaseException as error:
            self._release()
            if isinstance(error, FAILURES):
                raise self.refusal(error) from None
            raise

    def _check_place(self, file: Path) -> bool:
        """Refuse what is not a file of ours; return whether a process has left its log beside it."""
        what = self.kind.what
        try:
            exists = file.exists()
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            raise self.error(f"cannot open the {what} {self.path!r} ({error}); name another file") from None
        if not exists:
            if self.readonly:
                raise self.error(f"no {what} at {self.path!r}; run `{self.kind.maker} --store {self.path}` first")
            return False
        if file.is_dir():
            raise self.error(f"{self.path!r} is a folder, not a {what}; name a file")
        if not file.is_file():
            raise self.error(f"{self.path!r} is a pipe or a device, not a {what}; name a file")
        suspect = has_leftovers(file)
        if file.stat().st_size == 0 and not suspect:
            raise self.error(
                f"the {what} {self.path!r} is empty (0 bytes): what it contained is lost, or nothing was ever written; "
                "restore a copy, or delete it to begin a new one"
            )
        return suspect

    def _connect(self) -> sqlite3.Connection:
        if self._file is None:
            connection = sqlite3.connect(":memory:", isolation_level=None)
            self.kind.create(connection)
            return connection
        if self.readonly:
            connection, self._copy = open_reader(self._file, BUSY_SECONDS)
            return connection
        if not self._file.exists():
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
                self.kind.create(fresh)
                content = fresh.serialize()
            try:
                create_file(self._file, content)
            except OSError as error:
                reason = error.strerror or error
                raise self.error(
                    f"cannot write the {self.kind.what} {self.path!r} ({reason}); name a file in a folder you can write"
                ) from None
        elif not (os.access(self._file, os.W_OK) and os.access(self._file.absolute().parent, os.W_OK)):
            raise self.error(
                f"cannot write the {self.kind.what} {self.path!r} (read-only); name a file in a folder you can write"
            )
        uri = f"{self._file.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)

    def _prepare(self, suspect: bool) -> None:
        """Check that the file is a complete one of this kind; bring an older one up to date for writing."""
        self.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        self.connection.execute("PRAGMA trusted_schema = OFF")
        if self.pragma("application_id") != self.kind.application_id:
            raise self.error(f"{self.path!r} is not a neurondeath {self.kind.what}; name another file")
        self.schema = self.pragma("user_version")
        if self.schema not in self.kind.schemas:
            raise self.error(
                f"{self.path!r} has schema {self.schema}, this version reads up to {self.kind.version}; "
                "use the version of neurondeath that wrote it, or another file"
            )
        self._check_for_damage(suspect)
        self._check_objects()
        if self.readonly:
            return
        if self.schema < self.kind.version:
            with self.transaction():
                if (found := self.pragma("user_version")) < self.kind.version:
                    self.kind.migrate(self.connection, found)
                    self.connection.execute(f"PRAGMA user_version = {self.kind.version}")
            self.schema = self.kind.version
        self.connection.execute("PRAGMA foreign_keys = ON")
        if self._file is not None:
            self._inode = self._file.stat().st_ino
            choose_journal(self.connection, self._file)

    def _check_for_damage(self, suspect: bool) -> None:
        """Check the length of the file; all of its pages if a process did not end properly."""
        file = None if self._copy is not None else self._file
        length = self.pragma("page_count") * self.pragma("page_size")
        if file is not None and not suspect and not has_leftovers(file) and file.stat().st_size < length:
            raise self.error(f"the {self.kind.what} {self.path!r} is cut short; restore a copy or name another file")
        if suspect:
            word = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if word != "ok":
                raise self.damage(f"({word})")

    def _check_objects(self) -> None:
        """Refuse a file whose tables, indexes, views and triggers are not exactly those of its schema."""
        expected = _objects_of(tuple(self.kind.schemas[self.schema]))
        found = _objects(self.connection)
        foreign = sorted(found - expected) or sorted(expected - found)
        if foreign:
            kind, name, _ = foreign[0]
            how = "contains" if found - expected else "lacks"
            raise self.error(
                f"{self.path!r} {how} the {kind} {name[:40]!r}, unlike a neurondeath {self.kind.what}: it is forged or "
                "damaged; restore a copy or name another file"
            )

    def pragma(self, name: str) -> int:
        """Return a numeric property of the file."""
        return int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])

    def error(self, text: str) -> StoreError:
        """Return an error of the kind's class."""
        return self.kind.error(text)

    def damage(self, where: str) -> StoreError:
        """Return the error for content that is not as it was written."""
        return damage(self.path, where, self.kind.what, self.kind.error)

    def refusal(self, error: Exception) -> StoreError:
        """Return the error for a failure of SQLite."""
        return explain(error, self.path, "read" if self.readonly else "write", self.kind.what, self.kind.error)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Read and write in one transaction, which is committed as a whole or not at all. May be nested.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        nested = self.connection.in_transaction
        if nested:
            yield
            return
        try:
            self.connection.execute("BEGIN" if self.readonly else "BEGIN IMMEDIATE")
            yield
            self.connection.execute("COMMIT")
        except BaseException as error:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            if isinstance(error, FAILURES):
                raise self.refusal(error) from None
            raise

    def check_file_exists(self) -> None:
        """Refuse to write to a file that has been deleted or replaced."""
        if self._file is None or self.readonly:
            return
        try:
            there = self._file.stat().st_ino == self._inode
        except OSError:
            there = False
        if not there:
            raise self.error(
                f"the {self.kind.what} {self.path!r} was moved or deleted while in use; put it back and run again"
            )

    def rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[Any]:
        """Read rows a few at a time, all from the state of the file at the first read."""
        cursor = None
        try:
            cursor = self.connection.execute(query, values)
            while rows := cursor.fetchmany(FETCHED_ROWS):
                yield from rows
        except FAILURES as error:
            raise self.refusal(error) from None
        finally:
            if cursor is not None:
                with suppress(sqlite3.ProgrammingError):  # the file was closed before the reader finished
                    cursor.close()

    def close(self) -> None:
        """Close the file, leaving one plain file unless another process still uses it."""
        if not self.readonly and self._file is not None:
            self.connection = leave_one_file(self.connection, self._file)
        self._release()

    def _release(self) -> None:
        self.connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@cache
def _objects_of(statements: tuple[str, ...]) -> frozenset[tuple[str, str, str]]:
    """Return what the statements of a schema create."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
        return _objects(connection)


def _objects(connection: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Return type, name and statement of every object, white space and quotes aside."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return frozenset(
        (str(kind), str(name), NO_SQL if sql is None else "".join(str(sql).split()).replace('"', ""))
        for kind, name, sql in rows
    )

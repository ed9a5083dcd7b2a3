"""A SQLite file of this project: recognised, complete, free of foreign objects, created and closed as one plain file.

- The file contains an application id and a schema version; other files are refused with a remedy, an older schema is
  converted when the file is opened for writing.
- Only the tables, indexes and triggers of its schema may be in it. A view or a trigger of somebody else could change
  what a reader sees or a writer stores, so a file with any other object is refused before its rows are read.
- All pages, and every index against its table, are checked at opening: 2 to 3 s per GB, and less than a tenth of the
  time it takes to read all rows. A damaged page refuses the file; where only an index is damaged, readers go by the
  table.
- A file is checked through a connection that cannot write: one that is refused is left as it was, and nothing is left
  beside it.
- A new file appears complete, with its tables: a file without any content has lost it, and is refused.
- While a process writes, the file is in write-ahead mode (`-wal` and `-shm` beside it); the last process to end leaves
  one plain file. Readers open read-only and see what was committed when they began to read.
- On network file systems write-ahead mode is not used, since its shared memory does not work between machines, and a
  warning is printed: file locks are unreliable there.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from neurondeath.simulations.stores.errors import BUSY_SECONDS, FAILURES, StoreError, damage, explain
from neurondeath.simulations.stores.file_kinds import FileKind, objects, objects_of
from neurondeath.simulations.stores.files import (
    NO_ROOM,
    choose_journal,
    connect,
    create_file,
    has_leftovers,
    irregular_side_file,
    leave_one_file,
    open_reader,
)
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["Database", "FileKind"]

FETCHED_ROWS = 64
LONGEST_VALUE = 2**26  # bytes of one value in a row; SQLite refuses longer ones
DATABASE = "*** in database main ***\n"  # heads the findings
MOST_FINDINGS = 100  # of the check of all pages
ROWS_ONLY = re.compile(  # findings that leave every row of the tables readable
    r"row \d+ missing from index |wrong # of entries in index |non-unique entry in index |NULL value in "
    r"|CHECK constraint failed in |\w+ value in |rowid not at end-of-record for row \d+ of index "
)


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
    write_ahead : bool
        Write in write-ahead mode, for many small transactions. Without it, a transaction that is rolled back leaves
        every byte of the file as it was.

    Raises
    ------
    StoreError
        Of the kind's class, if the file is of another kind, damaged, of a newer schema, contains foreign objects, is
        missing (`readonly`) or not writable.
    """

    def __init__(self, path: str | Path, kind: FileKind, *, readonly: bool = False, write_ahead: bool = True) -> None:
        self.path = str(path)
        self.kind = kind
        self.readonly = readonly
        self._chooses_journal = False  # only at the first transaction: opening writes nothing
        self.findings: list[str] = []  # of the check of all pages: rows and indexes that contradict each other
        self._file = None if self.path == ":memory:" else Path(self.path)
        self._copy: TemporaryDirectory[str] | None = None
        try:
            self._open(write_ahead)
        except FAILURES as error:
            raise self.refusal(error) from None

    def _open(self, write_ahead: bool) -> None:
        if self._file is None:
            self.connection = sqlite3.connect(":memory:", isolation_level=None)
            self.kind.create(self.connection)
            self.schema = self.kind.version
        else:
            if not self._exists(self._file):
                self._create(self._file)
            self._open_for_reading(self._file)
            if not self.readonly:
                self._release()
                self._open_for_writing(self._file)
        if not self.readonly:
            self.connection.execute("PRAGMA foreign_keys = ON")
            self._chooses_journal = write_ahead

    def _open_for_reading(self, file: Path) -> None:
        """Open a file without changing anything, and check that it is a complete one of this kind."""
        try:
            self.connection, self._copy = open_reader(file, BUSY_SECONDS, LONGEST_VALUE)
        except OSError as error:
            raise self._not_accessible("read", error) from None
        with self._closed_on_error():
            self._check_kind()
            self._check_objects()
            self._check_for_damage(file)

    def _open_for_writing(self, file: Path) -> None:
        """Open a file that was checked, and bring an older one up to date."""
        if not (os.access(file, os.W_OK) and os.access(file.absolute().parent, os.W_OK)):
            raise self._not_accessible("write", "read-only")
        self.connection = connect(file, "rw", BUSY_SECONDS, LONGEST_VALUE)
        with self._closed_on_error():
            self._check_kind()
            self._check_objects()
            if self.schema < self.kind.version:
                with self.transaction():
                    if (found := self.pragma("user_version")) < self.kind.version:
                        self.kind.migrate(self.connection, found)
                        self.connection.execute(f"PRAGMA user_version = {self.kind.version}")
                self.schema = self.kind.version
            self._inode = file.stat().st_ino

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._release()
            raise

    def _exists(self, file: Path) -> bool:
        """Return whether there is a file; refuse what cannot be a file of ours, and for reading a missing one."""
        what = self.kind.what
        try:
            exists = file.exists()
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            raise self._not_accessible("open", error) from None
        if not exists:
            if self.readonly:
                raise self.error(f"no {what} at {self.path!r}; run `{self.kind.maker} --store {self.path}` first")
            return False
        if file.is_dir():
            raise self.error(f"{self.path!r} is a folder, not a {what}; name a file")
        if not file.is_file():
            raise self.error(f"{self.path!r} is a pipe or a device, not a {what}; name a file")
        if (irregular := irregular_side_file(file)) is not None:
            raise self.error(f"{str(irregular)!r}, beside the {what}, is not a regular file; remove it")
        if file.stat().st_size == 0:
            raise self.error(
                f"the {what} {self.path!r} is empty (0 bytes): what it contained is lost, or nothing was ever written; "
                "restore a copy, or delete it to begin a new one"
            )
        return True

    def _create(self, file: Path) -> None:
        """Create a file with the objects of its schema, complete from the first moment."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
            self.kind.create(fresh)
            content = fresh.serialize()
        try:
            create_file(file, content)
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            if getattr(error, "errno", None) in NO_ROOM:
                words = f"no room left for the {self.kind.what} {self.path!r}"
                raise self.error(f"{words}; free some and run the same command again") from None
            raise self._not_accessible("write", error) from None

    def _check_kind(self) -> None:
        """Refuse a file of another kind or of a schema that this version does not know."""
        if self.pragma("application_id") != self.kind.application_id:
            raise self.error(f"{self.path!r} is not a neurondeath {self.kind.what}; name another file")
        self.schema = self.pragma("user_version")
        if self.schema not in self.kind.schemas:
            raise self.error(
                f"{self.path!r} has schema {self.schema}, this version reads up to {self.kind.version}; "
                "use the version of neurondeath that wrote it, or another file"
            )

    def _check_for_damage(self, file: Path) -> None:
        """Check the length of the file, all of its pages, and its indexes against its tables."""
        length = self.pragma("page_count") * self.pragma("page_size")
        if not has_leftovers(file) and file.stat().st_size < length:
            raise self.error(f"the {self.kind.what} {self.path!r} is cut short; restore a copy or name another file")
        words = [
            str(word).removeprefix(DATABASE)
            for (word,) in self.connection.execute(f"PRAGMA integrity_check({MOST_FINDINGS})")
        ]
        if words == ["ok"]:
            return
        torn = [word for word in words if ROWS_ONLY.match(word) is None]
        if torn or len(words) >= MOST_FINDINGS or not self.readonly:
            raise self.damage(f"({(torn or words)[0]})")
        self.findings = words

    def _check_objects(self) -> None:
        """Refuse a file whose tables, indexes, views and triggers are not exactly those of its schema."""
        expected = objects_of(tuple(self.kind.schemas[self.schema]))
        found = objects(self.connection, most=len(expected) + 1)
        foreign = sorted(found - expected) or sorted(expected - found)
        if foreign:
            kind, name, _, _ = foreign[0]
            how = "contains" if found - expected else "lacks"
            raise self.error(
                f"{self.path!r} {how} the {visible(kind[:20])} {name[:40]!r}, unlike a neurondeath "
                f"{self.kind.what}: it is forged or damaged; restore a copy or name another file"
            )

    def pragma(self, name: str) -> int:
        """Return a numeric property of the file."""
        return int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])

    def error(self, text: str) -> StoreError:
        """Return an error of the kind's class."""
        return self.kind.error(text)

    def _not_accessible(self, verb: str, reason: Exception | str) -> StoreError:
        words = visible(str(getattr(reason, "strerror", None) or reason))
        remedy = "another file" if verb == "open" else f"a file in a folder you can {verb}"
        return self.error(f"cannot {verb} the {self.kind.what} {self.path!r} ({words}); name {remedy}")

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
            if self._chooses_journal and self._file is not None:
                choose_journal(self.connection, self._file)
                self._chooses_journal = False
            self.connection.execute("BEGIN" if self.readonly else "BEGIN IMMEDIATE")
            yield
            self.connection.execute("COMMIT")
        except BaseException as error:
            if self.connection.in_transaction:
                with suppress(sqlite3.Error):  # the first error tells more
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

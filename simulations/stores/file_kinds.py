"""Kinds of SQLite files of this project: how each is recognised, and the objects that it contains."""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache

from neurondeath.simulations.stores.errors import StoreError

__all__ = ["FileKind", "objects", "objects_of"]

NO_SQL = "automatic index"  # SQLite lists the index of a primary key without a statement
TOKEN = re.compile(r"""\w+|"[^"]*"|'[^']*'|\S""")


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


@cache
def objects_of(statements: tuple[str, ...]) -> frozenset[tuple[str, str, str, str]]:
    """Return what the statements of a schema create."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
        return objects(connection, most=len(statements) * 4)


def objects(connection: sqlite3.Connection, most: int) -> frozenset[tuple[str, str, str, str]]:
    """Return type, name, table and statement of the objects, at most so many; white space and quotes of names aside."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?", (most,)).fetchall()
    return frozenset(
        (str(kind), str(name), str(table), NO_SQL if sql is None else _tokens(str(sql)))
        for kind, name, table, sql in rows
    )


def _tokens(sql: str) -> str:
    """Separate the tokens of a statement by single spaces; a word is the same in quotes, which SQLite may add."""
    words = TOKEN.findall(sql)
    return " ".join(word[1:-1] if word[0] == '"' and word[1:-1].isidentifier() else word for word in words)

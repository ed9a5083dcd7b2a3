"""The schema of a store of runs: its tables, its identifier and version, and the migration from schema 1.

Schema 1: a run and an epoch had no checksum, and JSON contained the words NaN and Infinity.
Schema 2: every row has a checksum of its key and content; an epoch says where it was trained if that differs from its
run; JSON is strict (`run_rows`).
"""

import sqlite3
import zlib
from typing import Any

from neurondeath_torch.training.run_rows import read_measured, write_measured

__all__ = ["APPLICATION_ID", "SCHEMAS", "SCHEMA_VERSION", "as_text", "epoch_checksum", "migrate", "run_checksum"]

APPLICATION_ID = 0x4E44_5452  # "NDTR"
SCHEMA_VERSION = 2
ROWS = 64  # fetched at once in a migration

RUNS = """
CREATE TABLE runs (
    experiment_id TEXT NOT NULL,
    seed INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    provenance TEXT NOT NULL,
    started REAL NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (experiment_id, seed)
) WITHOUT ROWID
"""

# `made` is empty where an epoch was trained as its run's provenance says; the long column comes last
EPOCHS = """
CREATE TABLE epochs (
    experiment_id TEXT NOT NULL,
    seed INTEGER NOT NULL,
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    made TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    measured TEXT NOT NULL,
    PRIMARY KEY (experiment_id, seed, epoch),
    FOREIGN KEY (experiment_id, seed) REFERENCES runs
) WITHOUT ROWID
"""

SCHEMAS = {
    1: (
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
    ),
    SCHEMA_VERSION: (RUNS, EPOCHS),
}


def as_text(raw: bytes) -> str:
    """Decode a column of SQLite; bytes that are not UTF-8 are kept as surrogates, so that only their row is refused."""
    return raw.decode("utf-8", "surrogateescape")


def run_checksum(experiment_id: str, seed: int, name: str, description: str, provenance: str, started: float) -> int:
    """Return the checksum of a run."""
    return _checksum(experiment_id, str(seed), name, description, provenance, repr(float(started)))


def epoch_checksum(experiment_id: str, seed: int, epoch: int, made: str, measured: str) -> int:
    """Return the checksum of an epoch."""
    return _checksum(experiment_id, str(seed), str(epoch), made, measured)


def _checksum(*parts: str) -> int:
    return zlib.crc32("\0".join(parts).encode("utf-8", "surrogateescape"))


def migrate(connection: sqlite3.Connection, found: int) -> None:
    """Bring a store of schema `found` to this one, within the caller's transaction.

    A row that is damaged already keeps its content, and is refused when it is read.
    """
    if found != 1:
        return
    factory = connection.text_factory
    connection.text_factory = as_text
    try:
        for name in ("epochs", "runs"):
            connection.execute(f"ALTER TABLE {name} RENAME TO {name}_1")
        for statement in SCHEMAS[SCHEMA_VERSION]:
            connection.execute(statement)
        for row in _rows(connection, "SELECT experiment_id, seed, name, description, provenance, started FROM runs_1"):
            _insert(connection, "runs", (*row, _or_zero(run_checksum, row)))
        for *key, measured in _rows(connection, "SELECT experiment_id, seed, epoch, measured FROM epochs_1"):
            text = _strict(measured)
            _insert(connection, "epochs", (*key, "", _or_zero(epoch_checksum, (*key, "", text)), text))
        connection.execute("DROP TABLE epochs_1")
        connection.execute("DROP TABLE runs_1")
    finally:
        connection.text_factory = factory


def _rows(connection: sqlite3.Connection, query: str) -> Any:
    cursor = connection.execute(query)
    while rows := cursor.fetchmany(ROWS):
        yield from rows


def _insert(connection: sqlite3.Connection, table: str, row: tuple[Any, ...]) -> None:
    """Insert a row; text travels as bytes, since it may contain what is not UTF-8."""
    places = ", ".join("CAST(? AS TEXT)" if isinstance(value, str) else "?" for value in row)
    values = [value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value for value in row]
    connection.execute(f"INSERT INTO {table} VALUES ({places})", values)


def _or_zero(checksum: Any, row: tuple[Any, ...]) -> int:
    try:
        return int(checksum(*row))
    except (TypeError, ValueError):
        return 0  # the row is damaged, and stays so


def _strict(measured: Any) -> Any:
    """Rewrite measurements of schema 1 in strict JSON; what cannot be read is kept."""
    try:
        return write_measured(read_measured(measured, words=True))
    except (TypeError, ValueError):
        return measured

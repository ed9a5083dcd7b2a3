"""The schema of a store: its tables, its identifier and version, and the migration from older versions.

Schema 1: the key of a shard ended with its start; rows had no checksums.
Schema 2: the key ends with start and stop, so that the finished trials are read without the statistics and an overlap
is found in logarithmic time; a row contains the CPU type on which it was sampled; shards and tasks have checksums.
"""

import sqlite3
import zlib

__all__ = ["APPLICATION_ID", "SCHEMAS", "SCHEMA_VERSION", "migrate", "row_checksum", "task_checksum"]

APPLICATION_ID = 0x4E44_5354  # "NDST"
SCHEMA_VERSION = 2

TASKS = """
CREATE TABLE tasks (
    task_id TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    checksum INTEGER NOT NULL
) WITHOUT ROWID
"""

# the statistics come last: columns behind a long column are slow to read
SHARDS = """
CREATE TABLE shards (
    task_id TEXT NOT NULL REFERENCES tasks,
    seed INTEGER NOT NULL,
    start INTEGER NOT NULL CHECK (start >= 0),
    stop INTEGER NOT NULL CHECK (stop > start),
    cpu_seconds REAL NOT NULL,
    version TEXT NOT NULL,
    cpu TEXT NOT NULL,
    finished REAL NOT NULL,
    checksum INTEGER NOT NULL,
    statistics BLOB NOT NULL,
    PRIMARY KEY (task_id, seed, start, stop)
)
"""

# stored shards do not overlap, so of those that start before the new one stops only the last can overlap it
NEVER_OVERLAP = """
CREATE TRIGGER shards_never_overlap BEFORE INSERT ON shards
WHEN NEW.start < (
    SELECT stop FROM shards WHERE task_id = NEW.task_id AND seed = NEW.seed AND start < NEW.stop
    ORDER BY start DESC LIMIT 1
)
BEGIN SELECT RAISE(ABORT, 'overlap'); END
"""


SCHEMAS = {
    1: (
        "CREATE TABLE tasks (task_id TEXT PRIMARY KEY, description TEXT NOT NULL) WITHOUT ROWID",
        """
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
        )
        """,
        """
        CREATE TRIGGER shards_never_overlap BEFORE INSERT ON shards
        WHEN EXISTS (
            SELECT 1 FROM shards
            WHERE task_id = NEW.task_id AND seed = NEW.seed AND start < NEW.stop AND stop > NEW.start
        )
        BEGIN SELECT RAISE(ABORT, 'overlap'); END
        """,
    ),
    SCHEMA_VERSION: (TASKS, SHARDS, NEVER_OVERLAP),
}


def row_checksum(task_id: str, seed: int, start: int, stop: int, packed: bytes) -> int:
    """CRC-32 of a shard's key and its packed statistics, to detect damaged rows."""
    return zlib.crc32(packed, zlib.crc32(f"{task_id} {seed} {start} {stop}".encode()))


def task_checksum(task_id: str, description: str) -> int:
    """CRC-32 of a task's id and description."""
    return zlib.crc32(f"{task_id} {description}".encode())


def migrate(connection: sqlite3.Connection, found: int) -> None:
    """Convert a store of the older schema `found` to this one, within the caller's transaction."""
    if found == 1:
        connection.create_function("row_checksum", 5, row_checksum, deterministic=True)
        connection.create_function("task_checksum", 2, task_checksum, deterministic=True)
        connection.execute("DROP TRIGGER shards_never_overlap")
        connection.execute("ALTER TABLE shards RENAME TO shards_1")
        connection.execute("ALTER TABLE tasks RENAME TO tasks_1")
        for statement in SCHEMAS[SCHEMA_VERSION]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO tasks SELECT task_id, description, task_checksum(task_id, description) FROM tasks_1"
        )
        connection.execute(
            "INSERT INTO shards SELECT task_id, seed, start, stop, cpu_seconds, version, '', finished, "
            "row_checksum(task_id, seed, start, stop, statistics), statistics FROM shards_1 ORDER BY rowid"
        )
        connection.execute("DROP TABLE shards_1")
        connection.execute("DROP TABLE tasks_1")

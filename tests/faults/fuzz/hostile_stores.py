"""Stores that are foreign or forged: name -> function that writes the file.

What a forged store changes is drawn from its own tables and columns, so that other schemas are covered as well.
"""

import shutil
import sqlite3
from contextlib import closing

__all__ = ["STORES"]

FORGED = (
    None,
    -1,
    0,
    2**62,
    -(2**62),
    1e308,
    "nan",
    "",
    "\x1b[31mRED",
    "x" * 100000,
    b"",
    b"\x00" * 100,
    "{",
    "[]",
    "{}",
    "null",
    "[1e999]",
)


def _foreign(*statements):
    def write(path, choose):
        with closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return write


def _forged(good, change):
    def write(path, choose):
        shutil.copy(path.with_name(good), path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = 1")
            try:
                change(connection, choose)
                connection.commit()
            except sqlite3.Error:  # a trigger of the store refuses the change
                connection.rollback()

    return write


def _tables(connection):
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [name for (name,) in rows]


def _without_triggers(connection):
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')


def _value(connection, choose):
    table = choose.choice(_tables(connection))
    column = choose.choice([row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')])
    connection.execute(f'UPDATE "{table}" SET "{column}" = ?', (choose.choice(FORGED),))


def _value_without_triggers(connection, choose):
    _without_triggers(connection)
    _value(connection, choose)


def _row_gone(connection, choose):
    connection.execute(f'DELETE FROM "{choose.choice(_tables(connection))}"')


def _table_gone(connection, choose):
    connection.execute(f'DROP TABLE "{choose.choice(_tables(connection))}"')


def _rows_twice(connection, choose):
    table = choose.choice(_tables(connection))
    connection.execute(f'CREATE TABLE copied AS SELECT * FROM "{table}"')
    connection.execute(f'DROP TABLE "{table}"')
    connection.execute(f'CREATE TABLE "{table}" AS SELECT * FROM copied UNION ALL SELECT * FROM copied')
    connection.execute("DROP TABLE copied")


def _view(connection, choose):
    connection.execute(f'CREATE VIEW foreign_view AS SELECT * FROM "{choose.choice(_tables(connection))}"')


def _endless_view(connection, choose):
    table = choose.choice(_tables(connection))
    connection.execute(f'ALTER TABLE "{table}" RENAME TO hidden')
    connection.execute(
        f'CREATE VIEW "{table}" AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) '
        "SELECT * FROM hidden, n"
    )


def _trigger(connection, choose):
    table = choose.choice(_tables(connection))
    connection.execute(f'CREATE TRIGGER foreign_trigger AFTER INSERT ON "{table}" BEGIN DELETE FROM "{table}"; END')


def _version(connection, choose):
    connection.execute(f"PRAGMA user_version = {choose.choice((0, -1, 99, 2**31 - 1))}")


def _kind(connection, choose):
    connection.execute(f"PRAGMA application_id = {choose.choice((0, 1, -1))}")


def _table_added(connection, choose):
    connection.execute("CREATE TABLE another (x)")


FORGERIES = {
    "value": _value,
    "value and no triggers": _value_without_triggers,
    "row gone": _row_gone,
    "table gone": _table_gone,
    "rows twice": _rows_twice,
    "view": _view,
    "endless view": _endless_view,
    "trigger": _trigger,
    "version": _version,
    "kind": _kind,
    "table added": _table_added,
}
STORES = {
    "database of nobody": _foreign("CREATE TABLE x (y)"),
    "database of a view": _foreign("CREATE VIEW tasks AS SELECT 1 AS task_id, 2 AS description"),
    "database of empty tables": _foreign("CREATE TABLE tasks (task_id)", "CREATE TABLE shards (task_id)"),
    "database of nothing": _foreign("PRAGMA user_version = 3", "VACUUM"),
    **{
        f"good_{kind}.sqlite with forged {name}": _forged(f"good_{kind}.sqlite", change)
        for kind in ("store", "runs")
        for name, change in FORGERIES.items()
    },
}

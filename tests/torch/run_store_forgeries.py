"""Stores of training runs that are damaged or forged: one small store, and the ways to change it."""

import json
import os
import sqlite3
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.run_schema import epoch_checksum, run_checksum
from neurondeath_torch.training.run_store import RunStore

FIRST, OTHER = Experiment(epochs=2), Experiment(epochs=3)
RUN = f"experiment_id = '{FIRST.experiment_id}' AND seed = 0"
EPOCH = f"{RUN} AND epoch = 1"
DEEP = "[" * 50_000 + "]" * 50_000


def measured(epoch):
    return {
        "epoch": epoch,
        "train_loss": 2.25 - epoch / 8,
        "test_accuracy": 0.125 * (epoch + 1),
        "units": 24,
        "dead_units": epoch,
        "dead_by_activation": [epoch, 0],
        "diverged": False,
    }


def fill(path, experiments=(FIRST, OTHER), seeds=(0, 1)):
    """Make a store of finished runs."""
    with RunStore(path) as store:
        for one in experiments:
            for seed in seeds:
                key = (one.experiment_id, seed)
                store.begin(*key, name="demo", description=one.description(), provenance={"device": "cpu"})
                for epoch in range(one.epochs + 1):
                    store.note(*key, epoch, measured(epoch))


def reseal(connection):
    """Make the checksums right again, as a forger would."""
    with suppress(sqlite3.OperationalError):
        rows = connection.execute("SELECT experiment_id, seed, name, description, provenance, started FROM runs")
        for row in rows.fetchall():
            with suppress(TypeError, ValueError):
                update = "UPDATE runs SET checksum = ? WHERE experiment_id = ? AND seed = ?"
                connection.execute(update, (run_checksum(*row), *row[:2]))
        rows = connection.execute("SELECT experiment_id, seed, epoch, made, measured FROM epochs")
        for row in rows.fetchall():
            with suppress(TypeError, ValueError):
                update = "UPDATE epochs SET checksum = ? WHERE experiment_id = ? AND seed = ? AND epoch = ?"
                connection.execute(update, (epoch_checksum(*row), *row[:3]))


def change(path, *statements, sealed=False):
    """Run statements on a store; a statement may be a pair with its values."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        for statement in statements:
            connection.execute(*((statement,) if isinstance(statement, str) else statement))
        if sealed:
            connection.text_factory = str
            with suppress(sqlite3.OperationalError, UnicodeError):
                reseal(connection)


def epoch_text(text):
    return (f"UPDATE epochs SET measured = ? WHERE {EPOCH}", (text,))


def epoch_value(**values):
    return epoch_text(json.dumps({**measured(1), **values}))


def run_column(column, value):
    return (f"UPDATE runs SET {column} = ? WHERE {RUN}", (value,))


def insert_epoch(epoch):
    text = json.dumps(measured(epoch))
    return [
        f"CREATE TEMP TABLE copy AS SELECT * FROM epochs WHERE {EPOCH}",
        ("UPDATE copy SET epoch = ?, measured = ?", (epoch, text)),
        "INSERT INTO epochs SELECT * FROM copy",
    ]


# a row that is not as it was written, and whose checksum tells
FLIPPED = {
    "a digit of a measurement": [f"UPDATE epochs SET measured = replace(measured, '2.125', '2.126') WHERE {EPOCH}"],
    "measurements cut short": [f"UPDATE epochs SET measured = substr(measured, 1, 40) WHERE {EPOCH}"],
    "no measurements": [epoch_text("")],
    "other measurements": [epoch_text("{}")],
    "a digit of a description": [f"UPDATE runs SET description = '{{\"epochs\": 3}}' WHERE {RUN}"],
    "a description cut short": [f"UPDATE runs SET description = substr(description, 1, 5) WHERE {RUN}"],
    "another provenance": [run_column("provenance", '{"neurondeath": "9"}')],
    "another name": [run_column("name", "other")],
    "another start": [run_column("started", 12.5)],
    "another epoch": [f"UPDATE epochs SET epoch = 7 WHERE {RUN} AND epoch = 2"],
    "an epoch of no run": [f"UPDATE epochs SET seed = 77 WHERE {RUN} AND epoch = 2"],
    "an epoch of no experiment": [f"UPDATE epochs SET experiment_id = 'f' WHERE {RUN} AND epoch = 2"],
    "an epoch of another run": [f"UPDATE epochs SET seed = 9 WHERE {EPOCH}", f"UPDATE runs SET seed = 9 WHERE {RUN}"],
    "a run of another experiment": [run_column("experiment_id", "0123456789abcdef")],
    "another checksum of an epoch": [f"UPDATE epochs SET checksum = checksum + 1 WHERE {EPOCH}"],
    "another checksum of a run": [f"UPDATE runs SET checksum = 0 WHERE {RUN}"],
    "a checksum that is text": [f"UPDATE runs SET checksum = 'x' WHERE {RUN}"],
    "another place of an epoch": [f"UPDATE epochs SET made = '{{}}' WHERE {EPOCH}"],
}

# a row whose checksum is right, but not its content
FORGED = {
    "measurements that are no JSON": [epoch_text("no JSON")],
    "measurements that are a list": [epoch_text("[1, 2]")],
    "measurements that are a number": [epoch_text("3")],
    "measurements that are null": [epoch_text("null")],
    "measurements nested deep": [epoch_text(DEEP)],
    "a measurement nested deep": [epoch_text('{"units": ' + DEEP + "}")],
    "measurements of megabytes": [epoch_text(json.dumps({"loss": [0.5] * 2_000_000}))],
    "a number of thousands of digits": [epoch_text('{"loss": ' + "9" * 5000 + "}")],
    "a number of a hundred digits": [epoch_value(units=10**100)],
    "a number that overflows": [epoch_value(dead_units=2**63)],
    "a word that JSON does not know": [epoch_text('{"train_loss": NaN}'), "SELECT 1"],
    "a measurement that is text": [epoch_value(test_accuracy="\x1b[31mhigh")],
    "a measurement that is a table": [epoch_value(units={"a": 1})],
    "a count that is negative": [epoch_value(units=-1)],
    "a count that is a fraction": [epoch_value(dead_units=0.5)],
    "a count that is a list": [epoch_value(units=[1])],
    "a count that is true": [epoch_value(units=True)],
    "a share above 1": [epoch_value(test_accuracy=1.5)],
    "a share below 0": [epoch_value(test_accuracy=-0.5)],
    "a share that is not finite": [epoch_value(test_accuracy="NaN")],
    "a flag that is a number": [epoch_value(diverged=2)],
    "measurements of another epoch": [epoch_value(epoch=0)],
    "an epoch number that is text": [epoch_value(epoch="1")],
    "more dead units than units": [epoch_value(dead_units=25)],
    "measurements in bytes": [f"UPDATE epochs SET measured = x'ff00' WHERE {EPOCH}"],
    "measurements that are not UTF-8": [f"UPDATE epochs SET measured = CAST(x'7bff7d' AS TEXT) WHERE {EPOCH}"],
    "measurements that are a number of SQLite": [f"UPDATE epochs SET measured = 5 WHERE {EPOCH}"],
    "no epoch 1": [f"DELETE FROM epochs WHERE {EPOCH}"],
    "no epoch 0": [f"DELETE FROM epochs WHERE {RUN} AND epoch = 0"],
    "an epoch too many": insert_epoch(3),
    "an epoch far away": insert_epoch(10**12),
    "an epoch that is text": [f"UPDATE epochs SET epoch = 'two' WHERE {RUN} AND epoch = 2"],
    "an epoch that is a fraction": [f"UPDATE epochs SET epoch = 1.5 WHERE {RUN} AND epoch = 2"],
    "a run that was deleted": [f"DELETE FROM runs WHERE {RUN}"],
    "a description that is no JSON": [run_column("description", "x")],
    "a description that is a list": [run_column("description", "[]")],
    "a description of another experiment": [run_column("description", json.dumps(OTHER.description()))],
    "a description without epochs": [run_column("description", "{}")],
    "a description nested deep": [run_column("description", '{"epochs": ' + DEEP + "}")],
    "a description of megabytes": [run_column("description", '{"epochs": "' + "x" * 2**23 + '"}')],
    "a description in bytes": [f"UPDATE runs SET description = x'ff' WHERE {RUN}"],
    "a description that is not UTF-8": [f"UPDATE runs SET description = CAST(x'7bff7d' AS TEXT) WHERE {RUN}"],
    "a provenance that is no JSON": [run_column("provenance", "{")],
    "a provenance that is a list": [run_column("provenance", "[1]")],
    "a provenance nested deep": [run_column("provenance", DEEP)],
    "a provenance of megabytes": [run_column("provenance", '{"a": "' + "x" * 2**23 + '"}')],
    "a provenance with a word that JSON does not know": [run_column("provenance", '{"threads": NaN}')],
    "a name in bytes": [f"UPDATE runs SET name = x'ff' WHERE {RUN}"],
    "a name of megabytes": [run_column("name", "x" * 2**23)],
    "a start that is text": [run_column("started", "yesterday")],
    "a start that is not finite": [f"UPDATE runs SET started = 9e999 WHERE {RUN}"],
    "a start in bytes": [f"UPDATE runs SET started = x'00' WHERE {RUN}"],
    "a seed that is negative": [run_column("seed", -1), f"UPDATE epochs SET seed = -1 WHERE {RUN}"],
    "a seed that is text": [run_column("seed", "\x1b[31mnull"), f"DELETE FROM epochs WHERE {RUN}"],
    "a seed that is a fraction": [run_column("seed", 0.5), f"UPDATE epochs SET seed = 0.5 WHERE {RUN}"],
    "an id with control characters": [run_column("experiment_id", "\x1b[2J\nid")],
    "an id in bytes": [f"UPDATE runs SET experiment_id = x'00' WHERE {RUN}"],
}

# a file with objects that are not ours, or of another kind or version
FOREIGN = {
    "a table of somebody else": ["CREATE TABLE notes (text)"],
    "a view": ["CREATE VIEW all_runs AS SELECT * FROM runs"],
    "an index": ["CREATE INDEX names ON runs (name)"],
    "a trigger that drops epochs": [
        "CREATE TRIGGER thief BEFORE INSERT ON epochs BEGIN SELECT RAISE(IGNORE); END",
    ],
    "a trigger that changes epochs": [
        "CREATE TRIGGER liar AFTER INSERT ON epochs BEGIN UPDATE epochs SET measured = '{}'; END",
    ],
    "a view in place of the epochs": [
        "ALTER TABLE epochs RENAME TO real_epochs",
        "CREATE VIEW epochs AS SELECT * FROM real_epochs",
    ],
    "no epochs": ["DROP TABLE epochs"],
    "no runs": ["DROP TABLE epochs", "DROP TABLE runs"],
    "a further column": ["ALTER TABLE epochs ADD COLUMN more"],
    "a newer schema": ["PRAGMA user_version = 3"],
    "a schema of the distant future": ["PRAGMA user_version = 2147483647"],
    "a negative schema": ["PRAGMA user_version = -1"],
    "no schema": ["PRAGMA user_version = 0"],
    "no application id": ["PRAGMA application_id = 0"],
    "the application id of a results store": ["PRAGMA application_id = 1313104724"],
    "an unknown application id": ["PRAGMA application_id = 7"],
}


def _write(content):
    def make(path):
        os.remove(path)
        path.write_bytes(content)

    return make


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip_pages(path):
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(reversed(content[4096:8192]))
    path.write_bytes(content)


def _pipe(path):
    os.remove(path)
    os.mkfifo(path)


def _link(target):
    def make(path):
        os.remove(path)
        path.symlink_to(target)

    return make


def _folder(path):
    os.remove(path)
    path.mkdir()


def _results(path):
    from neurondeath.simulations.stores.store import Store

    os.remove(path)
    Store(path).close()


FILES = {
    "an empty file": _write(b""),
    "a text": _write(b"no database, but long enough to be the head of one" * 20),
    "zeros": _write(bytes(20_000)),
    "the head of a database": _write(b"SQLite format 3\0"),
    "half a store": _cut,
    "a damaged page": _flip_pages,
    "a pipe": _pipe,
    "a device": _link("/dev/zero"),
    "a folder": _folder,
    "a results store": _results,
}


@cache
def whole_store():
    """Return the content of the store that is changed."""
    with TemporaryDirectory() as folder:
        fill(Path(folder) / "store.sqlite")
        return (Path(folder) / "store.sqlite").read_bytes()


def forge(path, kind):
    """Make a store, and change it in one way."""
    path.write_bytes(whole_store())
    if kind in FILES:
        FILES[kind](path)
    elif kind in FLIPPED:
        change(path, *FLIPPED[kind])
    else:
        change(path, *{**FORGED, **FOREIGN}[kind], sealed=kind in FORGED)


KINDS = [*FLIPPED, *FORGED, *FOREIGN, *FILES]

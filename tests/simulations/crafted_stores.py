"""Stores that no run has written: foreign objects, impossible rows with right checksums, damaged files.

Every kind edits a copy of a good store of four tasks, and at most one task of it where it edits rows. It is expected
that a command refuses the "file", or leaves out the "task" and shows the others, or refuses "nothing".
"""

import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.stores.schema import row_checksum, task_checksum
from neurondeath.simulations.stores.shards import Shard, pack_statistics
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.task import Task, identify
from neurondeath_theory.networks.network import Network

POINTS = input_set("gaussian:16", dimension=3)
CRUDE = Task(Network([3, 3]), POINTS)
SPLITTING = Task(Network([3, 3]), POINTS, estimator="splitting")
CONDITIONAL = Task(Network([3, 3]), POINTS, estimator="conditional")
DETAILED = Task(
    Network([3, 3], architecture="batch_norm"),
    POINTS,
    outputs=("dead_units", "sparsity", "variance", "correlation", "effective_rank"),
)
TRIALS = 20  # of every task, in two shards
SIMULATED = ["--width", "3", "--depth", "2", "--inputs", "gaussian:16", "--trials", str(TRIALS)]  # the first task

Edit = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True)
class Kind:
    """A kind of crafted store: how it is made from a good one, and what is to be refused."""

    name: str
    craft: Callable[[Path], None]
    refused: str


def counts(alive=(8, 4), living=(24, 8), squares=(80, 20)):
    numbers = {"alive": alive, "living": living, "living_squares": squares}
    return {name: np.array(values, dtype=np.int64) for name, values in numbers.items()}


def averages(**changed):
    numbers = {
        "alive": (9.0, 8.0),
        "alive_squares": (9.0, 8.0),
        "living": (40.0, 30.0),
        "living_squares": (200.0, 150.0),
    }
    numbers |= changed
    return {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}


def chains(**changed):
    numbers = {"log_dead": (-9.0, -8.0), "log_dead_squares": (9.0, 8.0), "log_alive": (-5.0, -6.0)}
    numbers |= {"log_alive_squares": (4.0, 5.0), "living": (40.0, 30.0), "living_squares": (200.0, 150.0)}
    numbers |= {"populations": (2.0, 2.0), "deadly": (2.0, 1.0), "effective": (30.0, 20.0)} | changed
    return {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}


def details(**changed):
    whole = {
        "layerwise_alive": (9, 8),
        "dead_units": (3, 6),
        "dead_units_squares": (5, 8),
        "sparsity": (100, 120),
        "sparsity_squares": (1200, 1700),
        "correlation_trials": (10, 9),
        "log_variance_trials": (10, 9),
        "effective_rank_trials": (10, 8),
    }
    real = {
        "variance": (10.0, 11.0),
        "variance_squares": (12.0, 14.0),
        "correlation": (3.0, -1.0),
        "correlation_squares": (1.5, 0.5),
        "log_variance": (1.0, -2.0),
        "log_variance_squares": (2.0, 3.0),
        "log_variance_cubes": (1.5, -2.0),
        "log_variance_fourths": (5.0, 6.0),
        "effective_rank": (20.0, 12.0),
        "effective_rank_squares": (42.0, 20.0),
    }
    numbers = {name: np.array(values, dtype=np.int64) for name, values in whole.items()}
    numbers |= {name: np.array(values, dtype=np.float64) for name, values in real.items()}
    return counts() | numbers | {name: np.array(values, dtype=numbers[name].dtype) for name, values in changed.items()}


STATISTICS = {
    CRUDE.task_id: counts,
    SPLITTING.task_id: averages,
    CONDITIONAL.task_id: chains,
    DETAILED.task_id: details,
}


def make_good(path):
    """Write the store from which all kinds are made."""
    with Store(path) as store:
        for task in (CRUDE, SPLITTING, CONDITIONAL, DETAILED):
            store.add_task(task)
            for start in (0, TRIALS // 2):
                numbers = STATISTICS[task.task_id]()
                store.add(
                    Shard(task_id=task.task_id, seed=0, start=start, stop=start + TRIALS // 2, statistics=numbers)
                )


def edited(*statements: str) -> Callable[[Path], None]:
    """Edit with SQL, without the constraints."""

    def craft(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                connection.execute(statement)

    return craft


def with_row(task: Task = CRUDE, **values: Any) -> Callable[[Path], None]:
    """Replace values of the second shard of a task; the checksum is right unless it is given."""

    def craft(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            where = (task.task_id, TRIALS // 2)
            query = "SELECT task_id, seed, start, stop, statistics FROM shards WHERE task_id = ? AND start = ?"
            (row,) = connection.execute(query, where).fetchall()
            row = dict(zip(("task_id", "seed", "start", "stop", "statistics"), row, strict=True)) | values
            if "checksum" not in row:
                packed = row["statistics"]
                raw = packed if isinstance(packed, bytes) else str(packed).encode()
                row["checksum"] = row_checksum(row["task_id"], row["seed"], row["start"], row["stop"], raw)
            setters = ", ".join(f"{name} = :{name}" for name in row)
            connection.execute(
                f"UPDATE shards SET {setters} WHERE task_id = :of AND start = :at",
                row | {"of": where[0], "at": where[1]},
            )

    return craft


def with_statistics(packed: Any, task: Task = CRUDE) -> Callable[[Path], None]:
    """Replace the statistics of a shard by named arrays or by bytes."""
    return with_row(task, statistics=packed if isinstance(packed, bytes) else pack_statistics(packed))


def with_text(text: Any, checksum: Any = None) -> Callable[[Path], None]:
    """Replace the description of the first task by a text."""

    def craft(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            written = text if isinstance(text, str) else str(text)
            right = task_checksum(CRUDE.task_id, written) if checksum is None else checksum
            connection.execute(
                "UPDATE tasks SET description = ?, checksum = ? WHERE task_id = ?", (text, right, CRUDE.task_id)
            )

    return craft


def described(change: Callable[[dict[str, Any]], None], *, hashed: bool = True) -> Callable[[Path], None]:
    """Change the description of the first task, everywhere under the id that is its hash."""

    def craft(path):
        description = json.loads(json.dumps(CRUDE.description()))
        change(description)
        text = json.dumps(description, sort_keys=True)
        try:
            task_id = identify(description) if hashed else CRUDE.task_id
        except (KeyError, TypeError):
            task_id = CRUDE.task_id
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            rows = connection.execute(
                "SELECT rowid, seed, start, stop, statistics FROM shards WHERE task_id = ?", (CRUDE.task_id,)
            ).fetchall()
            new = (task_id, text, task_checksum(task_id, text), CRUDE.task_id)
            connection.execute("UPDATE tasks SET task_id = ?, description = ?, checksum = ? WHERE task_id = ?", new)
            for rowid, *key, packed in rows:
                connection.execute(
                    "UPDATE shards SET task_id = ?, checksum = ? WHERE rowid = ?",
                    (task_id, row_checksum(task_id, *key, packed), rowid),
                )

    return craft


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(description):
        part = description
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value

    return change


def drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(description):
        part = description
        for key in keys[:-1]:
            part = part[key]
        del part[keys[-1]]

    return change


def in_bytes(change: Callable[[bytearray], Any]) -> Callable[[Path], None]:
    """Edit the bytes of the file."""

    def craft(path):
        content = bytearray(path.read_bytes())
        changed = change(content)
        path.write_bytes(content if changed is None else changed)

    return craft


def at(place: int, new: bytes) -> Callable[[Path], None]:
    def change(content):
        content[place : place + len(new)] = new

    return in_bytes(change)


def packed_as(header: Any, body: bytes = bytes(48), after: bytes = b"") -> bytes:
    line = header if isinstance(header, bytes) else json.dumps(header).encode()
    return zlib.compress(line + b"\n" + body, 1) + after


NAMES = ("alive", "living", "living_squares")
HEADER = [[name, "<i8", 2] for name in NAMES]
SHARDS_SQL = "UPDATE sqlite_master SET sql = replace(sql, {!r}, {!r}) WHERE name = 'shards'"
BELL, ESCAPE, BIDI = chr(7), chr(27) + "[31mred", chr(0x202E)
HUGE, LONG = 2**62, "x" * 100_000

FILES: dict[str, Callable[[Path], None]] = {
    # objects
    "a view": edited("CREATE VIEW foreign_view AS SELECT * FROM shards"),
    "a view with a name of controls": edited(f'CREATE VIEW "{ESCAPE}" AS SELECT 1'),
    "a view in place of the shards": edited(
        "ALTER TABLE shards RENAME TO hidden", "CREATE VIEW shards AS SELECT * FROM hidden"
    ),
    "a view in place of the tasks": edited(
        "ALTER TABLE tasks RENAME TO hidden", "CREATE VIEW tasks AS SELECT * FROM hidden"
    ),
    "a recursive view": edited(
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT * FROM n"
    ),
    "a trigger that ignores": edited("CREATE TRIGGER t BEFORE INSERT ON shards BEGIN SELECT RAISE(IGNORE); END"),
    "a trigger that deletes": edited("CREATE TRIGGER t AFTER INSERT ON shards BEGIN DELETE FROM shards; END"),
    "a trigger that updates": edited("CREATE TRIGGER t AFTER INSERT ON shards BEGIN UPDATE shards SET seed = 5; END"),
    "a trigger on tasks": edited("CREATE TRIGGER t AFTER INSERT ON tasks BEGIN DELETE FROM tasks; END"),
    "a trigger that aborts": edited("CREATE TRIGGER t BEFORE INSERT ON shards BEGIN SELECT RAISE(ABORT, 'no'); END"),
    "no trigger": edited("DROP TRIGGER shards_never_overlap"),
    "another trigger of its name": edited(
        "DROP TRIGGER shards_never_overlap",
        "CREATE TRIGGER shards_never_overlap BEFORE INSERT ON shards BEGIN SELECT 1; END",
    ),
    "a further table": edited("CREATE TABLE foreign_table (x)"),
    "a further table without rowid": edited("CREATE TABLE foreign_table (x PRIMARY KEY) WITHOUT ROWID"),
    "a counter of rows": edited("CREATE TABLE c (x INTEGER PRIMARY KEY AUTOINCREMENT)"),
    "statistics of a planner": edited("ANALYZE"),
    "many tables": edited(*(f"CREATE TABLE t{i} (x)" for i in range(200))),
    "a virtual table": edited("CREATE VIRTUAL TABLE f USING fts5(x)"),
    "another virtual table": edited("CREATE VIRTUAL TABLE f USING rtree(i, a, b)"),
    "an index": edited("CREATE INDEX i ON shards (stop)"),
    "a unique index": edited("CREATE UNIQUE INDEX i ON shards (task_id, start)"),
    "a partial index": edited("CREATE INDEX i ON shards (stop) WHERE start > 5"),
    "an index of an expression": edited("CREATE INDEX i ON shards (abs(stop))"),
    "a further column": edited("ALTER TABLE shards ADD COLUMN more"),
    "a further column with a default": edited("ALTER TABLE shards ADD COLUMN more DEFAULT 3"),
    "a generated column": edited("ALTER TABLE shards ADD COLUMN more AS (start * 2)"),
    "a further column of tasks": edited("ALTER TABLE tasks ADD COLUMN more"),
    "a renamed column": edited("ALTER TABLE shards RENAME COLUMN cpu TO processor"),
    "a renamed table": edited("ALTER TABLE shards RENAME TO shard"),
    "no table of tasks": edited("PRAGMA foreign_keys = OFF", "DROP TABLE tasks"),
    "no table of shards": edited("DROP TABLE shards"),
    "no check of start": edited(SHARDS_SQL.format("CHECK (start >= 0)", "")),
    "another check of stop": edited(SHARDS_SQL.format("CHECK (stop > start)", "CHECK (stop < start)")),
    "a check that calls": edited(SHARDS_SQL.format("CHECK (stop > start)", "CHECK (randomblob(1000000000))")),
    "a column that may be null": edited(SHARDS_SQL.format("seed INTEGER NOT NULL", "seed INTEGER")),
    "a column that may be null, glued": edited(SHARDS_SQL.format("seed INTEGER NOT NULL", "seed INTEGERNOT NULL")),
    "another type": edited(SHARDS_SQL.format("seed INTEGER", "seed TEXT")),
    "another collation": edited(SHARDS_SQL.format("task_id TEXT NOT NULL", "task_id TEXT NOT NULL COLLATE NOCASE")),
    "another key": edited(SHARDS_SQL.format("(task_id, seed, start, stop)", "(task_id, seed, stop, start)")),
    "no reference": edited(SHARDS_SQL.format("REFERENCES tasks", "")),
    "a strict table": edited("UPDATE sqlite_master SET sql = sql || ' STRICT' WHERE name = 'shards'"),
    "garbage for a statement": edited("UPDATE sqlite_master SET sql = 'garbage' WHERE name = 'shards'"),
    "no statement": edited("UPDATE sqlite_master SET sql = NULL WHERE name = 'tasks'"),
    "a long statement": edited(SHARDS_SQL.format("CREATE TABLE shards", f"CREATE TABLE shards /*{LONG}*/")),
    "controls in a statement": edited(SHARDS_SQL.format("CHECK (start >= 0)", f"CHECK (start >= '{BELL}{BIDI}')")),
    "two statements": edited("UPDATE sqlite_master SET sql = sql || '; DROP TABLE tasks' WHERE name = 'shards'"),
    "another type of object": edited("UPDATE sqlite_master SET type = 'view' WHERE name = 'tasks'"),
    "another name of a table": edited("UPDATE sqlite_master SET tbl_name = 'tasks' WHERE name = 'shards'"),
    "the root of another table": edited(
        "UPDATE sqlite_master SET rootpage = "
        "(SELECT rootpage FROM sqlite_master WHERE name = 'tasks') WHERE name = 'shards'"
    ),
    "the root of its own index": edited(
        "UPDATE sqlite_master SET rootpage = "
        "(SELECT rootpage FROM sqlite_master WHERE name LIKE 'sqlite_auto%') WHERE name = 'shards'"
    ),
    "a root beyond the end": edited("UPDATE sqlite_master SET rootpage = 4000000 WHERE name = 'shards'"),
    "a root of 0": edited("UPDATE sqlite_master SET rootpage = 0 WHERE name = 'shards'"),
    "a negative root": edited("UPDATE sqlite_master SET rootpage = -1 WHERE name = 'tasks'"),
    "a root of 1": edited("UPDATE sqlite_master SET rootpage = 1 WHERE name = 'shards'"),
    # header and length
    "no application": edited("PRAGMA application_id = 0"),
    "another application": edited("PRAGMA application_id = 12345"),
    "the application of run stores": edited(f"PRAGMA application_id = {0x4E445452}"),
    "schema 0": edited("PRAGMA user_version = 0"),
    "an older schema than its tables": edited("PRAGMA user_version = 1"),
    "a newer schema": edited("PRAGMA user_version = 3"),
    "a schema far away": edited("PRAGMA user_version = 2147483647"),
    "a negative schema": edited("PRAGMA user_version = -1"),
    "no bytes": in_bytes(lambda content: b""),
    "one byte": in_bytes(lambda content: content[:1]),
    "99 bytes": in_bytes(lambda content: content[:99]),
    "the header only": in_bytes(lambda content: content[:100]),
    "one page": in_bytes(lambda content: content[:4096]),
    "half of it": in_bytes(lambda content: content[: len(content) // 2]),
    "all but a byte": in_bytes(lambda content: content[:-1]),
    "zeros": in_bytes(lambda content: bytes(len(content))),
    "text": in_bytes(lambda content: b"no store at all " * 1000),
    "a compressed copy": in_bytes(lambda content: zlib.compress(bytes(content))),
    "another magic": at(0, b"SQLite format 4"),
    "pages of no size": at(16, b"\x00\x00"),
    "pages of 3 bytes": at(16, b"\x00\x03"),
    "pages of 512 bytes": at(16, b"\x02\x00"),
    "a format of the future": at(18, b"\x09\x09"),
    "another payload fraction": at(21, b"\x10"),
    "a schema format of 99": at(44, b"\x00\x00\x00\x63"),
    "no schema page": at(100, b"\x00"),
    "a schema page of another kind": at(100, b"\x05"),
    "a page of tasks cleared": in_bytes(lambda content: content[:4096] + bytes(4096) + content[8192:]),
    "a page twice": in_bytes(lambda content: content[:8192] + content[4096:]),
}

TASKS: dict[str, Callable[[Path], None]] = {
    # the key of a row
    "start of -1": with_row(start=-1),
    "start in text": with_row(start="ten", checksum=0),
    "start in bytes": with_row(start=b"\x00", checksum=0),
    "start of 10.5": with_row(start=10.5),
    "start of 2^62": with_row(start=HUGE, stop=HUGE + 1),
    "stop before start": with_row(stop=3),
    "stop at start": with_row(stop=10),
    "stop in text": with_row(stop="twenty"),
    "stop in bytes": with_row(stop=b"\xff\xfe"),
    "stop of 19.5": with_row(stop=19.5),
    "stop of 2^63 - 1": with_row(stop=2**63 - 1),
    "stop at infinity": with_row(stop=float("inf")),
    "overlapping trials": with_row(start=5),
    "trials within another shard": with_row(start=3, stop=5),
    "a seed of -1": with_row(seed=-1),
    "a seed of 2^40": with_row(seed=2**40),
    "a seed in text": with_row(seed="zero"),
    "a seed of controls": with_row(seed=ESCAPE),
    "a seed in bytes": with_row(seed=b"\x1b[2J"),
    "a seed of 0.5": with_row(seed=0.5),
    "an unknown task": with_row(task_id="0123456789abcdef"),
    "a task id of controls": with_row(task_id=f"{ESCAPE}\r\n{BIDI}"),
    "a task id in bytes": with_row(task_id=b"\xff\x00"),
    "a long task id": with_row(task_id=LONG),
    "an empty task id": with_row(task_id=""),
    # what is said about it
    "a processor time of -1": with_row(cpu_seconds=-1.0),
    "an infinite processor time": with_row(cpu_seconds=float("inf")),
    "a processor time of 1e300": with_row(cpu_seconds=1e300),
    "a processor time in text": with_row(cpu_seconds="long"),
    "a processor time in bytes": with_row(cpu_seconds=b"1"),
    "a date before 1970": with_row(finished=-5.0),
    "no end": with_row(finished=float("inf")),
    "a date in text": with_row(finished=ESCAPE),
    "a date of 1e18": with_row(finished=1e18),
    "a version of controls": with_row(version=f"1.0{ESCAPE}"),
    "a version of two lines": with_row(version="1.0\nrm -rf"),
    "a version right to left": with_row(version=f"1.0{BIDI}"),
    "a long version": with_row(version=LONG),
    "a version in bytes": with_row(version=b"1.0"),
    "a processor of controls": with_row(cpu=f"cpu{BELL}{ESCAPE}"),
    "a long processor": with_row(cpu=LONG),
    "a processor in bytes": with_row(cpu=b"\xff"),
    "a checksum of 0": with_row(checksum=0),
    "a checksum of -1": with_row(checksum=-1),
    "a checksum in text": with_row(checksum="right"),
    "a checksum of another row": with_row(checksum=12345),
    # statistics with a right checksum
    "no statistics": with_statistics(b""),
    "statistics in text": with_row(statistics="alive", checksum=0),
    "statistics that are a number": with_row(statistics=5, checksum=0),
    "statistics not compressed": with_statistics(b"[]\n"),
    "statistics cut": with_statistics(pack_statistics(counts())[:-5]),
    "statistics with more behind": with_statistics(pack_statistics(counts()) + b"more"),
    "statistics twice": with_statistics(pack_statistics(counts()) * 2),
    "a compressed bomb": with_statistics(zlib.compress(bytes(50_000_000), 9)),
    "a bomb behind a header": with_statistics(packed_as(HEADER, bytes(50_000_000))),
    "a header of zeros": with_statistics(packed_as(b"\x00" * 100)),
    "no header": with_statistics(packed_as(b"")),
    "a header that is no list": with_statistics(packed_as({"alive": 2})),
    "a deep header": with_statistics(packed_as(b"[" * 100_000)),
    "a header of a million names": with_statistics(packed_as([["alive", "<i8", 0]] * 100_000)),
    "objects for numbers": with_statistics(packed_as([[name, "|O", 2] for name in NAMES])),
    "unknown numbers": with_statistics(packed_as([[name, "<q9", 2] for name in NAMES])),
    "big-endian numbers": with_statistics(packed_as([[name, ">i8", 2] for name in NAMES])),
    "single precision": with_statistics(packed_as([[name, "<f4", 2] for name in NAMES], bytes(24))),
    "a negative length": with_statistics(packed_as([[name, "<i8", -1] for name in NAMES])),
    "a length of 2^62": with_statistics(packed_as([[name, "<i8", HUGE] for name in NAMES])),
    "a length in text": with_statistics(packed_as([[name, "<i8", "2"] for name in NAMES])),
    "names of controls": with_statistics(packed_as([[ESCAPE, "<i8", 2], *HEADER[1:]])),
    "a name missing": with_statistics({name: values for name, values in counts().items() if name != "alive"}),
    "a name too many": with_statistics(counts() | {"more": np.zeros(2)}),
    "a name twice": with_statistics(packed_as([HEADER[0], *HEADER], bytes(64))),
    "one layer less": with_statistics({name: values[:1] for name, values in counts().items()}),
    "one layer more": with_statistics({name: np.append(values, 0) for name, values in counts().items()}),
    "too few numbers": with_statistics(packed_as(HEADER, bytes(47))),
    "too many numbers": with_statistics(packed_as(HEADER, bytes(49))),
    "statistics of another task": with_statistics(averages()),
    "more alive than trials": with_statistics(counts(alive=(11, 4), living=(33, 8))),
    "negative counts": with_statistics(counts(alive=(8, -1))),
    "the least number": with_statistics(counts(alive=(8, -(2**63)))),
    "the largest number": with_statistics(counts(squares=(2**63 - 1, 20))),
    "the dead come to life": with_statistics(counts(alive=(4, 8), living=(8, 24), squares=(20, 80))),
    "points come to life": with_statistics(counts(living=(24, 30), squares=(80, 300))),
    "more living points than there are": with_statistics(counts(living=(129, 8), squares=(2100, 20))),
    "fewer living points than networks": with_statistics(counts(living=(7, 4), squares=(7, 4))),
    "squares below counts": with_statistics(counts(squares=(23, 20))),
    "squares below their mean": with_statistics(counts(squares=(71, 20))),
    "squares too large": with_statistics(counts(squares=(385, 20))),
    "no life with living points": with_statistics(counts(alive=(0, 0))),
    "real counts": with_statistics({name: values.astype(float) for name, values in counts().items()}),
    "averages that are not numbers": with_statistics(averages(alive=(np.nan, 1.0)), SPLITTING),
    "infinite averages": with_statistics(averages(living_squares=(np.inf, 1.0)), SPLITTING),
    "negative averages": with_statistics(averages(alive=(-0.5, 1.0)), SPLITTING),
    "survival above certainty": with_statistics(averages(alive=(12.0, 8.0), alive_squares=(20.0, 8.0)), SPLITTING),
    "more living than points on average": with_statistics(
        averages(living=(200.0, 30.0), living_squares=(9e3, 150.0)), SPLITTING
    ),
    "squares of averages too small": with_statistics(averages(alive_squares=(8.0, 8.0)), SPLITTING),
    "logarithms that are no numbers": with_statistics(chains(log_dead=(np.nan, -8.0)), CONDITIONAL),
    "infinite logarithms": with_statistics(chains(log_alive=(-np.inf, -6.0)), CONDITIONAL),
    "a logarithm above certainty": with_statistics(chains(log_alive=(0.5, -6.0)), CONDITIONAL),
    "a death above certainty": with_statistics(chains(log_dead=(-9.0, 1.0)), CONDITIONAL),
    "squares of logarithms too small": with_statistics(chains(log_dead_squares=(8.0, 8.0)), CONDITIONAL),
    "more populations than trials": with_statistics(chains(populations=(11.0, 2.0)), CONDITIONAL),
    "more deadly populations than populations": with_statistics(chains(deadly=(3.0, 1.0)), CONDITIONAL),
    "negative chains": with_statistics(chains(effective=(-1.0, 20.0)), CONDITIONAL),
    "statistics of the first version": with_statistics(averages(), CONDITIONAL),
    "more dead units than units": with_statistics(details(dead_units=(31, 6), dead_units_squares=(99, 8)), DETAILED),
    "dead units in part": with_statistics(details(dead_units_squares=(2, 8)), DETAILED),
    "more zeros than activations": with_statistics(
        details(sparsity=(481, 120), sparsity_squares=(23200, 1700)), DETAILED
    ),
    "a negative variance": with_statistics(details(variance=(-1.0, 11.0)), DETAILED),
    "a variance that is no number": with_statistics(details(variance=(np.nan, 11.0)), DETAILED),
    "a sum of logarithms too large": with_statistics(details(log_variance=(9.0, -2.0)), DETAILED),
    "cubes of logarithms too large": with_statistics(details(log_variance_cubes=(9.0, -2.0)), DETAILED),
    "fourth powers of logarithms too small": with_statistics(
        details(log_variance_cubes=(0.0, -2.0), log_variance_fourths=(0.3, 6.0)), DETAILED
    ),
    "logarithms of more networks than there are": with_statistics(details(log_variance_trials=(10, 11)), DETAILED),
    "squares of variances too small": with_statistics(details(variance_squares=(9.0, 14.0)), DETAILED),
    "a correlation above 1": with_statistics(
        details(correlation=(10.5, -1.0), correlation_squares=(12.0, 0.5)), DETAILED
    ),
    "a correlation that is no number": with_statistics(details(correlation=(np.nan, -1.0)), DETAILED),
    "correlations of more trials": with_statistics(details(correlation_trials=(11, 9)), DETAILED),
    "correlations of no trials": with_statistics(details(correlation_trials=(0, 9)), DETAILED),
    "a rank above the width": with_statistics(
        details(effective_rank=(31.0, 12.0), effective_rank_squares=(97.0, 20.0)), DETAILED
    ),
    "a rank that is no number": with_statistics(details(effective_rank=(np.nan, 12.0)), DETAILED),
    "a negative rank": with_statistics(details(effective_rank=(-1.0, 12.0)), DETAILED),
    "squares of ranks too small": with_statistics(details(effective_rank_squares=(39.0, 20.0)), DETAILED),
    "ranks of more networks than there are": with_statistics(details(effective_rank_trials=(10, 11)), DETAILED),
    "negative layerwise life": with_statistics(details(layerwise_alive=(9, -8)), DETAILED),
    "layerwise life that returns": with_statistics(details(layerwise_alive=(8, 9)), DETAILED),
    "less layerwise life than life": with_statistics(details(layerwise_alive=(7, 7)), DETAILED),
    # descriptions
    "ranks in single precision": described(put("outputs", value=["effective_rank"])),
    "a description of another checksum": with_text(json.dumps(CRUDE.description(), sort_keys=True), checksum=0),
    "an empty description": with_text(""),
    "a description that is no JSON": with_text("{"),
    "a description in bytes": with_text(b"\xff\xfe", checksum=0),
    "a description that is a list": with_text("[]"),
    "a description that is null": with_text("null"),
    "a description that is a number": with_text("1"),
    "an endless number": with_text("9" * 100_000),
    "a description of controls": with_text(f'"{ESCAPE}{BIDI}"'),
    "a deep description": with_text("[" * 200_000),
    "a long description": with_text('"' + "x" * 5_000_000 + '"'),
    "a description with NaN": with_text(json.dumps(CRUDE.description() | {"dtype": float("nan")}, sort_keys=True)),
    "keys twice": with_text('{"network": 1, ' + json.dumps(CRUDE.description(), sort_keys=True)[1:]),
    "another spacing": with_text(json.dumps(CRUDE.description(), sort_keys=True, separators=(",", ":"))),
    "keys in another order": with_text(json.dumps(dict(reversed(CRUDE.description().items())))),
    "another width under the same id": described(put("network", "widths", value=[[4, 2]]), hashed=False),
    "another estimator under the same id": described(put("estimator", value="conditional"), hashed=False),
    "no network": described(drop("network")),
    "no inputs": described(drop("inputs")),
    "no estimator": described(drop("estimator")),
    "no stream": described(drop("stream")),
    "no specification": described(drop("inputs", "spec")),
    "no content": described(drop("inputs", "content")),
    "no widths": described(drop("network", "widths")),
    "a network in text": described(put("network", value="plain")),
    "inputs that are a list": described(put("inputs", value=[])),
    "a key of the future": described(put("temperature", value=1)),
    "a key of a future network": described(put("network", "dropout", value=0.5)),
    "a key of future inputs": described(put("inputs", "noise", value=0.5)),
    "a key of controls": described(put(ESCAPE, value=1)),
    "an unknown estimator": described(put("estimator", value="guess")),
    "an unknown engine": described(put("engine", value="magic")),
    "an unknown dtype": described(put("dtype", value="float16")),
    "an unknown architecture": described(put("network", "architecture", value="wormhole")),
    "an unknown init": described(put("network", "init", value=ESCAPE)),
    "an unknown output": described(put("outputs", value=["colour"])),
    "outputs in text": described(put("outputs", value="variance")),
    "outputs twice": described(put("outputs", value=["variance", "variance"])),
    "an estimator of the future": described(put("estimator_version", value=9)),
    "a version in text": described(put("estimator_version", value="2")),
    "populations without chains": described(put("population", value=[3, 64, 0.3])),
    "outputs of the future": described(lambda d: d.update(outputs=["variance"], output_versions={"variance": 99})),
    "versions that are a list": described(put("output_versions", value=[2])),
    "a version of another output": described(put("output_versions", value={"variance": 2})),
    "a stream of the future": described(put("stream", value=2)),
    "a stream of 0": described(put("stream", value=0)),
    "a stream in text": described(put("stream", value="1")),
    "a stream that is true": described(put("stream", value=True)),
    "a common stream of controls": described(put("common_stream", value=ESCAPE)),
    "a common stream that is a number": described(put("common_stream", value=5)),
    "no layers": described(put("network", "widths", value=[])),
    "a billion layers": described(put("network", "widths", value=[[3, 10**9]])),
    "10^30 layers": described(put("network", "widths", value=[[3, 10**30]])),
    "layers of width 0": described(put("network", "widths", value=[[0, 2]])),
    "layers of width -3": described(put("network", "widths", value=[[-3, 2]])),
    "layers of width 2.5": described(put("network", "widths", value=[[2.5, 2]])),
    "layers of width 10^20": described(put("network", "widths", value=[[10**20, 2]])),
    "-2 layers": described(put("network", "widths", value=[[3, -2]])),
    "widths in text": described(put("network", "widths", value="33")),
    "widths not in runs": described(put("network", "widths", value=[3, 3])),
    "runs that are not joined": described(put("network", "widths", value=[[3, 1], [3, 1]])),
    "a default that is written": described(put("network", "init", value="he")),
    "a variance of -1": described(lambda d: d["network"].update(init="gaussian", weight_variance=-1.0)),
    "an activation of text": described(put("network", "activation", value="relu")),
    "an activation without slopes": described(
        put("network", "activation", value={"kinks": [], "slopes": [], "value_at_zero": 0})
    ),
    "an activation of a million kinks": described(
        put("network", "activation", value={"kinks": list(range(100_000)), "slopes": [], "value_at_zero": 0})
    ),
    "an engine for one point": described(put("engine", value="single")),
    "an estimator for plain networks": described(
        lambda d: d.update(estimator="splitting", network=d["network"] | {"architecture": "dense"})
    ),
    "another dimension": described(put("inputs", "dimension", value=4)),
    "no points": described(put("inputs", "n_points", value=0)),
    "-5 points": described(put("inputs", "n_points", value=-5)),
    "1.5 points": described(put("inputs", "n_points", value=1.5)),
    "points in text": described(put("inputs", "n_points", value="16")),
    "another number of points": described(put("inputs", "n_points", value=17)),
    "10^12 points": described(lambda d: d["inputs"].update(spec="array", n_points=10**12)),
    "more points than points": described(put("inputs", "n_nonzero", value=17)),
    "true points": described(put("inputs", "n_nonzero", value=True)),
    "a sign that is 1": described(put("inputs", "nonnegative", value=1)),
    "a seed of the inputs of 0.5": described(put("inputs", "seed", value=0.5)),
    "a content that is no hash": described(put("inputs", "content", value="z" * 16)),
    "a content of controls": described(put("inputs", "content", value=ESCAPE)),
    "a specification of controls": described(put("inputs", "spec", value=f"array{ESCAPE}\n")),
    "a long specification": described(put("inputs", "spec", value=LONG)),
    "a specification that is a number": described(put("inputs", "spec", value=5)),
    "inputs that are resampled": described(put("inputs", "resample", value=True)),
    "inputs that are infinite": described(put("inputs", "infinite", value=True)),
}

FINE: dict[str, Callable[[Path], None]] = {
    "nothing": in_bytes(lambda content: None),
    "an encoding of 9": at(56, b"\x00\x00\x00\x09"),
    "more behind the end": in_bytes(lambda content: content + b"more" * 2048),
    "write-ahead mode": at(18, b"\x02\x02"),
    "statements in quotes": edited(
        "UPDATE sqlite_master SET sql = replace(sql, 'TABLE shards', 'TABLE \"shards\"') WHERE name = 'shards'"
    ),
    "large pages": edited("PRAGMA page_size = 16384", "VACUUM"),
    "a task without shards": edited(f"DELETE FROM shards WHERE task_id = '{CRUDE.task_id}'"),
    "one shard less": edited(f"DELETE FROM shards WHERE task_id = '{CRUDE.task_id}' AND start = 10"),
    "another processor": with_row(cpu="abacus", version="0.0.1", finished=1.0, cpu_seconds=0.0),
}

KINDS = [
    Kind(name, craft, refused)
    for refused, kinds in (("file", FILES), ("task", TASKS), ("nothing", FINE))
    for name, craft in kinds.items()
]

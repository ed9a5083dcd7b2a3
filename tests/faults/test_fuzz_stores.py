"""Stores edited at random: right numbers or one line, whatever rows, bytes and objects are in the file."""

import random
import shutil
import sqlite3
import unicodedata
import zlib
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurondeath.simulations.stores.merging import merge_stores
from neurondeath.simulations.stores.schema import row_checksum, task_checksum
from neurondeath.simulations.stores.store import Store, StoreError
from neurondeath.simulations.sweep_results import read_results
from tests.simulations import test_forged_stores as forged
from tests.simulations.crafted_stores import KINDS

call, good, truth = forged.call, forged.good, forged.truth
EXAMPLES = settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 30),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=80),
)
COLUMNS = ("task_id", "seed", "start", "stop", "cpu_seconds", "version", "cpu", "finished", "checksum", "statistics")
NUMBERS = st.one_of(st.integers(-2, 40), st.integers(-(2**63), 2**63 - 1))


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_every_crafted_store(kind, good, truth, tmp_path, call):
    forged.check_crafted(kind, good, truth, tmp_path, call)


def assert_right_or_one_line(path, truth, folder, *, complete=False):
    """Check what is read and merged from a store; return the number of tasks that are readable."""
    before = path.read_bytes()
    try:
        found = read_results(path)
    except StoreError as error:
        assert_one_line(error)
        found = ()
    for one in found:
        assert one.task_id in truth
        assert one.trials in (10, 20)
        if one.trials < 20 and one.estimator != "crude":
            continue  # its other shard belongs to no task; averages over populations are not proportional
        assert one.alive.tolist() == pytest.approx(truth[one.task_id].alive.tolist())
        assert one.living_ratio.tolist() == pytest.approx(truth[one.task_id].living_ratio.tolist())
    damaged = found.damaged if found else ("refused",)
    for message in damaged:
        assert_one_line(message)
    assert not complete or damaged or [one.trials for one in found] == [20] * len(truth)
    assert len({one.task_id for one in found}) == len(found), "a task is listed twice"
    target = folder / "merged.sqlite"
    target.unlink(missing_ok=True)
    try:
        merge_stores(target, [path])
    except StoreError as error:
        assert_one_line(error)
        assert not target.exists()
    else:
        with Store(target, readonly=True) as merged:
            assert {task_id for task_id, _, _ in merged.contents()} <= set(truth)
        assert not getattr(found, "damaged", ())
    assert path.read_bytes() == before
    assert {file.name for file in folder.iterdir()} <= {path.name, target.name}
    return len(found)


def assert_one_line(error):
    assert not {unicodedata.category(letter) for letter in str(error)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(str(error)) < 700


@pytest.fixture
def copy(good, tmp_path):
    path = tmp_path / "crafted.sqlite"

    def fresh():
        for file in tmp_path.iterdir():
            file.unlink()
        shutil.copy(good, path)
        return path

    return fresh


@pytest.mark.faults
@EXAMPLES
@given(st.dictionaries(st.sampled_from(COLUMNS), VALUES, min_size=1, max_size=3), st.integers(1, 8), st.booleans())
def test_any_values_in_a_row(copy, truth, tmp_path, values, rowid, right):
    path = copy()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            for name, value in values.items():
                connection.execute(f"UPDATE shards SET {name} = ? WHERE rowid = ?", (value, rowid))
        except (sqlite3.Error, UnicodeEncodeError):  # what SQLite does not keep
            pass
        if right:
            query = "SELECT task_id, seed, start, stop, statistics FROM shards WHERE rowid = ?"
            try:
                *key, packed = connection.execute(query, (rowid,)).fetchone()
                new = row_checksum(*key, packed)
            except (TypeError, sqlite3.Error):
                return
            connection.execute("UPDATE shards SET checksum = ? WHERE rowid = ?", (new, rowid))
    # trials of a forged shard count where nothing contradicts them: only the key and the statistics decide
    assert_unless_consistent(path, truth, tmp_path, values, right)


def assert_unless_consistent(path, truth, folder, values, right):
    if right and {"task_id", "seed", "start", "stop"} & values.keys():
        try:
            read_results(path)
        except StoreError as error:
            assert_one_line(error)
    else:
        assert_right_or_one_line(path, truth, folder)


@pytest.mark.faults
@EXAMPLES
@given(st.lists(NUMBERS, min_size=6, max_size=6), st.integers(1, 2))
def test_any_counts(copy, tmp_path, numbers, rowid):
    """Counts with a right checksum are refused, or possible."""
    path = copy()
    body = b"".join(number.to_bytes(8, "little", signed=True) for number in numbers)
    header = b'[["alive", "<i8", 2], ["living", "<i8", 2], ["living_squares", "<i8", 2]]\n'
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        query = "SELECT task_id, seed, start, stop FROM shards WHERE rowid = ?"
        key = connection.execute(query, (rowid,)).fetchone()
        packed = zlib.compress(header + body)
        new = (packed, row_checksum(*key, packed), rowid)
        connection.execute("UPDATE shards SET statistics = ?, checksum = ? WHERE rowid = ?", new)
    results = read_results(path)
    alive, living, squares = (numbers[at : at + 2] for at in (0, 2, 4))
    possible = all(
        0 <= a <= 10 and a <= n <= 16 * a and n * n <= a * q and n <= q <= 16 * n
        for a, n, q in zip(alive, living, squares, strict=True)
    ) and all(before >= after for before, after in (alive, living, squares))
    assert len(results.damaged) == (not possible)
    assert len(results) == 4 - len(results.damaged)


@pytest.mark.faults
@EXAMPLES
@given(st.one_of(VALUES, st.text(alphabet='{}[]",:0123456789networkinputs ', max_size=80)), st.booleans())
def test_any_description(copy, truth, tmp_path, text, right):
    path = copy()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        task_id = connection.execute("SELECT task_id FROM tasks LIMIT 1").fetchone()[0]
        try:
            new = (text, task_checksum(task_id, text) if right else 0, task_id)
            connection.execute("UPDATE tasks SET description = ?, checksum = ? WHERE task_id = ?", new)
        except (sqlite3.Error, UnicodeEncodeError):
            return
    assert assert_right_or_one_line(path, truth, tmp_path) == 3


@pytest.mark.faults
def test_random_bytes(good, truth, tmp_path):
    whole, path = good.read_bytes(), tmp_path / "crafted.sqlite"
    choose = random.Random(3)
    outcomes = [0] * 5
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(choose.choice((1, 1, 1, 2, 8, 64))):
            at = choose.randrange(len(whole))
            if choose.random() < 0.3:
                damaged[at : at + 8] = choose.randbytes(8)
            else:
                damaged[at] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        outcomes[assert_right_or_one_line(path, truth, tmp_path, complete=True)] += 1
    print(outcomes)
    assert min(outcomes[0], outcomes[3]) > 100


@pytest.mark.faults
def test_random_objects(tmp_path, good):
    """Whatever statement leaves another schema, the file is refused and stays as it is."""
    path = tmp_path / "crafted.sqlite"
    choose = random.Random(4)
    names = ("a", "shards2", '"x y"', "sqlite_stat9", '"\x1b[2J"', "tasks_1")
    made = 0
    for _ in range(400):
        shutil.copy(good, path)
        name = choose.choice(names)
        table, column = choose.choice((("shards", "stop"), ("tasks", "checksum")))
        event = choose.choice(("INSERT", "UPDATE", "DELETE"))
        when = choose.choice(("BEFORE", "AFTER"))
        statement = choose.choice(
            (
                f"CREATE VIEW {name} AS SELECT {column} FROM {table}",
                f"CREATE TRIGGER {name} {when} {event} ON {table} BEGIN SELECT RAISE(IGNORE); END",
                f"CREATE TRIGGER {name} {when} {event} ON {table} BEGIN DELETE FROM {table}; END",
                f"CREATE INDEX {name} ON {table} ({column} DESC)",
                f"CREATE TABLE {name} AS SELECT * FROM {table}",
                f"CREATE TABLE {name} (x REFERENCES {table})",
                f"ALTER TABLE {table} RENAME TO {name}",
                f"ALTER TABLE {table} RENAME COLUMN {column} TO {name}",
                f"ALTER TABLE {table} ADD COLUMN {name}",
                f"CREATE VIRTUAL TABLE {name} USING fts5(x)",
            )
        )
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            try:
                connection.execute(statement)
            except sqlite3.Error:
                continue
        made += 1
        before = path.read_bytes()
        for readonly in (True, False):
            with pytest.raises(StoreError) as caught:
                Store(path, readonly=readonly)
            assert_one_line(caught.value)
        assert path.read_bytes() == before
    assert made > 250

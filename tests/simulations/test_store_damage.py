"""Damaged and copied stores: correct numbers or an error, never wrong numbers."""

import os
import random
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from neurondeath.simulations.stores.store import Store, StoreError
from tests.simulations.test_store import TASK, die, filled, read_all, shard


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def assert_right_or_refused(path, truth, *, complete=False):
    """Check that a file is refused, or contains only shards as they were written.

    With `complete` all of them, unless the file says that an index or a row is damaged.
    """
    try:
        with Store(path, readonly=True) as store:
            listed = [(task_id, seed) for task_id, seed, _ in store.contents()]
            assert len(listed) == len(set(listed)), "a task is listed twice"
            found = [one for key in listed for one in store.shards(*key)]
            assert not complete or store.findings or len(found) == len(truth), "shards are hidden without a word"
    except StoreError as error:
        found, message = [], str(error)
        assert "\n" not in message
    assert all(one.same_numbers(truth[one.start]) for one in found)
    return len(found)


def test_damage_is_named(path):
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(len(whole) - 100))
    with pytest.raises(StoreError, match="damaged"):
        read_all(path)
    for keep in (len(whole) - 1, len(whole) // 2, 5000, 4096, 100):
        path.write_bytes(whole[:keep])
        for readonly in (True, False):
            with pytest.raises(StoreError, match=r"cut short|damaged|not a neurondeath store"):
                Store(path, readonly=readonly)


def test_damaged_bytes_never_give_wrong_numbers(path):
    truth = filled(path, 150)
    whole = path.read_bytes()
    choose = random.Random(0)
    complete = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(choose.choice((1, 3, 30))):
            damaged[choose.randrange(100, len(whole))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        complete += assert_right_or_refused(path, truth, complete=True) == len(truth)
    assert complete < 100  # the damage was detected


def test_a_damaged_index_hides_nothing(path):
    """Rows are read from the table, with a word; nothing is written to such a file."""
    truth = filled(path, 150)
    whole = path.read_bytes()
    entry = TASK.task_id.encode() + (700).to_bytes(2, "big")  # task and start; seed 0 takes no byte
    places = [match.start() + len(entry) - 1 for match in re.finditer(re.escape(entry), whole)]
    assert len(places) == 2  # in the table and in its index
    readable = []
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] + 1]) + whole[place + 1 :])
        if assert_right_or_refused(path, truth) == len(truth):
            readable.append(path.read_bytes())
    (damaged,) = readable
    path.write_bytes(damaged)
    with Store(path, readonly=True) as store:
        assert "index" in store.findings[0]
        assert len(store.done(TASK.task_id, 0)) == len(truth)
    with pytest.raises(StoreError, match="damaged"):
        Store(path)


def test_a_row_that_was_changed_is_refused(path):
    filled(path, 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE shards SET statistics = (SELECT statistics FROM shards WHERE start = 0)")
    with pytest.raises(StoreError, match="damaged at trials 10 to 20"):
        read_all(path)


def test_a_task_that_was_changed_is_refused(path):
    filled(path, 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE tasks SET description = replace(description, '3', '4')")
    for ask in (Store.contents, Store.tasks):
        with Store(path, readonly=True) as store, pytest.raises(StoreError, match=f"damaged at task {TASK.task_id}"):
            ask(store)


def test_what_a_kill_has_left_is_looked_through(path):
    """The whole file is checked, including pages that this reader would not read."""
    filled(path)
    die(path, "going on")
    damaged = bytearray(path.read_bytes())
    damaged[10 * 4096 : 14 * 4096] = bytes(range(256)) * 64  # pages that the log does not contain
    path.write_bytes(damaged)
    for readonly in (True, False):
        with pytest.raises(StoreError, match="damaged"):
            Store(path, readonly=readonly)


def test_a_copy_of_a_live_store(path, tmp_path):
    copies = {sides: tmp_path / f"copy{len(sides)}" for sides in ((), ("-wal",), ("-wal", "-shm"))}
    with Store(path) as store:
        store.add_task(TASK)
        store.add(shard(0, 10))
        store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.add(shard(10, 20))
        for sides, folder in copies.items():
            folder.mkdir()
            for side in ("", *sides):
                shutil.copy(f"{path}{side}", f"{folder / path.name}{side}")
    for sides, folder in copies.items():
        expected = [(0, 10), (10, 20)] if sides else [(0, 10)]
        assert [(one.start, one.stop) for one in read_all(folder / path.name)] == expected
        with Store(folder / path.name) as store:
            assert store.done(TASK.task_id, 0) == expected
        assert os.listdir(folder) == [path.name]


def test_a_copy_torn_between_checkpoints_never_gives_wrong_numbers(path, tmp_path):
    """The file and its log were copied at different moments."""
    truth = {}
    moments = []
    with Store(path) as store:
        store.add_task(TASK)
        for moment in range(6):
            for start in range(moment * 60, moment * 60 + 60):
                one = shard(10 * start, 10 * start + 10, value=start)
                truth[one.start] = one
                store.add(one)
            if moment % 2:
                store.connection.execute("PRAGMA wal_checkpoint(RESTART)")
            moments.append((path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()))
    for file, _ in moments:
        for _, log in moments:
            copy = tmp_path / "torn.sqlite"
            for side in ("-wal", "-shm"):
                copy.with_name(copy.name + side).unlink(missing_ok=True)
            copy.write_bytes(file)
            copy.with_name(copy.name + "-wal").write_bytes(log)
            assert_right_or_refused(copy, truth)

import dataclasses
import errno
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.stores import files as store_files
from neurondeath.simulations.stores.provenance import Provenance, cpu_name
from neurondeath.simulations.stores.schema import SCHEMA_VERSION
from neurondeath.simulations.stores.seeds import pilot_seed
from neurondeath.simulations.stores.shards import (
    Shard,
    missing_shards,
    pack_statistics,
    sum_statistics,
    unpack_statistics,
)
from neurondeath.simulations.stores.store import ContradictionError, OverlapError, Store, StoreError
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.version import __version__
from neurondeath_theory.networks.network import Network

TASK = Task(Network([3, 3]), input_set("gaussian:20000", dimension=3))


def shard(start, stop, *, value=1, seed=0):
    """Make a shard in which one network has so many living points after its first layer."""
    statistics = {"alive": [min(value, 1), 0], "living": [value, 0], "living_squares": [value * value, 0]}
    numbers = {name: np.array(sums) for name, sums in statistics.items()}
    return Shard(task_id=TASK.task_id, seed=seed, start=start, stop=stop, statistics=numbers)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def test_round_trip(path):
    with Store(path) as store:
        store.add_task(TASK)
        store.add(shard(10, 20))
        store.add(shard(0, 10))
        store.add(shard(0, 10, seed=1))
    assert [file.name for file in path.parent.iterdir()] == ["store.sqlite"]
    assert path.read_bytes()[18:20] == b"\x01\x01"  # file format versions: not in write-ahead mode
    with Store(path, readonly=True) as store:
        assert store.done(TASK.task_id, 0) == [(0, 10), (10, 20)]
        trials, totals = sum_statistics(store.shards(TASK.task_id, 0))
        assert trials == 20
        assert totals["alive"].tolist() == [2, 0]
        assert [row[:2] for row in store.contents()] == [(TASK.task_id, 0), (TASK.task_id, 1)]
        with pytest.raises(StoreError):
            store.add(shard(20, 30))


def test_the_same_shard_again_changes_nothing(path):
    with Store(path) as store:
        store.add_task(TASK)
        store.add(shard(0, 10))
        store.add(shard(0, 10))
        assert store.done(TASK.task_id, 0) == [(0, 10)]


@pytest.mark.parametrize("stretch", [(15, 25), (10, 15), (12, 13), (19, 30), (0, 11), (0, 40), (10, 19), (11, 20)])
def test_overlaps_are_refused(path, stretch):
    with Store(path) as store:
        store.add_task(TASK)
        store.add_many([shard(10, 20), shard(30, 40), shard(0, 100, seed=1)])
        with pytest.raises(OverlapError, match="overlap trials 10 to 19 stored"):
            store.add(shard(*stretch))
        assert store.done(TASK.task_id, 0) == [(10, 20), (30, 40)]
        store.add_many([shard(20, 30), shard(0, 10), shard(40, 41)])
        assert store.done(TASK.task_id, 0) == [(0, 10), (10, 20), (20, 30), (30, 40), (40, 41)]


def test_contradictions_are_refused_and_say_who_sampled_what(path):
    elsewhere = Provenance(version="0.0.9", cpu="abacus", finished=0.0)
    with Store(path) as store:
        store.add_task(TASK)
        store.add(dataclasses.replace(shard(0, 10), provenance=elsewhere))
        with pytest.raises(ContradictionError) as caught:
            store.add(shard(0, 10, value=2))
        for word in ("trials 0 to 9", TASK.task_id, "0.0.9 on abacus, 1970-01-01", __version__, cpu_name()):
            assert word in str(caught.value)
        assert next(store.shards(TASK.task_id, 0)).provenance == elsewhere


def test_a_shard_needs_its_task(path):
    with Store(path) as store, pytest.raises(StoreError, match="task was not added"):
        store.add(shard(0, 10))


def test_many_shards_are_added_as_one_step(path):
    with Store(path) as store:
        store.add_task(TASK)
        assert store.add_many([shard(0, 10), shard(10, 20)]) == 2
        assert store.add_many([shard(10, 20), shard(20, 30)]) == 1
        with pytest.raises(OverlapError):
            store.add_many([shard(30, 40), shard(35, 45)])
        assert store.done(TASK.task_id, 0) == [(0, 10), (10, 20), (20, 30)]
        assert store.effort(TASK.task_id, 0) == (30, 0.0)
        assert store.effort(TASK.task_id, 9) == (0, 0.0)
        assert store.tasks() == [(TASK.task_id, TASK.description())]


def test_pilots_are_stored_but_not_listed(path):
    with Store(path) as store:
        store.add_task(TASK)
        store.add_many([shard(0, 10, seed=pilot_seed(0)), shard(0, 5)])
        assert [seed for _, seed, _ in store.contents()] == [0]
        assert [seed for _, seed, _ in store.contents(pilots=True)] == [pilot_seed(0), 0]


def test_what_is_no_store_is_refused_and_untouched(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be one" * 100)
    foreign = tmp_path / "other.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE cats (name)")
    connection.close()
    newer = tmp_path / "newer.sqlite"
    Store(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    for file, words in [(text, "not a neurondeath store"), (foreign, "not a neurondeath store"), (newer, "schema")]:
        before = file.read_bytes()
        for readonly in (True, False):
            with pytest.raises(StoreError, match=words):
                Store(file, readonly=readonly)
        assert file.read_bytes() == before
    with pytest.raises(StoreError, match="folder"):
        Store(tmp_path)
    with pytest.raises(StoreError, match="simulate"):
        Store(tmp_path / "missing.sqlite", readonly=True)
    with pytest.raises(StoreError, match="cannot write"):
        Store(tmp_path / "no" / "such" / "folder.sqlite")
    assert not (tmp_path / "missing.sqlite").exists()


def filled(path, n_shards=400):
    """Fill a store; return the expected content of every shard."""
    shards = {start: shard(10 * start, 10 * start + 10, value=start) for start in range(n_shards)}
    with Store(path) as store:
        store.add_task(TASK)
        store.add_many(shards.values())
    return {one.start: one for one in shards.values()}


def read_all(path):
    with Store(path, readonly=True) as store:
        return [one for task_id, seed, _ in store.contents() for one in store.shards(task_id, seed)]


WRITE_AND_DIE = """
import os, signal, sys
sys.path.insert(0, os.getcwd())
from tests.simulations.test_store import TASK, Store, shard
from neurondeath.simulations.stores import files
if sys.argv[2] == "making":
    os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
store = Store(sys.argv[1])
store.add_task(TASK)
for start in range(20) if sys.argv[2] != "going on" else range(10**6, 10**6 + 1):
    store.add(shard(start, start + 1))
os.kill(os.getpid(), signal.SIGKILL)
"""


def die(path, how):
    command = [sys.executable, "-c", WRITE_AND_DIE, str(path), how]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_killed_writer_loses_nothing(path):
    die(path, "writing")
    assert path.with_name(path.name + "-wal").exists()
    assert len(read_all(path)) == 20
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    assert len(read_all(path)) == 20
    with Store(path) as store:
        assert len(store.done(TASK.task_id, 0)) == 20
    assert os.listdir(path.parent) == [path.name]


def test_a_store_whose_making_was_killed(path):
    die(path, "making")
    assert os.listdir(path.parent) == []
    filled(path, 3)
    assert len(read_all(path)) == 3


@pytest.mark.parametrize("left", ["log", "log and index", "write-ahead mode", "nothing"])
def test_a_reader_changes_nothing(path, left):
    if left == "nothing":
        filled(path, 20)
    elif left == "write-ahead mode":
        filled(path, 20)
        path.write_bytes(path.read_bytes()[:18] + b"\x02\x02" + path.read_bytes()[20:])
    else:
        die(path, "writing")
    if left == "log":
        path.with_name(path.name + "-shm").unlink()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    names = sorted(os.listdir(path.parent))
    assert len(read_all(path)) == 20
    assert {file.name: file.read_bytes() for file in path.parent.iterdir() if file.name in before} == before
    assert sorted(os.listdir(path.parent)) == names


def test_a_reader_without_room_for_a_copy(path, monkeypatch):
    die(path, "writing")
    path.with_name(path.name + "-shm").unlink()

    def full(source, target):
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(store_files.shutil, "copyfile", full)
    assert len(read_all(path)) == 20


def test_a_full_disk(path):
    with Store(path) as store:
        store.add_task(TASK)
        pages = store.pragma("page_count")
        store.connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        added = 0

        def add_until_full():
            nonlocal added
            for start in range(10_000):
                store.add(shard(start, start + 1, value=start))
                added += 1

        with pytest.raises(StoreError, match=r"no room left .* run the same command again"):
            add_until_full()
        stored = store.done(TASK.task_id, 0)
        assert 0 < len(stored) == added < 10_000
        with pytest.raises(StoreError, match="no room"):
            store.add_many(shard(start, start + 1) for start in range(20_000, 30_000))
        assert store.done(TASK.task_id, 0) == stored
        store.connection.execute("PRAGMA max_page_count = 100000")
        store.add(shard(20_000, 20_001))
    assert len(read_all(path)) == len(stored) + 1


def test_a_store_that_is_moved_away_takes_no_more(path):
    with Store(path) as store:
        store.add_task(TASK)
        store.add(shard(0, 10))
        path.rename(path.with_name("elsewhere.sqlite"))
        with pytest.raises(StoreError, match="moved or deleted while in use"):
            store.add(shard(10, 20))
        path.write_bytes(b"")
        with pytest.raises(StoreError, match="moved or deleted while in use"):
            store.add(shard(10, 20))


def test_a_reader_sees_one_moment(path):
    with Store(path) as store:
        store.add_task(TASK)
        store.add_many(shard(start, start + 1) for start in range(300))
        with Store(path, readonly=True) as reader:
            shards = reader.shards(TASK.task_id, 0)
            first = [next(shards) for _ in range(3)]
            store.add_many(shard(start, start + 1) for start in range(300, 600))
            assert len(first) + len(list(shards)) == 300
            with reader.transaction():
                assert len(reader.done(TASK.task_id, 0)) == 600
                store.add(shard(600, 601))
                assert reader.effort(TASK.task_id, 0)[0] == 600


def test_reading_takes_little_memory(path):
    task = Task(Network([2] * 20_000), input_set("gaussian:40000", dimension=2))
    living = 40_000 - np.arange(20_000, dtype=np.int64)
    with Store(path) as store:
        store.add_task(task)
        for start in range(300):
            n_living = living - start
            numbers = {"alive": np.ones_like(living), "living": n_living, "living_squares": n_living * n_living}
            store.add(Shard(task_id=task.task_id, seed=0, start=start, stop=start + 1, statistics=numbers))
    tracemalloc.start()
    try:
        with Store(path, readonly=True) as store:
            trials, totals = sum_statistics(store.shards(task.task_id, 0))
            assert trials == store.effort(task.task_id, 0)[0] == 300
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert totals["living"][1] == 300 * 39_999 - 300 * 299 // 2
    assert peak < 15e6  # all shards together would be 144 MB


def test_what_is_done_is_read_without_the_statistics(path):
    with Store(path) as store:
        query = "SELECT start, stop FROM shards WHERE task_id = 'a' AND seed = 0 ORDER BY start"
        plan = store.connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
        assert len(plan) == 1
        assert "COVERING INDEX" in plan[0][3]


def test_network_file_systems(path, monkeypatch, capsys):
    mounts = path.with_name("mounts")
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/home /net nfs4 rw 0 0\ntmpfs /net/local tmpfs rw 0 0\n"
        "//box/a /mnt/two\\040words cifs rw 0 0\nbroken\n"
    )
    kinds = {
        "/net/a/b": "nfs4",
        "/net": "nfs4",
        "/net/local/a": None,
        "/netto": None,
        "/mnt/two words/x": "cifs",
        "/": None,
    }
    for where, kind in kinds.items():
        assert store_files.network_file_system(Path(where), mounts) == kind
    assert store_files.network_file_system(path, mounts.with_name("none")) is None

    monkeypatch.setattr(store_files, "network_file_system", lambda _: "nfs4")
    for _ in range(2):
        with Store(path) as store:
            store.add_task(TASK)
            store.add(shard(0, 10))
            assert not path.with_name(path.name + "-wal").exists()
            assert store.connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    message = capsys.readouterr().err
    assert message.count("warning") == message.count("\n") == 1
    assert "nfs4" in message
    assert len(read_all(path)) == 1


def test_an_empty_file_is_refused(path):
    path.touch()
    for readonly in (True, False):
        with pytest.raises(StoreError, match=r"is empty \(0 bytes\)"):
            Store(path, readonly=readonly)
    assert path.read_bytes() == b""


def write_shards(path, starts):
    with Store(path) as store:
        store.add_task(TASK)
        for start in starts:
            store.add(shard(start, start + 1))


def test_four_writers_at_once(path):
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=write_shards, args=(path, range(offset, 200, 2))) for offset in (0, 1, 0, 1)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 4
    with Store(path, readonly=True) as store:
        assert store.done(TASK.task_id, 0) == [(start, start + 1) for start in range(200)]


@given(st.dictionaries(st.text(max_size=5), st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3)))
def test_statistics_survive_packing(columns):
    statistics = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    statistics["float"] = np.array([0.1, -0.0, 1e300])
    layout = {name: values.dtype for name, values in statistics.items()}
    unpacked = unpack_statistics(pack_statistics(statistics), layout, 3)
    assert unpacked.keys() == statistics.keys()
    for name, values in statistics.items():
        assert unpacked[name].dtype == values.dtype
        assert unpacked[name].tobytes() == values.tobytes()


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 60), st.integers(1, 20))
def test_missing_shards_complete_what_is_done(edges, goal, size):
    edges = sorted(set(edges))
    done = list(zip(edges[::2], edges[1::2], strict=False))
    missing = list(missing_shards(done, goal, size))
    covered = [trial for start, stop in done + missing for trial in range(start, stop)]
    assert len(covered) == len(set(covered))
    assert set(covered) >= set(range(goal))
    assert all(stop <= goal and start // size == (stop - 1) // size for start, stop in missing)

import multiprocessing
import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurondeath_theory.network import Network
from simulations.inputs import input_set
from simulations.shards import Shard, missing_shards, pack_statistics, sum_statistics, unpack_statistics
from simulations.store import SCHEMA_VERSION, Store, StoreError
from simulations.task import Task

TASK = Task(Network([3, 3]), input_set("gaussian:4", dimension=3))


def shard(start, stop, *, value=1, seed=0):
    statistics = {"alive": np.array([value, 0]), "mean": np.array([0.1, 0.2])}
    return Shard(task_id=TASK.task_id, seed=seed, start=start, stop=stop, statistics=statistics)


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


@pytest.mark.parametrize("other", [shard(5, 15), shard(0, 5), shard(2, 3), shard(9, 30), shard(0, 10, value=2)])
def test_overlaps_and_contradictions_are_refused(path, other):
    with Store(path) as store:
        store.add_task(TASK)
        store.add(shard(0, 10))
        with pytest.raises(StoreError, match=r"overlap|contradict"):
            store.add(other)
        assert store.done(TASK.task_id, 0) == [(0, 10)]


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


def test_damage_is_named(path):
    with Store(path) as store:
        store.add_task(TASK)
        for start in range(0, 4000, 10):
            store.add(shard(start, start + 10))
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(len(whole) - 100))
    with pytest.raises(StoreError, match=r"damaged|failed"), Store(path, readonly=True) as store:
        store.contents()


def test_an_empty_file_becomes_a_store(path):
    path.touch()
    with Store(path) as store:
        assert store.contents() == []


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


@given(st.dictionaries(st.text(max_size=5), st.lists(st.integers(-(2**63), 2**63 - 1)), max_size=4))
def test_statistics_survive_packing(columns):
    statistics = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    statistics["float"] = np.array([0.1, -0.0, 1e300])
    unpacked = unpack_statistics(pack_statistics(statistics))
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


def test_task_ids_never_change():
    """Results of years hang on these ids: a change of the numbers must raise STREAM_VERSION, not this test."""
    inputs = input_set(np.array([[1.0, -2.0], [0.5, 3.0]]))
    assert Task(Network([2] * 3), inputs).task_id == "ef1e64f8bafc6149"
    network = Network([4, 3], input_dim=2, init="gaussian", weight_variance=1.5, bias_variance=0.25)
    assert Task(network, inputs, dtype="float64").task_id == "5de782f7cd0a6625"

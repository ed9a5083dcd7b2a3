"""Stores of an older schema: readable unchanged, converted when written, then equal to new ones; ids of tasks stay."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.stores import schema as store_schema
from neurondeath.simulations.stores.provenance import Provenance
from neurondeath.simulations.stores.schema import SCHEMA_VERSION
from neurondeath.simulations.stores.shards import pack_statistics
from neurondeath.simulations.stores.store import OverlapError, Store, StoreError
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network
from tests.simulations.test_store import TASK, read_all, shard

SCHEMA_1 = """
CREATE TABLE tasks (task_id TEXT PRIMARY KEY, description TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE shards (
    task_id TEXT NOT NULL REFERENCES tasks, seed INTEGER NOT NULL, start INTEGER NOT NULL CHECK (start >= 0),
    stop INTEGER NOT NULL CHECK (stop > start), statistics BLOB NOT NULL, cpu_seconds REAL NOT NULL,
    version TEXT NOT NULL, finished REAL NOT NULL, PRIMARY KEY (task_id, seed, start)
);
CREATE TRIGGER shards_never_overlap BEFORE INSERT ON shards
WHEN EXISTS (
    SELECT 1 FROM shards WHERE task_id = NEW.task_id AND seed = NEW.seed AND start < NEW.stop AND stop > NEW.start
)
BEGIN SELECT RAISE(ABORT, 'overlap'); END;
PRAGMA application_id = 0x4E445354;
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


def make_schema_1(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA_1)
        connection.execute(
            "INSERT INTO tasks VALUES (?, ?)", (TASK.task_id, json.dumps(TASK.description(), sort_keys=True))
        )
        for start in (20, 0, 10):
            packed = pack_statistics(shard(start, start + 10, value=start).statistics)
            row = (TASK.task_id, 0, start, start + 10, packed, 0.5, "0.0.1", 9.0)
            connection.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def assert_as_in_schema_1(path):
    found = read_all(path)
    assert [one.start for one in found] == [0, 10, 20]
    assert all(one.same_numbers(shard(one.start, one.stop, value=one.start)) for one in found)
    assert {one.provenance for one in found} == {Provenance(version="0.0.1", cpu="", finished=9.0)}
    assert {one.cpu_seconds for one in found} == {0.5}


def test_an_older_schema_is_read_and_when_written_brought_up(path, monkeypatch):
    make_schema_1(path)
    before = path.read_bytes()
    assert_as_in_schema_1(path)
    assert path.read_bytes() == before
    with monkeypatch.context() as broken:
        broken.setitem(
            store_schema.SCHEMAS, 2, (*store_schema.SCHEMAS[2][:2], "CREATE NONSENSE")
        )  # fails in the middle of the migration
        with pytest.raises(StoreError, match="failed"):
            Store(path)
    assert_as_in_schema_1(path)
    with Store(path) as store:
        assert store.pragma("user_version") == SCHEMA_VERSION == 2
        with pytest.raises(OverlapError):
            store.add(shard(5, 15))
        store.add(shard(20, 30, value=20))
        assert store.contents() == [(TASK.task_id, 0, TASK.description())]
    assert_as_in_schema_1(path)


def test_a_new_store_and_one_brought_up_are_alike(tmp_path):
    def schema(path):
        Store(path).close()
        with closing(sqlite3.connect(path)) as connection:
            return sorted(
                " ".join(row[0].split()) for row in connection.execute("SELECT sql FROM sqlite_master") if row[0]
            )

    make_schema_1(tmp_path / "old.sqlite")
    assert schema(tmp_path / "old.sqlite")[0] == schema(tmp_path / "new.sqlite")[0]
    assert len(schema(tmp_path / "old.sqlite")) == len(schema(tmp_path / "new.sqlite")) == 3


def test_task_ids_never_change():
    """Stored results depend on these ids: change STREAM_VERSION if the numbers change, never this test."""
    inputs = input_set(np.array([[1.0, -2.0], [0.5, 3.0]]))
    assert Task(Network([2] * 3), inputs).task_id == "ef1e64f8bafc6149"
    network = Network([4, 3], input_dim=2, init="gaussian", weight_variance=1.5, bias_variance=0.25)
    assert Task(network, inputs, dtype="float64").task_id == "5de782f7cd0a6625"

"""Store of training runs: no epoch is lost, doubled or changed, and other files are refused."""

import math
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from neurondeath.simulations.stores.store import Store
from neurondeath_torch.training.configuration import Experiment
from neurondeath_torch.training.run_schema import SCHEMAS
from neurondeath_torch.training.run_store import RunBusyError, RunContradictionError, RunStore, RunStoreError

LONG, SHORT = Experiment(epochs=20), Experiment(epochs=2)
HERE = {"device": "cpu", "torch": "2"}


def begin(store, experiment=LONG, seed=0, **provenance):
    settings = experiment.description()
    store.begin(experiment.experiment_id, seed, name="demo", description=settings, provenance={**HERE, **provenance})
    return experiment.experiment_id, seed


def test_epochs_come_back_in_order_and_are_never_doubled(tmp_path):
    path = tmp_path / "runs.sqlite"
    with RunStore(path) as store:
        key = begin(store)
        begin(store)
        begin(store, seed=1)
        begin(store, SHORT)
        for epoch in range(3):
            assert store.note(*key, epoch, {"epoch": epoch, "loss": 1.0 / (epoch + 1)})
        assert not store.note(*key, 2, {"epoch": 2, "loss": 1.0 / 3.0, "train_seconds": 9.0})  # again after a crash
        assert store.n_epochs(*key) == 3
        assert store.n_epochs(key[0], 1) == 0
    with RunStore(path, readonly=True) as store:
        first, second, other = store.runs()
        assert [epoch["epoch"] for epoch in first.epochs] == [0, 1, 2]
        assert (second.seed, other.experiment_id) == (1, SHORT.experiment_id)
        assert first.description == {"epochs": 20}
        assert set(first.provenance) == {"neurondeath", "torch", "device"}
        assert [run.experiment_id for run in store.runs(SHORT.experiment_id[:6])] == [SHORT.experiment_id]
        with pytest.raises(RunStoreError, match="readonly"):
            store.note(*key, 3, {})
    assert [file.name for file in tmp_path.iterdir()] == ["runs.sqlite"]


def test_what_cannot_be_stored_is_refused():
    with RunStore(":memory:") as store:
        key = begin(store, SHORT)
        for epoch, measured, match in [
            (1, {}, "0 epochs are"),
            (-1, {}, "0 epochs are"),
            (0, {"epoch": 1}, "another epoch"),
            (0, {"loss": "low"}, "numbers"),
            (0, {"loss": {}}, "numbers"),
            (0, {"units": -1}, "units is not a count"),
            (0, {"test_accuracy": math.nan}, "test_accuracy is not in"),
            (0, {"diverged": 1}, "true or false"),
            (0, {"dead_by_activation": [1234567890] * 400_000}, "characters"),
        ]:
            with pytest.raises(RunStoreError, match=match):
                store.note(*key, epoch, measured)
        for epoch in range(3):
            store.note(*key, epoch, {})
        with pytest.raises(RunStoreError, match="3 epochs are"):
            store.note(*key, 3, {})
        with pytest.raises(RunStoreError, match="not begun"):
            store.note(key[0], 5, 0, {})
        with pytest.raises(RunStoreError, match="its id is not that"):
            store.begin("abc", 0, name="", description={"epochs": 2}, provenance={})
        with pytest.raises(RunStoreError, match="JSON"):
            store.begin(key[0], 0, name="", description={"epochs": 2, "a": math.nan}, provenance={})


def test_other_numbers_contradict_unless_they_come_from_elsewhere():
    with RunStore(":memory:") as store:
        key = begin(store)
        for epoch in range(4):
            store.note(*key, epoch, {"loss": float(epoch)})
        for options in ({}, {"replace": True}, {"provenance": {**HERE, "torch": "3"}}):
            with pytest.raises(RunContradictionError, match="epoch 2 of run"):
                store.note(*key, 2, {"loss": 7.0}, **options)
        assert store.n_epochs(*key) == 4
        moved = {**HERE, "torch": "3"}
        assert store.note(*key, 2, {"loss": 7.0}, provenance=moved, replace=True)
        (run,) = store.runs()
        assert [epoch["loss"] for epoch in run.epochs] == [0.0, 1.0, 7.0]
        assert run.resumed.keys() == {2}
        assert (run.provenance_of(1)["torch"], run.provenance_of(2)["torch"]) == ("2", "3")
        store.note(*key, 0, {"loss": 5.0}, provenance=moved, replace=True)  # begun again there
        (run,) = store.runs()
        assert (len(run.epochs), run.resumed, run.provenance["torch"]) == (1, {}, "3")


def test_numbers_that_are_not_finite_come_back():
    numbers = {"loss": math.nan, "high": math.inf, "low": [-math.inf, None, 1e-300], "epoch": 0}
    with RunStore(":memory:") as store:
        key = begin(store)
        store.note(*key, 0, numbers)
        assert not store.note(*key, 0, numbers)
        (back,) = store.runs()[0].epochs
        assert math.isnan(back.pop("loss"))
        assert back == {"high": math.inf, "low": [-math.inf, None, 1e-300], "epoch": 0}
        ((text,),) = store.connection.execute("SELECT measured FROM epochs").fetchall()
        assert '"loss": "NaN"' in text


def test_two_writers_share_a_store(tmp_path):
    path = tmp_path / "runs.sqlite"

    def write(seed):
        with RunStore(path) as store:
            key = begin(store, seed=seed)
            for epoch in range(20):
                store.note(*key, epoch, {"epoch": epoch})

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with RunStore(path, readonly=True) as store:
        assert [len(run.epochs) for run in store.runs()] == [20] * 4


HOLD = """
import sys, time
from pathlib import Path
from neurondeath_torch.training.run_leases import lease
with lease(Path(sys.argv[1]), "run", "run x"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lease_ends_with_its_process(tmp_path):
    path = tmp_path / "runs.sqlite"
    with RunStore(path) as store, RunStore(path) as second:
        busy = pytest.raises(RunBusyError, match=f"run run, seed 0 is being trained by process {os.getpid()} on")
        with store.lease("run", 0), second.lease("run", 1), busy:
            second.lease("run", 0).__enter__()
        with second.lease("run", 0):
            pass
    assert [file.name for file in tmp_path.iterdir()] == ["runs.sqlite"]


def test_a_killed_process_frees_its_lease(tmp_path):
    from neurondeath_torch.training.run_leases import lease, remove_free_lock

    link = tmp_path / "link"
    link.symlink_to(tmp_path / "runs")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "runs")], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(RunBusyError, match=f"process {process.pid} "), lease(link, "run", "run x"):
            pass
        process.kill()
    lock = tmp_path / "runs-run.lock"
    assert lock.exists()
    remove_free_lock(link, "run")
    assert not lock.exists()
    with lease(link, "run", "run x"):
        assert lock.exists()
    assert not lock.exists()


def make_schema_1(path, measured):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in SCHEMAS[1]:
            connection.execute(statement)
        connection.execute("PRAGMA application_id = 0x4E445452")
        connection.execute("PRAGMA user_version = 1")
        for seed in (0, 1):
            key = (LONG.experiment_id, seed)
            run = (*key, "old", '{"epochs": 20}', '{"neurondeath": "0.1.0", "torch": "2"}', 10.0 + seed)
            connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", run)
            for epoch, text in enumerate(measured):
                connection.execute("INSERT INTO epochs VALUES (?, ?, ?, ?)", (*key, epoch, text))


def test_a_store_of_schema_1_is_read_unchanged_and_migrated_when_written(tmp_path):
    path = tmp_path / "old.sqlite"
    make_schema_1(path, ['{"epoch": 0, "loss": 0.1}', '{"diverged": true, "epoch": 1, "loss": NaN}'])
    before = path.read_bytes()
    with RunStore(path, readonly=True) as store:
        assert store.schema == 1
        read = store.runs()
    assert path.read_bytes() == before
    assert [run.seed for run in read] == [0, 1]
    assert read[0].finished
    assert math.isnan(read[0].epochs[1]["loss"])
    with RunStore(path) as store:
        assert not store.note(LONG.experiment_id, 0, 0, {"epoch": 0, "loss": 0.1})
        assert store.note(LONG.experiment_id, 0, 2, {"epoch": 2}, provenance=HERE)
    with RunStore(path, readonly=True) as store:
        assert store.schema == 2
        first, second = store.runs()
        assert repr(second) == repr(read[1])
        assert len(first.epochs) == 3
        assert first.resumed.keys() == {2}


def test_a_damaged_row_of_schema_1_stays_damaged(tmp_path):
    path = tmp_path / "old.sqlite"
    make_schema_1(path, ['{"epoch": 0}', '{"epoch": 1'])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE epochs SET measured = CAST(x'7bff7d' AS TEXT) WHERE seed = 1 AND epoch = 0")
        connection.execute("DELETE FROM epochs WHERE seed = 0 AND epoch = 1")
    RunStore(path).close()
    with RunStore(path, readonly=True) as store:
        (good,), damaged = store.survey()
        assert (good.seed, good.epochs) == (0, [{"epoch": 0}])
        assert [f"run {LONG.experiment_id}, seed 1, epoch 0" in str(error) for error in damaged] == [True]


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(RunStoreError, match="neurondeath train"):
        RunStore(tmp_path / "none.sqlite", readonly=True)
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "text").write_text("no database, but long enough to be read as the head of one" * 10)
    with pytest.raises(RunStoreError, match="name another file"):
        RunStore(tmp_path / "text")
    with Store(tmp_path / "simulations.sqlite"):
        pass
    with pytest.raises(RunStoreError, match="not a neurondeath store of training runs"):
        RunStore(tmp_path / "simulations.sqlite")
    RunStore(tmp_path / "newer.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "newer.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(RunStoreError, match="schema 7"):
        RunStore(tmp_path / "newer.sqlite")
    with pytest.raises(RunStoreError, match="is a folder"):
        RunStore(tmp_path)

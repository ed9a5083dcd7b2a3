"""Store of training runs: no epoch is lost or duplicated, and other files are refused."""

import sqlite3
import threading

import pytest

from neurondeath.simulations.stores.store import Store
from neurondeath_torch.training.run_store import RunStore, RunStoreError


def begin(store, run="abc", seed=0):
    store.begin(run, seed, name="demo", description={"epochs": 2}, provenance={"torch": "2"})


def test_epochs_come_back_in_order_and_are_never_doubled(tmp_path):
    path = tmp_path / "runs.sqlite"
    with RunStore(path) as store:
        begin(store)
        begin(store)
        begin(store, seed=1)
        begin(store, run="xyz")
        for epoch in (0, 2, 1):
            store.note("abc", 0, epoch, {"epoch": epoch, "loss": 1.0 / (epoch + 1)})
        store.note("abc", 0, 2, {"epoch": 2, "loss": 9.0})  # run again after a crash
        assert store.n_epochs("abc", 0) == 3
        assert store.n_epochs("abc", 1) == 0
    with RunStore(path, readonly=True) as store:
        first, second, other = store.runs()
        assert [epoch["epoch"] for epoch in first.epochs] == [0, 1, 2]
        assert first.epochs[2]["loss"] == 9.0
        assert (second.seed, other.experiment_id) == (1, "xyz")
        assert first.description == {"epochs": 2}
        assert set(first.provenance) == {"neurondeath", "torch"}
        assert [run.experiment_id for run in store.runs("x")] == ["xyz"]
        with pytest.raises(RunStoreError, match="readonly"):
            store.note("abc", 0, 3, {})


def test_two_writers_share_a_store(tmp_path):
    path = tmp_path / "runs.sqlite"

    def write(seed):
        with RunStore(path) as store:
            begin(store, seed=seed)
            for epoch in range(20):
                store.note("abc", seed, epoch, {"epoch": epoch})

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with RunStore(path, readonly=True) as store:
        assert [len(run.epochs) for run in store.runs()] == [20] * 4


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(RunStoreError, match="neurondeath train"):
        RunStore(tmp_path / "none.sqlite", readonly=True)
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "text").write_text("no database, but long enough to be read as the head of one" * 10)
    with pytest.raises(RunStoreError, match="name another file"):
        RunStore(tmp_path / "text")
    with Store(tmp_path / "simulations.sqlite"):
        pass
    with pytest.raises(RunStoreError, match="not a store of training runs"):
        RunStore(tmp_path / "simulations.sqlite")
    RunStore(tmp_path / "newer.sqlite").close()
    connection = sqlite3.connect(tmp_path / "newer.sqlite")
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(RunStoreError, match="schema 7"):
        RunStore(tmp_path / "newer.sqlite")
    with pytest.raises(RunStoreError, match="failed"):
        RunStore(tmp_path)

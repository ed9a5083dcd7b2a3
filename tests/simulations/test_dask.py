"""Shards on a Dask cluster: bitwise equal to the local run, even when a worker is killed."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import distributed
import pytest

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.dask_scheduler import ClusterPool, SchedulerError
from neurondeath.simulations.sweeps.driver import run_tasks
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network
from tests.simulations.test_driver import dump

NETWORK = Network([4] * 12, bias_variance=0.2)


def local_cluster(n_workers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from Dask itself, at its start
        return distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        )


@pytest.fixture(scope="module")
def cluster():
    with local_cluster(2) as made:
        yield made


def test_the_cluster_gives_the_local_numbers(cluster, tmp_path):
    local, remote = tmp_path / "local.sqlite", tmp_path / "remote.sqlite"
    here = simulate(NETWORK, trials=9000, seed=3, store=local, workers=1)
    there = simulate(NETWORK, trials=9000, seed=3, store=remote, scheduler=cluster.scheduler_address)
    assert dump(local) == dump(remote)
    assert len(next(iter(dump(remote).values()))) > 8
    assert here.living_ratio_stderr.tolist() == there.living_ratio_stderr.tolist()
    with Store(remote, readonly=True) as store:
        ((task_id, seed, _),) = store.contents()
        assert all(shard.provenance is not None for shard in store.shards(task_id, seed))


def test_a_lost_worker_loses_and_doubles_nothing(cluster, tmp_path):
    """Kill the sampling process during the run, twice: first one of two workers, then another."""
    path, whole = tmp_path / "store.sqlite", tmp_path / "whole.sqlite"
    task = Task(Network([12] * 60), input_set("gaussian:64", dimension=12))
    trials = 60 * task.shard_trials
    killed = []

    def kill_now_and_then():
        for share in (0.1, 0.5):
            while not path.exists() or n_done() < share * 60:
                time.sleep(0.02)
            pids = [pid for pid in cluster_pids(cluster) if pid not in killed]
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

    def n_done():
        try:
            with Store(path, readonly=True) as store:
                return len(store.done(task.task_id, 0))
        except Exception:  # the store is being created
            return 0

    killer = threading.Thread(target=kill_now_and_then, daemon=True)
    killer.start()
    with ClusterPool(cluster.scheduler_address) as pool, Store(path) as store:
        run_tasks([task], store, trials=trials, seed=0, pool=pool, quiet=True)
    killer.join(timeout=10)
    assert len(killed) == 2
    with Store(whole) as store:
        run_tasks([task], store, trials=trials, seed=0, workers=2, quiet=True)
    assert dump(path) == dump(whole)


def cluster_pids(cluster):
    return sorted(worker.pid for worker in cluster.workers.values() if worker.status.name == "running" and worker.pid)


def test_the_shards_in_flight_are_bounded(cluster, tmp_path, monkeypatch):
    most = 0
    with ClusterPool(cluster.scheduler_address) as pool, Store(tmp_path / "s.sqlite") as store:
        submit, in_flight = pool.submit, set()

        def counted(*arguments):
            nonlocal most
            future = submit(*arguments)
            in_flight.add(future)
            in_flight.difference_update([other for other in in_flight if other.done()])
            most = max(most, len(in_flight))
            return future

        monkeypatch.setattr(pool, "submit", counted)
        task = Task(NETWORK, input_set("gaussian:64", dimension=4))
        run_tasks([task], store, trials=40 * task.shard_trials, seed=0, pool=pool, quiet=True)
        assert 2 <= most <= pool.room()


def test_a_failing_shard_is_one_line_and_what_is_done_is_kept(cluster, tmp_path, monkeypatch):
    task = Task(NETWORK, input_set("gaussian:64", dimension=4))
    with ClusterPool(cluster.scheduler_address) as pool, Store(tmp_path / "s.sqlite") as store:
        submit = pool.submit

        def broken(task, seed, stretches):
            return submit(task, seed, stretches if stretches[0][0] < 3000 else [(None, None)])

        monkeypatch.setattr(pool, "submit", broken)
        with pytest.raises(SchedulerError, match="run the same command again"):
            run_tasks([task], store, trials=20 * task.shard_trials, seed=0, pool=pool, quiet=True)
        assert store.done(task.task_id, 0)


def test_another_version_is_refused(cluster, monkeypatch):
    monkeypatch.setattr("neurondeath.simulations.sweeps.dask_scheduler.__version__", "0.0.0")
    with pytest.raises(SchedulerError, match="install the same everywhere"):
        simulate(NETWORK, trials=2000, scheduler=cluster.scheduler_address)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "", "tcp://127.0.0.1:1"])
def test_an_address_that_does_not_answer(address, monkeypatch, tmp_path):
    monkeypatch.setattr("neurondeath.simulations.sweeps.dask_scheduler.CONNECT_SECONDS", 0.5)
    with pytest.raises(SchedulerError, match="dask scheduler"):
        simulate(NETWORK, scheduler=address, store=tmp_path / "store.sqlite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [TimeoutError(), OSError("the connection is closed")])
def test_a_scheduler_that_ends_after_the_check_is_one_line(cluster, monkeypatch, tmp_path, error):
    def lost(*_, **__):
        raise error

    monkeypatch.setattr("neurondeath.simulations.sweeps.dask_scheduler._client", lost)
    level = logging.getLogger("distributed.core").level
    with pytest.raises(
        SchedulerError, match=r"no Dask scheduler answers at .*(no answer in 10 s|connection is closed)"
    ):
        simulate(NETWORK, scheduler=cluster.scheduler_address, store=tmp_path / "store.sqlite")
    assert logging.getLogger("distributed.core").level == level
    assert not list(tmp_path.iterdir())


def test_a_cluster_without_workers_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("neurondeath.simulations.sweeps.dask_scheduler.FIRST_WORKER_SECONDS", 0.5)
    with local_cluster(0) as empty, pytest.raises(SchedulerError, match="no workers"):
        simulate(NETWORK, scheduler=empty.scheduler_address, store=tmp_path / "store.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_workers_address_is_refused(cluster, tmp_path):
    address = next(iter(cluster.scheduler.workers))
    with pytest.raises(SchedulerError, match="worker, not a scheduler"):
        simulate(NETWORK, scheduler=address, store=tmp_path / "store.sqlite")
    assert not list(tmp_path.iterdir())


def test_without_dask_one_line_says_what_to_install(tmp_path):
    program = (
        "import sys; sys.modules['distributed'] = None; sys.modules['dask'] = None\n"
        "from neurondeath.commands.console import command_line, run\n"
        "from neurondeath.commands import COMMANDS\n"
        "sys.exit(run(command_line('nd', COMMANDS, help=''), 'nd', "
        "'simulate --width 3 --depth 2 --scheduler tcp://127.0.0.1:1'.split()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "neurondeath[distributed]" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())

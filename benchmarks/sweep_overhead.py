"""Overhead of a sweep beyond its sampling: time per shard and memory, over many shards that sample almost nothing.

`sweep_overhead.py [--shards 100000] [--workers 2] [--scheduler ADDRESS|cluster] [--tasks 1]` prints JSON. A shard here
is a network of one layer, one unit and one point, so that nearly all of its time is overhead: planning, the queue, the
thread, packing, the store. Memory is the growth of the peak resident set from that after a thousandth of the shards.
Bars: 3 ms per shard, 200 MB over 100,000 shards. "cluster" starts a local Dask cluster of that many processes.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from neurondeath.simulations.estimation.estimates import read_simulation
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.driver import run_tasks
from neurondeath.simulations.sweeps.pools import LOCAL, open_pool
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network


def peak_megabytes() -> float:
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def tiny_tasks(count: int) -> list[Task]:
    return [Task(Network([1], bias_variance=1 + i), input_set("gaussian:1", dimension=1)) for i in range(count)]


def measure(shards: int, n_tasks: int, workers: int, scheduler: str) -> dict[str, object]:
    tasks = tiny_tasks(n_tasks)
    each = -(-shards // n_tasks)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if scheduler == "cluster":
            from distributed import LocalCluster

            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0")
            scheduler = stack.enter_context(cluster).scheduler_address
        store = stack.enter_context(Store(Path(folder) / "store.sqlite"))
        pool = stack.enter_context(open_pool(workers, scheduler))
        size = tasks[0].shard_trials
        run_tasks(tasks, store, trials=size, seed=1, pool=pool, quiet=True)
        run_tasks(tasks, store, trials=size * max(1, each // 1000), seed=2, pool=pool, quiet=True)
        before, begun, cpu_begun = peak_megabytes(), time.perf_counter(), time.process_time()
        run_tasks(tasks, store, trials=size * each, seed=0, pool=pool, quiet=True)
        ran, cpu_ran = time.perf_counter() - begun, time.process_time() - cpu_begun
        after_run = peak_megabytes()
        for task in tasks:
            simulation = read_simulation(store, task.task_id, 0, task.description())
            assert simulation.trials == size * each
        read = time.perf_counter() - begun - ran
        cpu = sum(store.effort(task.task_id, 0)[1] for task in tasks)
        total = each * n_tasks
        return {
            "shards": total,
            "tasks": n_tasks,
            "workers": workers,
            "scheduler": "local" if scheduler == LOCAL else "dask",
            "milliseconds_a_shard": 1e3 * ran / total,
            "cpu_milliseconds_a_shard": 1e3 * cpu_ran / total,  # of this process, including its sampling threads
            "sampling_milliseconds_a_shard": 1e3 * cpu / total,
            "milliseconds_a_shard_read": 1e3 * read / total,
            "megabytes_grown_running": after_run - before,
            "megabytes_grown_reading": peak_megabytes() - after_run,
            "store_bytes_a_shard": (Path(folder) / "store.sqlite").stat().st_size / total,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shards", type=int, default=100_000)
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scheduler", default=LOCAL)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.shards, arguments.tasks, arguments.workers, arguments.scheduler), indent=2))


if __name__ == "__main__":
    main()

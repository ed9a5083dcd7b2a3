"""Cost of the results store in a sweep of very many tiny shards: time per shard, memory, disk.

    python benchmarks/store_overhead.py [SHARDS]

Prints one JSON object. Bars: below 3 ms per shard from adding to reading back, below 200 MB of memory.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.stores.merging import merge_stores
from neurondeath.simulations.stores.shards import Shard, sum_statistics
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network

DEPTH = 50


def memory() -> float:
    """Return the peak memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    n_shards = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    task = Task(Network([4] * DEPTH), input_set("gaussian:4", dimension=4))
    generator = np.random.default_rng(0)
    report: dict[str, float] = {"shards": n_shards, "depth": DEPTH}

    def shard(index: int) -> Shard:
        statistics = {name: generator.integers(0, 10_000, DEPTH) for name in ("alive", "living", "living_squares")}
        return Shard(task_id=task.task_id, seed=0, start=index, stop=index + 1, statistics=statistics)

    def clock(name: str, begun: float) -> None:
        report[f"{name}_ms_a_shard"] = round(1e3 * (time.perf_counter() - begun) / n_shards, 4)

    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder) / "store.sqlite", Path(folder) / "other.sqlite"
        before = memory()
        begun = time.perf_counter()
        with Store(path) as store:
            store.add_task(task)
            for index in range(n_shards):
                store.add(shard(index))
        clock("add", begun)
        begun = time.perf_counter()
        with Store(path, readonly=True) as store:
            assert sum_statistics(store.shards(task.task_id, 0))[0] == n_shards
        clock("read_totals", begun)
        report["memory_growth_mb"] = round(memory() - before, 1)
        begun = time.perf_counter()
        with Store(path, readonly=True) as store:
            assert len(store.done(task.task_id, 0)) == n_shards
            assert store.effort(task.task_id, 0)[0] == n_shards
        clock("list_done", begun)
        for name in ("merge", "merge_again"):
            begun = time.perf_counter()
            merge_stores(other, [path])
            clock(name, begun)
        report["memory_growth_with_list_and_merge_mb"] = round(memory() - before, 1)
        report["disk_bytes_a_shard"] = round(path.stat().st_size / n_shards, 1)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

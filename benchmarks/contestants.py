"""The contestants of `speed.py`, one per process: `contestants.py NAME '{"width": 8, "points": 256}'` prints JSON.

Contestants that sample networks count executed layers per second: one layer of one network on all points. For the
rivals a short search in their own process finds the best thread count and batch size before the measurement.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

SECONDS = 1.5  # of a measurement
SEARCH_SECONDS = 0.25  # of each setting in the search before it
DEPTH = 100
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rate(work: Callable[[], float], seconds: float) -> float:
    """Return the units of work per second, after a warm-up call."""
    work()
    done, begun = 0.0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        done += work()
    return done / spent


def best_rate(settings: list[tuple[int, ...]], prepare: Callable[..., Callable[[], float]]) -> dict[str, object]:
    """Search the settings, then measure the best one."""
    works = {setting: prepare(*setting) for setting in settings}
    winner = max(settings, key=lambda setting: rate(works[setting], SEARCH_SECONDS))
    return {"rate": rate(prepare(*winner), SECONDS), "setting": winner}


def dense(width: int, points: int) -> dict[str, object]:
    from neurondeath.simulations.inputs.input_sets import input_set
    from neurondeath.simulations.samplers.shard_sampling import run_shard
    from neurondeath.simulations.task import Task
    from neurondeath_theory.networks.network import Network

    task = Task(Network([width] * DEPTH), input_set(f"gaussian:{points}", dimension=width))
    shard = task.shard_trials
    pool = ThreadPoolExecutor(CORES)
    begin = [0]

    def sample(start: int) -> float:
        alive = run_shard(task, 0, start, start + shard).statistics["alive"]
        return float(shard + alive[:-1].sum())  # layers executed: all that were entered alive

    def work() -> float:
        begin[0] += 4 * CORES
        return sum(pool.map(sample, [(begin[0] + i) * shard for i in range(4 * CORES)]))

    return {"rate": rate(work, SECONDS), "setting": (CORES, shard)}


def numpy_crude(width: int, points: int) -> dict[str, object]:
    import numpy as np
    from threadpoolctl import threadpool_limits

    def prepare(threads: int, workers: int, batch: int) -> Callable[[], float]:
        pool = ThreadPoolExecutor(workers)
        seeds = iter(range(10**9))

        def sample(seed: int) -> float:
            rng = np.random.default_rng(seed)
            x = rng.standard_normal((batch, width, points), dtype=np.float32)
            alive = np.ones(batch, bool)
            for _ in range(DEPTH):
                weights = rng.standard_normal((batch, width, width), dtype=np.float32)
                x = weights @ x
                np.maximum(x, 0, out=x)
                peak = x.max(axis=(1, 2), keepdims=True)
                alive &= peak[:, 0, 0] > 0
                x /= np.maximum(peak, np.float32(1e-30))
            return batch * DEPTH

        def work() -> float:
            with threadpool_limits(threads):
                return sum(pool.map(sample, [next(seeds) for _ in range(workers)]))

        return work

    batches = [max(1, size // (width * points)) for size in (16_384, 131_072, 1_048_576)]
    settings = [(t, w, b) for t, w in {(1, CORES), (CORES, 1)} for b in sorted(set(batches))]
    return best_rate(settings, prepare)


def torch_crude(width: int, points: int) -> dict[str, object]:
    import torch

    def prepare(threads: int, batch: int) -> Callable[[], float]:
        def work() -> float:
            torch.set_num_threads(threads)
            with torch.inference_mode():
                x = torch.randn(batch, width, points)
                alive = torch.ones(batch, dtype=torch.bool)
                for _ in range(DEPTH):
                    x = torch.bmm(torch.randn(batch, width, width), x).relu_()
                    peak = x.amax(dim=(1, 2), keepdim=True)
                    alive &= peak[:, 0, 0] > 0
                    x /= peak.clamp_min(1e-30)
            return batch * DEPTH

        return work

    batches = [max(1, size // (width * points)) for size in (16_384, 131_072, 1_048_576)]
    return best_rate([(t, b) for t in (1, CORES) for b in sorted(set(batches))], prepare)


def sgemm() -> dict[str, object]:
    import numpy as np

    size = 2048
    a, b = (np.random.default_rng(i).standard_normal((size, size), dtype=np.float32) for i in (0, 1))
    out = np.empty_like(a)

    def work() -> float:
        np.matmul(a, b, out=out)
        return 2.0 * size**3

    return {"rate": rate(work, SECONDS)}


def normals() -> dict[str, object]:
    """Fill one buffer again and again within a kernel, as the samplers do."""
    import numba
    import numpy as np

    from neurondeath.simulations.kernels.normals import fill_normals
    from neurondeath.simulations.kernels.packed_arguments import Position
    from neurondeath.simulations.kernels.philox import make_counters

    size = 4096
    out, words = np.empty(size, np.float32), np.empty(size, np.uint32)
    position = Position((np.uint64(1), np.uint64(2)), 0, 0, np.uint64(0))
    arguments = (out, words, make_counters(size // 4, size // 4), size, position, 0, np.float32(1))

    @numba.njit
    def fill(repeats: int, *arguments: object) -> None:
        for _ in range(repeats):
            fill_normals(*arguments)

    def work() -> float:
        fill(1000, *arguments)
        return 1000.0 * size

    return {"rate": rate(work, SECONDS)}


def numpy_normals() -> dict[str, object]:
    import numpy as np

    rng, out = np.random.default_rng(0), np.empty(4096, np.float32)

    def work() -> float:
        for _ in range(20):
            rng.standard_normal(dtype=np.float32, out=out)
        return 20.0 * out.size

    return {"rate": rate(work, SECONDS)}


def single() -> dict[str, object]:
    import numpy as np

    from neurondeath.simulations.monte_carlo import simulate
    from neurondeath_theory.networks.network import Network

    network, point = Network([10**6] * 1000, input_dim=1), np.ones((1, 1))
    simulate(network, point, trials=10, engine="single")
    begun = time.perf_counter()
    simulate(network, point, trials=10_000, engine="single")
    return {"seconds": time.perf_counter() - begun}


def cold_start() -> dict[str, object]:
    import subprocess

    line = [sys.executable, "-m", "neurondeath", "bounds", "--width", "3", "--depth", "20"]
    spent = []
    for _ in range(7):
        begun = time.perf_counter()
        subprocess.run(line, stdout=subprocess.DEVNULL, check=True)
        spent.append(time.perf_counter() - begun)
    return {"seconds": sorted(spent)[3]}


def seconds_of_processor(work: Callable[[], object]) -> float:
    """Return the median processor time of 30 calls, after three."""
    spent = []
    for _ in range(33):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return sorted(spent[3:])[15]


def covariance(points: int) -> dict[str, object]:
    import numpy as np

    from neurondeath_theory.gaussian_limit.correlation import covariance_map

    x = np.random.default_rng(0).standard_normal((points, 50))
    first = 2.0 * x @ x.T / 50
    return {"seconds": seconds_of_processor(lambda: covariance_map("relu", covariance_map("relu", first, 2.0), 2.0))}


def neural_tangents(points: int) -> dict[str, object]:
    """Measure the same matrix by neural-tangents, compiled, in double precision and on one thread."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    from neural_tangents import stax

    dense_layer = [stax.Dense(1, W_std=2.0**0.5) for _ in range(3)]
    *_, kernel = stax.serial(dense_layer[0], stax.Relu(), dense_layer[1], stax.Relu(), dense_layer[2])
    compiled = jax.jit(lambda x: kernel(x, None, "nngp"))
    x = np.random.default_rng(0).standard_normal((points, 50))
    return {"seconds": seconds_of_processor(lambda: compiled(x).block_until_ready())}


OURS = (dense, sgemm, normals, single, cold_start, covariance)
RIVALS = (numpy_crude, torch_crude, numpy_normals, neural_tangents)
CONTESTANTS = {function.__name__: function for function in (*OURS, *RIVALS)}

if __name__ == "__main__":
    print(json.dumps(CONTESTANTS[sys.argv[1]](**json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}"))))

"""Run one shard: prepare the points, call the kernel, give the statistics."""

import time

import numpy as np
import numpy.typing as npt

from neurondeath_theory.network import Network
from simulations.counter_random import stream_key
from simulations.kernels.dense import sample_dense
from simulations.shards import Shard
from simulations.task import Task

__all__ = ["prepare_points", "run_shard"]


def run_shard(task: Task, seed: int, start: int, stop: int) -> Shard:
    """Sample trials start .. stop - 1 of a task; thread-safe, the interpreter is free while the kernel runs."""
    begun = time.thread_time()
    network = task.network
    depth = network.depth
    alive, living, living_squares = (np.zeros(depth, dtype=np.int64) for _ in range(3))
    key0, key1 = stream_key(seed, task.task_id)
    sample_dense(
        alive,
        living,
        living_squares,
        prepare_points(network, task.inputs.points, np.dtype(task.dtype)),
        np.array(network.widths, dtype=np.int64),
        np.sqrt(network.weight_variance / np.array(network.fan_ins)).astype(np.float32),
        np.float32(np.sqrt(network.bias_variance)),
        np.uint64(key0),
        np.uint64(key1),
        start,
        stop - start,
    )
    return Shard(
        task_id=task.task_id,
        seed=seed,
        start=start,
        stop=stop,
        statistics={"alive": alive, "living": living, "living_squares": living_squares},
        cpu_seconds=time.thread_time() - begun,
    )


def prepare_points(
    network: Network, points: npt.NDArray[np.float64], dtype: np.dtype[np.generic]
) -> npt.NDArray[np.generic]:
    """Lay points out as columns, each scaled by a power of two to a largest entry in [1/2, 1).

    Scaling a point changes nothing for a ReLU network without biases; with biases a point is scaled down only, together
    with the constant that multiplies the biases, in the last row (0 without biases).
    """
    columns = points.T
    exponents = np.frexp(np.abs(columns).max(axis=0))[1]
    if network.has_bias:
        exponents = np.maximum(exponents, 0)
    columns = np.vstack([columns, np.full(columns.shape[1], float(network.has_bias))])
    return np.ascontiguousarray(np.ldexp(columns, -exponents), dtype=dtype)

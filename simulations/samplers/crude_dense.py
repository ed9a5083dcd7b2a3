"""Crude Monte Carlo by multiplying the weights out: every plain network, any points."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from simulations.counter_random import stream_key
from simulations.kernels.dense import sample_dense
from simulations.samplers.points import prepare_points

if TYPE_CHECKING:
    from simulations.task import Task

__all__ = ["sample"]


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares."""
    network = task.network
    alive, living, living_squares = (np.zeros(network.depth, dtype=np.int64) for _ in range(3))
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
    return {"alive": alive, "living": living, "living_squares": living_squares}

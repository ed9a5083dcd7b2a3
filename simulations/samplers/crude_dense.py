"""Crude Monte Carlo by multiplying the weights out: every network, any points.

Plain ReLU networks with Gaussian weights have a kernel of their own; everything else goes to `crude_general`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.engines import is_plain_gaussian
from neurondeath.simulations.kernels.dense import sample_dense
from neurondeath.simulations.samplers import crude_general
from neurondeath.simulations.samplers.points import prepare_points

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares."""
    if not is_plain_gaussian(task.network, task.inputs, task.outputs):
        return crude_general.sample(task, seed, start, stop)
    network, inputs = task.network, task.inputs
    alive, living, living_squares = (np.zeros(network.depth, dtype=np.int64) for _ in range(3))
    key0, key1 = key = stream_key(seed, task.stream_name)
    stretches = [(start, stop)]
    if inputs.resample:
        stretches = [(trial, trial + 1) for trial in range(start, stop)]
    for first, last in stretches:
        points = inputs.points_of_trial(key, first) if inputs.resample else inputs.points
        sample_dense(
            alive,
            living,
            living_squares,
            prepare_points(network, points, np.dtype(task.dtype)),
            np.array(network.widths, dtype=np.int64),
            np.sqrt(network.weight_variance / np.array(network.fan_ins)).astype(np.float32),
            np.float32(np.sqrt(network.bias_variance)),
            np.uint64(key0),
            np.uint64(key1),
            first,
            last - first,
        )
    return {"alive": alive, "living": living, "living_squares": living_squares}

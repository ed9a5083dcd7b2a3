"""Crude Monte Carlo through Gram matrices: plain Gaussian networks, fewer points than units."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.kernels.gram import sample_gram
from neurondeath.simulations.samplers.points import prepare_points

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares."""
    network = task.network
    alive, living, living_squares = (np.zeros(network.depth, dtype=np.int64) for _ in range(3))
    points = task.inputs.points
    if not network.has_bias:
        points = points[points.any(axis=1)]  # points at zero are dead from layer 1
    if len(points):
        columns = prepare_points(network, points, np.dtype(np.float64)).astype(np.float64)
        x, constant = columns[:-1], columns[-1]
        gram = network.weight_variance / network.input_dim * (x.T @ x)
        gram += network.bias_variance * np.outer(constant, constant)
        scale = 1.0 / np.sqrt(np.diag(gram))
        key0, key1 = stream_key(seed, task.stream_name)
        sample_gram(
            alive,
            living,
            living_squares,
            gram * np.outer(scale, scale),
            constant * scale,
            np.array(network.widths, dtype=np.int64),
            network.weight_variance,
            network.bias_variance,
            np.uint64(key0),
            np.uint64(key1),
            start,
            stop - start,
        )
    return {"alive": alive, "living": living, "living_squares": living_squares}

"""Crude Monte Carlo through Gram matrices: plain Gaussian networks, fewer points than units."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.gram import sample_gram
from neurondeath.simulations.kernels.packed_arguments import Counts
from neurondeath.simulations.samplers.points import prepare_points, random_stream

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares."""
    network = task.network
    counts = Counts(*(np.zeros(network.depth, dtype=np.int64) for _ in Counts._fields))
    points = task.inputs.points
    if not network.has_bias:
        points = points[points.any(axis=1)]  # points at zero are dead from layer 1
    if len(points):
        columns = prepare_points(network, points, np.dtype(np.float64)).astype(np.float64)
        x, constant = columns[:-1], columns[-1]
        gram = network.weight_variance / network.input_dim * (x.T @ x)
        gram += network.bias_variance * np.outer(constant, constant)
        scale = 1.0 / np.sqrt(np.diag(gram))
        sample_gram(
            counts,
            gram * np.outer(scale, scale),
            constant * scale,
            np.array(network.widths, dtype=np.int64),
            network.weight_variance,
            network.bias_variance,
            random_stream(task, seed, start, stop),
        )
    return counts._asdict()

"""Crude Monte Carlo by multiplying the weights out: every network, any points.

Plain ReLU networks with Gaussian weights have a kernel of their own; everything else goes to `crude_general`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.engines import is_plain_gaussian
from neurondeath.simulations.kernels.dense import sample_dense
from neurondeath.simulations.kernels.packed_arguments import Counts
from neurondeath.simulations.samplers import crude_general
from neurondeath.simulations.samplers.points import plain_law, prepare_points, stretches

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares."""
    if not is_plain_gaussian(task.network, task.inputs, task.outputs):
        return crude_general.sample(task, seed, start, stop)
    counts = Counts(*(np.zeros(task.network.depth, dtype=np.int64) for _ in Counts._fields))
    law, dtype = plain_law(task.network), np.dtype(task.dtype)
    for points, stream in stretches(task, seed, start, stop):
        sample_dense(counts, prepare_points(task.network, points, dtype), law, stream)
    return counts._asdict()

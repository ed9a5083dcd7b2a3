"""The conditional estimator by multiplying the weights out: plain ReLU networks with Gaussian weights."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath.simulations.kernels.conditional import sample_conditional
from neurondeath.simulations.kernels.packed_arguments import ConditionalScales, ConditionalSums
from neurondeath.simulations.samplers.half_space import half_space
from neurondeath.simulations.samplers.points import plain_law, prepare_points, stretches

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]

CACHED_SETS = 16  # input sets whose half-space is found once, not for every shard


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Sum, layer by layer, estimates of P(alive), P(dead) and the number of living points, and their squares.

    `alive` and `living` are in units of the probability that a single point is alive, `dead` in units of 2^-n, n the
    smallest width: no sum underflows. All are 0 if every point is dead from the start.
    """
    network, inputs = task.network, task.inputs
    sums = ConditionalSums(*(np.zeros(network.depth) for _ in ConditionalSums._fields))
    law = plain_law(network)
    scales = ConditionalScales(
        lone_survival=-np.expm1(-law.widths * np.log(2.0)),
        dead_scales=np.exp2(law.widths.min() - law.widths.astype(np.float64)),
        dead_unit=float(np.exp2(-float(law.widths.min()))),
    )
    constant = float(law.bias_scale / law.weight_scales[0])
    for points, stream in stretches(task, seed, start, stop):
        if not network.has_bias:
            points = points[points.any(axis=1)]  # points at zero are dead from layer 1
        if not len(points):
            continue  # all points are dead
        across = _across(points, constant) if inputs.resample else _across_of_set(inputs, constant)
        columns = prepare_points(network, points, np.dtype(task.dtype))
        sample_conditional(sums, columns, across.astype(task.dtype), law, scales, stream)
    return sums._asdict()


@lru_cache(maxsize=CACHED_SETS)
def _across_of_set(inputs: InputSet, constant: float) -> npt.NDArray[np.float64]:
    return _across(inputs.points, constant)


def _across(points: npt.NDArray[np.float64], constant: float) -> npt.NDArray[np.float64]:
    """Return the points as columns scaled to 1 along a direction, less it; no column if no direction is positive."""
    u = half_space(points, constant)
    if not u.any():
        return np.zeros((len(u), 0))
    columns = np.column_stack([points, np.full(len(points), constant)])
    columns = columns[columns.any(axis=1)]
    return np.asarray((columns / (columns @ u)[:, None] - u).T)

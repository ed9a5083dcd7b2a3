"""The conditional estimator by multiplying the weights out: plain ReLU networks with Gaussian weights."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath.simulations.kernels.conditional import sample_conditional
from neurondeath.simulations.samplers.half_space import half_space
from neurondeath.simulations.samplers.points import law_arguments, prepare_points, stretches

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]

REMEMBERED = 16  # input sets whose half-space need not be found anew for every shard


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Sum, layer by layer, estimates of P(alive), P(dead) and the number of living points, and their squares.

    `alive` and `living` are in units of the probability that a single point is alive, `dead` in units of 2^-n, n the
    smallest width: no sum underflows. All are 0 where every point is dead from the outset.
    """
    network, inputs = task.network, task.inputs
    names = ("alive", "alive_squares", "dead", "dead_squares", "living", "living_squares")
    sums = {name: np.zeros(network.depth) for name in names}
    widths, weight_scales, bias_scale = law_arguments(task)
    constant = float(bias_scale / weight_scales[0])
    key0, key1 = key = stream_key(seed, task.stream_name)
    for points, first, last in stretches(task, key, start, stop):
        if not network.has_bias:
            points = points[points.any(axis=1)]  # points at zero are dead from layer 1
        if not len(points):
            continue  # dead for sure
        across = _across(points, constant) if inputs.resample else _across_of_set(inputs, constant)
        sample_conditional(
            sums["alive"],
            sums["alive_squares"],
            sums["dead"],
            sums["dead_squares"],
            sums["living"],
            sums["living_squares"],
            prepare_points(network, points, np.dtype(task.dtype)),
            across.astype(task.dtype),
            widths,
            weight_scales,
            bias_scale,
            -np.expm1(-widths * np.log(2.0)),
            np.exp2(widths.min() - widths.astype(np.float64)),
            float(np.exp2(-float(widths.min()))),
            np.uint64(key0),
            np.uint64(key1),
            first,
            last - first,
        )
    return sums


@lru_cache(maxsize=REMEMBERED)
def _across_of_set(inputs: InputSet, constant: float) -> npt.NDArray[np.float64]:
    return _across(inputs.points, constant)


def _across(points: npt.NDArray[np.float64], constant: float) -> npt.NDArray[np.float64]:
    """Give the points as columns, scaled to 1 along a direction, less that direction; no column if none is positive."""
    u = half_space(points, constant)
    if not u.any():
        return np.zeros((len(u), 0))
    columns = np.column_stack([points, np.full(len(points), constant)])
    columns = columns[columns.any(axis=1)]
    return np.asarray((columns / (columns @ u)[:, None] - u).T)

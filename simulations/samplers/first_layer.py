"""The first layer's death on a fixed set of points: what is known of it beforehand, and its estimate per population.

All chains share q, the probability that one unit is inactive on all points: it is 0 without an open half-space around
the points, in closed form up to rank 3, and otherwise estimated by `kernels.cones`, once per population of chains. The
levels come from a pilot with a fixed seed; the number of pairs depends on the task alone.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath.simulations.kernels.cones import MOST_LEVELS, MOVES, sample_cones
from neurondeath.simulations.samplers.half_space import half_space
from neurondeath_theory.survival.first_layer import first_layer_death

__all__ = ["FirstLayer", "across_columns", "estimate_unit", "first_layer_of"]

CACHED_SETS = 16  # input sets that are prepared once, not for every shard
PILOT_PAIRS = 512
WORK_SHARE = 0.05  # of the multiply-adds of the chains: one of these takes several times as long
PAIRS = (256, 32)  # pairs per population, at most and at least
MOST_EXACT_RANK = 3
MOST_RANK_ENTRIES = 2**22  # a larger set of points is taken to have a higher rank

Floats = npt.NDArray[np.float64]


class FirstLayer(NamedTuple):
    """What is known of q; the last two only where it has to be estimated.

    Attributes
    ----------
    log_unit : float or None
        Natural logarithm of q, -inf where it is 0; None where it has to be estimated.
    across : float array, shape (dimension + 1, n_points)
        The d_i of `kernels.inactive_units` as columns.
    levels : float array
        Levels of the cones.
    """

    log_unit: float | None
    across: Floats
    levels: Floats


@lru_cache(maxsize=CACHED_SETS)
def first_layer_of(inputs: InputSet, bias_variance: float, weight_variance: float) -> FirstLayer:
    """Prepare the first layer of a fixed set with a nonzero point; `weight_variance` is that of one weight."""
    points = inputs.points
    constant = float(np.sqrt(bias_variance / weight_variance))
    if not constant:
        points = points[points.any(axis=1)]
    across = across_columns(points, constant)
    nothing = np.zeros(0)
    if not across.shape[1]:
        return FirstLayer(-np.inf, across, nothing)
    if _has_exact_rank(points, constant):
        exact = first_layer_death(
            points, 1, bias_variance=bias_variance, weight_variance=weight_variance * points.shape[1]
        )
        return FirstLayer(exact.log_unit, across, nothing)
    levels = np.zeros(MOST_LEVELS)
    key0, key1 = stream_key(0, "pilot of the first layer")
    _, _, n_levels = sample_cones(levels, across, PILOT_PAIRS, (np.uint64(key0), np.uint64(key1)), 0)
    return FirstLayer(None, across, levels[:n_levels].copy())


def estimate_unit(first: FirstLayer, work: float, key: tuple[np.uint64, np.uint64], trial: int) -> tuple[float, float]:
    """Estimate log q for the population of chains that begins with a trial; return it and its effective number.

    `work` is the number of multiply-adds of the population: the pairs take a share of it, down to the least number.
    """
    steps = 1 + (len(first.levels) - 1) * (MOVES + 1)
    most, least = PAIRS
    n_pairs = int(min(max(work * WORK_SHARE / (steps * first.across.size), least), most)) // 4 * 4
    log_unit, effective, _ = sample_cones(first.levels.copy(), first.across, n_pairs, key, trial)
    return float(log_unit), float(effective)


def across_columns(points: Floats, constant: float) -> Floats:
    """Return the points as columns scaled to 1 along a direction, less it; no column if no direction is positive."""
    u = half_space(points, constant)
    if not u.any():
        return np.zeros((len(u), 0))
    columns = np.column_stack([points, np.full(len(points), constant)])
    columns = columns[columns.any(axis=1)]
    # divide by the largest entry first, so that no product overflows
    columns = columns / np.abs(columns).max(axis=1, keepdims=True)
    return np.ascontiguousarray((columns / (columns @ u)[:, None] - u).T)


def _has_exact_rank(points: Floats, constant: float) -> bool:
    """Whether the points with their constant span at most three dimensions."""
    columns = np.column_stack([points, np.full(len(points), constant)])
    if min(columns.shape) <= MOST_EXACT_RANK:
        return True
    if columns.size > MOST_RANK_ENTRIES:
        return False
    directions = columns / np.abs(columns).max(axis=1, keepdims=True)
    return int(np.linalg.matrix_rank(directions)) <= MOST_EXACT_RANK

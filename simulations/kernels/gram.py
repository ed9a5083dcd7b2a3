r"""Sample plain Gaussian networks through the Gram matrix of their points: exact in law, any fan-in at the same cost.

Given a layer's inputs X (fan_in x M) the units' pre-activations are independent $N(0, G)$ with
$G = \sigma_w^2 X^T X / fan\_in + \sigma_b^2 c c^T$, c the constant of the biases. So instead of n x fan_in weights
per layer n x r normals are drawn, r <= M the rank of G: $Z = \Xi F$ with $F^T F = G$ from a Cholesky factor with
pivots, which drops the directions that collapsing points no longer differ in (below 1e-14 of their variance).

Scaling a point scales its column of Z and of c, so G is brought to a unit diagonal: nothing over- or underflows at any
depth, without further measures. The arithmetic is in double precision.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Parameters, Position, UnitRange
from neurondeath.simulations.kernels.panels import (
    aligned,
    lay_out,
    move_together,
    n_panels_of,
    place,
    rectified_units,
    survey,
)
from neurondeath.simulations.kernels.philox import make_counters
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_gram"]

NORMALS_PER_FILL = 16384  # normals made at a time
DUPLICATE_VARIANCE = 1e-14  # share of a point's variance; a point that differs less from earlier ones is a duplicate
PURPOSE_FACTORS = np.uint64(4)


class _Buffers(NamedTuple):
    """Arrays that all layers share; the first three are in panels with `rows` rows, the last two are scratch.

    `x` holds a layer's outputs, `gram` the correlations of its pre-activations and `factor` their Cholesky factor;
    `table` holds the factor row by row, `constant` every point's constant of the biases.
    """

    x: npt.NDArray[np.float64]
    gram: npt.NDArray[np.float64]
    factor: npt.NDArray[np.float64]
    peak: npt.NDArray[np.float64]
    table: npt.NDArray[np.float64]
    constant: npt.NDArray[np.float64]
    scaled_constant: npt.NDArray[np.float64]
    transposed: npt.NDArray[np.float64]


@kernel
def sample_gram(counts, first_gram, first_constant, widths, weight_variance, bias_variance, stream):
    """Add the networks of a stream's trials to `counts`.

    `first_gram` (float64, shape (n_points, n_points)) is the correlation matrix of the first layer's pre-activations
    and `first_constant` (n_points) the constant of the biases divided by their standard deviations; no point may be
    at zero.
    """
    alive, living, living_squares = counts
    n_points = first_gram.shape[0]
    rows = max(widths.max(), n_points + 3) + 1
    buffers = _make_buffers(first_gram, rows, widths.max())
    x, gram, factor, peak, constant = buffers.x, buffers.gram, buffers.factor, buffers.peak, buffers.constant
    capacity = whole_groups(max(NORMALS_PER_FILL, 8 * (n_points + 3)))
    weights, words = np.empty(capacity), np.empty(capacity, np.uint32)
    counters = make_counters(capacity // 4, capacity // 4)
    parameters = Parameters(weights, np.zeros(max(widths.max(), n_points) + 8))  # without biases

    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        n_alive = n_points
        for layer in range(widths.size):
            width = widths[layer]
            if layer == 0:
                copy_entries(constant, first_constant)
                lay_out(gram, first_gram, rows)
            else:
                fan_in = widths[layer - 1]
                _correlate(buffers, rows, fan_in, n_alive, weight_variance / fan_in, bias_variance)
            rank = _factorise(factor, gram, buffers.table, rows, n_alive)
            stride = -(-rank // 4) * 4
            for row in range(rank, stride + 1):  # whole blocks of normals per unit, and no constant
                for p in range(n_panels_of(n_alive) * PANEL):
                    factor[place(rows, row, p)] = 0.0
            peak[: n_panels_of(n_alive) * PANEL] = 0.0
            fill_units = max(8, NORMALS_PER_FILL // stride // 8 * 8)
            for unit in range(0, width, fill_units):
                n_units = min(fill_units, width - unit)
                position = Position(stream.key, layer, trial, PURPOSE_FACTORS)
                block = unit * stride // 4
                fill_normals(weights, words, counters, n_units * stride, position, block, np.float32(1.0))
                units = UnitRange(unit, n_units, stride, 0, 0, False)
                rectified_units(x, factor, peak, parameters, units, rows, n_panels_of(n_alive))
            count, _ = survey(peak[: n_panels_of(n_alive) * PANEL])
            if count == 0:
                break
            if count < n_alive:
                to = 0
                for p in range(n_alive):
                    if peak[p] > 0:
                        constant[to] = constant[p]
                        to += 1
                move_together(x, peak, rows, width, n_alive)
                n_alive = count
            alive[layer] += 1
            living[layer] += n_alive
            living_squares[layer] += n_alive * n_alive


@kernel
def _make_buffers(gram, rows, width):
    """Create the buffers for the points of a Gram matrix."""
    n_points = gram.shape[0]
    n_panels = n_panels_of(n_points)
    size = n_panels * rows * PANEL
    return _Buffers(
        x=aligned(size, gram),
        gram=aligned(size, gram),
        factor=aligned(size, gram),
        peak=aligned(n_panels * PANEL, gram),
        table=np.zeros((n_points, n_panels * PANEL)),
        constant=np.empty(n_points),
        scaled_constant=np.zeros(n_points + 8),
        transposed=np.empty(n_points * width),
    )


@kernel
def _correlate(buffers, rows, fan_in, n_alive, weight_scale, bias_variance):
    """Fill `buffers.gram` with the correlations of the next pre-activations, and scale the constants alike.

    Layer inputs are non-negative, so a rectifier does not change their products: the tile can be used here too.
    """
    x, gram, transposed = buffers.x, buffers.gram, buffers.transposed
    constant, scaled_constant = buffers.constant, buffers.scaled_constant
    for p in range(n_alive):
        for j in range(fan_in):
            transposed[p * fan_in + j] = weight_scale * x[place(rows, j, p)]
        scaled_constant[p] = bias_variance * constant[p]
        x[place(rows, fan_in, p)] = constant[p]
    points = UnitRange(0, n_alive, fan_in, 0, 0, True)
    rectified_units(gram, x, buffers.peak, Parameters(transposed, scaled_constant), points, rows, n_panels_of(n_alive))
    for p in range(n_alive):
        constant[p] /= math.sqrt(gram[place(rows, p, p)])
        scaled_constant[p] = 1.0 / math.sqrt(gram[place(rows, p, p)])
    for p in range(n_alive):
        for o in range(n_alive):
            gram[place(rows, p, o)] *= scaled_constant[p] * scaled_constant[o]


@kernel
def _factorise(factor, gram, table, rows, n_alive):
    """Fill the first r rows of `factor` with F, F^T F = gram, a correlation matrix; return its rank r."""
    left = np.ones(n_alive)
    rank = 0
    while rank < n_alive:
        pivot = 0
        for p in range(n_alive):
            if left[p] > left[pivot]:
                pivot = p
        if left[pivot] <= DUPLICATE_VARIANCE:
            break
        row = table[rank]
        for p in range(n_alive):
            row[p] = gram[place(rows, pivot, p)]
        for k in range(rank):
            before = table[k]
            weight = before[pivot]
            for p in range(n_alive):
                row[p] -= weight * before[p]
        scale = 1.0 / math.sqrt(left[pivot])
        for p in range(n_alive):
            row[p] = row[p] * scale if left[p] > 0.0 else 0.0
            left[p] -= row[p] * row[p]
        left[pivot] = 0.0
        for p in range(n_alive):
            left[p] = max(left[p], 0.0)
        rank += 1
    for k in range(rank):
        for p in range(n_alive):
            factor[place(rows, k, p)] = table[k, p]
        for p in range(n_alive, n_panels_of(n_alive) * PANEL):
            factor[place(rows, k, p)] = 0.0
    return rank

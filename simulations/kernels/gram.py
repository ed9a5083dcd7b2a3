r"""Sample plain Gaussian networks through the Gram matrix of their points: exact in law, at a cost free of the fan-in.

Given a layer's inputs X (fan_in x M) the units' pre-activations are independent $N(0, G)$ with
$G = \sigma_w^2 X^T X / fan\_in + \sigma_b^2 c c^T$, c the constant of the biases. So instead of n x fan_in weights
a layer takes n x r normals, r <= M the rank of G: $Z = \Xi F$ with $F^T F = G$ from a Cholesky factor with pivots,
which drops the directions that collapsing points no longer differ in (below 1e-14 of their variance).

Scaling a point scales its column of Z and of c, so G is brought to a unit diagonal: nothing over- or underflows at any
depth, with no further care. All in double precision.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
from neurondeath.simulations.kernels.panels import aligned, move_together, n_panels_of, place, rectified_units, survey
from neurondeath.simulations.kernels.philox import fill_chunk_counters
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_gram"]

FILL = 16384  # normals made at a time
SAME = 1e-14  # share of a point's variance below which it no longer differs from the points before it
PURPOSE_FACTORS = np.uint64(4)


@kernel
def sample_gram(
    alive, living, living_squares, first_gram, first_constant, widths, weight_variance, bias_variance, key0, key1,
    first_trial, n_trials,
):  # fmt: skip
    """Add to `alive`, `living` and `living_squares` (int64, one entry a layer) what n_trials networks do.

    `first_gram` (float64, shape (n_points, n_points)) is the correlation matrix of the first layer's pre-activations
    and `first_constant` (n_points) the constant of the biases divided by their standard deviations; no point may be
    at zero.
    """
    n_points = first_gram.shape[0]
    rows = max(widths.max(), n_points + 3) + 1
    n_panels = n_panels_of(n_points)
    x = aligned(n_panels * rows * PANEL, first_gram)
    factor = aligned(n_panels * rows * PANEL, first_gram)
    gram = aligned(n_panels * rows * PANEL, first_gram)
    peak = aligned(n_panels * PANEL, first_gram)
    transposed = np.empty(n_points * widths.max())
    constant = np.empty(n_points)
    table = np.zeros((n_points, n_panels * PANEL))
    no_biases = np.zeros(max(widths.max(), n_points) + 8)
    scaled_constant = np.zeros(n_points + 8)
    capacity = whole_groups(max(FILL, 8 * (n_points + 3)))
    words, weights = np.empty(capacity, np.uint32), np.empty(capacity)
    blocks, layers = np.empty(capacity // 4, np.uint32), np.empty(capacity // 4, np.uint32)
    fill_chunk_counters(blocks, layers, blocks.size)

    for trial in range(first_trial, first_trial + n_trials):
        n_alive = n_points
        for layer in range(widths.size):
            width = widths[layer]
            if layer == 0:
                for p in range(n_points):
                    constant[p] = first_constant[p]
                    for o in range(n_points):
                        gram[place(rows, p, o)] = first_gram[p, o]
            else:
                _correlate(
                    gram, x, transposed, constant, scaled_constant, peak, rows, widths[layer - 1], n_alive,
                    weight_variance / widths[layer - 1], bias_variance,
                )  # fmt: skip
            rank = _factorise(factor, gram, table, rows, n_alive)
            stride = -(-rank // 4) * 4
            for row in range(rank, stride + 1):  # whole blocks of normals a unit; and no constant
                for p in range(n_panels_of(n_alive) * PANEL):
                    factor[place(rows, row, p)] = 0.0
            peak[: n_panels_of(n_alive) * PANEL] = 0.0
            fill_units = max(8, FILL // stride // 8 * 8)
            for unit in range(0, width, fill_units):
                n_units = min(fill_units, width - unit)
                total = whole_groups(n_units * stride)
                fill_normals(
                    weights[:total], words[:total], blocks, layers,
                    key0, key1, unit * stride // 4, layer, trial, PURPOSE_FACTORS, np.float32(1.0),
                )  # fmt: skip
                rectified_units(
                    x, factor, weights, no_biases, peak, rows, n_panels_of(n_alive), unit, n_units, stride, 0, 0, False
                )
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
def _correlate(
    gram, x, transposed, constant, scaled_constant, peak, rows, fan_in, n_alive, weight_scale, bias_variance
):
    """Fill `gram` with the correlations of the next pre-activations, and scale the constants alike.

    Layer inputs are non-negative, so that their products pass a rectifier unharmed: the tile serves here too.
    """
    for p in range(n_alive):
        for j in range(fan_in):
            transposed[p * fan_in + j] = weight_scale * x[place(rows, j, p)]
        scaled_constant[p] = bias_variance * constant[p]
        x[place(rows, fan_in, p)] = constant[p]
    rectified_units(
        gram, x, transposed, scaled_constant, peak, rows, n_panels_of(n_alive), 0, n_alive, fan_in, 0, 0, True
    )
    for p in range(n_alive):
        constant[p] /= math.sqrt(gram[place(rows, p, p)])
        scaled_constant[p] = 1.0 / math.sqrt(gram[place(rows, p, p)])
    for p in range(n_alive):
        for o in range(n_alive):
            gram[place(rows, p, o)] *= scaled_constant[p] * scaled_constant[o]


@kernel
def _factorise(factor, gram, table, rows, n_alive):
    """Fill the first r rows of `factor` with F, F^T F = gram, a correlation matrix; give its rank r."""
    left = np.ones(n_alive)
    rank = 0
    while rank < n_alive:
        pivot = 0
        for p in range(n_alive):
            if left[p] > left[pivot]:
                pivot = p
        if left[pivot] <= SAME:
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

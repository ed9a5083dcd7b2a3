r"""Sample plain networks conditioned on survival, and the probability that each layer would have killed them.

A unit with standard normal weights g is inactive at all living points $x_i$ of its layer's input, a further coordinate
standing for the bias, iff $g \cdot x_i \le 0$ for all i. Let u be a unit vector in the cone of the $x_i$ with
$u \cdot x_i > 0$, and $d_i = x_i / (u \cdot x_i) - u$, which is perpendicular to u. Then $g \cdot x_i \le 0$ is
$g \cdot u \le -g \cdot d_i$, and $g \cdot u$ is a standard normal independent of the $g \cdot d_i$, so

    P(inactive | g . d) = Phi(-max_i g . d_i),    and with g and -g   v = (Phi(-max_i g . d_i) + Phi(min_i g . d_i)) / 2

is an unbiased estimate of the probability that a unit is inactive; the product of n independent v's is one of the
probability U that the layer is. Some combination of the d_i with positive weights is 0, so the minimum is at most 0 and
the maximum at least 0, which is why the rectified products of the dense engine's tiles will do. One living point is
inactive with probability 1/2, two at an angle a with (pi - a) / (2 pi): no unit needs to be drawn.

Along a chain whose layers are drawn anew until a point survives, S = prod (1 - U) is an unbiased estimate of P(alive)
and D = 1 - S, added up as D += (1 - D) U, one of P(dead) that keeps its digits however rare death is. The units behind
U are drawn independently of the layer that follows; they may not be the same.

Dead points are dropped at once: with biases they would turn units active again.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_at_least, whole_groups
from neurondeath.simulations.kernels.panels import (
    aligned,
    move_together,
    n_panels_of,
    pass_constant,
    place,
    rectified_units,
    rescale,
    survey,
)
from neurondeath.simulations.kernels.philox import fill_chunk_counters
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_conditional"]

FILL_NORMALS = 16384  # weights made at a time: they stay in the second-level cache
PURPOSE_WEIGHTS, PURPOSE_BIASES, PURPOSE_PROBES = np.uint64(0), np.uint64(1), np.uint64(5)
VARIANT = np.uint64(8)  # bits that the purpose takes
SQRT_HALF = math.sqrt(0.5)


@kernel
def sample_conditional(
    alive, alive_squares, dead, dead_squares, living, living_squares, points, first_across, widths, weight_scales,
    bias_scale, lone_survival, dead_scales, dead_unit, key0, key1, first_trial, n_trials,
):  # fmt: skip
    """Add to the first six arrays (float64, one entry a layer) the estimates of n_trials chains and their squares.

    alive[l] is in units of the product of lone_survival[0..l] (float64), living[l], the number of living points, too,
    and dead[l] in units of dead_unit: a layer kills a single point with probability dead_unit * dead_scales[l]
    = 1 - lone_survival[l]. So nothing underflows where a probability does.

    `points` has shape (input_dim + 1, n_points), its last row the constant of the biases (0 without), and gives the
    dtype of the computation; no point may be 0. `first_across`, of the same shape and dtype, holds the d_i of the first
    layer; it has no columns where no open half-space holds all points, which then cannot die together in that layer.
    """
    has_bias = bias_scale > 0.0
    depth = widths.size
    input_dim, n_points = points.shape[0] - 1, points.shape[1]
    rows = max(input_dim, widths.max()) + 1
    n_panels = n_panels_of(n_points)
    first = aligned(n_panels * rows * PANEL, points)
    for column in range(n_points):
        for row in range(input_dim + 1):
            first[place(rows, row, column)] = points[row, column]
    x, z, d = aligned(first.size, points), aligned(first.size, points), aligned(first.size, points)
    first_d = aligned(first.size, points)
    peak = aligned(n_panels * PANEL, points)
    u = np.zeros(rows, points.dtype)

    capacity = whole_groups(1)
    fan_in = input_dim
    for width in widths:
        capacity = max(capacity, whole_groups(min(width, _fill_units(fan_in)) * (fan_in + 1)))
        fan_in = width
    bias_capacity = whole_groups(widths.max())
    capacity = max(capacity, bias_capacity)
    words = np.empty(capacity, np.uint32)
    weights = np.empty(capacity, points.dtype)
    biases = np.zeros(bias_capacity, points.dtype)
    blocks, layers = np.empty(capacity // 4, np.uint32), np.empty(capacity // 4, np.uint32)
    fill_chunk_counters(blocks, layers, blocks.size)

    halved = first_across.shape[1] > 0
    for column in range(first_across.shape[1]):
        for row in range(input_dim + 1):
            first_d[place(rows, row, column)] = first_across[row, column]

    for trial in range(first_trial, first_trial + n_trials):
        x[:] = first
        n_alive = n_points
        fan_in = input_dim
        s, deaths = 1.0, 0.0
        for layer in range(depth):
            width = widths[layer]
            x_share, bias_share = _shares(weight_scales[layer], bias_scale)
            # P(layer dead), as a multiple of 2^-width
            if n_alive == 1:
                excess = 1.0
            elif n_alive == 2:
                excess = (1.0 - _angle(x, rows, fan_in, x_share, bias_share) / math.pi) ** width
            elif layer == 0 and not halved:
                excess = 0.0
            else:
                if layer > 0:
                    _mean_direction(u, x, d, rows, n_alive, fan_in, x_share, bias_share)
                    _transverse(d, x, z, u, peak, rows, n_alive, fan_in, x_share, bias_share)
                excess = 1.0
                length = fan_in + 1 if has_bias else fan_in
                fill_units = _fill_units(fan_in)
                for unit in range(0, width, fill_units):
                    n_units = min(fill_units, width - unit)
                    fill_at_least(
                        weights, words, blocks, layers, n_units * length,
                        key0, key1, unit * length // 4, layer, trial, PURPOSE_PROBES, np.float32(1.0),
                    )  # fmt: skip
                    excess *= _inactive(
                        z, first_d if layer == 0 else d, weights, peak, rows, n_panels_of(n_alive), n_units, length,
                    )  # fmt: skip
            death = excess * dead_scales[layer]
            deaths += max(1.0 - deaths * dead_unit, 0.0) * death
            s *= (1.0 - death * dead_unit) / lone_survival[layer]
            alive[layer] += s
            alive_squares[layer] += s * s
            dead[layer] += deaths
            dead_squares[layer] += deaths * deaths

            count = 0
            variant = np.uint64(0)
            unsafe = 0
            while count == 0:
                peak[: n_panels_of(n_alive) * PANEL] = 0
                if has_bias:
                    fill_at_least(
                        biases, words, blocks, layers, width,
                        key0, key1, 0, layer, trial, PURPOSE_BIASES | variant << VARIANT, bias_scale,
                    )  # fmt: skip
                fill_units = _fill_units(fan_in)
                for unit in range(0, width, fill_units):
                    n_units = min(fill_units, width - unit)
                    fill_at_least(
                        weights, words, blocks, layers, n_units * fan_in, key0, key1, unit * fan_in // 4,
                        layer, trial, PURPOSE_WEIGHTS | variant << VARIANT, weight_scales[layer],
                    )  # fmt: skip
                    rectified_units(
                        z,
                        x,
                        weights,
                        biases,
                        peak,
                        rows,
                        n_panels_of(n_alive),
                        unit,
                        n_units,
                        fan_in,
                        0,
                        unit,
                        has_bias,
                    )
                count, unsafe = survey(peak[: n_panels_of(n_alive) * PANEL])
                variant += np.uint64(1)
            pass_constant(z, x, peak, rows, n_panels_of(n_alive), fan_in, width)
            x, z = z, x
            if count < n_alive:
                move_together(x, peak, rows, width, n_alive)
                n_alive = count
            if unsafe > 0:
                rescale(x, peak, rows, width, n_alive, has_bias)
            living[layer] += s * n_alive
            living_squares[layer] += (s * n_alive) ** 2
            fan_in = width


@kernel
def _fill_units(fan_in):
    """Units whose weights are made at a time: a multiple of 8, so that every fill starts at a whole block."""
    return max(8, FILL_NORMALS // (fan_in + 1) // 8 * 8)


@kernel
def _shares(weight_scale, bias_scale):
    """Scale a point and its constant to standard normal weights, up to a common factor that keeps both at most 1."""
    if bias_scale > weight_scale:
        return weight_scale / bias_scale, np.float32(1.0)
    return np.float32(1.0), bias_scale / weight_scale


@kernel
def _mean_direction(u, x, sums, rows, n_columns, fan_in, x_share, bias_share):
    """Fill u with the direction of the sum of the columns; those not in use are 0."""
    length = (fan_in + 1) * PANEL
    totals = sums[:length]
    totals[:] = x[:length]
    for panel in range(1, n_panels_of(n_columns)):
        block = x[panel * rows * PANEL : panel * rows * PANEL + length]
        for i in range(length):
            totals[i] += block[i]
    squares = 0.0
    for row in range(fan_in + 1):
        lane = totals[row * PANEL : (row + 1) * PANEL]
        for p in range(PANEL // 2):
            lane[p] += lane[p + PANEL // 2]
        for p in range(PANEL // 4):
            lane[p] += lane[p + PANEL // 4]
        total = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]))
        u[row] = (bias_share if row == fan_in else x_share) * total
        squares += np.float64(u[row]) * u[row]
    scale = 1.0 / math.sqrt(squares)
    for row in range(fan_in + 1):
        u[row] *= scale


@kernel
def _transverse(d, x, heights, u, peak, rows, n_columns, fan_in, x_share, bias_share):
    """Fill d with what the columns, scaled to 1 along u, have perpendicular to u; 0 in the columns not in use.

    `heights` is scratch as large as x. What is scaled by a share is scaled in u until the very end.
    """
    n_panels = n_panels_of(n_columns)
    length = fan_in + 1
    for row in range(length):
        u[row] *= bias_share if row == fan_in else x_share
    rectified_units(heights, x, u, u, peak, rows, n_panels, 0, 1, length, 0, 0, False)
    for row in range(length):
        share = bias_share if row == fan_in else x_share
        along = u[row] / share if share > 0 else u[row]
        for panel in range(n_panels):
            at = np.uint64((panel * rows + row) * PANEL)
            below = np.uint64(panel * rows * PANEL)
            for i in range(PANEL):
                p = np.uint64(i)
                d[at + p] = share * x[at + p] / heights[below + p] - along
    last = (n_panels - 1) * PANEL
    for row in range(length):
        for column in range(n_columns, last + PANEL):
            d[place(rows, row, column)] = 0


@kernel
def _inactive(z, d, probes, peak, rows, n_panels, n_units, length):
    """Product over units of 2 v, v the probability that a unit is inactive given its weights across u; negates them."""
    factors = np.zeros(n_units)
    for _ in range(2):
        rectified_units(z, d, probes, probes, peak, rows, n_panels, 0, n_units, length, 0, 0, False)
        if z.itemsize == 4:
            _gather_largest(z.view(np.int32), rows, n_panels, n_units)
        else:
            _gather_largest(z.view(np.int64), rows, n_panels, n_units)
        for unit in range(n_units):
            factors[unit] += 0.5 * math.erfc(SQRT_HALF * z[unit * PANEL])
        for i in range(n_units * length):
            probes[i] = -probes[i]
    product = 1.0
    for unit in range(n_units):
        product *= factors[unit]
    return product


@kernel
def _gather_largest(bits, rows, n_panels, n_units):
    """Move the largest entry of every unit to its first column; floats of 0 and above are ordered as their bits are."""
    first = bits[: n_units * PANEL]
    for panel in range(1, n_panels):
        more = bits[panel * rows * PANEL : panel * rows * PANEL + n_units * PANEL]
        for i in range(first.size):
            first[i] = max(first[i], more[i])
    for unit in range(n_units):
        row = first[unit * PANEL : (unit + 1) * PANEL]
        for p in range(PANEL // 2):
            row[p] = max(row[p], row[p + PANEL // 2])
        for p in range(PANEL // 4):
            row[p] = max(row[p], row[p + PANEL // 4])
        row[0] = max(
            max(max(row[0], row[1]), max(row[2], row[3])), max(max(row[4], row[5]), max(row[6], row[7]))
        )  # fmt: skip


@kernel
def _angle(x, rows, fan_in, x_share, bias_share):
    """Angle between the first two columns, accurate however small [Kahan]."""
    a2, b2 = 0.0, 0.0
    for row in range(fan_in + 1):
        share = np.float64(bias_share if row == fan_in else x_share)
        at = row * PANEL
        a2 += (share * x[at]) ** 2
        b2 += (share * x[at + 1]) ** 2
    a, b = 1.0 / math.sqrt(a2), 1.0 / math.sqrt(b2)
    difference, total = 0.0, 0.0
    for row in range(fan_in + 1):
        share = np.float64(bias_share if row == fan_in else x_share)
        at = row * PANEL
        difference += (share * x[at] * a - share * x[at + 1] * b) ** 2
        total += (share * x[at] * a + share * x[at + 1] * b) ** 2
    return 2.0 * math.atan2(math.sqrt(difference), math.sqrt(total))

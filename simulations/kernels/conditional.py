r"""Sample plain networks conditioned on survival, and the probability that each layer would have killed them.

A unit with standard normal weights g is inactive at all living points $x_i$ of its layer's input, a further coordinate
standing for the bias, iff $g \cdot x_i \le 0$ for all i. Let u be a unit vector in the cone of the $x_i$ with
$u \cdot x_i > 0$, and $d_i = x_i / (u \cdot x_i) - u$, which is perpendicular to u. Then $g \cdot x_i \le 0$ is
$g \cdot u \le -g \cdot d_i$, and $g \cdot u$ is a standard normal independent of the $g \cdot d_i$, so

    P(inactive | g . d) = Phi(-max_i g . d_i),    and with g and -g   v = (Phi(-max_i g . d_i) + Phi(min_i g . d_i)) / 2

is an unbiased estimate of the probability that a unit is inactive; the product of n independent v's is one of the
probability U that the layer is. Some combination of the d_i with positive weights is 0, so the minimum is at most 0 and
the maximum at least 0, which is why the rectified products of the dense engine's tiles suffice. One living point is
inactive with probability 1/2, two at an angle a with (pi - a) / (2 pi): no unit needs to be drawn.

Along a chain whose layers are drawn again until a point survives, S = prod (1 - U) is an unbiased estimate of P(alive)
and D = 1 - S, added up as D += (1 - D) U, an unbiased estimate of P(dead) that keeps its precision however rare death
is. The units behind U are drawn independently of the layer that follows; they must not be the same.

Dead points are dropped at once: with biases they would turn units active again.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.jit import inlined_kernel, kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Counters, Parameters, Position, UnitRange
from neurondeath.simulations.kernels.panels import (
    aligned,
    lay_out,
    move_together,
    n_panels_of,
    pass_constant,
    place,
    rectified_units,
    rescale,
    survey,
)
from neurondeath.simulations.kernels.philox import make_counters
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_conditional"]

NORMALS_PER_FILL = 16384  # weights made at a time: they stay in the second-level cache
PURPOSE_WEIGHTS, PURPOSE_BIASES, PURPOSE_PROBES = np.uint64(0), np.uint64(1), np.uint64(5)
PURPOSE_BITS = np.uint64(8)  # bits of a purpose; the number of the attempt lies above them
SQRT_HALF = math.sqrt(0.5)


class _Buffers(NamedTuple):
    """Buffers of random parameters, of the words they are made from and of the counters of these words."""

    parameters: Parameters
    words: npt.NDArray[np.uint32]
    counters: Counters


class _Extent(NamedTuple):
    """Size of a layer's input in panels: rows of the array, columns in use, and rows in use without the constant's."""

    rows: int
    n_columns: int
    fan_in: int


class _Shares(NamedTuple):
    """Factors of a point and of its constant that make the weights standard normal, up to a common factor."""

    point: np.float32
    constant: np.float32


@kernel
def sample_conditional(sums, points, first_across, law, scales, stream):
    """Add to `sums` the estimates of a stream's trials, one chain each, and their squares.

    `points` has shape (input_dim + 1, n_points), its last row the constant of the biases (0 without), and gives the
    dtype of the computation; no point may be 0. `first_across`, of the same shape and dtype, holds the d_i of the first
    layer; it has no columns where no open half-space holds all points, which then cannot die together in that layer.
    """
    alive, alive_squares, dead, dead_squares, living, living_squares = sums
    lone_survival, dead_scales, dead_unit = scales
    widths, weight_scales, bias_scale = law
    has_bias = bias_scale > 0.0
    input_dim, n_points = points.shape[0] - 1, points.shape[1]
    rows = max(input_dim, widths.max()) + 1
    first = aligned(n_panels_of(n_points) * rows * PANEL, points)
    lay_out(first, points, rows)
    x, z, d = aligned(first.size, points), aligned(first.size, points), aligned(first.size, points)
    first_d = aligned(first.size, points)
    lay_out(first_d, first_across, rows)
    halved = first_across.shape[1] > 0
    peak = aligned(n_panels_of(n_points) * PANEL, points)
    u = np.zeros(rows, points.dtype)
    direction = Parameters(u, u)
    buffers = _make_buffers(widths, input_dim, points)

    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        copy_entries(x, first)
        n_alive = n_points
        fan_in = input_dim
        s, deaths = 1.0, 0.0
        for layer in range(widths.size):
            width = widths[layer]
            extent, shares = _Extent(rows, n_alive, fan_in), _shares(weight_scales[layer], bias_scale)
            # P(layer dead) as a multiple of 2^-width
            if n_alive == 1:
                excess = 1.0
            elif n_alive == 2:
                excess = (1.0 - _angle(x, extent, shares) / math.pi) ** width
            elif layer == 0 and not halved:
                excess = 0.0
            else:
                if layer > 0:
                    _mean_direction(u, x, d, extent, shares)
                    _transverse(d, x, z, direction, peak, extent, shares)
                position = Position(stream.key, layer, trial, PURPOSE_PROBES)
                length = fan_in + 1 if has_bias else fan_in
                excess = _probe(z, first_d if layer == 0 else d, peak, buffers, extent, width, length, position)
            death = excess * dead_scales[layer]
            deaths += max(1.0 - deaths * dead_unit, 0.0) * death
            s *= (1.0 - death * dead_unit) / lone_survival[layer]
            alive[layer] += s
            alive_squares[layer] += s * s
            dead[layer] += deaths
            dead_squares[layer] += deaths * deaths

            position = Position(stream.key, layer, trial, PURPOSE_WEIGHTS)
            deviations = (weight_scales[layer], bias_scale)
            count, unsafe = _draw_living(z, x, peak, buffers, extent, width, deviations, position)
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
def _make_buffers(widths, fan_in, like):
    """Create buffers for as many parameters as are drawn at a time, of the dtype of `like`."""
    bias_capacity = whole_groups(widths.max())
    capacity = max(whole_groups(1), bias_capacity)
    for width in widths:
        capacity = max(capacity, whole_groups(min(width, _fill_units(fan_in)) * (fan_in + 1)))
        fan_in = width
    parameters = Parameters(np.empty(capacity, like.dtype), np.zeros(bias_capacity, like.dtype))
    return _Buffers(parameters, np.empty(capacity, np.uint32), make_counters(capacity // 4, capacity // 4))


@inlined_kernel
def _probe(z, d, peak, buffers, extent, width, length, position):
    """Estimate P(layer dead) as a multiple of 2^-width from probes of `length` normals; `z` is scratch."""
    parameters, words, counters = buffers
    probes = parameters.weights
    fill_units = _fill_units(extent.fan_in)
    excess = 1.0
    for unit in range(0, width, fill_units):
        n_units = min(fill_units, width - unit)
        fill_normals(probes, words, counters, n_units * length, position, unit * length // 4, np.float32(1.0))
        excess *= _inactive(z, d, peak, parameters, extent.rows, n_panels_of(extent.n_columns), n_units, length)
    return excess


@inlined_kernel
def _draw_living(z, x, peak, buffers, extent, width, deviations, position):
    """Fill z with a layer's outputs, drawn again until a point survives; return how many do, and unsafe peaks.

    `deviations` are the standard deviations of weights and biases; the purpose of `position` is not read.
    """
    parameters, words, counters = buffers
    (weights, biases), (weight_scale, bias_scale) = parameters, deviations
    rows, n_columns, fan_in = extent
    key, layer, trial, _ = position
    has_bias = bias_scale > 0.0
    fill_units = _fill_units(fan_in)
    count, unsafe = 0, 0
    variant = np.uint64(0)
    while count == 0:
        peak[: n_panels_of(n_columns) * PANEL] = 0
        if has_bias:
            of_biases = Position(key, layer, trial, PURPOSE_BIASES | variant << PURPOSE_BITS)
            fill_normals(biases, words, counters, width, of_biases, 0, bias_scale)
        of_weights = Position(key, layer, trial, PURPOSE_WEIGHTS | variant << PURPOSE_BITS)
        for unit in range(0, width, fill_units):
            n_units = min(fill_units, width - unit)
            fill_normals(weights, words, counters, n_units * fan_in, of_weights, unit * fan_in // 4, weight_scale)
            units = UnitRange(unit, n_units, fan_in, 0, unit, has_bias)
            rectified_units(z, x, peak, parameters, units, rows, n_panels_of(n_columns))
        count, unsafe = survey(peak[: n_panels_of(n_columns) * PANEL])
        variant += np.uint64(1)
    return count, unsafe


@kernel
def _fill_units(fan_in):
    """Return how many units are filled at a time: a multiple of 8, so that every fill starts at a whole block."""
    return max(8, NORMALS_PER_FILL // (fan_in + 1) // 8 * 8)


@kernel
def _shares(weight_scale, bias_scale):
    """Scale a point and its constant to standard normal weights, up to a common factor that keeps both at most 1."""
    if bias_scale > weight_scale:
        return _Shares(weight_scale / bias_scale, np.float32(1.0))
    return _Shares(np.float32(1.0), bias_scale / weight_scale)


@kernel
def _mean_direction(u, x, sums, extent, shares):
    """Fill u with the direction of the sum of the columns; columns not in use are 0."""
    rows, n_columns, fan_in = extent
    length = (fan_in + 1) * PANEL
    totals = sums[:length]
    copy_entries(totals, x[:length])
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
        u[row] = (shares.constant if row == fan_in else shares.point) * total
        squares += np.float64(u[row]) * u[row]
    scale = 1.0 / math.sqrt(squares)
    for row in range(fan_in + 1):
        u[row] *= scale


@kernel
def _transverse(d, x, heights, direction, peak, extent, shares):
    """Fill d with the parts perpendicular to u of the columns scaled to 1 along u; 0 in the columns not in use.

    `direction` holds u as the weights of a unit; `heights` is scratch as large as x. The factors of `shares` are
    applied to u first, and to d at the end.
    """
    u = direction.weights
    rows, n_columns, fan_in = extent
    n_panels = n_panels_of(n_columns)
    length = fan_in + 1
    for row in range(length):
        u[row] *= shares.constant if row == fan_in else shares.point
    rectified_units(heights, x, peak, direction, UnitRange(0, 1, length, 0, 0, False), rows, n_panels)
    for row in range(length):
        share = shares.constant if row == fan_in else shares.point
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
def _inactive(z, d, peak, parameters, rows, n_panels, n_units, length):
    """Multiply 2 v over units, v the probability that a unit is inactive given its weights across u; negates these."""
    probes = parameters.weights
    factors = np.zeros(n_units)
    units = UnitRange(0, n_units, length, 0, 0, False)
    for _ in range(2):
        rectified_units(z, d, peak, parameters, units, rows, n_panels)
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
    """Move the largest entry of every unit to its first column; floats of 0 and above have the order of their bits."""
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
def _angle(x, extent, shares):
    """Return the angle between the first two columns, accurate for small angles, too [Kahan]."""
    fan_in = extent.fan_in
    a2, b2 = 0.0, 0.0
    for row in range(fan_in + 1):
        share = np.float64(shares.constant if row == fan_in else shares.point)
        at = row * PANEL
        a2 += (share * x[at]) ** 2
        b2 += (share * x[at + 1]) ** 2
    a, b = 1.0 / math.sqrt(a2), 1.0 / math.sqrt(b2)
    difference, total = 0.0, 0.0
    for row in range(fan_in + 1):
        share = np.float64(shares.constant if row == fan_in else shares.point)
        at = row * PANEL
        difference += (share * x[at] * a - share * x[at + 1] * b) ** 2
        total += (share * x[at] * a + share * x[at + 1] * b) ** 2
    return 2.0 * math.atan2(math.sqrt(difference), math.sqrt(total))

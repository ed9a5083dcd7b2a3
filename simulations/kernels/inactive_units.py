r"""P(all units of a layer are inactive) given its inputs, estimated from the weights' parts across a direction.

A unit with standard normal weights g is inactive at all living points $x_i$ of its layer's input, a further coordinate
standing for the bias, iff $g \cdot x_i \le 0$ for all i. Let u be a unit vector in the cone of the $x_i$ with
$u \cdot x_i > 0$, and $d_i = x_i / (u \cdot x_i) - u$, which is perpendicular to u. Then $g \cdot x_i \le 0$ is
$g \cdot u \le -g \cdot d_i$, and $g \cdot u$ is a standard normal independent of the $g \cdot d_i$, so

    P(inactive | g . d) = Phi(-max_i g . d_i),    and with g and -g   v = (Phi(-max_i g . d_i) + Phi(min_i g . d_i)) / 2

is an unbiased estimate of the probability q that a unit is inactive; the product of n independent v's is one of the
probability $q^n$ that the layer is. Some combination of the d_i with positive weights is 0, so the minimum is at most 0
and the maximum at least 0: columns of zeros, which fill the last panel, change neither. One living point is inactive
with probability 1/2, two at an angle a with (pi - a) / (2 pi): no unit needs to be drawn.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_normals
from neurondeath.simulations.kernels.packed_arguments import Position, UnitRange, WeightShares
from neurondeath.simulations.kernels.panels import n_panels_of, place, product_units, rectified_units
from neurondeath.simulations.kernels.tails import FAR_OUT, log_two_tails
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["angle_between", "fill_units", "mean_direction", "probe_units", "transverse", "weight_shares"]

NORMALS_PER_FILL = 16384  # weights made at a time: they stay in the second-level cache
PURPOSE_PROBES = np.uint64(5)
LN2 = math.log(2.0)
LANES = PANEL // 2  # columns that are compared at a time
SQRT_HALF = math.sqrt(0.5)
SMALL = 1e-150  # a product below this goes on as its logarithm; no factor underflows it


@kernel
def fill_units(fan_in):
    """Return how many units are filled at a time: a multiple of 8, so that every fill starts at a whole block."""
    return max(8, NORMALS_PER_FILL // (fan_in + 1) // 8 * 8)


@kernel
def weight_shares(weight_scale, bias_scale):
    """Scale a point and its constant to standard normal weights, up to a common factor that keeps both at most 1."""
    if bias_scale > weight_scale:
        return WeightShares(weight_scale / bias_scale, np.float32(1.0))
    return WeightShares(np.float32(1.0), bias_scale / weight_scale)


@kernel
def probe_units(z, d, scratch, buffers, extent, width, length, position):
    """Return logarithms of two estimates of $q^n$: the product of the n values v, and their mean to the power n.

    The first is unbiased. `length` is the number of normals per unit; `z` is scratch; `position` names the chain.
    """
    peak, extremes = scratch
    parameters, words, counters = buffers
    key, layer, trial, purpose = position
    probes = parameters.weights
    per_fill = fill_units(extent.fan_in)
    n_panels = n_panels_of(extent.n_columns)
    of_probes = Position(key, layer, trial, PURPOSE_PROBES | purpose)
    log_product, product, total, largest = 0.0, 1.0, 0.0, -np.inf
    for unit in range(0, width, per_fill):
        n_units = min(per_fill, width - unit)
        fill_normals(probes, words, counters, n_units * length, of_probes, unit * length // 4, np.float32(1.0))
        units = UnitRange(0, n_units, length, 0, 0, False)
        product_units(z, d, peak, parameters, units, extent.rows, n_panels)
        for i in range(n_units):
            _extremes(extremes, z, extent.rows, n_panels, i)
            a, b = np.float64(extremes[LANES]), -np.float64(extremes[0])
            if min(a, b) < FAR_OUT:
                v = 0.25 * (math.erfc(SQRT_HALF * a) + math.erfc(SQRT_HALF * b))
                product *= v
                if product < SMALL:
                    log_product += math.log(product)
                    product = 1.0
            else:
                log_v = log_two_tails(a, b) - LN2
                log_product += log_v
                largest = max(largest, log_v)
                v = math.exp(log_v)
            total += v
    # where every v underflowed, the largest stands for their sum
    log_mean = math.log(total / width) if total > 0.0 else largest - math.log(width)
    return log_product + math.log(product), width * log_mean


@kernel
def _extremes(extremes, z, rows, n_panels, unit):
    """Set entry 0 to the least entry of a unit, and entry LANES to the largest, or 0; by whole vectors."""
    low, high = extremes[:LANES], extremes[LANES:]
    low[:] = 0
    high[:] = 0
    for panel in range(n_panels):
        at = (panel * rows + unit) * PANEL
        for half in range(PANEL // LANES):
            row = z[at + half * LANES : at + (half + 1) * LANES]
            for p in range(LANES):
                low[p] = row[p] if row[p] < low[p] else low[p]
                high[p] = row[p] if row[p] > high[p] else high[p]
    for p in range(LANES // 2):
        low[p] = low[p + LANES // 2] if low[p + LANES // 2] < low[p] else low[p]
        high[p] = high[p + LANES // 2] if high[p + LANES // 2] > high[p] else high[p]
    low[0] = min(min(min(low[0], low[1]), min(low[2], low[3])), min(min(low[4], low[5]), min(low[6], low[7])))
    high[0] = max(max(max(high[0], high[1]), max(high[2], high[3])), max(max(high[4], high[5]), max(high[6], high[7])))


@kernel
def mean_direction(u, x, sums, extent, shares):
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
def transverse(d, x, heights, direction, peak, extent, shares):
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
def angle_between(x, extent, shares):
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

"""Sample plain networks by multiplying their weights out: any widths, biases, any number of points.

Points are columns: `x[j, p]` is unit j at point p, so that inner loops run over points. With biases x has one row
more, the constant 1 that the biases multiply. A point that dies at a layer is dropped: it can neither come back nor
help another. A network whose points are all dead is finished.

Scale: a ReLU network commutes with scaling a point's whole column (the row of ones included), so a column that drifts
out of a safe range is rescaled by a power of two, exactly; depth 10,000 neither over- nor underflows. With biases a
column is never scaled up beyond a constant of 1: what underflows there is negligible beside the bias.
"""

import math

import numpy as np

from simulations.kernels.jit import kernel
from simulations.kernels.normals import BLOCK_MULTIPLE, fill_normals

__all__ = ["sample_dense"]

GROUP = 4 * BLOCK_MULTIPLE  # normals come in groups of this many
TILE = 16384  # normals made at a time: they stay in the second-level cache
SAFE_LOW, SAFE_HIGH = 2.0**-30, 2.0**30
PURPOSE_WEIGHTS, PURPOSE_BIASES = np.uint64(0), np.uint64(1)
ZERO = np.float32(0)


@kernel
def sample_dense(
    alive, living, living_squares, points, widths, weight_scales, bias_scale, key0, key1, first_trial, n_trials
):
    """Add to `alive`, `living` and `living_squares` (int64, one entry a layer) what n_trials networks do.

    alive[l] counts networks with a living point after layer l, living[l] sums the number of living points and
    living_squares[l] its square. `points` has shape (input_dim [+ 1 with biases], n_points) and gives the dtype the
    network is computed in; `weight_scales` (float32) are the standard deviations of the weights, layer by layer.
    """
    has_bias = bias_scale > 0.0
    n_rows, n_points = points.shape
    most_rows = n_rows
    most_parameters = GROUP
    fan_in = n_rows - 1 if has_bias else n_rows
    for width in widths:
        most_rows = max(most_rows, width + 1)
        most_parameters = max(most_parameters, min(width, _tile_units(fan_in)) * fan_in, width)
        fan_in = width
    x = np.empty((most_rows, n_points), points.dtype)
    z = np.empty((most_rows, n_points), points.dtype)
    peak = np.empty(n_points, points.dtype)
    capacity = _whole_groups(most_parameters)
    words = np.empty(capacity, np.uint32)
    weights = np.empty(capacity, np.float32)
    biases = np.empty(capacity, np.float32)

    for trial in range(first_trial, first_trial + n_trials):
        x[:n_rows] = points
        n_alive = n_points
        rows = n_rows
        for layer in range(widths.size):
            width = widths[layer]
            fan_in = rows - 1 if has_bias else rows
            if has_bias:
                count = _whole_groups(width)
                fill_normals(biases[:count], words[:count], key0, key1, 0, layer, trial, PURPOSE_BIASES, bias_scale)
            tile = _tile_units(fan_in)
            peak[:n_alive] = 0
            for first_unit in range(0, width, tile):
                last_unit = min(first_unit + tile, width)
                count = _whole_groups((last_unit - first_unit) * fan_in)
                block = first_unit * fan_in // 4
                fill_normals(
                    weights[:count],
                    words[:count],
                    key0,
                    key1,
                    block,
                    layer,
                    trial,
                    PURPOSE_WEIGHTS,
                    weight_scales[layer],
                )
                _rectified_units(z, peak, x, weights, biases, first_unit, last_unit, fan_in, n_alive, has_bias)
            rows = width
            if has_bias:
                z[width, :n_alive] = x[fan_in, :n_alive]
                rows = width + 1
            n_alive = _keep_alive(x, z, peak, rows, n_alive)
            if n_alive == 0:
                break
            alive[layer] += 1
            living[layer] += n_alive
            living_squares[layer] += n_alive * n_alive
            _rescale(x, peak, rows, n_alive, has_bias)


@kernel
def _tile_units(fan_in):
    """Units whose weights are made at a time: a multiple of 4, so that every tile starts at a whole block."""
    return max(4, TILE // fan_in // 4 * 4)


@kernel
def _whole_groups(count):
    return -(-count // GROUP) * GROUP


@kernel
def _rectified_units(z, peak, x, weights, biases, first_unit, last_unit, fan_in, n_alive, has_bias):
    """Compute relu(W x + b) for some units, and each point's largest value so far."""
    whole = fan_in - fan_in % 4
    for unit in range(first_unit, last_unit):
        start = (unit - first_unit) * fan_in
        target = z[unit]
        if has_bias:
            bias = biases[unit]
            ones = x[fan_in]
            for p in range(n_alive):
                target[p] = bias * ones[p]
        else:
            for p in range(n_alive):
                target[p] = 0
        for j in range(0, whole, 4):
            w0, w1, w2, w3 = weights[start + j], weights[start + j + 1], weights[start + j + 2], weights[start + j + 3]
            x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            for p in range(n_alive):
                target[p] += w0 * x0[p] + w1 * x1[p] + w2 * x2[p] + w3 * x3[p]
        for j in range(whole, fan_in):
            w0 = weights[start + j]
            x0 = x[j]
            for p in range(n_alive):
                target[p] += w0 * x0[p]
        for p in range(n_alive):
            value = target[p]
            target[p] = max(value, ZERO)
            peak[p] = max(value, peak[p])


@kernel
def _keep_alive(x, z, peak, rows, n_alive):
    """Copy the columns of z with a positive peak to x, side by side; give their number."""
    kept = 0
    for p in range(n_alive):
        if peak[p] > 0:
            kept += 1
    if kept == n_alive:
        for row in range(rows):
            for p in range(n_alive):
                x[row, p] = z[row, p]
        return kept
    for row in range(rows):
        to = 0
        for p in range(n_alive):
            if peak[p] > 0:
                x[row, to] = z[row, p]
                to += 1
    to = 0
    for p in range(n_alive):
        if peak[p] > 0:
            peak[to] = peak[p]
            to += 1
    return kept


@kernel
def _rescale(x, peak, rows, n_alive, has_bias):
    """Bring columns whose largest value left the safe range back to about 1, by a power of two."""
    low, high = peak[0], peak[0]
    for p in range(n_alive):
        low = min(low, peak[p])
        high = max(high, peak[p])
    if low >= SAFE_LOW and high <= SAFE_HIGH:
        return
    for p in range(n_alive):
        if SAFE_LOW <= peak[p] <= SAFE_HIGH:
            continue
        power = -math.frexp(peak[p])[1]
        if has_bias and x[rows - 1, p] > 0:  # a constant that underflowed no longer counts
            power = min(power, 1 - math.frexp(x[rows - 1, p])[1])
        for row in range(rows):
            x[row, p] = math.ldexp(x[row, p], power)

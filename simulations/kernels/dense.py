"""Sample plain networks by multiplying their weights out: any widths, biases, any number of points.

Points are columns, in panels of PANEL (see `tile`); row `fan_in` of a layer's input holds the constant 1 that the
biases multiply; without biases it holds whatever finite numbers stand there, and the biases are 0. A point that dies at
a layer is dropped: its column is 0 from then on, constant included, and once enough have died the living columns move
together. A network whose points are all dead is finished.

Scale: a ReLU network commutes with scaling a point's whole column, constant included, so a column that drifts out of a
safe range is rescaled by a power of two, exactly; depth 10,000 neither over- nor underflows. With biases a column is
never scaled up beyond a constant of 1: what underflows there is negligible beside the bias.
"""

import numpy as np

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
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

__all__ = ["sample_dense"]

TILE_WEIGHTS = 16384  # weights made at a time: they stay in the second-level cache
CHUNK_WORDS = 1024  # layers that need fewer words than this share a chunk,
NARROW_WORDS = 256  # fewer where networks are narrow and die soon
NARROW = 4
PURPOSE_WEIGHTS, PURPOSE_BIASES = np.uint64(0), np.uint64(1)


@kernel
def sample_dense(
    alive, living, living_squares, points, widths, weight_scales, bias_scale, key0, key1, first_trial, n_trials
):
    """Add to `alive`, `living` and `living_squares` (int64, one entry a layer) what n_trials networks do.

    alive[l] counts networks with a living point after layer l, living[l] sums the number of living points and
    living_squares[l] its square. `points` has shape (input_dim + 1, n_points), its last row the constant of the biases
    (0 without), and gives the dtype the network is computed in; `weight_scales` (float32) are the standard deviations
    of the weights, layer by layer.
    """
    has_bias = bias_scale > 0.0
    depth = widths.size
    input_dim, n_points = points.shape[0] - 1, points.shape[1]
    rows = max(input_dim, widths.max()) + 1
    n_panels = -(-n_points // PANEL)
    first = aligned(n_panels * rows * PANEL, points)
    for column in range(n_points):
        for row in range(input_dim + 1):
            first[place(rows, row, column)] = points[row, column]
    x = aligned(first.size, points)
    z = aligned(first.size, points)
    peak = aligned(n_panels * PANEL, points)

    # a layer's weights come in one or more fills; the weights of several narrow layers in one
    capacity = whole_groups(CHUNK_WORDS + 1)
    fan_in = input_dim
    for width in widths:
        capacity = max(capacity, whole_groups(min(width, _fill_units(fan_in)) * fan_in))
        fan_in = width
    words = np.empty(capacity, np.uint32)
    weights = np.empty(capacity, points.dtype)
    blocks, layers = np.empty(capacity // 4, np.uint32), np.empty(capacity // 4, np.uint32)
    bias_capacity = whole_groups(max(CHUNK_WORDS, widths.max() + 3))
    biases = np.zeros(bias_capacity, points.dtype)
    bias_blocks, bias_layers = np.empty(bias_capacity // 4, np.uint32), np.empty(bias_capacity // 4, np.uint32)
    bias_words = np.empty(bias_capacity, np.uint32)
    chunk_layers = _chunks(widths, input_dim)
    counters, bias_counters = 0, 0  # blocks a layer that the counters were last made for

    for trial in range(first_trial, first_trial + n_trials):
        x[:] = first
        n_columns = n_points  # columns in use, dead or alive
        n_alive = n_points
        fan_in = input_dim
        chunk_first, chunk_last = 0, 0
        weight_stride, bias_stride = 0, 0
        for layer in range(depth):
            width = widths[layer]
            if layer == chunk_last:
                chunk_first, chunk_last = layer, layer + chunk_layers[layer]
                count = chunk_last - layer
                weight_stride = -(-width * fan_in // 4) * 4
                bias_stride = -(-width // 4) * 4
                if has_bias:
                    total = whole_groups(count * bias_stride)
                    if bias_counters != bias_stride // 4:
                        bias_counters = bias_stride // 4
                        fill_chunk_counters(bias_blocks, bias_layers, bias_counters)
                    fill_normals(
                        biases[:total], bias_words[:total], bias_blocks, bias_layers,
                        key0, key1, 0, layer, trial, PURPOSE_BIASES, bias_scale,
                    )  # fmt: skip
            here = layer - chunk_first
            peak[: n_panels_of(n_columns) * PANEL] = 0
            fill_units = _fill_units(fan_in)
            for unit in range(0, width, fill_units):
                n_units = min(fill_units, width - unit)
                w_at = 0
                if chunk_last - chunk_first > 1:
                    w_at = here * weight_stride
                    total = whole_groups((chunk_last - chunk_first) * weight_stride) if here == 0 else 0
                    per_layer = weight_stride // 4
                else:
                    total = whole_groups(n_units * fan_in)
                    per_layer = blocks.size  # one layer alone: its blocks simply count up
                if total > 0:
                    if counters != per_layer:
                        counters = per_layer
                        fill_chunk_counters(blocks, layers, per_layer)
                    fill_normals(
                        weights[:total], words[:total], blocks, layers,
                        key0, key1, unit * fan_in // 4, layer, trial, PURPOSE_WEIGHTS, weight_scales[layer],
                    )  # fmt: skip
                rectified_units(
                    z, x, weights, biases, peak, rows, n_panels_of(n_columns), unit, n_units, fan_in, w_at,
                    here * bias_stride + unit, has_bias,
                )  # fmt: skip
            count, unsafe = survey(peak[: n_panels_of(n_columns) * PANEL])
            if count == 0:
                break
            if has_bias:
                pass_constant(z, x, peak, rows, n_panels_of(n_columns), fan_in, width)
            x, z = z, x
            if count < n_alive and n_panels_of(count) < n_panels_of(n_columns):
                move_together(x, peak, rows, width, n_columns)
                n_columns = count
            n_alive = count
            if unsafe > 0:
                rescale(x, peak, rows, width, n_columns, has_bias)
            alive[layer] += 1
            living[layer] += n_alive
            living_squares[layer] += n_alive * n_alive
            fan_in = width


@kernel
def _fill_units(fan_in):
    """Units whose weights are made at a time: a multiple of 8, so that every fill starts at a whole block."""
    return max(8, TILE_WEIGHTS // fan_in // 8 * 8)


@kernel
def _chunks(widths, input_dim):
    """For every layer that may start one, the number of layers that share its random numbers' chunk."""
    counts = np.ones(widths.size, np.int64)
    run = 1  # layers from here on with the same shape
    for layer in range(widths.size - 1, -1, -1):
        width = widths[layer]
        fan_in = input_dim if layer == 0 else widths[layer - 1]
        same = layer + 1 < widths.size and widths[layer + 1] == width and fan_in == width
        run = run + 1 if same else 1
        words = NARROW_WORDS if width <= NARROW else CHUNK_WORDS
        counts[layer] = max(1, min(run, words // (-(-width * fan_in // 4) * 4)))
    return counts

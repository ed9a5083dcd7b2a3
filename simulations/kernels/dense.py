"""Sample plain networks by multiplying their weights out: any widths, biases, any number of points.

Points are columns, in panels of PANEL (see `tile`); row `fan_in` of a layer's input holds the constant 1 that the
biases multiply; without biases it holds arbitrary finite numbers, and the biases are 0. A point that dies at a layer is
dropped: its column is 0 from then on, constant included, and once enough have died the living columns move together. A
network whose points are all dead is finished.

Scale: a ReLU network commutes with scaling a point's whole column, constant included, so a column that drifts out of a
safe range is rescaled by a power of two, exactly; depth 10,000 neither over- nor underflows. With biases a column is
never scaled up beyond a constant of 1: what underflows there is negligible compared with the bias.
"""

import numpy as np

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Parameters, Position, UnitRange
from neurondeath.simulations.kernels.panels import (
    aligned,
    lay_out,
    move_together,
    n_panels_of,
    pass_constant,
    rectified_units,
    rescale,
    survey,
)
from neurondeath.simulations.kernels.philox import fill_chunk_counters, make_counters
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_dense"]

WEIGHTS_PER_FILL = 16384  # weights made at a time: they stay in the second-level cache
WORDS_PER_CHUNK = 1024  # layers that need fewer words than this share a chunk
WORDS_PER_NARROW_CHUNK = 256  # the same for narrow networks, which die soon
MAX_NARROW_WIDTH = 4
PURPOSE_WEIGHTS, PURPOSE_BIASES = np.uint64(0), np.uint64(1)


@kernel
def sample_dense(counts, points, law, stream):
    """Add the networks of a stream's trials to `counts`.

    `points` has shape (input_dim + 1, n_points), its last row the constant of the biases (0 without), and gives the
    dtype the network is computed in.
    """
    alive, living, living_squares = counts
    widths, weight_scales, bias_scale = law
    has_bias = bias_scale > 0.0
    input_dim, n_points = points.shape[0] - 1, points.shape[1]
    rows = max(input_dim, widths.max()) + 1
    n_panels = n_panels_of(n_points)
    first = aligned(n_panels * rows * PANEL, points)
    lay_out(first, points, rows)
    x, z = aligned(first.size, points), aligned(first.size, points)
    peak = aligned(n_panels * PANEL, points)

    capacity, bias_capacity = _weight_capacity(widths, input_dim), whole_groups(max(WORDS_PER_CHUNK, widths.max() + 3))
    weights, biases = np.empty(capacity, points.dtype), np.zeros(bias_capacity, points.dtype)
    words, bias_words = np.empty(capacity, np.uint32), np.empty(bias_capacity, np.uint32)
    weight_blocks, bias_blocks = capacity // 4, bias_capacity // 4  # blocks per layer of the counters
    counters = make_counters(capacity // 4, weight_blocks)
    bias_counters = make_counters(bias_capacity // 4, bias_blocks)
    parameters = Parameters(weights, biases)
    chunk_layers = _chunks(widths, input_dim)

    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        copy_entries(x, first)
        n_columns = n_points  # columns in use, dead or alive
        n_alive = n_points
        fan_in = input_dim
        chunk_first, chunk_last = 0, 0
        weight_stride, bias_stride = 0, 0
        for layer in range(widths.size):
            width = widths[layer]
            if layer == chunk_last:
                chunk_first, chunk_last = layer, layer + chunk_layers[layer]
                weight_stride = -(-width * fan_in // 4) * 4
                bias_stride = -(-width // 4) * 4
                if has_bias:
                    bias_blocks = _count_up(bias_counters, bias_blocks, bias_stride // 4)
                    n_biases = (chunk_last - layer) * bias_stride
                    position = Position(stream.key, layer, trial, PURPOSE_BIASES)
                    fill_normals(biases, bias_words, bias_counters, n_biases, position, 0, bias_scale)
            here = layer - chunk_first
            peak[: n_panels_of(n_columns) * PANEL] = 0
            fill_units = _fill_units(fan_in)
            for unit in range(0, width, fill_units):
                n_units = min(fill_units, width - unit)
                weights_at = 0
                if chunk_last - chunk_first > 1:
                    weights_at = here * weight_stride
                    n_weights = (chunk_last - chunk_first) * weight_stride if here == 0 else 0
                    per_layer = weight_stride // 4
                else:
                    n_weights = n_units * fan_in
                    per_layer = capacity // 4  # a single layer: its blocks are numbered through
                if n_weights > 0:
                    weight_blocks = _count_up(counters, weight_blocks, per_layer)
                    position = Position(stream.key, layer, trial, PURPOSE_WEIGHTS)
                    block = unit * fan_in // 4
                    fill_normals(weights, words, counters, n_weights, position, block, weight_scales[layer])
                units = UnitRange(unit, n_units, fan_in, weights_at, here * bias_stride + unit, has_bias)
                rectified_units(z, x, peak, parameters, units, rows, n_panels_of(n_columns))
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
def _count_up(counters, blocks_before, blocks_per_layer):
    """Fill a chunk's counters for a number of blocks per layer, if that has changed; return the number."""
    if blocks_before != blocks_per_layer:
        fill_chunk_counters(counters, blocks_per_layer)
    return blocks_per_layer


@kernel
def _weight_capacity(widths, input_dim):
    """Return the largest number of weights made at a time: of a part of a wide layer, or of several narrow layers."""
    capacity = whole_groups(WORDS_PER_CHUNK + 1)
    fan_in = input_dim
    for width in widths:
        capacity = max(capacity, whole_groups(min(width, _fill_units(fan_in)) * fan_in))
        fan_in = width
    return capacity


@kernel
def _fill_units(fan_in):
    """Return how many units are filled at a time: a multiple of 8, so that every fill starts at a whole block."""
    return max(8, WEIGHTS_PER_FILL // fan_in // 8 * 8)


@kernel
def _chunks(widths, input_dim):
    """Return, for every layer that may start a chunk, the number of layers that share it."""
    counts = np.ones(widths.size, np.int64)
    run = 1  # layers from here on with the same shape
    for layer in range(widths.size - 1, -1, -1):
        width = widths[layer]
        fan_in = input_dim if layer == 0 else widths[layer - 1]
        same = layer + 1 < widths.size and widths[layer + 1] == width and fan_in == width
        run = run + 1 if same else 1
        words = WORDS_PER_NARROW_CHUNK if width <= MAX_NARROW_WIDTH else WORDS_PER_CHUNK
        counts[layer] = max(1, min(run, words // (-(-width * fan_in // 4) * 4)))
    return counts

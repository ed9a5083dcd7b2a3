"""Sample networks of every architecture, activation, initialisation and sign flip by multiplying their weights out.

A network is a chain of blocks. A plain or batch-normalised network is one block; in a residual or skip network a block
starts from the stream and is added to it; in a dense one every layer reads all features so far and adds its own.

Alive at a point after layer l: plain and batch norm, every layer so far has an active unit there; otherwise some branch
is active there, a branch that has not ended counting by its layers so far.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.batch_normalisation import centre, normalise
from neurondeath.simulations.kernels.initialisers import draw_layer, draw_room
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.layer_statistics import correlation_and_variance, count_zeros
from neurondeath.simulations.kernels.layers import activate, add_branch, products, rescale, set_constants
from neurondeath.simulations.kernels.sign_flips import NO_FLIP, flip_layer

__all__ = [
    "ALIVE",
    "BATCH_NORM",
    "CORRELATION",
    "CORRELATION_TRIALS",
    "DEAD_UNITS",
    "DENSE",
    "LAYERWISE_ALIVE",
    "LIVING",
    "N_COUNTS",
    "N_SUMS",
    "PLAIN",
    "SKIP",
    "VARIANCE",
    "ZEROS",
    "sample_architecture",
]

PLAIN, SKIP, DENSE, BATCH_NORM = 0, 1, 2, 3

# rows of `counts`; the sums of squares of LIVING, DEAD_UNITS and ZEROS stand in the row after them
ALIVE, LIVING, LAYERWISE_ALIVE, DEAD_UNITS, ZEROS, CORRELATION_TRIALS, N_COUNTS = 0, 1, 3, 4, 6, 8, 9
# rows of `sums`, each with its squares in the row after it
VARIANCE, CORRELATION, N_SUMS = 0, 2, 4


@kernel
def sample_architecture(
    counts, sums, points, of_points, point_exponents, widths, fan_ins, architecture, block_depth,
    init, weight_scales, bias_scale, flip, kinks, values, slopes, detailed, key0, key1, first_trial, n_trials,
):  # fmt: skip
    """Add to `counts` (int64) and `sums` (float64), one row a statistic and one column a layer, what networks do.

    `points` has shape (input_dim, n_points), column p times 2^point_exponents[p] being the point, and gives the dtype
    the network is computed in; `of_points` holds every point's constant, 0 or 1 (see `layers`). `detailed` asks for the
    statistics beyond life and death.
    """
    depth, n_points = widths.size, points.shape[1]
    input_dim = points.shape[0]
    rows = max(input_dim, widths.max())
    stream_rows = input_dim + widths.sum() if architecture == DENSE else input_dim
    x = np.zeros((stream_rows, n_points), points.dtype)  # the stream, or all features
    h = np.zeros((rows, n_points), points.dtype)  # the branch
    z = np.zeros((rows, n_points), points.dtype)
    exponents, h_exponents = np.zeros(n_points, np.int64), np.zeros(n_points, np.int64)
    constants, h_constants = np.zeros(n_points, points.dtype), np.zeros(n_points, points.dtype)
    peak, h_peak = np.zeros(n_points, points.dtype), np.zeros(n_points, points.dtype)
    factors, h_factors = np.zeros(n_points, points.dtype), np.zeros(n_points, points.dtype)
    active = np.zeros(n_points, np.int64)
    covered = np.zeros(n_points, np.bool_)
    branch_alive, ever = np.zeros(n_points, np.bool_), np.zeros(n_points, np.bool_)
    lengths, totals = np.zeros(n_points), np.zeros(rows)

    room = draw_room(widths, fan_ins)
    words, normals = np.empty(room, np.uint32), np.empty(room, np.float32)
    blocks, no_layers = np.arange(room // 4).astype(np.uint32), np.zeros(room // 4, np.uint32)
    weights, biases = np.zeros(room, points.dtype), np.zeros(rows, points.dtype)
    square = np.zeros(room if init == 2 else 1)

    for trial in range(first_trial, first_trial + n_trials):
        x[:input_dim] = points
        exponents[:] = point_exponents
        set_constants(constants, of_points, exponents)
        peak[:] = 0
        for i in range(input_dim):
            for p in range(n_points):
                peak[p] = max(peak[p], abs(points[i, p]))
        ever[:] = False
        layerwise = True
        features = input_dim
        for layer in range(depth):
            width, fan_in = widths[layer], fan_ins[layer]
            if layer == 0 or (architecture == SKIP and layer % block_depth == 0):
                h_exponents[:] = exponents
                h_constants[:] = constants
                if architecture != DENSE:
                    h[:input_dim] = x[:input_dim]
                for p in range(n_points):
                    # flips vote among points that can live: zero without a constant is dead whatever the signs
                    branch_alive[p] = flip == NO_FLIP or peak[p] > 0 or of_points[p] > 0
            draw_layer(
                weights, biases, words, normals, blocks, no_layers, square,
                init, width, fan_in, weight_scales[layer], bias_scale, key0, key1, layer, trial,
            )  # fmt: skip
            if architecture == DENSE:
                products(z, x, weights, biases, constants, width, fan_in)
            else:
                if architecture == BATCH_NORM and layer > 0:  # the points come centred
                    centre(h, fan_in)
                products(z, h, weights, biases, h_constants, width, fan_in)
            if architecture == BATCH_NORM:
                normalise(z, width)
                h_exponents[:] = 0
                h_constants[:] = of_points
            if flip != NO_FLIP:
                flip_layer(z, branch_alive, covered, flip, width)
            if detailed:
                z_exponents = exponents if architecture == DENSE else h_exponents
                cosine, variance = correlation_and_variance(z, z_exponents, width, lengths, totals)
                sums[VARIANCE, layer] += variance
                sums[VARIANCE + 1, layer] += variance * variance
                if not math.isnan(cosine):
                    sums[CORRELATION, layer] += cosine
                    sums[CORRELATION + 1, layer] += cosine * cosine
                    counts[CORRELATION_TRIALS, layer] += 1

            if architecture == DENSE:
                y = x[features : features + width]
                activate(y, z, active, h_peak, constants, kinks, values, slopes, width)
            else:
                y = h
                activate(y, z, active, h_peak, h_constants, kinks, values, slopes, width)
            if detailed:
                dead, zeros = count_zeros(y, width)
                counts[DEAD_UNITS, layer] += dead
                counts[DEAD_UNITS + 1, layer] += dead * dead
                counts[ZEROS, layer] += zeros
                counts[ZEROS + 1, layer] += zeros * zeros
            some = False
            n_living = 0
            for p in range(n_points):
                some |= active[p] > 0
                if architecture == DENSE:
                    ever[p] |= active[p] > 0
                    n_living += ever[p]
                else:
                    branch_alive[p] &= active[p] > 0
                    n_living += ever[p] | branch_alive[p]
            layerwise &= some
            counts[ALIVE, layer] += n_living > 0
            counts[LIVING, layer] += n_living
            counts[LIVING + 1, layer] += n_living * n_living
            counts[LAYERWISE_ALIVE, layer] += layerwise

            if architecture == DENSE:
                features += width
                for p in range(n_points):
                    peak[p] = max(peak[p], h_peak[p])
                rescale(x, peak, exponents, constants, of_points, features)
            elif architecture != BATCH_NORM:
                rescale(h, h_peak, h_exponents, h_constants, of_points, width)
            if architecture == SKIP and layer % block_depth == block_depth - 1:
                add_branch(x, peak, exponents, h, h_peak, h_exponents, factors, h_factors, input_dim)
                set_constants(constants, of_points, exponents)
                rescale(x, peak, exponents, constants, of_points, input_dim)
                for p in range(n_points):
                    ever[p] |= branch_alive[p]
            if not detailed and _settled(counts, layer, depth, architecture, n_living, ever, layerwise):
                break  # layers left out are dead, or counted


@kernel
def _settled(counts, layer, depth, architecture, n_living, ever, layerwise):
    """Whether no later layer changes a count; where all points live for good, the later layers are counted at once."""
    if architecture == PLAIN:
        return n_living == 0
    if architecture == BATCH_NORM:
        return not layerwise
    for p in range(ever.size):
        if not ever[p]:
            return False
    for later in range(layer + 1, depth):
        counts[ALIVE, later] += 1
        counts[LIVING, later] += ever.size
        counts[LIVING + 1, later] += ever.size * ever.size
    return True

"""Sample networks of every architecture, activation, initialisation and sign flip by multiplying their weights out.

A network is a chain of blocks. A plain or batch-normalised network is one block; in a residual or skip network a block
starts from the stream and is added to it; in a dense one every layer reads all features so far and adds its own.

Alive at a point after layer l: plain and batch norm, every layer so far has an active unit there; otherwise some branch
is active there, a branch that has not ended counting by its layers so far.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.batch_normalisation import centre, normalise
from neurondeath.simulations.kernels.copies import copy_entries, copy_rows
from neurondeath.simulations.kernels.feature_rank import entropy_rank, rank_scratch
from neurondeath.simulations.kernels.initialisers import LayerLaw, draw_layer, layer_buffers
from neurondeath.simulations.kernels.jit import inlined_kernel, kernel
from neurondeath.simulations.kernels.layer_statistics import correlation_and_log_variance, count_zeros
from neurondeath.simulations.kernels.layers import activate, add_branch, products, rescale, set_constants
from neurondeath.simulations.kernels.packed_arguments import Columns
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
    "LOG_VARIANCE",
    "LOG_VARIANCE_TRIALS",
    "N_COUNTS",
    "N_SUMS",
    "PLAIN",
    "RANK",
    "RANK_TRIALS",
    "SKIP",
    "VARIANCE",
    "ZEROS",
    "sample_architecture",
]

PLAIN, SKIP, DENSE, BATCH_NORM = 0, 1, 2, 3

# rows of `counts`; the sums of squares of LIVING, DEAD_UNITS and ZEROS are in the row after them
ALIVE, LIVING, LAYERWISE_ALIVE, DEAD_UNITS, ZEROS = 0, 1, 3, 4, 6
CORRELATION_TRIALS, LOG_VARIANCE_TRIALS, RANK_TRIALS, N_COUNTS = 8, 9, 10, 11
# rows of `sums`, each followed by the row of its squares, that of the logarithm also by its third and fourth powers
VARIANCE, CORRELATION, LOG_VARIANCE, RANK, N_SUMS = 0, 2, 4, 8, 10


@kernel
def sample_architecture(counts, sums, points, law, measures, stream):
    """Add the networks of a stream's trials to `counts` (int64) and `sums` (float64).

    Both have one row per statistic and one column per layer. `points` gives the dtype the networks are computed in;
    `measures` requests the further statistics.
    """
    widths, fan_ins, weight_scales, bias_scale, architecture, block_depth, init, flip, activation = law
    first, of_points, first_exponents = points
    depth, (input_dim, n_points) = widths.size, first.shape
    rows = max(input_dim, widths.max())
    main = _make_columns(input_dim + widths.sum() if architecture == DENSE else input_dim, first)
    branch = _make_columns(rows, first)
    x, exponents, constants, peak = main  # the stream, or all features
    h, h_exponents, h_constants, h_peak = branch
    z = np.zeros((rows, n_points), first.dtype)
    factors, h_factors = np.zeros(n_points, first.dtype), np.zeros(n_points, first.dtype)
    active, covered = np.zeros(n_points, np.int64), np.zeros(n_points, np.bool_)
    branch_alive, ever = np.zeros(n_points, np.bool_), np.zeros(n_points, np.bool_)
    lengths, totals = np.zeros(n_points), np.zeros(rows)
    detailed = measures.layers
    of_rank = rank_scratch(x.shape[0] if architecture == DENSE else rows, n_points if measures.rank else 0)
    buffers = layer_buffers(widths, fan_ins, init, first)
    parameters = buffers.parameters

    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        copy_rows(x, first, input_dim)
        copy_entries(exponents, first_exponents)
        set_constants(constants, of_points, exponents)
        _find_peaks(peak, first)
        ever[:] = False
        layerwise = True
        features = input_dim
        for layer in range(depth):
            width, fan_in = widths[layer], fan_ins[layer]
            if layer == 0 or (architecture == SKIP and layer % block_depth == 0):
                copy_entries(h_exponents, exponents)
                copy_entries(h_constants, constants)
                if architecture != DENSE:
                    copy_rows(h, x, input_dim)
                _mark_start(branch_alive, peak, of_points, flip)
            of_layer = LayerLaw(init, width, fan_in, weight_scales[layer], bias_scale)
            draw_layer(buffers, of_layer, stream.key, layer, trial)
            if architecture == DENSE:
                products(z, x, constants, parameters, width, fan_in)
            else:
                if architecture == BATCH_NORM and layer > 0:  # the points come centred
                    centre(h, fan_in)
                products(z, h, h_constants, parameters, width, fan_in)
            if architecture == BATCH_NORM:
                normalise(z, width)
                h_exponents[:] = 0
                copy_entries(h_constants, of_points)
            if flip != NO_FLIP:
                flip_layer(z, branch_alive, covered, flip, width)
            if detailed:
                z_exponents = exponents if architecture == DENSE else h_exponents
                cosine, log_variance = correlation_and_log_variance(z, z_exponents, width, lengths, totals)
                _add_pre_activations(counts, sums, layer, cosine, log_variance)

            if architecture == DENSE:
                y = x[features : features + width]
                activate(y, z, active, h_peak, constants, activation, width)
            else:
                y = h
                activate(y, z, active, h_peak, h_constants, activation, width)
            if detailed:
                _add_zeros(counts, layer, y, width)
            some, n_living = _update_life(active, ever, branch_alive, architecture)
            layerwise &= some
            counts[ALIVE, layer] += n_living > 0
            counts[LIVING, layer] += n_living
            counts[LIVING + 1, layer] += n_living * n_living
            counts[LAYERWISE_ALIVE, layer] += layerwise

            if architecture == DENSE:
                features += width
                for p in range(n_points):
                    peak[p] = max(peak[p], h_peak[p])
                rescale(main, of_points, features)
            elif architecture != BATCH_NORM:
                rescale(branch, of_points, width)
            if architecture == SKIP and layer % block_depth == block_depth - 1:
                add_branch(main, branch, factors, h_factors, input_dim)
                set_constants(constants, of_points, exponents)
                rescale(main, of_points, input_dim)
                for p in range(n_points):
                    ever[p] |= branch_alive[p]
            if measures.rank:
                if architecture == DENSE:
                    rank = entropy_rank(x, features, of_rank)
                elif architecture == SKIP and layer % block_depth == block_depth - 1:
                    rank = entropy_rank(x, input_dim, of_rank)
                else:
                    rank = entropy_rank(h, width, of_rank)
                _add_rank(counts, sums, layer, rank)
            if not detailed and _settled(counts, layer, depth, architecture, n_living, ever, layerwise):
                break  # layers left out are dead, or counted


@kernel
def _make_columns(rows, like):
    """Make buffers for features at all points of `like`, in its dtype."""
    n_points = like.shape[1]
    return Columns(
        values=np.zeros((rows, n_points), like.dtype),
        exponents=np.zeros(n_points, np.int64),
        constants=np.zeros(n_points, like.dtype),
        peak=np.zeros(n_points, like.dtype),
    )


@kernel
def _find_peaks(peak, points):
    """Fill `peak` with the largest absolute value of every column."""
    peak[:] = 0
    for i in range(points.shape[0]):
        for p in range(peak.size):
            peak[p] = max(peak[p], abs(points[i, p]))


@inlined_kernel
def _mark_start(branch_alive, peak, of_points, flip):
    """Mark where a branch starts alive; with flips, not at zeros without a constant, which stay dead for all signs."""
    for p in range(peak.size):
        branch_alive[p] = flip == NO_FLIP or peak[p] > 0 or of_points[p] > 0


@inlined_kernel
def _add_pre_activations(counts, sums, layer, cosine, log_variance):
    """Add a layer's mean square and mean cosine of the pre-activations, and their squares."""
    variance = math.exp(log_variance)
    if log_variance > -math.inf:
        power = 1.0
        for row in range(4):
            power *= log_variance
            sums[LOG_VARIANCE + row, layer] += power
        counts[LOG_VARIANCE_TRIALS, layer] += 1
    sums[VARIANCE, layer] += variance
    sums[VARIANCE + 1, layer] += variance * variance
    if not math.isnan(cosine):
        sums[CORRELATION, layer] += cosine
        sums[CORRELATION + 1, layer] += cosine * cosine
        counts[CORRELATION_TRIALS, layer] += 1


@inlined_kernel
def _add_rank(counts, sums, layer, rank):
    """Add the rank of a layer's features, if it has any, and its square."""
    if not math.isnan(rank):
        sums[RANK, layer] += rank
        sums[RANK + 1, layer] += rank * rank
        counts[RANK_TRIALS, layer] += 1


@kernel
def _add_zeros(counts, layer, y, width):
    """Add a layer's numbers of dead units and of zeros, and their squares."""
    dead, zeros = count_zeros(y, width)
    counts[DEAD_UNITS, layer] += dead
    counts[DEAD_UNITS + 1, layer] += dead * dead
    counts[ZEROS, layer] += zeros
    counts[ZEROS + 1, layer] += zeros * zeros


@inlined_kernel
def _update_life(active, ever, branch_alive, architecture):
    """Mark where the network is alive after a layer; return whether some unit is active, and the living points."""
    some = False
    n_living = 0
    for p in range(active.size):
        some |= active[p] > 0
        if architecture == DENSE:
            ever[p] |= active[p] > 0
            n_living += ever[p]
        else:
            branch_alive[p] &= active[p] > 0
            n_living += ever[p] | branch_alive[p]
    return some, n_living


@kernel
def _settled(counts, layer, depth, architecture, n_living, ever, layerwise):
    """Return whether later layers change no count; if all points stay alive, the later layers are counted at once."""
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

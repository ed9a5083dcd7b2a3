"""Sample networks of every architecture, activation, initialisation and sign flip by multiplying their weights out.

A network is a chain of blocks. A plain or batch-normalised network is one block; in a residual or skip network a block
starts from the stream and is added to it; in a dense one every layer reads all features so far and adds its own. The
critical residual stream adds every layer to a stream that the layer reads through its activation (`critical_stream`).

Alive at a point after layer l: plain and batch norm, every layer so far has an active unit there; otherwise some branch
is active there, a branch that has not ended counting by its layers so far. In the critical residual stream the layers
are the branches and, if nothing bypasses them, all of them must be active.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.architecture_codes import BATCH_NORM, DENSE, PLAIN, SKIP, STREAM
from neurondeath.simulations.kernels.batch_normalisation import centre, normalise
from neurondeath.simulations.kernels.copies import copy_entries, copy_rows
from neurondeath.simulations.kernels.critical_stream import add_to_stream
from neurondeath.simulations.kernels.gradients import fill_gains
from neurondeath.simulations.kernels.initialisers import LayerLaw, draw_layer, layer_buffers
from neurondeath.simulations.kernels.jit import inlined_kernel, kernel
from neurondeath.simulations.kernels.layer_statistics import correlation_and_log_variance, count_zeros
from neurondeath.simulations.kernels.layers import activate, add_branch, products, rescale, set_constants
from neurondeath.simulations.kernels.packed_arguments import Columns
from neurondeath.simulations.kernels.sign_flips import NO_FLIP, flip_layer

__all__ = [
    "ALIVE",
    "CORRELATION",
    "CORRELATION_TRIALS",
    "DEAD_UNITS",
    "LAYERWISE_ALIVE",
    "LIVING",
    "LOG_VARIANCE",
    "LOG_VARIANCE_TRIALS",
    "N_COUNTS",
    "N_SUMS",
    "VARIANCE",
    "ZEROS",
    "sample_architecture",
]

# rows of `counts`; the sums of squares of LIVING, DEAD_UNITS and ZEROS are in the row after them
ALIVE, LIVING, LAYERWISE_ALIVE, DEAD_UNITS, ZEROS = 0, 1, 3, 4, 6
CORRELATION_TRIALS, LOG_VARIANCE_TRIALS, N_COUNTS = 8, 9, 10
# rows of `sums`, each followed by the row of its squares, that of the logarithm also by its third and fourth powers
VARIANCE, CORRELATION, LOG_VARIANCE, N_SUMS = 0, 2, 4, 8


@kernel
def sample_architecture(counts, sums, points, law, records, stream):
    """Add the networks of a stream's trials to `counts` (int64) and `sums` (float64).

    Both have one row per statistic and one column per layer. `points` gives the dtype the networks are computed in;
    `records` requests the further statistics, and takes what measures of single networks need.
    """
    widths, fan_ins, weight_scales, bias_scale, architecture, block_depth, init, flip, activation, _, _ = law
    branch_scale, passed = law.branch_scale, law.passed
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
    detailed, kept_features, kept_gains = records
    lasting = architecture == DENSE or (architecture == STREAM and branch_scale < 1.0)
    buffers = layer_buffers(widths, fan_ins, init, passed, first)
    parameters = buffers.parameters

    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        copy_rows(x, first, input_dim)
        copy_entries(exponents, first_exponents)
        set_constants(constants, of_points, exponents)
        _find_peaks(peak, first)
        ever[:] = False
        layerwise = True
        features = input_dim
        unit = 0
        for layer in range(depth):
            width, fan_in = widths[layer], fan_ins[layer]
            if layer == 0 or (architecture == SKIP and layer % block_depth == 0):
                copy_entries(h_exponents, exponents)
                copy_entries(h_constants, constants)
                if architecture != DENSE:
                    copy_rows(h, x, input_dim)
                _mark_start(branch_alive, peak, of_points, flip)
                if architecture == STREAM:
                    activate(h, x, active, h_peak, constants, activation, input_dim)
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
            elif architecture == STREAM:
                add_to_stream(main, z, of_points, width, branch_scale)
                copy_entries(h_exponents, exponents)
                copy_entries(h_constants, constants)
                copy_rows(z, x, width)
            if flip != NO_FLIP:
                flip_layer(z, branch_alive, covered, flip, width)
            if detailed:
                z_exponents = exponents if architecture == DENSE else h_exponents
                cosine, log_variance = correlation_and_log_variance(z, z_exponents, width, lengths, totals)
                _add_pre_activations(counts, sums, layer, cosine, log_variance)

            if kept_gains.shape[0] > 0:
                z_constants = constants if architecture == DENSE else h_constants
                fill_gains(kept_gains, unit, z, z_constants, activation, width)

            if architecture == DENSE:
                y = x[features : features + width]
                activate(y, z, active, h_peak, constants, activation, width)
            else:
                y = h
                activate(y, z, active, h_peak, h_constants, activation, width)
            if detailed:
                _add_zeros(counts, layer, y, width)
            some, n_living = _update_life(active, ever, branch_alive, lasting)
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
            elif architecture != BATCH_NORM and architecture != STREAM:
                rescale(branch, of_points, width)
            if architecture == SKIP and layer % block_depth == block_depth - 1:
                add_branch(main, branch, factors, h_factors, input_dim)
                set_constants(constants, of_points, exponents)
                rescale(main, of_points, input_dim)
                for p in range(n_points):
                    ever[p] |= branch_alive[p]
            if kept_features.shape[0] > 0:
                ends = architecture == SKIP and layer % block_depth == block_depth - 1
                _keep_features(kept_features, input_dim + unit, x if ends else y, width)
            unit += width
            if not detailed and _settled(counts, layer, depth, architecture, n_living, ever, layerwise):
                break  # layers left out are dead, or counted
        if architecture == DENSE and kept_features.shape[0] > 0:
            copy_rows(kept_features, x, features)  # on their common scale


@kernel
def _keep_features(kept, first, features, width):
    """Copy the features of a layer to the rows from `first` on."""
    for i in range(width):
        for p in range(kept.shape[1]):
            kept[first + i, p] = features[i, p]


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


@kernel
def _add_zeros(counts, layer, y, width):
    """Add a layer's numbers of dead units and of zeros, and their squares."""
    dead, zeros = count_zeros(y, width)
    counts[DEAD_UNITS, layer] += dead
    counts[DEAD_UNITS + 1, layer] += dead * dead
    counts[ZEROS, layer] += zeros
    counts[ZEROS + 1, layer] += zeros * zeros


@inlined_kernel
def _update_life(active, ever, branch_alive, lasting):
    """Mark where the network is alive after a layer; return whether some unit is active, and the living points.

    `lasting` says that one active layer is enough.
    """
    some = False
    n_living = 0
    for p in range(active.size):
        some |= active[p] > 0
        if lasting:
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

r"""Gradients of a read-out with respect to the pre-activations of every layer, at all points.

$F = v \cdot f$ reads the features f that follow the last layer, with independent normals v of variance 1/(number of
features), the same at all points. With $\delta_l = \partial F / \partial z_l$ at a point,
$\delta_l = \phi'(z_l)\, \partial F / \partial x_l$ and the features that layer l reads receive $W_l^T \delta_l$. The
gradient of the weights at the point is $\delta_l$ times the features, that of the biases $\delta_l$.

Weights are drawn a second time, which needs no memory. Columns are kept times a power of two, as in `layers`.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.architecture_codes import DENSE, SKIP, STREAM
from neurondeath.simulations.kernels.copies import copy_entries, copy_rows
from neurondeath.simulations.kernels.critical_stream import pass_back
from neurondeath.simulations.kernels.initialisers import LayerLaw, draw_layer
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.layers import add_branch, rescale
from neurondeath.simulations.kernels.normals import normals_from_words, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Columns, Position
from neurondeath.simulations.kernels.philox import philox_words

__all__ = ["GradientScratch", "fill_gains", "gradient_scratch", "log_gradients"]

PURPOSE_READOUT = np.uint64(24)

Floats = npt.NDArray[np.float64]


class GradientScratch(NamedTuple):
    """Gradients of the stream and in the branch, and scratch of their size."""

    stream: Columns
    branch: Columns
    products: Floats
    factors: Floats
    branch_factors: Floats
    zeros: Floats


def gradient_scratch(rows: int, n_points: int) -> GradientScratch:
    """Create scratch for features of up to `rows` units at all points."""
    return GradientScratch(
        _zero_columns(rows, n_points),
        _zero_columns(rows, n_points),
        np.zeros((rows, n_points)),
        np.zeros(n_points),
        np.zeros(n_points),
        np.zeros(n_points),
    )


def _zero_columns(rows: int, n_points: int) -> Columns:
    return Columns(np.zeros((rows, n_points)), np.zeros(n_points, np.int64), np.zeros(n_points), np.zeros(n_points))


@kernel
def fill_gains(gains, first, z, constants, activation, width):
    """Fill `gains` from row `first` on with the slope of the activation at z, at a kink the slope to its left."""
    kinks, _, slopes = activation
    for i in range(width):
        for p in range(constants.size):
            gains[first + i, p] = slopes[0]
        for piece in range(1, slopes.size):
            for p in range(constants.size):
                if z[i, p] > kinks[piece] * constants[p]:
                    gains[first + i, p] = slopes[piece]


@kernel
def log_gradients(out, gains, scratch, buffers, law, key, trial):
    """Fill out[l] with the logarithm of the mean over points of |delta_l|^2, -inf if it is 0.

    `gains` holds the slopes of the layers of this trial, one after the other.
    """
    widths, fan_ins, weight_scales, bias_scale, architecture, block_depth, init, _, _, branch_scale, _ = law
    stream, branch, products, factors, branch_factors, zeros = scratch
    last = widths.size - 1
    n_read = widths[last] + (fan_ins[last] if architecture == DENSE else 0)
    _draw_readout(stream, buffers, n_read, Position(key, widths.size, trial, PURPOSE_READOUT))
    unit = gains.shape[0]
    for layer in range(last, -1, -1):
        width, fan_in = widths[layer], fan_ins[layer]
        unit -= width
        if architecture == DENSE:
            _copy_columns(branch, stream, fan_in, width)
        elif layer == last or (architecture == SKIP and (layer + 1) % block_depth == 0):
            _copy_columns(branch, stream, 0, width)
        delta = branch.values
        if architecture != STREAM or layer == last:
            for i in range(width):
                for p in range(zeros.size):
                    delta[i, p] *= gains[unit + i, p]
        out[layer] = _log_mean_square(delta, branch.exponents, width, factors)
        if layer == 0:
            break
        of_layer = LayerLaw(init, width, fan_in, weight_scales[layer], bias_scale)
        draw_layer(buffers, of_layer, key, layer, trial)
        _transposed_products(products, delta, buffers.parameters.weights, width, fan_in)
        if architecture == DENSE:
            for j in range(fan_in):
                for p in range(zeros.size):
                    stream.values[j, p] += products[j, p]
            _find_peaks(stream.peak, stream.values, fan_in)
            rescale(stream, zeros, fan_in)
            continue
        if architecture == STREAM:
            pass_back(delta, products, gains[unit - fan_in : unit], fan_in, branch_scale)
        else:
            copy_rows(delta, products, fan_in)
        _find_peaks(branch.peak, branch.values, fan_in)
        rescale(branch, zeros, fan_in)
        if architecture == SKIP and layer % block_depth == 0:
            add_branch(stream, branch, factors, branch_factors, fan_in)
            rescale(stream, zeros, fan_in)


@kernel
def _draw_readout(stream, buffers, n_read, position):
    """Fill the columns of `stream` with the vector that reads the features."""
    total = whole_groups(n_read)
    words, normals = buffers.words[:total], buffers.normals[:total]
    philox_words(words, buffers.counters, position, 0)
    normals_from_words(normals, words, np.float32(1.0 / math.sqrt(n_read)))
    for i in range(n_read):
        for p in range(stream.peak.size):
            stream.values[i, p] = normals[i]
    stream.exponents[:] = 0
    _find_peaks(stream.peak, stream.values, n_read)


@kernel
def _copy_columns(out, source, first, rows):
    """Copy rows of columns and their scales."""
    copy_rows(out.values, source.values[first : first + rows], rows)
    copy_entries(out.exponents, source.exponents)


@kernel
def _transposed_products(out, delta, weights, width, fan_in):
    """Fill the first rows of `out` with W^T delta."""
    n_points = delta.shape[1]
    for j in range(fan_in):
        for p in range(n_points):
            out[j, p] = 0.0
    for i in range(width):
        row = delta[i]
        for j in range(fan_in):
            weight, sums = weights[i * fan_in + j], out[j]
            for p in range(n_points):
                sums[p] += weight * row[p]


@kernel
def _find_peaks(peak, x, rows):
    peak[:] = 0.0
    for i in range(rows):
        for p in range(peak.size):
            peak[p] = max(peak[p], abs(x[i, p]))


@kernel
def _log_mean_square(x, exponents, rows, squares):
    """Logarithm of the mean over points of the squared length of columns that stand for x times 2^exponent.

    `squares` (n_points) is scratch.
    """
    n_points = x.shape[1]
    highest, some = np.int64(0), False
    squares[:] = 0.0
    for i in range(rows):
        for p in range(n_points):
            squares[p] += x[i, p] * x[i, p]
    for p in range(n_points):
        if squares[p] > 0.0 and (not some or exponents[p] > highest):
            highest, some = exponents[p], True
    total = 0.0
    for p in range(n_points):
        if squares[p] > 0.0:
            total += np.ldexp(squares[p], 2 * (exponents[p] - highest))
    return math.log(total / n_points) + 2.0 * math.log(2.0) * highest if total > 0.0 else -math.inf

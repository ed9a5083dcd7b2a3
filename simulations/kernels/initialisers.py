r"""Draw a layer's weights and biases by any law of `neurondeath_theory.networks.inits`, or copy those that are given.

Normal, uniform, orthogonal and RAI read the same words of the stream, those of the layer's parameters in row-major
order, and so do the laws of independent entries in `entries`; the entry that RAI redraws uses separate words. Mirrored
weights read the words of the matrix A.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.entries import (
    GAUSSIAN,
    LAPLACE,
    SPARSE,
    STUDENT_T,
    TRUNCATED_NORMAL,
    UNIFORM,
    fill_entries,
)
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import whole_groups
from neurondeath.simulations.kernels.packed_arguments import Counters, Parameters, PassedParameters, Position, WeightLaw
from neurondeath.simulations.kernels.philox import make_counters, philox_words

__all__ = [
    "GAUSSIAN",
    "LAPLACE",
    "MIRRORED_GAUSSIAN",
    "MIRRORED_ORTHOGONAL",
    "ORTHOGONAL",
    "PASSED",
    "RAI",
    "SPARSE",
    "STUDENT_T",
    "TRUNCATED_NORMAL",
    "UNIFORM",
    "LayerBuffers",
    "LayerLaw",
    "draw_layer",
    "layer_buffers",
]

ORTHOGONAL, RAI, MIRRORED_ORTHOGONAL, MIRRORED_GAUSSIAN, PASSED = 2, 3, 8, 9, 10
PURPOSE_WEIGHTS, PURPOSE_BIASES, PURPOSE_ASYMMETRY = np.uint64(0), np.uint64(1), np.uint64(16)
TO_UNIT = 2.0**-32  # integers of 32 bits to (0, 1)


class LayerBuffers(NamedTuple):
    """Buffers for the parameters of the largest layer, scratch arrays to draw them, and parameters drawn elsewhere."""

    parameters: Parameters
    words: npt.NDArray[np.uint32]
    normals: npt.NDArray[np.float32]
    counters: Counters
    square: npt.NDArray[np.float64]
    passed: PassedParameters


class LayerLaw(NamedTuple):
    """The law of one layer's parameters: the init, its shape, and the scales of weights and biases.

    `weight_scale` is as in `GeneralLaw`; `bias_scale` is the standard deviation of normal biases.
    """

    init: WeightLaw
    width: int
    fan_in: int
    weight_scale: np.float32
    bias_scale: np.float32


@kernel
def layer_buffers(widths, fan_ins, init, passed, like):
    """Create buffers for the largest layer; its parameters have the dtype of `like`."""
    most = 0
    for layer in range(widths.size):
        most = max(most, widths[layer] * (fan_ins[layer] + 1), 4 * widths[layer])
    size = whole_groups(most)
    scratch = 2 * size if init.kind == STUDENT_T or init.kind == TRUNCATED_NORMAL else size  # see `entries`
    return LayerBuffers(
        parameters=Parameters(np.zeros(size, like.dtype), np.zeros(widths.max(), like.dtype)),
        words=np.empty(scratch, np.uint32),
        normals=np.empty(scratch, np.float32),
        counters=make_counters(scratch // 4, scratch // 4),
        square=np.zeros(size if init.kind == ORTHOGONAL or init.kind == MIRRORED_ORTHOGONAL else 1),
        passed=passed,
    )


@kernel
def draw_layer(buffers, law, key, layer, trial):
    """Draw the parameters of one layer of one network into the buffers.

    Every law starts from independent entries. They are drawn at one place: the compiler copies that code to each call.
    """
    (weights, biases), words, normals, counters, square, passed = buffers
    (kind, parameter, draws_biases), width, fan_in, weight_scale, bias_scale = law
    if kind == PASSED:
        _copy_passed(weights, biases, passed, layer, width, fan_in)
        return
    scratch = (words, normals, counters)
    mirrored = kind in (MIRRORED_ORTHOGONAL, MIRRORED_GAUSSIAN)
    rows, sources = width, fan_in + 1 if kind == RAI else fan_in
    if mirrored:
        rows, sources = width // 2, fan_in if layer == 0 else fan_in // 2
    out, purpose = weights[: rows * sources], PURPOSE_WEIGHTS
    entry_law = GAUSSIAN if mirrored or kind in (ORTHOGONAL, RAI) else kind
    scale = np.float32(1.0) if kind in (ORTHOGONAL, MIRRORED_ORTHOGONAL) else weight_scale
    for _ in range(2):  # weights, then biases
        fill_entries(out, scratch, entry_law, parameter, scale, Position(key, layer, trial, purpose))
        if purpose == PURPOSE_WEIGHTS:
            if kind == ORTHOGONAL:
                _orthogonal(weights, normals, square, rows, sources, np.float64(weight_scale))
            elif kind == MIRRORED_ORTHOGONAL:
                _orthogonal(weights, normals, square, rows, sources, weight_scale / math.sqrt(max(rows, sources)))
            elif kind == RAI:
                redrawn = Position(key, layer, trial, PURPOSE_ASYMMETRY)
                _separate_and_redraw(weights, biases[:width], scratch, fan_in, redrawn)
                return
            if mirrored:
                _mirror(weights, rows, sources, layer == 0)
            if bias_scale > 0.0:
                entry_law, parameter, scale = GAUSSIAN, 0.0, bias_scale
            elif not draws_biases:
                return
        out, purpose = biases[:width], PURPOSE_BIASES


@kernel
def _copy_passed(weights, biases, passed, layer, width, fan_in):
    """Copy the parameters of a layer that were drawn elsewhere."""
    (all_weights, all_biases), weights_at, biases_at = passed
    copy_entries(weights, all_weights[weights_at[layer] : weights_at[layer] + width * fan_in])
    copy_entries(biases, all_biases[biases_at[layer] : biases_at[layer] + width])


@kernel
def _separate_and_redraw(weights, biases, scratch, fan_in, position):
    """Separate rows of normals (w, b) in the scratch, and redraw one entry of each row from Beta(2, 1)."""
    words, normals, counters = scratch
    width, row = biases.size, fan_in + 1
    philox_words(words[: 4 * width], counters, position, 0)
    for i in range(width):
        copy_entries(weights[i * fan_in : (i + 1) * fan_in], normals[i * row : i * row + fan_in])
        biases[i] = normals[i * row + fan_in]
        entry = np.int64(words[4 * i] * np.uint64(row) >> np.uint64(32))
        beta = math.sqrt((np.float64(words[4 * i + 1]) + 0.5) * TO_UNIT)  # Beta(2, 1): P(X <= x) = x^2
        if entry == fan_in:
            biases[i] = beta
        else:
            weights[i * fan_in + entry] = beta


@kernel
def _mirror(weights, rows, sources, first):
    """Spread out A to [A; -A] in the first layer, to [[A, -A], [-A, A]] in the others, from its end, in place."""
    fan_in = sources if first else 2 * sources
    for i in range(rows - 1, -1, -1):
        for j in range(sources - 1, -1, -1):
            entry = weights[i * sources + j]
            weights[i * fan_in + j] = entry
            weights[(rows + i) * fan_in + j] = -entry
            if not first:
                weights[i * fan_in + sources + j] = -entry
                weights[(rows + i) * fan_in + sources + j] = entry


@kernel
def _orthogonal(weights, normals, square, width, fan_in, scale):
    """Orthonormalise the rows of a normal matrix (its columns if there are more rows), times a constant.

    The Gram-Schmidt method, applied twice to every vector, keeps the law: rotations of the space commute with it. With
    the constant the mean square of the entries is scale^2.
    """
    few, many = min(width, fan_in), max(width, fan_in)
    by_rows = width <= fan_in
    for i in range(width):
        for j in range(fan_in):
            at = i * many + j if by_rows else j * many + i
            square[at] = normals[i * fan_in + j]
    for i in range(few):
        vector = square[i * many : (i + 1) * many]
        for _ in range(2):
            for other in range(i):
                base = square[other * many : (other + 1) * many]
                product = 0.0
                for j in range(many):
                    product += vector[j] * base[j]
                for j in range(many):
                    vector[j] -= product * base[j]
        norm = 0.0
        for j in range(many):
            norm += vector[j] * vector[j]
        norm = math.sqrt(norm)
        for j in range(many):
            vector[j] /= norm
    constant = scale * math.sqrt(np.float64(many))
    for i in range(width):
        for j in range(fan_in):
            at = i * many + j if by_rows else j * many + i
            weights[i * fan_in + j] = constant * square[at]

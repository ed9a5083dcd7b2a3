"""Draw a layer's weights and biases: normal, uniform, orthogonal or randomised asymmetric.

Every init reads the same words of the stream, those of the layer's parameters in row-major order; the entry that RAI
redraws uses separate words.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import normals_from_words, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Counters, Parameters, Position
from neurondeath.simulations.kernels.philox import make_counters, philox_words

__all__ = ["GAUSSIAN", "ORTHOGONAL", "RAI", "UNIFORM", "LayerBuffers", "LayerLaw", "draw_layer", "layer_buffers"]

GAUSSIAN, UNIFORM, ORTHOGONAL, RAI = 0, 1, 2, 3
PURPOSE_WEIGHTS, PURPOSE_BIASES, PURPOSE_ASYMMETRY = np.uint64(0), np.uint64(1), np.uint64(16)
TO_SIGNED, TO_UNIT = 2.0**-31, 2.0**-32  # integers of 32 bits to (-1, 1) and to (0, 1)


class LayerBuffers(NamedTuple):
    """Buffers for the parameters of the largest layer, and scratch arrays to draw them."""

    parameters: Parameters
    words: npt.NDArray[np.uint32]
    normals: npt.NDArray[np.float32]
    counters: Counters
    square: npt.NDArray[np.float64]


class LayerLaw(NamedTuple):
    """The law of one layer's parameters: the init, its shape, and the standard deviations of weights and biases."""

    init: int
    width: int
    fan_in: int
    weight_scale: np.float32
    bias_scale: np.float32


@kernel
def layer_buffers(widths, fan_ins, init, like):
    """Create buffers for the largest layer; its parameters have the dtype of `like`."""
    most = 0
    for layer in range(widths.size):
        most = max(most, widths[layer] * (fan_ins[layer] + 1), 4 * widths[layer])
    size = whole_groups(most)
    return LayerBuffers(
        parameters=Parameters(np.zeros(size, like.dtype), np.zeros(widths.max(), like.dtype)),
        words=np.empty(size, np.uint32),
        normals=np.empty(size, np.float32),
        counters=make_counters(size // 4, size // 4),
        square=np.zeros(size if init == ORTHOGONAL else 1),
    )


@kernel
def draw_layer(buffers, law, key, layer, trial):
    """Draw the parameters of one layer of one network into the buffers.

    For RAI, `weight_scale` is the standard deviation of the entries before one is redrawn.
    """
    (weights, biases), words, normals, counters, square = buffers
    init, width, fan_in, weight_scale, bias_scale = law
    row = fan_in + 1 if init == RAI else fan_in
    total = whole_groups(width * row)
    philox_words(words[:total], counters, Position(key, layer, trial, PURPOSE_WEIGHTS), 0)
    if init == UNIFORM:
        half_width = math.sqrt(3.0) * np.float64(weight_scale)
        signed = words.view(np.int32)
        for i in range(width * fan_in):
            weights[i] = (np.float64(signed[i]) + 0.5) * TO_SIGNED * half_width
    elif init == ORTHOGONAL:
        normals_from_words(normals[:total], words[:total], np.float32(1.0))
        _orthogonal(weights, normals, square, width, fan_in, np.float64(weight_scale))
    else:
        normals_from_words(normals[:total], words[:total], weight_scale)
        for i in range(width):
            for j in range(fan_in):
                weights[i * fan_in + j] = normals[i * row + j]
    if init == RAI:
        for i in range(width):
            biases[i] = normals[i * row + fan_in]
        philox_words(words[: 4 * width], counters, Position(key, layer, trial, PURPOSE_ASYMMETRY), 0)
        for i in range(width):
            entry = np.int64(words[4 * i] * np.uint64(row) >> np.uint64(32))
            beta = math.sqrt((np.float64(words[4 * i + 1]) + 0.5) * TO_UNIT)  # Beta(2, 1): P(X <= x) = x^2
            if entry == fan_in:
                biases[i] = beta
            else:
                weights[i * fan_in + entry] = beta
    elif bias_scale > 0.0:
        total = whole_groups(width)
        philox_words(words[:total], counters, Position(key, layer, trial, PURPOSE_BIASES), 0)
        normals_from_words(normals[:total], words[:total], bias_scale)
        for i in range(width):
            biases[i] = normals[i]


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

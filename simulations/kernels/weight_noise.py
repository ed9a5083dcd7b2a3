"""Add Gaussian noise to chosen weights of a layer, in place and in one pass.

Every weight has its own place in a Philox stream, so that the noise depends neither on buffers nor on the number of
threads, nor on which weights are spared. One word gives the noise of two neighbouring weights, the coordinates of a
point in the polar form of Box and Muller: 16 bits are its radius, with 2^16 values up to 4.9, 14 bits its angle within
a quarter of the circle, 2 bits the quarter. Logarithm, sine and cosine are polynomials in single precision with 4e-6,
1.5e-6 and 3e-8 of error, minimax on their ranges up to Chebyshev's approximation.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.philox import WORD_MASK, philox_block

__all__ = ["CHUNK_SIZE", "add_noise_to_units", "add_noise_where_nonzero", "fill_words", "pairs_from_words"]

CHUNK_SIZE = 2**12  # weights, whose random words stay in the first cache

F = np.float32
SQRT_HALF_BITS = np.int32(0x3F3504F3)  # bits of sqrt(1/2)
MANTISSA = np.int32(0x007FFFFF)
LN2, HALF, ONE, TWO = F(math.log(2.0)), F(0.5), F(1.0), F(2.0)
TO_UNIT, TO_ANGLE = F(2.0**-16), F(math.pi / 2**15)
L1, L2, L3, L4, L5, L6 = (  # ln(1 + x) / x on sqrt(1/2) <= 1 + x <= sqrt(2)
    F(1.0000037423879464),
    F(-0.4998948024036182),
    F(0.33265905812990515),
    F(-0.25433356361401843),
    F(0.2196570849519215),
    F(-0.140216232811136),
)
S1, S3, S5 = F(0.9999985632639604), F(-0.16662472194586495), F(0.008151506332465959)  # sin y, |y| <= pi / 4
C0, C2, C4, C6 = F(0.9999999723284944), F(-0.4999985641918218), F(0.04165501492488376), F(-0.0013585779264842408)


@kernel
def add_noise_to_units(weights, noisy, run, position, span, scale):
    """Add `scale` times independent normals to the weights of noisy units.

    Parameters
    ----------
    weights : float32 array, flat
        All weights of a layer; its units follow each other in runs, repeatedly if there are more runs than units.
    noisy : bool array, shape (n_units,)
        Units that get noise.
    run : int
        Neighbouring weights that belong to one unit.
    position : Position
        Part of the random stream: a key, a layer, a step in place of the trial, a purpose.
    span : tuple of int
        First weight, a multiple of CHUNK_SIZE, and the one after the last.
    scale : float32
        Standard deviation.
    """
    words, normals = np.empty(CHUNK_SIZE // 2, np.uint32), np.empty(CHUNK_SIZE, np.float32)
    for first in range(span[0], span[1], CHUNK_SIZE):
        end = min(first + CHUNK_SIZE, span[1])
        fill_words(words, position, first // 8)
        if run % 2:  # a pair may belong to two units
            pairs_from_words(normals, words, scale)
        start = first
        while start < end:
            stop = min(end, start - start % run + run)
            if noisy[(start // run) % noisy.size]:
                if run % 2:
                    for i in range(start, stop):
                        weights[i] += normals[i - first]
                else:
                    _add_pairs(weights[start:stop], words[(start - first) // 2 :], scale)
            start = stop


@kernel
def add_noise_where_nonzero(weights, gradients, position, span, scale):
    """Add `scale` times independent normals to weights whose gradient is not zero; other arguments as above."""
    words, normals = np.empty(CHUNK_SIZE // 2, np.uint32), np.empty(CHUNK_SIZE, np.float32)
    for first in range(span[0], span[1], CHUNK_SIZE):
        fill_words(words, position, first // 8)
        pairs_from_words(normals, words, scale)
        for i in range(first, min(first + CHUNK_SIZE, span[1])):
            weights[i] += normals[i - first] if gradients[i] != 0 else np.float32(0)


@kernel
def pairs_from_words(out, words, scale):
    """Fill `out` (float32) with `scale` times the two normals of each word."""
    out[:] = np.float32(0)
    _add_pairs(out, words, scale)


@kernel
def _add_pairs(weights, words, scale):
    """Add to neighbouring weights, an even number of them, `scale` times the two normals of each word."""
    bits = words.view(np.int32)
    for i in range(weights.size // 2):
        b = bits[i]
        u = np.float32((np.float32(np.int32(words[i] >> np.uint32(16))) + HALF) * TO_UNIT)
        # ln u = exponent ln 2 + ln(1 + x), 1 + x in [sqrt(1/2), sqrt 2)
        shifted = np.int32(u.view(np.int32) - SQRT_HALF_BITS)
        exponent = np.float32(np.int32(shifted >> np.int32(23)))
        x = np.int32((shifted & MANTISSA) + SQRT_HALF_BITS).view(np.float32) - ONE
        log_u = exponent * LN2 + x * (L1 + x * (L2 + x * (L3 + x * (L4 + x * (L5 + x * L6)))))
        radius = np.float32(math.sqrt(-TWO * log_u)) * scale
        y = (np.float32(np.int32(np.int32(b << np.int32(16)) >> np.int32(18))) + HALF) * TO_ANGLE
        z = y * y
        sine, cosine = y * (S1 + z * (S3 + z * S5)), C0 + z * (C2 + z * (C4 + z * C6))
        radius = -radius if b & np.int32(2) else radius
        swap = (b & np.int32(1)) != 0
        weights[2 * i] += radius * (sine if swap else cosine)
        weights[2 * i + 1] += radius * (cosine if swap else sine)


@kernel
def fill_words(out, position, first_block):
    """Fill `out` with the words of consecutive blocks, as `philox.philox_words` does, without its list of blocks."""
    (key0, key1), layer, trial, purpose = position
    for i in range(out.size // 4):
        counter = (np.uint64(first_block) + np.uint64(i), np.uint64(layer), np.uint64(trial), np.uint64(purpose))
        c0, c1, c2, c3 = philox_block(counter, (np.uint64(key0), np.uint64(key1)))
        out[4 * i] = np.uint32(c0 & WORD_MASK)
        out[4 * i + 1] = np.uint32(c1 & WORD_MASK)
        out[4 * i + 2] = np.uint32(c2 & WORD_MASK)
        out[4 * i + 3] = np.uint32(c3 & WORD_MASK)

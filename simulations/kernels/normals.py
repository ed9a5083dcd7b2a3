r"""Standard normals in single precision from Philox words, without a branch, so that the loop runs in vector registers.

The polar form of Box and Muller, as defined in `counter_random.normal_pairs`. Logarithm, sine and cosine are
polynomials, minimax on their reduced ranges (Remez exchange at 40 digits; the program is `benchmarks/fit_normals.py`):
relative error 3.2e-8 of ln, 3.6e-9 of sin, absolute error 1e-10 of cos before rounding;
the normals agree with double precision to 1e-6 absolute.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.philox import philox_words

__all__ = ["fill_normals", "normals_from_words", "whole_groups"]

GROUP_SIZE = 64  # normals are made in groups of this size: a vector of 16 blocks

F = np.float32
SMALLEST, LARGEST = F(0.5), F(2.0**32 - 2.0**8)
TO_UNIT = F(2.0**-32)
SQRT_HALF_BITS = np.int32(0x3F3504F3)  # bits of sqrt(1/2)
MANTISSA = np.int32(0x007FFFFF)
LN2 = F(math.log(2.0))
L3, L4, L5, L6, L7, L8, L9 = (
    F(0.333339107315),
    F(-0.250013370575),
    F(0.19963064063),
    F(-0.165775840391),
    F(0.149147642689),
    F(-0.142674914614),
    F(0.0870045280317),
)
S3, S5, S7 = F(-0.166666549437), F(0.00833217814618), F(-0.00019517298984)
C4, C6, C8 = F(0.0416666468664), F(-0.00138873675158), F(2.44384515951e-5)
HALF, ONE, TWO = F(0.5), F(1.0), F(2.0)
TO_ANGLE = F(math.pi / 2**31)


@kernel
def normals_from_words(out, words, scale):
    """Fill `out` (float32, or float64 with the same values) with `scale` times the normals of the uint32 `words`."""
    bits = words.view(np.int32)
    for pair in range(out.size // 2):
        a = np.float32(words[2 * pair])
        b = bits[2 * pair + 1]
        u = np.float32(min(max(a, SMALLEST), LARGEST) * TO_UNIT)
        # ln u = exponent ln 2 + ln(1 + x), 1 + x in [sqrt(1/2), sqrt 2)
        shifted = np.int32(u.view(np.int32) - SQRT_HALF_BITS)
        exponent = np.float32(np.int32(shifted >> np.int32(23)))
        x = np.int32((shifted & MANTISSA) + SQRT_HALF_BITS).view(np.float32) - ONE
        tail = ((((((L9 * x + L8) * x + L7) * x + L6) * x + L5) * x + L4) * x + L3) * x
        log_u = exponent * LN2 + (x + x * x * (tail - HALF))
        radius = np.float32(math.sqrt(-TWO * log_u)) * scale
        y = (np.float32(np.int32(b >> np.int32(2))) + HALF) * TO_ANGLE
        z = y * y
        sine = y + y * z * (S3 + z * (S5 + z * S7))
        cosine = ONE + z * (-HALF + z * (C4 + z * (C6 + z * C8)))
        radius = -radius if b & np.int32(2) else radius
        swap = (b & np.int32(1)) != 0
        out[2 * pair] = radius * (sine if swap else cosine)
        out[2 * pair + 1] = radius * (cosine if swap else sine)


@kernel
def whole_groups(count):
    """Round a number of normals up to whole groups."""
    return -(-count // GROUP_SIZE) * GROUP_SIZE


@kernel
def fill_normals(out, words, counters, count, position, first_block, scale):
    """Fill `out` (floats) with `scale` times at least `count` normals of a chunk, in whole groups.

    `words` is scratch, as long as `out`.
    """
    total = whole_groups(count)
    used = words[:total]
    philox_words(used, counters, position, first_block)
    normals_from_words(out[:total], used, scale)

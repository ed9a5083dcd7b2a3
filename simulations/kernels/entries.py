r"""Independent random entries of mean 0, by counter: entry i of a layer depends on its own words alone.

With words u as numbers in (0, 1), the scale $\sigma$ being the standard deviation of an entry:

    uniform           $\sqrt 3\, \sigma (2u - 1)$, the words as signed integers
    truncated normal  normals cut at CUT standard deviations: the normal of variant 0 of the stream, where it lies
                      outside that of variant 1, and so on; $\sigma/$TRUNCATED_SD times
    laplace           $-\mathrm{sign}(v) \ln|v|\, \sigma/\sqrt 2$ with $v = 2u - 1$
    student t         $\sqrt{(\nu - 2)(u^{-2/\nu} - 1)} \cos(2\pi u')\, \sigma$, two words per entry [Bailey 1994,
                      Math. Comp. 62, the polar form]: the limit $\nu \to \infty$ is Box and Muller's
    sparse            normals of standard deviation $\sigma/\sqrt{1 - s}$, 0 where a separate word lies below s

The variance of the cut normal is $1 - 2 c\, \mathrm{pdf}(c)/(2\Phi(c) - 1)$, c = CUT. Words have 32 bits, so Laplace
entries end at 15.7 standard deviations and Student's t at u = 2^-33.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import normals_from_words, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Position
from neurondeath.simulations.kernels.philox import philox_words

__all__ = ["GAUSSIAN", "LAPLACE", "SPARSE", "STUDENT_T", "TRUNCATED_NORMAL", "UNIFORM", "fill_entries"]

GAUSSIAN, UNIFORM, TRUNCATED_NORMAL, LAPLACE, STUDENT_T, SPARSE = 0, 1, 4, 5, 6, 7
TO_SIGNED, TO_UNIT = 2.0**-31, 2.0**-32  # integers of 32 bits to (-1, 1) and to (0, 1)
PURPOSE_ZEROS = np.uint64(18)  # added to the purpose of the entries
VARIANT = np.uint64(8)  # bits below a variant in the fourth word of a counter
CUT = 2.0
TRUNCATED_SD = math.sqrt(1.0 - 2.0 * CUT * math.exp(-CUT * CUT / 2) / math.sqrt(2 * math.pi) / math.erf(CUT / 2**0.5))


@kernel
def fill_entries(out, buffers, law, parameter, scale, position):
    """Fill the floats `out` with independent entries of one law, of standard deviation `scale`.

    `buffers` are words (uint32), normals (float32) and counters, long enough for twice as many entries in whole groups;
    `parameter` is the share of zeros or the degrees of freedom.
    """
    words, normals, counters = buffers
    count = out.size
    total = whole_groups(count)
    philox_words(words[: whole_groups(2 * count)] if law == STUDENT_T else words[:total], counters, position, 0)
    if law in (GAUSSIAN, TRUNCATED_NORMAL, SPARSE):
        factor = np.float32(1.0) if law == TRUNCATED_NORMAL else scale
        normals_from_words(normals[:total], words[:total], np.float32(factor / math.sqrt(1.0 - parameter)))
    signed, factor = words.view(np.int32), np.float64(scale)
    if law == GAUSSIAN:
        copy_entries(out, normals[:count])
    elif law == UNIFORM:
        half_width = math.sqrt(3.0) * factor
        for i in range(count):
            out[i] = (np.float64(signed[i]) + 0.5) * TO_SIGNED * half_width
    elif law == LAPLACE:
        factor /= math.sqrt(2.0)
        for i in range(count):
            v = (np.float64(signed[i]) + 0.5) * TO_SIGNED
            out[i] = math.copysign(factor * math.log(abs(v)), v)
    elif law == STUDENT_T:
        factor *= math.sqrt(parameter - 2.0)
        for i in range(count):
            u = (np.float64(words[2 * i]) + 0.5) * TO_UNIT
            angle = (np.float64(words[2 * i + 1]) + 0.5) * TO_UNIT * 2.0 * math.pi
            out[i] = factor * math.sqrt(math.expm1(-2.0 / parameter * math.log(u))) * math.cos(angle)
    elif law == TRUNCATED_NORMAL:
        _cut(out, buffers, np.float32(factor / TRUNCATED_SD), position)
    else:
        key, layer, trial, purpose = position
        philox_words(words[:total], counters, Position(key, layer, trial, purpose + PURPOSE_ZEROS), 0)
        for i in range(count):
            out[i] = 0.0 if (np.float64(words[i]) + 0.5) * TO_UNIT < parameter else normals[i]


@kernel
def _cut(out, buffers, factor, position):
    """Fill with the normals of the buffer that lie within the cut, and draw the others again."""
    words, normals, counters = buffers
    key, layer, trial, purpose = position
    total = whole_groups(out.size)
    few_words, few = words[total : total + 4], normals[total : total + 4]
    for i in range(out.size):
        normal = normals[i]
        variant = np.uint64(0)
        while abs(normal) > CUT:
            variant += np.uint64(1)
            again = Position(key, layer, trial, purpose | variant << VARIANT)
            philox_words(few_words, counters, again, i // 4)
            normals_from_words(few, few_words, np.float32(1.0))
            normal = few[i % 4]
        out[i] = factor * normal

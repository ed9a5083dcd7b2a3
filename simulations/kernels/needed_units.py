"""List the entries of a vector that are not zero, and pass over the others 64 at a time.

NaN counts as not zero: whoever reads it must see it. -0.0 is zero.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from neurondeath.simulations.kernels.jit import inlined_kernel

__all__ = ["WORD", "list_needed"]

WORD = 64  # entries that are looked at together; vectors are followed by as many that may be read


@intrinsic
def _nonzero_word(typing_context, values, at):
    """Return 64 bits: whether each of the entries from `at` on is not zero."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        vector = ir.VectorType(ir.FloatType(), WORD)
        entries = builder.load(builder.bitcast(builder.gep(data, [arguments[1]]), vector.as_pointer()))
        entries.align = 4
        zero = ir.Constant(vector, [ir.Constant(ir.FloatType(), 0.0)] * WORD)
        return builder.bitcast(builder.fcmp_unordered("!=", entries, zero), ir.IntType(WORD))

    return types.uint64(values, types.intp), generate


@intrinsic
def _trailing_zeros(typing_context, word):
    """Return the number of the lowest bit that is set."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


def _plain_nonzero_word(values, at):
    return sum(1 << bit for bit, value in enumerate(values[at : at + WORD]) if value != 0.0)


def _plain_trailing_zeros(word):
    return (word & -word).bit_length() - 1


def _plain_word(value):
    return int(value)


SETTINGS: Any = numba.config
nonzero_word = _plain_nonzero_word if SETTINGS.DISABLE_JIT else _nonzero_word
trailing_zeros = _plain_trailing_zeros if SETTINGS.DISABLE_JIT else _trailing_zeros
word_of = _plain_word if SETTINGS.DISABLE_JIT else np.uint64


@inlined_kernel
def list_needed(space, at, size, numbers, list_at, factors_at):
    """Write the numbers of the nonzero entries to `numbers` from `list_at` on, and the entries to `space`.

    Returns how many there are. `space[at:]` has at least WORD entries more than `size`.
    """
    count = 0
    one = word_of(1)
    for first in range(0, size, WORD):
        word = nonzero_word(space, at + first)
        if size - first < WORD:
            word &= (one << word_of(size - first)) - one
        while word != 0:
            numbers[list_at + count] = first + trailing_zeros(word)
            word &= word - one
            count += 1
    for k in range(count):
        space[factors_at + k] = space[at + numbers[list_at + k]]
    return count

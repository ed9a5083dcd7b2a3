"""The innermost loop of sparse inference: sums of scaled rows that are picked by number.

    target[v] += sum_k factors[k] * rows[numbers[k] * stride + v],    v = 0 .. N * LANES - 1

Only the rows that are needed are read. Their numbers are single-precision, or stored in fewer bits: the upper half of
single-precision ones (bfloat16) or whole numbers (int8), several to a place of the array; sums are single-precision
always. Written out in the compiler's own language, the N vectors of sums stay in registers while k runs, so that every
row costs its reading and nothing else; compilers would store all sums after every row. Sums run over k in order, one
fused operation per step. Infinite and undefined numbers go through unchanged.

`ahead` > 0 asks the processor to fetch the row that many steps later, for rows that do not lie in its nearest caches.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from neurondeath.simulations.kernels.tile import BITS

__all__ = ["LANES", "WIDTHS", "gathered_sum"]

LANES = BITS // 32  # single-precision numbers in a vector register
WIDTHS = (12, 8, 4, 2, 1)  # vectors of sums: 12 of 16 registers, the others for factor and row
PARTS = (1, 2, 4)  # weights to a place of the array: single precision, bfloat16, int8
FORM = 8  # width * FORM + parts is a number of its own
LINE_BYTES = 64


def _make_sum() -> Any:
    """Build the sum as an intrinsic, with a loop for each number of vectors and of weights to a place."""

    @intrinsic
    def gathered_sum(typing_context, target, rows, factors, numbers, at, count, ahead, width, parts):
        signature = types.void(target, rows, factors, numbers, at, *[types.intp] * 4)

        def generate(context, builder, signature, arguments):
            pointers = [
                context.make_array(kind)(context, builder, value).data
                for kind, value in zip(signature.args[:4], arguments[:4], strict=True)
            ]
            offsets = [
                context.cast(builder, builder.extract_value(arguments[4], i), kind, types.intp)
                for i, kind in enumerate(signature.args[4])
            ]
            count, ahead, width, parts = arguments[5:]
            end = builder.append_basic_block("end")
            form = builder.add(builder.mul(width, ir.Constant(width.type, FORM)), parts)
            choice = builder.switch(form, end)
            for n_vectors in WIDTHS:
                for n_weights in PARTS:
                    block = builder.append_basic_block(f"sum_{n_vectors}_{n_weights}")
                    choice.add_case(ir.Constant(form.type, n_vectors * FORM + n_weights), block)
                    builder.position_at_end(block)
                    _generate_loop(builder, pointers, offsets, (count, ahead), (n_vectors, n_weights))
                    builder.branch(end)
            builder.position_at_end(end)
            return context.get_dummy_value()

        return signature, generate

    return gathered_sum


def _generate_loop(builder, pointers, offsets, counts, form):
    """Emit the loop over k for so many vectors, and weights to a place."""
    count, ahead = counts
    width, parts = form
    index, real = ir.IntType(64), ir.FloatType()
    vector = ir.VectorType(real, LANES)
    fused = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    target, rows, factors, numbers = (builder.gep(base, [at]) for base, at in zip(pointers, offsets[:4], strict=True))
    stride = offsets[4]

    def constant(value: int) -> Any:
        return ir.Constant(index, value)

    def place(base, v):
        return builder.bitcast(builder.gep(base, [constant(v * LANES)]), vector.as_pointer())

    def row_of(k):
        number = builder.load(builder.gep(numbers, [k]))
        number.align = 4
        return builder.gep(rows, [builder.mul(builder.sext(number, index), stride)])

    initial = []
    for v in range(width):
        initial.append(builder.load(place(target, v)))
        initial[-1].align = 4
    before = builder.basic_block
    loop, fetch, sums_block, after = (builder.append_basic_block(name) for name in ("rows", "fetch", "sums", "store"))
    builder.cbranch(builder.icmp_signed("<", constant(0), count), loop, after)

    builder.position_at_end(loop)
    k = builder.phi(index)
    k.add_incoming(constant(0), before)
    sums = [builder.phi(vector) for _ in range(width)]
    for phi, value in zip(sums, initial, strict=True):
        phi.add_incoming(value, before)
    later = builder.add(k, ahead)
    fetches = builder.and_(builder.icmp_signed("<", constant(0), ahead), builder.icmp_signed("<", later, count))
    builder.cbranch(fetches, fetch, sums_block)

    builder.position_at_end(fetch)
    _generate_fetch(builder, row_of(later), width * LANES * 4 // parts)
    builder.branch(sums_block)

    builder.position_at_end(sums_block)
    row = row_of(k)
    scalar = builder.load(builder.gep(factors, [k]))
    scalar.align = 4
    undefined = ir.Constant(vector, ir.Undefined)
    lane = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    factor = builder.shuffle_vector(lane, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
    totals = []
    for v, phi in enumerate(sums):
        weights = _generate_weights(builder, row, v, parts)
        totals.append(builder.call(fused, [factor, weights, phi]))
        phi.add_incoming(totals[-1], sums_block)
    following = builder.add(k, constant(1))
    k.add_incoming(following, sums_block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)

    builder.position_at_end(after)
    for v in range(width):
        result = builder.phi(vector)
        result.add_incoming(initial[v], before)
        result.add_incoming(totals[v], sums_block)
        initial[v] = result
    for v in range(width):
        builder.store(initial[v], place(target, v)).align = 4


def _generate_weights(builder, row, v, parts):
    """Emit the reading of vector v of a row, as single-precision numbers."""
    bits = 32 // parts
    kind = ir.VectorType(ir.FloatType() if parts == 1 else ir.IntType(bits), LANES)
    first = builder.gep(row, [ir.Constant(ir.IntType(64), v * LANES // parts)])
    stored = builder.load(builder.bitcast(first, kind.as_pointer()))
    stored.align = 4
    words, real = ir.VectorType(ir.IntType(32), LANES), ir.VectorType(ir.FloatType(), LANES)
    if parts == 1:
        return stored
    if parts == 2:
        upper = builder.shl(builder.zext(stored, words), ir.Constant(words, [16] * LANES))
        return builder.bitcast(upper, real)
    return builder.sitofp(builder.sext(stored, words), real)


def _generate_fetch(builder, row, n_bytes):
    """Emit the requests for the cache lines of a row."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    start = builder.bitcast(row, byte)
    for offset in range(0, n_bytes, LINE_BYTES):
        line = builder.gep(start, [ir.Constant(ir.IntType(64), offset)])
        builder.call(prefetch, [line, *(ir.Constant(word, value) for value in (0, 3, 1))])  # to read, keep, data


def _plain_sum(target, rows, factors, numbers, at, count, ahead, width, parts):
    """Compute the same in plain Python, for runs without the compiler."""
    target_at, rows_at, factors_at, numbers_at, stride = at
    sums = target[target_at : target_at + width * LANES]
    for k in range(count):
        first = rows_at + int(numbers[numbers_at + k]) * stride
        sums += factors[factors_at + k] * _plain_weights(rows[first : first + width * LANES // parts], parts)


def _plain_weights(places: npt.NDArray[np.float32], parts: int) -> npt.NDArray[np.float32]:
    """Return stored weights as single-precision numbers."""
    if parts == 1:
        return places
    if parts == 2:
        return (places.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    return places.view(np.int8).astype(np.float32)


SETTINGS: Any = numba.config
gathered_sum = _plain_sum if SETTINGS.DISABLE_JIT else _make_sum()

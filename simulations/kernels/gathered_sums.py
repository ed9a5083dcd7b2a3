"""The innermost loop of sparse inference: sums of scaled rows that are picked by number.

    target[v] += sum_k factors[k] * rows[numbers[k] * stride + v],    v = 0 .. N * LANES - 1

Only the rows that are needed are read. Written out in the compiler's own language, the N vectors of sums stay in
registers while k runs, so that every row costs its reading and nothing else; compilers would store all sums after every
row. Sums run over k in order, one fused operation per step. Infinite and undefined numbers go through unchanged.

`ahead` > 0 asks the processor to fetch the row that many steps later, for rows that do not lie in its nearest caches.
"""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from neurondeath.simulations.kernels.tile import BITS

__all__ = [
    "LANES",
    "WIDTHS",
    "gathered_sum_1",
    "gathered_sum_2",
    "gathered_sum_4",
    "gathered_sum_8",
    "gathered_sum_12",
]

LANES = BITS // 32  # single-precision numbers in a vector register
WIDTHS = (12, 8, 4, 2, 1)  # vectors of sums: 12 of 16 registers, the others for factor and row
LINE_BYTES = 64


def _make_sum(width: int) -> Any:
    """Build the loop for a number of vectors as an intrinsic: arrays and offsets in, nothing out."""

    @intrinsic
    def gathered_sum(typing_context, target, rows, factors, numbers, at, count, ahead):
        signature = types.void(target, rows, factors, numbers, at, types.intp, types.intp)

        def generate(context, builder, signature, arguments):
            pointers = [
                context.make_array(kind)(context, builder, value).data
                for kind, value in zip(signature.args[:4], arguments[:4], strict=True)
            ]
            offsets = [
                context.cast(builder, builder.extract_value(arguments[4], i), kind, types.intp)
                for i, kind in enumerate(signature.args[4])
            ]
            _generate_loop(builder, pointers, offsets, arguments[5:], width)
            return context.get_dummy_value()

        return signature, generate

    return gathered_sum


def _generate_loop(builder, pointers, offsets, counts, width):
    """Emit the loop over k."""
    count, ahead = counts
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
    _generate_fetch(builder, row_of(later), width)
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
        weights = builder.load(place(row, v))
        weights.align = 4
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


def _generate_fetch(builder, row, width):
    """Emit the requests for the cache lines of a row."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    start = builder.bitcast(row, byte)
    for offset in range(0, width * LANES * 4, LINE_BYTES):
        line = builder.gep(start, [ir.Constant(ir.IntType(64), offset)])
        builder.call(prefetch, [line, *(ir.Constant(word, value) for value in (0, 3, 1))])  # to read, keep, data


def _make_plain_sum(width: int) -> Callable[..., None]:
    """Return the same loop in plain Python, for runs without the compiler."""

    def gathered_sum(target, rows, factors, numbers, at, count, ahead):
        target_at, rows_at, factors_at, numbers_at, stride = at
        sums = target[target_at : target_at + width * LANES]
        for k in range(count):
            first = rows_at + int(numbers[numbers_at + k]) * stride
            sums += factors[factors_at + k] * rows[first : first + width * LANES]

    return gathered_sum


SETTINGS: Any = numba.config
_make = _make_plain_sum if SETTINGS.DISABLE_JIT else _make_sum
gathered_sum_12, gathered_sum_8, gathered_sum_4, gathered_sum_2, gathered_sum_1 = (_make(width) for width in WIDTHS)

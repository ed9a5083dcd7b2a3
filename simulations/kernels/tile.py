"""The innermost loop of the dense engine: rectified products of a few units and a vector-wide strip of points.

    z[i, p] = relu(sum_j w[i, j] x[j, p] [+ bias[i] one[p]]),   peak[p] = max(peak[p], z[., p])

Compilers keep such sums in memory; written out in the compiler's own language, the sums stay in registers while j
runs, each weight is loaded once for the whole strip, and nothing is stored but the result. That is what a matrix
library does, without its packing: the operands already lie as the loop wants them.

Points come in panels of PANEL columns: entry (row, column) of panel q of an array with R rows is at
(q * R + row) * PANEL + column. A strip is one or more vectors of points, a panel one or more strips. Where there are 16
registers, a tile of 8 units is made in two halves, so that a weight still meets two vectors of points. Sums run over j
in order, one fused operation per step, so results depend neither on the width of the vectors nor on the strips.

`product_tile_N` are the same without relu and without peaks, for kernels that need the sums of both signs.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = [
    "PANEL",
    "UNITS",
    "product_tile_1",
    "product_tile_2",
    "product_tile_4",
    "product_tile_8",
    "rectified_tile_1",
    "rectified_tile_2",
    "rectified_tile_4",
    "rectified_tile_8",
]

PANEL = 32  # columns of a panel: two 512-bit vectors of single precision
UNITS = (8, 4, 2, 1)  # units a tile may hold


def _vector_bits() -> int:
    """Return the width of this processor's vector registers."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx2") else 128


BITS = _vector_bits()
SUM_REGISTERS = 16 if BITS == 512 else 8  # half of the vector registers: more sums would not stay in them


def _make_tile(units: int, rectified: bool) -> Any:
    """Build the tile of a number of units as an intrinsic: arrays and offsets in, nothing out."""

    @intrinsic
    def tile(typing_context, z, x, peak, parameters, at, fan_in, has_bias):
        signature = types.void(z, x, peak, parameters, at, types.intp, types.boolean)
        element = z.dtype

        def generate(context, builder, signature, arguments):
            z, x, peak, (weights, biases), at = signature.args[:5]
            values = [*arguments[:3], *(builder.extract_value(arguments[3], i) for i in range(2))]
            pointers = [
                context.make_array(kind)(context, builder, value).data
                for kind, value in zip((z, x, peak, weights, biases), values, strict=True)
            ]
            offsets = [
                context.cast(builder, builder.extract_value(arguments[4], i), kind, types.intp)
                for i, kind in enumerate(at)
            ]
            real = ir.FloatType() if element == types.float32 else ir.DoubleType()
            lanes = BITS // (32 if element == types.float32 else 64)
            together = min(units, SUM_REGISTERS // 2)  # units whose sums for two vectors stay in registers
            n_vectors = min(SUM_REGISTERS // together, PANEL // lanes)
            for first in range(0, units, together):
                here = _later_units(builder, offsets, arguments[5], first)
                for start in range(0, PANEL, n_vectors * lanes):
                    columns = [start + v * lanes for v in range(n_vectors)]
                    _generate_strip(
                        builder, pointers, [*here, *arguments[5:]], (real, lanes), (together, rectified), columns
                    )
            return context.get_dummy_value()

        return signature, generate

    return tile


def _later_units(builder: Any, offsets: list[Any], fan_in: Any, first: int) -> list[Any]:
    """Return the offsets of the tile's units from number `first` on."""
    z_at, x_at, w_at, b_at, peak_at = offsets
    number = ir.Constant(z_at.type, first)
    z_at = builder.add(z_at, builder.mul(number, ir.Constant(z_at.type, PANEL)))
    return [z_at, x_at, builder.add(w_at, builder.mul(number, fan_in)), builder.add(b_at, number), peak_at]


def _generate_strip(builder, pointers, offsets, vector_kind, kind, first_columns):
    """Emit the loop over j for one strip of points, given the first column of each of its vectors in the panel."""
    units, rectified = kind
    z, x, peak, weights, biases = pointers
    real, lanes = vector_kind
    z_at, x_at, w_at, b_at, peak_at, fan_in, has_bias = offsets
    index = ir.IntType(64)
    vector = ir.VectorType(real, lanes)
    align = 4 if isinstance(real, ir.FloatType) else 8
    suffix = f"v{lanes}{'f32' if align == 4 else 'f64'}"
    fused = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.{suffix}"
    )
    larger = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 2), f"llvm.maxnum.{suffix}"
    )
    zero = ir.Constant(vector, [ir.Constant(real, 0.0)] * lanes)
    undefined = ir.Constant(vector, ir.Undefined)
    first_lane = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def constant(value: int) -> Any:
        return ir.Constant(index, value)

    def place(base, offset):
        return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

    def load(base, offset):
        value = builder.load(place(base, offset))
        value.align = align
        return value

    def store(value, base, offset):
        builder.store(value, place(base, offset)).align = align

    def spread(base, offset):
        scalar = builder.load(builder.gep(base, [offset]))
        scalar.align = align
        lane = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(lane, undefined, first_lane)

    columns = [constant(column) for column in first_columns]
    x_base = builder.gep(x, [x_at])
    rows = [builder.gep(weights, [builder.add(w_at, builder.mul(fan_in, constant(i)))]) for i in range(units)]
    without = builder.basic_block
    with_biases = builder.append_basic_block("biases")
    loop, after = builder.append_basic_block("products"), builder.append_basic_block("rectify")
    builder.cbranch(builder.trunc(has_bias, ir.IntType(1)), with_biases, loop)
    builder.position_at_end(with_biases)
    ones_at = builder.mul(fan_in, constant(PANEL))
    ones = [load(x_base, builder.add(ones_at, column)) for column in columns]
    initial = []
    for i in range(units):
        bias = spread(biases, builder.add(b_at, constant(i)))
        initial.append([builder.fmul(bias, one) for one in ones])
    builder.branch(loop)
    builder.position_at_end(loop)
    j = builder.phi(index)
    for before in (without, with_biases):
        j.add_incoming(constant(0), before)
    sums = [[builder.phi(vector) for _ in columns] for _ in range(units)]
    for phis, values in zip(sums, initial, strict=True):
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(zero, without)
            phi.add_incoming(value, with_biases)
    x_row = builder.gep(x_base, [builder.mul(j, constant(PANEL))])
    inputs = [load(x_row, column) for column in columns]
    totals = []
    for row, phis in zip(rows, sums, strict=True):
        weight = spread(row, j)
        totals.append([builder.call(fused, [weight, value, phi]) for value, phi in zip(inputs, phis, strict=True)])
        for phi, total in zip(phis, totals[-1], strict=True):
            phi.add_incoming(total, loop)
    following = builder.add(j, constant(1))
    j.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, fan_in), loop, after)

    builder.position_at_end(after)
    for v, column in enumerate(columns):
        if not rectified:
            for i in range(units):
                store(totals[i][v], z, builder.add(z_at, builder.add(column, constant(i * PANEL))))
            continue
        heights = [load(peak, builder.add(peak_at, column))]
        for i in range(units):
            value = builder.call(larger, [totals[i][v], zero])
            store(value, z, builder.add(z_at, builder.add(column, constant(i * PANEL))))
            heights.append(value)
        while len(heights) > 1:  # in pairs, not one after another: the processor does several at a time
            last = heights[-1:] if len(heights) % 2 else []
            heights = [builder.call(larger, pair) for pair in zip(heights[::2], heights[1::2], strict=False)] + last
        store(heights[0], peak, builder.add(peak_at, column))


def _make_plain_tile(units: int, rectified: bool) -> Callable[..., None]:
    """Return the same tile in plain Python, for runs without the compiler."""

    def tile(z, x, peak, parameters, at, fan_in, has_bias):
        weights, biases = parameters
        z_at, x_at, w_at, b_at, peak_at = at
        panel = x[x_at : x_at + (fan_in + 1) * PANEL].reshape(fan_in + 1, PANEL)
        ones = panel[fan_in] * has_bias
        for i in range(units):
            row = weights[w_at + i * fan_in : w_at + (i + 1) * fan_in]
            value = row @ panel[:fan_in] + biases[b_at + i] * ones
            value = value.clip(0) if rectified else value
            z[z_at + i * PANEL : z_at + (i + 1) * PANEL] = value
            if rectified:
                here = peak[peak_at : peak_at + PANEL]
                here[:] = value.clip(here)

    return tile


SETTINGS: Any = numba.config
_make = _make_plain_tile if SETTINGS.DISABLE_JIT else _make_tile
rectified_tile_8, rectified_tile_4, rectified_tile_2, rectified_tile_1 = (_make(units, True) for units in UNITS)
product_tile_8, product_tile_4, product_tile_2, product_tile_1 = (_make(units, False) for units in UNITS)

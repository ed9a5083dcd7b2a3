"""Lay out a program for the kernels: the table of its steps, one array of constants, weights in the order of reading.

Every weight matrix lies in strips (see `sparse_products`); one with many zeros also column by column and row by row
without them. Strips hold the bits of the layer's precision. Vectors take turns in a few places: a value's place is free
again after the last step that reads it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inference.programs import KINDS, Program
from neurondeath.simulations.inference.weight_precision import PLACES, in_bits, unit_scales
from neurondeath.simulations.kernels import sparse_chain as codes
from neurondeath.simulations.kernels.gathered_sums import LANES, WIDTHS
from neurondeath.simulations.kernels.needed_units import WORD
from neurondeath.simulations.kernels.packed_arguments import ChainProgram, ChainScratch

__all__ = ["LEAST_ZERO_WEIGHTS", "Packed", "new_scratch", "pack"]

LEAST_ZERO_WEIGHTS = 0.5  # share of zeros from which weights are also laid out without them
FAR_FLOATS = 96 * 1024  # weights of a network beyond which they do not stay in the second-level cache
AHEAD = 4  # needed units whose weights are fetched ahead, there
ALIGNMENT = 16  # numbers of a cache line


class Packed(NamedTuple):
    """A program laid out: what the kernels read, what a row takes of the scratch, steps that may skip zero weights."""

    program: ChainProgram
    row_floats: int
    list_stride: int
    table_floats: int
    sparse_weights: frozenset[int]


def pack(program: Program) -> Packed:
    """Lay out a program."""
    steps = np.zeros((len(program.steps), codes.N_COLUMNS), np.int64)
    places, row_floats = _places(program)
    parts, stored = _Parts(np.dtype(np.float32)), _Parts(np.dtype(np.int32))
    layers: dict[int, list[int]] = {}
    sparse = set()
    for number, step in enumerate(program.steps):
        size, target_size = program.sizes[step.sources[0]], program.sizes[number + 1]
        row = steps[number]
        row[codes.KIND] = KINDS[step.kind].code
        row[codes.SOURCE], row[codes.SOURCE_STRIDE] = places[step.sources[0]], padded(size)
        row[codes.OTHER] = places[step.sources[-1]]
        row[codes.TARGET], row[codes.TARGET_STRIDE] = places[number + 1], padded(target_size)
        row[codes.SIZE], row[codes.TARGET_SIZE] = size, target_size
        if step.kind == "product":
            if step.layer not in layers:
                layers[step.layer] = _add_layer(program, step.layer, parts, stored)
            row[codes.CONSTANTS] = layers[step.layer][0]
            row[codes.STRIPS : codes.N_COLUMNS] = layers[step.layer][1:]
            if program.layers[step.layer].zero_share >= LEAST_ZERO_WEIGHTS:
                sparse.add(number)
            continue
        row[codes.CONSTANTS] = parts.add(np.concatenate([np.array(step.numbers, np.float32), step.vector]))
        row[codes.COUNT] = int(step.numbers[0]) if step.kind == "largest" else (len(step.vector) - 3) // 4
    if sum(layer.weight.size // PLACES[layer.precision] for layer in program.layers) > FAR_FLOATS:
        steps[program.products, codes.COUNT] = AHEAD
    largest = max(program.sizes)
    table = (largest + 1) * 4 * LANES if sparse else 0
    arrays = ChainProgram(steps, parts.joined(), stored.joined())
    return Packed(arrays, row_floats, padded(largest) + WORD, table, frozenset(sparse))


def new_scratch(packed: Packed, n_rows: int) -> ChainScratch:
    """Return scratch for runs of up to so many rows."""
    lists = (packed.list_stride + 2) * n_rows
    floats = packed.row_floats * n_rows + WORD + max(packed.list_stride * n_rows, packed.table_floats) + WORD
    return ChainScratch(_aligned(floats), np.zeros(lists, np.int32))


def padded(size: int) -> int:
    """Round a size up to whole vectors."""
    return -(-size // LANES) * LANES


def strips(n_outputs: int) -> Iterator[tuple[int, int]]:
    """Yield first column and width of the strips of a layer, in numbers, as `add_needed` passes through them."""
    column, left = 0, padded(n_outputs) // LANES
    while left:
        width = next(width for width in WIDTHS if width <= left)
        yield column * LANES, width * LANES
        column, left = column + width, left - width


def _places(program: Program) -> tuple[list[int], int]:
    """Return where every value begins, per row, and the numbers that one row takes."""
    last_use = {0: -1}
    for number, step in enumerate(program.steps):
        last_use[number + 1] = len(program.steps)
        last_use.update(dict.fromkeys(step.sources, number))
    end = _whole_lines(program.sizes[0])
    free: list[tuple[int, int]] = []  # places: room and beginning
    taken = [(end, 0)]
    for number, step in enumerate(program.steps):
        need = _whole_lines(program.sizes[number + 1])
        fitting = sorted(place for place in free if place[0] >= need)
        if fitting:
            free.remove(fitting[0])
            taken.append(fitting[0])
        else:
            taken.append((need, end))
            end += need
        free += [taken[source] for source in {*step.sources} if last_use[source] == number]
    return [begin for _, begin in taken], end


def _whole_lines(size: int) -> int:
    return -(-padded(size) // ALIGNMENT) * ALIGNMENT


def _add_layer(program: Program, number: int, parts: "_Parts", stored: "_Parts") -> list[int]:
    """Lay out a layer; return where its biases, strips, and weights without zeros begin, in the order of the codes."""
    layer = program.layers[number]
    weight, places = layer.weight, PLACES[layer.precision]
    n_outputs, n_inputs = weight.shape
    biases = np.zeros(padded(n_outputs), np.float32)
    biases[:n_outputs] = layer.bias
    at = [parts.add(biases)]
    bits = in_bits(weight, layer.precision)
    by_unit = np.zeros((n_inputs, padded(n_outputs)), bits.dtype)
    by_unit[:, :n_outputs] = bits.T
    strip_list = [by_unit[:, column : column + width].ravel() for column, width in strips(n_outputs)]
    at.append(parts.add(np.concatenate(strip_list).view(np.float32)))
    forms = []
    for matrix in (weight.T, weight) if layer.zero_share >= LEAST_ZERO_WEIGHTS else ():
        rows, columns = np.nonzero(matrix)  # column by column, then row by row
        begins = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))])
        forms += [parts.add(matrix[rows, columns]), stored.add(begins), stored.add(columns)]
    scales = parts.add(unit_scales(weight, layer.precision)) if layer.precision == "int8" else 0
    return [*at, *(forms or [0] * 6), scales, places]


class _Parts:
    """Arrays to be joined, each from a whole cache line on."""

    def __init__(self, dtype: np.dtype[np.float32] | np.dtype[np.int32]) -> None:
        self._dtype, self._parts, self._end = dtype, [(0, np.zeros(0, dtype))], 0

    def add(self, part: npt.NDArray[Any]) -> int:
        """Add an array; return where it begins."""
        begin = self._end
        self._parts.append((begin, part.astype(self._dtype)))
        self._end += -(-len(part) // ALIGNMENT) * ALIGNMENT
        return begin

    def joined(self) -> npt.NDArray[Any]:
        """Return all arrays in one."""
        whole = _aligned(self._end + ALIGNMENT).view(self._dtype)
        for begin, part in self._parts:
            whole[begin : begin + len(part)] = part
        return whole


def _aligned(size: int) -> npt.NDArray[np.float32]:
    """Return zeros that begin at a cache line."""
    array = np.zeros(size + ALIGNMENT, np.float32)
    begin = (-array.ctypes.data // 4) % ALIGNMENT
    return array[begin : begin + size]

"""Points in panels of PANEL columns: entry (row, column) of an array with R rows is at index `place(R, row, column)`.

The row after the last unit holds the constant that the biases multiply.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import inlined_kernel, kernel
from neurondeath.simulations.kernels.packed_arguments import TileOffsets
from neurondeath.simulations.kernels.tile import (
    PANEL,
    product_tile_1,
    product_tile_2,
    product_tile_4,
    product_tile_8,
    rectified_tile_1,
    rectified_tile_2,
    rectified_tile_4,
    rectified_tile_8,
)

__all__ = [
    "aligned",
    "lay_out",
    "move_together",
    "n_panels_of",
    "pass_constant",
    "place",
    "product_units",
    "rectified_units",
    "rescale",
    "survey",
]

CACHE_LINE = 64  # bytes
SAFE_LOW, SAFE_HIGH = 2.0**-30, 2.0**30  # peaks that need no rescaling
SAFE_BITS_32 = tuple(np.array([SAFE_LOW, SAFE_HIGH], np.float32).view(np.int32))
SAFE_BITS_64 = tuple(np.array([SAFE_LOW, SAFE_HIGH], np.float64).view(np.int64))


@kernel
def aligned(size, like):
    """Create an array of zeros that begins on a cache line, so that no vector of points crosses two lines."""
    spare = CACHE_LINE // like.itemsize
    buffer = np.zeros(size + spare, like.dtype)
    start = -buffer.ctypes.data % CACHE_LINE // like.itemsize
    return buffer[start : start + size]


@kernel
def place(rows, row, column):
    """Return the index of an entry of an array in panels."""
    return (column // PANEL * rows + row) * PANEL + column % PANEL


@kernel
def n_panels_of(n_columns):
    """Return the number of panels for a number of columns."""
    return -(-n_columns // PANEL)


@kernel
def lay_out(out, points, rows):
    """Fill an array in panels with a matrix that has one column per point."""
    for column in range(points.shape[1]):
        for row in range(points.shape[0]):
            out[place(rows, row, column)] = points[row, column]


@kernel
def rectified_units(z, x, peak, parameters, units, rows, n_panels):
    """Compute a range of units at all points, panel by panel, in tiles of 8, 4, 2 and 1."""
    fan_in, has_bias = units.fan_in, units.has_bias
    for panel in range(n_panels):
        i = 0
        while i + 8 <= units.n_units:
            rectified_tile_8(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)
            i += 8
        if i + 4 <= units.n_units:
            rectified_tile_4(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)
            i += 4
        if i + 2 <= units.n_units:
            rectified_tile_2(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)
            i += 2
        if i < units.n_units:
            rectified_tile_1(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)


@kernel
def product_units(z, x, peak, parameters, units, rows, n_panels):
    """Compute the sums of a range of units at all points without rectifying them; `peak` is left as it is."""
    fan_in, has_bias = units.fan_in, units.has_bias
    for panel in range(n_panels):
        i = 0
        while i + 8 <= units.n_units:
            product_tile_8(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)
            i += 8
        if i + 4 <= units.n_units:
            product_tile_4(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)
            i += 4
        if i + 2 <= units.n_units:
            product_tile_2(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)
            i += 2
        if i < units.n_units:
            product_tile_1(z, x, peak, parameters, _tile_offsets(units, rows, panel, i), fan_in, has_bias)


@inlined_kernel
def _tile_offsets(units, rows, panel, i):
    """Return the offsets of the tile that begins with unit number i of a range."""
    x_at = panel * rows * PANEL
    z_at = x_at + (units.first + i) * PANEL
    return TileOffsets(z_at, x_at, units.weights_at + i * units.fan_in, units.biases_at + i, panel * PANEL)


@kernel
def survey(peak):
    """Count the positive peaks, and those of them outside the safe range.

    Floats of 0 and above have the order of their bits, and integers are compared one vector at a time.
    """
    if peak.itemsize == 4:
        return _count_bits(peak.view(np.int32), SAFE_BITS_32[0], SAFE_BITS_32[1])
    return _count_bits(peak.view(np.int64), SAFE_BITS_64[0], SAFE_BITS_64[1])


@kernel
def _count_bits(bits, low, high):
    """Count positive entries, and those outside low .. high; 32-bit counters let a vector hold more entries."""
    positive, unsafe = np.int32(0), np.int32(0)
    for p in range(bits.size):
        positive = np.int32(positive + (bits[p] > 0))
        unsafe = np.int32(unsafe + ((bits[p] > high) | ((bits[p] > 0) & (bits[p] < low))))
    return positive, unsafe


@kernel
def pass_constant(z, x, peak, rows, n_panels, fan_in, width):
    """Copy the row of constants to the output, 0 for dead points."""
    for panel in range(n_panels):
        at = panel * rows * PANEL
        for p in range(PANEL):
            constant = x[at + fan_in * PANEL + p]
            z[at + width * PANEL + p] = constant if peak[panel * PANEL + p] > 0 else 0 * constant


@kernel
def move_together(x, peak, rows, width, n_columns):
    """Move the living columns to the front, in order, and clear the rest of their last panel."""
    to = 0
    for column in range(n_columns):
        if peak[column] > 0:
            if to < column:
                for row in range(width + 1):
                    x[place(rows, row, to)] = x[place(rows, row, column)]
                peak[to] = peak[column]
            to += 1
    for column in range(to, min(n_panels_of(to) * PANEL, n_panels_of(n_columns) * PANEL)):
        peak[column] = 0
        for row in range(width + 1):
            x[place(rows, row, column)] = 0


@kernel
def rescale(x, peak, rows, width, n_columns, has_bias):
    """Rescale columns whose largest value is outside the safe range to about 1, by a power of two."""
    for column in range(n_columns):
        if peak[column] == 0 or SAFE_LOW <= peak[column] <= SAFE_HIGH:
            continue
        power = -math.frexp(peak[column])[1]
        constant = x[place(rows, width, column)]
        if has_bias and constant > 0:  # a constant that underflowed no longer counts
            power = min(power, 1 - math.frexp(constant)[1])
        for row in range(width + 1 if has_bias else width):
            at = place(rows, row, column)
            x[at] = math.ldexp(x[at], power)

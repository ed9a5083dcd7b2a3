"""Products with a layer's weights that read only the weights of needed units, or only the weights that are not zero.

    target[r] = bias + W x[r]    for rows r of a batch

- `add_needed`: the units that are not zero are listed, and their outgoing weights added up. Weights lie in strips of up
  to 12 vectors of outputs, a strip holds the weights of unit after unit, so those of a needed unit are contiguous. Rows
  of a batch share what is in the processor's cache: strips are cut into blocks of units that fit. Weights may be stored
  in 16 or 8 bits, 2 or 4 to a place; those of 8 bits are whole numbers, and each unit has the scale of its own.
- `add_scattered`: weights with many zeros, column by column: the nonzero weights of every needed unit.
- `add_by_output`: the same weights row by row, for many inputs at once, which lie side by side.

A weight that is skipped because it is zero would make infinity or NaN of its unit a NaN; such units are treated apart.
"""

from neurondeath.simulations.kernels.gathered_sums import LANES, gathered_sum
from neurondeath.simulations.kernels.jit import inlined_kernel, kernel
from neurondeath.simulations.kernels.needed_units import list_needed

__all__ = [
    "BLOCK_FLOATS",
    "add_by_output",
    "add_needed",
    "add_scattered",
    "are_finite",
    "start_from_bias",
]

BLOCK_FLOATS = 48 * 1024  # of a block of weights that a batch shares: 192 KiB, of a second-level cache of 512


@inlined_kernel
def start_from_bias(space, target, stride, biases, at, n_rows):
    """Set every row of the target to the bias."""
    for r in range(n_rows):
        for i in range(stride):
            space[target + r * stride + i] = biases[at + i]


@inlined_kernel
def strip_width(n_vectors):
    """Return the width of the next strip where so many vectors of outputs are left."""
    if n_vectors >= 12:
        return 12
    if n_vectors >= 8:
        return 8
    if n_vectors >= 4:
        return 4
    return n_vectors if n_vectors < 3 else 2


@kernel
def add_needed(space, constants, numbers, place, shape, lists, n_rows):
    """Add the weights of needed units to every row of the target, which holds the bias.

    `place` holds where sources, targets, weights, factors and the scales of weights of 8 bits begin, `shape` the sizes
    of a source and of a target and their strides, `lists` the stride of the lists, where counts and beginnings of the
    rows are in `numbers`, how many rows of weights to fetch ahead, and how many weights are stored in a place.
    """
    source, target, weights, factors, scales = place
    n_inputs, n_outputs, source_stride, target_stride = shape
    list_stride, counts, begins, ahead, parts = lists
    for r in range(n_rows):
        numbers[counts + r] = list_needed(
            space, source + r * source_stride, n_inputs, numbers, r * list_stride, factors + r * list_stride
        )
        numbers[begins + r] = 0
        if parts == 4:
            for k in range(numbers[counts + r]):
                space[factors + r * list_stride + k] *= constants[scales + numbers[r * list_stride + k]]
    n_vectors = (n_outputs + LANES - 1) // LANES
    block = n_inputs if n_rows == 1 else max(64, BLOCK_FLOATS * parts // (12 * LANES))
    for block_at in range(0, n_inputs, block):
        end = block_at + block
        column = 0
        while column < n_vectors:
            width = strip_width(n_vectors - column)
            stride, rows_at = width * LANES // parts, weights + column * LANES * n_inputs // parts
            for r in range(n_rows):
                first = numbers[begins + r]
                last = numbers[counts + r]
                if end < n_inputs:
                    last = first
                    while last < numbers[counts + r] and numbers[r * list_stride + last] < end:
                        last += 1
                at = (
                    target + r * target_stride + column * LANES,
                    rows_at,
                    factors + r * list_stride + first,
                    r * list_stride + first,
                    stride,
                )
                gathered_sum(space, constants, space, numbers, at, last - first, ahead, width, parts)
                if column + width == n_vectors:
                    numbers[begins + r] = last
            column += width


@kernel
def add_scattered(space, constants, stored, numbers, place, shape):
    """Add the nonzero weights of the needed units of one row to the target, which holds the bias.

    `place` holds where source, target, weights and factors begin; where the columns begin and the outputs of the
    weights, in `stored`. `shape` holds the sizes of source and target.
    """
    source, target, weights, factors, columns, outputs = place
    n_inputs, n_outputs = shape
    count = list_needed(space, source, n_inputs, numbers, 0, factors)
    for k in range(count):
        unit, factor = numbers[k], space[factors + k]
        first, last = stored[columns + unit], stored[columns + unit + 1]
        for e in range(first, last):
            space[target + stored[outputs + e]] += factor * constants[weights + e]
        if factor - factor != 0.0:  # infinite or NaN
            e = first
            for i in range(n_outputs):
                if e < last and stored[outputs + e] == i:
                    e += 1
                else:
                    space[target + i] += factor - factor


@kernel
def add_by_output(space, constants, stored, place, shape, n_rows):
    """Add the nonzero weights of every output to the target, for as many rows at once as `shape` says.

    `place` holds where sources, targets, weights and a table of the transposed rows begin; where the weights of every
    output begin and their inputs, in `stored`. `shape` holds the sizes of a source and of a target and their strides.
    The rows hold finite numbers.
    """
    source, target, weights, table, outputs, inputs = place
    n_inputs, n_outputs, source_stride, target_stride = shape
    side = 4 * LANES
    sums = table + n_inputs * side
    for first_row in range(0, n_rows, side):
        n = min(side, n_rows - first_row)
        for j in range(n_inputs):
            for r in range(side):
                space[table + j * side + r] = space[source + (first_row + r) * source_stride + j] if r < n else 0.0
        for i in range(n_outputs):
            for r in range(side):
                space[sums + r] = 0.0
            first = stored[outputs + i]
            at = (sums, table, weights + first, inputs + first, side)
            gathered_sum(space, space, constants, stored, at, stored[outputs + i + 1] - first, 0, 4, 1)
            for r in range(n):
                space[target + (first_row + r) * target_stride + i] += space[sums + r]


@kernel
def are_finite(space, at, size, stride, n_rows):
    """Return whether all entries of all rows are finite."""
    for r in range(n_rows):
        for i in range(size):
            x = space[at + r * stride + i]
            if x - x != 0.0:
                return False
    return True

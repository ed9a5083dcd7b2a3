"""A whole chain of layers in one call: the rows of a table are executed one after another on a batch of inputs.

A step is a row of integers. SOURCE, OTHER and TARGET are where vectors begin, in numbers per row of the batch: with n
rows a vector that begins at s lies from s * n on, row after row, each of the vector's stride. What follows depends on
the kind of step: where its constants begin, and of products where the weights lie in their two forms, where the scales
of weights of 8 bits, and how many weights are stored in a place of the first form.
"""

from neurondeath.simulations.kernels.chain_steps import (
    add_scaled,
    apply_affine,
    apply_jump,
    apply_pieces,
    apply_threshold,
    bring_to_centre,
    keep_largest,
    multiply,
    rescale_rows,
    square,
    standardise,
)
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.needed_units import WORD
from neurondeath.simulations.kernels.sparse_products import (
    add_by_output,
    add_needed,
    add_scattered,
    are_finite,
    start_from_bias,
)

__all__ = ["BY_UNITS", "BY_WEIGHTS", "N_COLUMNS", "SIDE_BY_SIDE", "run_chain"]

# columns of a step
KIND, SOURCE, SOURCE_STRIDE, OTHER, TARGET, TARGET_STRIDE, SIZE, TARGET_SIZE, CONSTANTS, COUNT = range(10)
STRIPS, COLUMN_WEIGHTS, COLUMNS, OUTPUTS, ROW_WEIGHTS, ROWS, INPUTS, SCALES, PARTS = range(10, 19)
N_COLUMNS = 19
# kinds of steps
BY_UNITS, BY_WEIGHTS, BY_LIBRARY, THRESHOLD, SQUARE, JUMP, PIECES, LARGEST, RESCALE, CENTRE, SUM = range(11)
AFFINE, STANDARDISE, TIMES = 11, 12, 13
ON_ALL = (THRESHOLD, SQUARE, PIECES, SUM, TIMES)  # treat every entry alike
SIDE_BY_SIDE = 8  # rows from which products by weights take all of them at once


@kernel
def run_chain(x, out, steps, constants, stored, space, numbers, extent):
    """Run a part of a chain; the first step reads `x`, shape (n_rows, size), the last one fills `out`.

    The fields of `ChainProgram` and `ChainScratch` are passed one by one: to pass a named tuple of arrays takes a
    microsecond, as long as a small layer. `extent` holds the first step and the one after the last, the number of
    rows, what a row takes of the space, and the stride of its lists. Products by a library of matrices are left to the
    caller, who runs the parts between them.
    """
    first, last, n_rows, row_floats, list_stride = extent
    if first == 0:
        stride = steps[0, SOURCE_STRIDE]
        for r in range(n_rows):
            for i in range(x.shape[1]):
                space[r * stride + i] = x[r, i]
    for number in range(first, last):
        kind = steps[number, KIND]
        if kind == BY_UNITS:
            _multiply_by_units(steps, number, space, constants, numbers, (n_rows, row_floats, list_stride))
        elif kind == BY_WEIGHTS:
            _multiply_by_weights(steps, number, space, constants, stored, numbers, (n_rows, row_floats, list_stride))
        elif kind in ON_ALL:
            _run_on_all(steps, number, space, constants, n_rows)
        else:
            _run_by_rows(steps, number, space, constants, n_rows, row_floats)
    if last == steps.shape[0]:
        begin, stride = steps[last - 1, TARGET] * n_rows, steps[last - 1, TARGET_STRIDE]
        for r in range(n_rows):
            for i in range(out.shape[1]):
                out[r, i] = space[begin + r * stride + i]


@kernel
def _multiply_by_units(steps, number, space, constants, numbers, extent):
    n_rows, row_floats, list_stride = extent
    source, target = steps[number, SOURCE] * n_rows, steps[number, TARGET] * n_rows
    start_from_bias(space, target, steps[number, TARGET_STRIDE], constants, steps[number, CONSTANTS], n_rows)
    place = (source, target, steps[number, STRIPS], row_floats * n_rows + WORD, steps[number, SCALES])
    shape = (
        steps[number, SIZE],
        steps[number, TARGET_SIZE],
        steps[number, SOURCE_STRIDE],
        steps[number, TARGET_STRIDE],
    )
    counts, begins = list_stride * n_rows, (list_stride + 1) * n_rows
    lists = (list_stride, counts, begins, steps[number, COUNT], steps[number, PARTS])
    add_needed(space, constants, numbers, place, shape, lists, n_rows)


@kernel
def _multiply_by_weights(steps, number, space, constants, stored, numbers, extent):
    n_rows, row_floats, _ = extent
    source, target = steps[number, SOURCE] * n_rows, steps[number, TARGET] * n_rows
    source_stride, target_stride = steps[number, SOURCE_STRIDE], steps[number, TARGET_STRIDE]
    start_from_bias(space, target, target_stride, constants, steps[number, CONSTANTS], n_rows)
    free = row_floats * n_rows + WORD
    size, target_size = steps[number, SIZE], steps[number, TARGET_SIZE]
    if n_rows >= SIDE_BY_SIDE and are_finite(space, source, size, source_stride, n_rows):
        place = (source, target, steps[number, ROW_WEIGHTS], free, steps[number, ROWS], steps[number, INPUTS])
        add_by_output(space, constants, stored, place, (size, target_size, source_stride, target_stride), n_rows)
        return
    for r in range(n_rows):
        x_at, y_at = source + r * source_stride, target + r * target_stride
        place = (x_at, y_at, steps[number, COLUMN_WEIGHTS], free, steps[number, COLUMNS], steps[number, OUTPUTS])
        add_scattered(space, constants, stored, numbers, place, (size, target_size))


@kernel
def _run_on_all(steps, number, space, constants, n_rows):
    """Run a step that treats every entry alike, on all rows at once."""
    source, target, at = steps[number, SOURCE] * n_rows, steps[number, TARGET] * n_rows, steps[number, CONSTANTS]
    size = steps[number, SOURCE_STRIDE] * n_rows
    kind = steps[number, KIND]
    if kind == THRESHOLD:
        apply_threshold(space, source, target, size, constants, at)
    elif kind == SQUARE:
        square(space, source, target, size)
    elif kind == PIECES:
        apply_pieces(space, source, target, size, constants, at, steps[number, COUNT])
    elif kind == TIMES:
        multiply(space, source, steps[number, OTHER] * n_rows, target, size)
    else:
        add_scaled(space, (source, steps[number, OTHER] * n_rows), target, size, constants, at)


@kernel
def _run_by_rows(steps, number, space, constants, n_rows, row_floats):
    """Run a step row by row."""
    at, size, kind = steps[number, CONSTANTS], steps[number, SIZE], steps[number, KIND]
    for r in range(n_rows):
        source = steps[number, SOURCE] * n_rows + r * steps[number, SOURCE_STRIDE]
        target = steps[number, TARGET] * n_rows + r * steps[number, TARGET_STRIDE]
        if kind == JUMP:
            apply_jump(space, source, target, size, constants, at)
        elif kind == LARGEST:
            keep_largest(space, source, target, size, steps[number, COUNT], row_floats * n_rows + WORD)
        elif kind == RESCALE:
            rescale_rows(space, source, target, size, constants, at)
        elif kind == CENTRE:
            bring_to_centre(space, source, target, size, constants, at)
        elif kind == AFFINE:
            apply_affine(space, source, target, size, constants, at)
        elif kind == STANDARDISE:
            standardise(space, source, target, size, constants, at)

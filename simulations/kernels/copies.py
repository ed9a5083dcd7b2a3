"""Copy arrays by plain loops: an assignment to a slice takes seconds to compile, for the text of its error."""

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["copy_entries", "copy_rows"]


@kernel
def copy_entries(out, source):
    """Copy the entries of an array."""
    for i in range(source.size):
        out[i] = source[i]


@kernel
def copy_rows(out, source, rows):
    """Copy the first rows of a matrix."""
    for i in range(rows):
        for p in range(source.shape[1]):
            out[i, p] = source[i, p]

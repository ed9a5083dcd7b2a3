"""Copy arrays by plain loops: an assignment to a slice takes seconds to compile, for the text of its error."""

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["copy_entries", "copy_panel_rows", "copy_rows"]


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


@kernel
def copy_panel_rows(out, source, rows, source_rows, count, n_panels):
    """Copy the first `count` rows of an array in panels with `source_rows` rows to one with `rows` rows."""
    length = count * PANEL
    for panel in range(n_panels):
        to, at = panel * rows * PANEL, panel * source_rows * PANEL
        copy_entries(out[to : to + length], source[at : at + length])

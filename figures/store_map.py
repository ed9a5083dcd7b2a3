"""A map of a results store: one column as colour over two others, such as P(alive) over width and depth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from neurondeath.figures.column_labels import label_of
from neurondeath.figures.picture import house_style, new_figure
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.validation import invalid

__all__ = ["draw_store_map"]

MOST_WRITTEN = 120  # cells up to which their values are written into them
MOST_TICKS = 14

Table = Mapping[str, Sequence[Any]]


def draw_store_map(
    table: Table, *, x: str = "width", down: str = "n_layers", y: str = "alive", log: bool = False
) -> Figure:
    """Draw a column as the colour of a grid of cells.

    Parameters
    ----------
    table : mapping of str to sequence
        Rows of estimates, as `neurondeath.simulations.estimation.layer_table.layer_table` returns them.
    x, down : str
        Columns of the two axes; their values are the rows and columns of the grid, in order, equally spaced.
    y : str
        Column of numbers that the colour shows. P(alive) and other probabilities have the range from 0 to 1.
    log : bool
        Logarithmic colours; values not above 0 are left out.

    Returns
    -------
    matplotlib.figure.Figure
        The picture; cells without a value are empty.

    Raises
    ------
    InvalidArgumentError
        If a column is missing or holds no numbers, or two rows share a cell.
    """
    for name, column in (("x", x), ("group_by", down), ("y", y)):
        if column not in table:
            raise invalid(name, "name a column of the results", column, f"they are {', '.join(table)}")
    if any(isinstance(value, str) for value in table[y]):
        raise invalid("y", "name a column of numbers", y)
    known = [
        row
        for row, (a, b, value) in enumerate(zip(table[x], table[down], table[y], strict=True))
        if a is not None and b is not None and value is not None and np.isfinite(value) and (value > 0.0 or not log)
    ]
    if not known:
        raise invalid("y", f"have a value somewhere to draw over {x} and {down}", y)
    columns, rows = _sorted(table[x], known), _sorted(table[down], known)
    cells = np.full((len(rows), len(columns)), np.nan)
    owners: dict[tuple[int, int], int] = {}
    for row in known:
        cell = rows.index(table[down][row]), columns.index(table[x][row])
        if (other := owners.setdefault(cell, row)) != row:
            differ = [name for name in table if name not in (x, down) and table[name][row] != table[name][other]]
            remedy = f"two rows differ in {', '.join(differ[:3]) or 'nothing'}: leave rows out by a condition"
            raise invalid("group_by", "leave one row for every cell", f"{x}, {down}", remedy)
        cells[cell] = table[y][row]
    return _draw(cells, (columns, rows), (x, down, y), log)


def _sorted(values: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    return sorted({values[row] for row in rows}, key=lambda value: (isinstance(value, str), value))


def _draw(
    cells: np.ndarray[Any, np.dtype[np.float64]],
    places: tuple[list[Any], list[Any]],
    names: tuple[str, str, str],
    log: bool,
) -> Figure:
    x, down, y = names
    share = y in ("alive", "death", "living_ratio") and not log
    limits: dict[str, Any] = {"vmin": 0.0, "vmax": 1.0} if share else {}
    with house_style():
        figure = new_figure(4.6, 3.4)
        axis = figure.subplots()
        axis.grid(visible=False)
        mesh = axis.pcolormesh(cells, cmap="viridis", norm=LogNorm() if log else None, **limits)
        for direction, values in ((axis.xaxis, places[0]), (axis.yaxis, places[1])):
            step = -(-len(values) // MOST_TICKS)
            shown = range(0, len(values), step)
            texts = [value if isinstance(value, str) else format_number(value, 4) for value in values]
            direction.set_ticks([index + 0.5 for index in shown], [texts[index] for index in shown])
        axis.set_xlabel(label_of(x))
        axis.set_ylabel(label_of(down))
        figure.colorbar(mesh, label=label_of(y))
        if cells.size <= MOST_WRITTEN:
            _write_values(axis, mesh, cells)
    return figure


def _write_values(axis: Any, mesh: Any, cells: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Write the values into the cells, in black or white, whichever is readable."""
    colours = mesh.cmap(mesh.norm(np.ma.masked_invalid(cells)))
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            red, green, blue = colours[row, column][:3]
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            ink = "white" if dark else "black"
            axis.text(column + 0.5, row + 0.5, format_number(value, 2), color=ink, ha="center", va="center", size=6)

"""A result as an HTML table for notebooks: first and last rows, the columns that matter most."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from neurondeath_theory.foundation.number_format import format_number

__all__ = ["notebook_table"]

MOST_ROWS = 30  # of which the first and the last halves are shown
MOST_COLUMNS = 10
NUMBER, PROSE = "text-align:right", "text-align:left;white-space:normal"


def notebook_table(
    line: str, columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]], priority: Sequence[str] = ()
) -> str:
    """Return one line of text and a table below it.

    Parameters
    ----------
    line : str
        What stands above the table.
    columns : mapping of str to sequence
        Columns of one length; numbers are right-aligned, words left-aligned.
    priority : sequence of str
        Columns that are kept first where there are more than ten; the others follow in their own order.

    Returns
    -------
    str
        HTML, every text escaped.
    """
    order = [name for name in priority if name in columns] + [name for name in columns if name not in priority]
    kept = set(order[:MOST_COLUMNS])
    shown = {name: values for name, values in columns.items() if name in kept}
    n_rows = max((len(values) for values in columns.values()), default=0)
    half = MOST_ROWS // 2
    rows: list[int | None] = list(range(n_rows))
    if n_rows > MOST_ROWS:
        rows = [*range(half), None, *range(n_rows - half, n_rows)]
    styles = [NUMBER if _is_numeric(values) else PROSE for values in shown.values()]
    head = "".join(f'<th style="{style}">{escape(name)}</th>' for name, style in zip(shown, styles, strict=True))
    body = "".join(f"<tr>{_row(shown, styles, row)}</tr>" for row in rows)
    notes = []
    if n_rows > MOST_ROWS:
        notes.append(f"{n_rows - MOST_ROWS} of {n_rows} rows hidden")
    if len(shown) < len(columns):
        hidden = ", ".join(name for name in columns if name not in kept)
        notes.append(f"{len(columns) - len(shown)} columns hidden: {hidden}")
    below = f"<p>{escape('; '.join(notes))}; <code>.to_dataframe()</code> has all</p>" if notes else ""
    return f"<p>{escape(line)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def _row(columns: Mapping[str, Any], styles: Sequence[str], row: int | None) -> str:
    cells = ["…" if row is None else format_number(values[row]) for values in columns.values()]
    return "".join(f'<td style="{style}">{escape(cell)}</td>' for style, cell in zip(styles, cells, strict=True))


def _is_numeric(values: Sequence[Any] | np.ndarray[Any, Any]) -> bool:
    return all(value is None or isinstance(value, (int, float, np.number)) for value in values)

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
    line: str,
    columns: Mapping[str, Sequence[Any] | np.ndarray[Any, Any]],
    priority: Sequence[str] = (),
    calls: Sequence[str] = (),
) -> str:
    """Return one line of text, the calls that help, and a table that can be folded; columns beyond ten are folded.

    Parameters
    ----------
    line : str
        What stands above the table.
    columns : mapping of str to sequence
        Columns of one length; numbers are right-aligned, words left-aligned; cells of the column `call` are code.
    priority : sequence of str
        Columns that are kept first where there are more than ten; the others follow in their own order.
    calls : sequence of str
        Calls, each with a comment behind two spaces and # if it needs one.

    Returns
    -------
    str
        HTML, every text escaped.
    """
    order = [name for name in priority if name in columns] + [name for name in columns if name not in priority]
    kept = set(order[:MOST_COLUMNS])
    n_rows = max((len(values) for values in columns.values()), default=0)
    half = MOST_ROWS // 2
    rows: list[int | None] = list(range(n_rows))
    summary = f"{n_rows} row{'s' * (n_rows != 1)}"
    if n_rows > MOST_ROWS:
        rows = [*range(half), None, *range(n_rows - half, n_rows)]
        summary = f"{n_rows - MOST_ROWS} of {n_rows} rows hidden; <code>.to_dataframe()</code> has all"
    shown = {name: values for name, values in columns.items() if name in kept}
    hidden = {name: values for name, values in columns.items() if name not in kept}
    html = f"<p>{escape(line)}</p>{_list(calls)}{_folded(summary, shown, rows, is_open=True)}"
    if hidden:
        names = escape(f"{len(hidden)} columns hidden: {', '.join(hidden)}")
        html += _folded(names, {**dict(list(shown.items())[:1]), **hidden}, rows)
    return html


def _list(calls: Sequence[str]) -> str:
    """Write calls as code, with their comments."""
    if not calls:
        return ""
    parts = [call.partition("  #") for call in calls]
    items = [f"<li><code>{escape(call.strip())}</code> {escape(comment.strip())}</li>" for call, _, comment in parts]
    return f"<ul>{''.join(items)}</ul>"


def _folded(summary: str, columns: Mapping[str, Any], rows: Sequence[int | None], *, is_open: bool = False) -> str:
    """Write a table that a click on its summary, which is HTML, opens and closes."""
    styles = [NUMBER if _is_numeric(values) else PROSE for values in columns.values()]
    head = "".join(f'<th style="{style}">{escape(name)}</th>' for name, style in zip(columns, styles, strict=True))
    body = "".join(f"<tr>{_row(columns, styles, row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<details{' open' * is_open}><summary>{summary}</summary>{table}</details>"


def _row(columns: Mapping[str, Any], styles: Sequence[str], row: int | None) -> str:
    cells = []
    for (name, values), style in zip(columns.items(), styles, strict=True):
        text = escape("…" if row is None else format_number(values[row]))
        code = name == "call" and row is not None and text
        cells.append(f'<td style="{style}">{f"<code>{text}</code>" if code else text}</td>')
    return "".join(cells)


def _is_numeric(values: Sequence[Any] | np.ndarray[Any, Any]) -> bool:
    return all(value is None or isinstance(value, (int, float, np.number)) for value in values)

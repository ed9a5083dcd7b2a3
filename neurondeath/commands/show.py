"""`show`: the one way in which every command writes its data on stdout, as a table, as JSON or as CSV.

JSON holds all data. CSV holds one flat table, or the columns of it that `--columns` names. How tables are laid out in
a terminal and in a pipe is the rule of `neurondeath.commands.terminal_table`.
"""

import os
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from neurondeath.commands.data_formats import print_csv, print_json, records
from neurondeath.commands.legend import legend
from neurondeath.commands.output_options import Format, check_columns
from neurondeath.commands.tables import Layout, Table
from neurondeath.commands.terminal_table import Line, note_lines, table_lines
from neurondeath.commands.terminal_text import terminal_width, visible, wrap
from neurondeath_theory.foundation.results import Columns

__all__ = ["show", "show_path", "show_text"]


def show(
    columns: Columns,
    output: Format,
    *,
    chosen: str | None = None,
    title: str = "",
    lead: Sequence[str] = (),
    notes: Sequence[str] = (),
    layout: Layout | None = None,
    tables: Sequence[Table] | None = None,
    json: Callable[[], Any] | None = None,
) -> None:
    """Write data on stdout.

    Parameters
    ----------
    columns : mapping of str to sequence
        The data as one flat table, which CSV holds.
    output : Format
        Table, JSON or CSV.
    chosen : str, optional
        Value of `--columns`: "all", or names separated by commas.
    title, notes : str, sequence of str
        Text above and below a table.
    lead : sequence of str
        Lines before all tables: what matters most.
    layout : Layout, optional
        What to show of the columns, and what to keep of them in a narrow terminal.
    tables : sequence of Table, optional
        Tables to write in place of the flat one, unless columns are chosen by name.
    json : callable, optional
        Returns the JSON document; by default the rows of the flat table.

    Raises
    ------
    InvalidArgumentError
        If a chosen column is unknown, or columns are chosen for JSON.
    """
    names = check_columns(chosen, output, columns)
    flat = Table(columns=columns, title=title, layout=layout or Layout())
    if names is not None:
        named = {name: columns[name] for name in names if name in columns}
        flat, tables = replace(flat, columns=named, layout=replace(flat.layout, shown=None)), None
    if output is Format.json:
        print_json({"rows": records(columns)} if json is None else json())
    elif output is Format.csv:
        print_csv(flat.columns)
    else:
        _print_tables([flat] if tables is None else tables, lead, notes, everything=chosen is not None)


def show_text(text: str) -> None:
    """Write text on stdout, on a terminal wrapped at words."""
    width = terminal_width(sys.stdout)
    if width is None:
        print(text)
    else:
        _print_lines([Line(one) for line in text.splitlines() for one in wrap(visible(line), width, hanging="  ")])


def show_path(path: str | Path) -> None:
    """Write the path of a file on stdout, in one line."""
    print(visible(str(path)) if sys.stdout.isatty() else path)


def _print_tables(tables: Sequence[Table], lead: Sequence[str], notes: Sequence[str], *, everything: bool) -> None:
    width = terminal_width(sys.stdout)
    laid_out = [table_lines(table, width, everything=everything) for table in tables]
    lines = note_lines([*lead, ""], width) if lead else []
    lines += [line for lines, _ in laid_out for line in lines]
    hidden = sorted({n_hidden for _, n_hidden in laid_out if n_hidden})
    if hidden:
        count = f"{'up to ' * (len(hidden) > 1)}{hidden[-1]} column{'s' * (hidden[-1] > 1)}"
        lines += note_lines([f"{count} hidden: --columns all"], width)
    below = note_lines(notes, width)
    names = {name for line in lines for name in line.columns}
    explained = legend(names, " ".join([*lead, *notes, *_texts(tables, names)]))
    _print_lines([*lines, *note_lines([explained] if explained else [], width), *below])


def _texts(tables: Sequence[Table], shown: Container[str]) -> Iterator[str]:
    """Generate the texts of tables whose symbols are explained: all but prose, which explains itself."""
    for table in tables:
        yield from (table.title, *table.notes)
        for name, cells in table.columns.items():
            if name in shown and name not in table.layout.prose:
                yield from (cell for cell in cells if isinstance(cell, str))


def _print_lines(lines: Sequence[Line]) -> None:
    if not sys.stdout.isatty():
        print(*(line.text for line in lines), sep="\n")
        return
    styled = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    typer.echo("\n".join(typer.style(line.text, bold=True) if line.bold and styled else line.text for line in lines))

"""Tables as lines of text: columns of aligned cells, laid out for a terminal of any width or for a pipe.

A number, an identifier or a word is never broken or cut. In a pipe one row is one line, with all columns. In a terminal
the columns that do not fit are hidden, the least important first; if all columns are asked for, the table is broken
into blocks of whole columns, each with the columns that identify a row. Prose is wrapped at words inside its column, or
below its row where the column would become too narrow.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from neurondeath.commands.column_fitting import GAP, Block, TextColumn, fit_columns
from neurondeath.commands.tables import Table
from neurondeath.commands.terminal_text import cell_len, visible, wrap

__all__ = ["Line", "note_lines", "table_lines"]

BELOW = "    "  # indentation of prose below its row


@dataclass(frozen=True)
class Line:
    """One line of output; of the names of columns also which ones."""

    text: str
    bold: bool = False
    columns: tuple[str, ...] = ()


def table_lines(table: Table, width: int | None, *, everything: bool = False) -> tuple[list[Line], int]:
    r"""Lay out a table with its title and its notes.

    Parameters
    ----------
    table : Table
        The table.
    width : int or None
        Columns of the terminal; None for a pipe.
    everything : bool
        Show all columns of the table, also those that its layout does not show, and hide none.

    Returns
    -------
    (list of Line, int)
        The lines, and the number of hidden columns.

    Examples
    --------
    >>> lines, hidden = table_lines(Table(columns={"id": ["a", "b"], "seed": [1, 2], "alive": [0.5, 0.25]}), width=12)
    >>> print(*(line.text for line in lines), f"hidden: {hidden}", sep="\n")
    id  seed
    a      1
    b      2
    hidden: 1
    """
    shown = table.columns if everything or table.layout.shown is None else table.layout.shown
    columns = {name: TextColumn.from_values(name, table.columns[name]) for name in shown}
    blocks, hidden = fit_columns(columns, table.layout, width, everything=everything)
    lines = [Line(text, bold=True) for text in wrap(visible(table.title), width) if text]
    for number, block in enumerate(blocks):
        lines += [Line("")] * (number > 0) + _block_lines(block, width)
    return lines + note_lines(table.notes, width), hidden


def note_lines(notes: Iterable[str], width: int | None) -> list[Line]:
    """Wrap notes at words; the lines after the first of each are indented."""
    return [Line(text) for note in notes for text in wrap(visible(note), width, hanging="  ")]


def _block_lines(block: Block, width: int | None) -> list[Line]:
    """Write the names of the columns, then row after row."""
    lines: list[Line] = []
    for row in range(len((block.beside or block.below)[0].cells)):
        names = tuple(column.cells[0] for column in block.beside) if row == 0 else ()
        cells = [wrap(column.cells[row], column.limit) for column in block.beside]
        for height in range(max(map(len, cells), default=0)):
            texts = [cell[height] if height < len(cell) else "" for cell in cells]
            parts = [_padded(text, column) for text, column in zip(texts, block.beside, strict=True)]
            lines.append(Line(GAP.join(parts).rstrip(), bold=row == 0, columns=names))
        for column in block.below:
            text = BELOW * bool(block.beside) + column.cells[row]
            lines += [Line(one, bold=row == 0) for one in wrap(text, width) if one.strip()]
    return lines


def _padded(text: str, column: TextColumn) -> str:
    space = " " * (column.width - cell_len(text))
    return space + text if column.right else text + space

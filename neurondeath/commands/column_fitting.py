"""Which columns of a table are shown in a terminal, beside each other or below each row, and which are hidden."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from neurondeath.commands.tables import Layout
from neurondeath.commands.terminal_text import cell_len, visible
from neurondeath_theory.foundation.number_format import format_number

__all__ = ["GAP", "Block", "TextColumn", "fit_columns"]

GAP = "  "  # between columns
LEAST_PROSE = 32  # columns of a terminal, below which prose is hard to read beside other columns

Groups = list[tuple[str, ...]]  # names of columns that are shown or hidden together


@dataclass(frozen=True)
class TextColumn:
    """A column as text: its name above its cells."""

    cells: list[str]
    right: bool
    limit: int | None = None  # columns of the terminal that its cells are wrapped to

    @classmethod
    def from_values(cls, name: str, values: Iterable[Any]) -> "TextColumn":
        """Format values; columns of numbers are aligned to the right."""
        cells = list(values)
        numeric = all(isinstance(value, (int, float, np.number)) or value is None for value in cells)
        return cls([visible(name), *(visible(format_number(value)) for value in cells)], numeric)

    @cached_property
    def width(self) -> int:
        """Columns of the terminal that it takes."""
        return self.limit or max(map(cell_len, self.cells))

    def wrapped(self, room: int) -> "TextColumn | None":
        """Wrap the cells at words to the room there is; None if it is too narrow."""
        longest_word = max(cell_len(word) for cell in self.cells for word in cell.split(" "))
        if room < min(self.width, max(LEAST_PROSE, longest_word)):
            return None
        return replace(self, limit=min(self.width, room))


@dataclass
class Block:
    """Columns beside each other, and columns whose cells follow below each row."""

    beside: list[TextColumn]
    below: list[TextColumn] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Columns of the terminal that it takes."""
        return sum(column.width for column in self.beside) + len(GAP) * max(len(self.beside) - 1, 0)

    def room(self, width: int) -> int:
        """Columns of the terminal that are left for one more column."""
        return width - self.width - len(GAP) * bool(self.beside)


def fit_columns(
    columns: Mapping[str, TextColumn], layout: Layout, width: int | None, *, everything: bool
) -> tuple[list[Block], int]:
    """Arrange columns in blocks that are no wider than the terminal, and count the hidden columns."""
    whole = Block(list(columns.values()))
    if width is None or whole.width <= width:
        return [whole] if columns else [], 0
    prose = [name for name in columns if name in layout.prose]
    plain = {name: column for name, column in columns.items() if name not in prose}
    if len(prose) == 1:
        wrapped = columns[prose[0]].wrapped(Block(list(plain.values())).room(width))
        if wrapped is not None:
            return [Block([plain.get(name, wrapped) for name in columns])], 0
    if everything:
        return _blocks(columns, layout, width), 0
    below = [columns[name] for name in prose]
    first = next((name for groups in _by_importance(plain, layout) for group in groups for name in group), None)
    if first is not None and plain[first].width > width:  # its words may fit
        return [Block([], [plain[first], *below])], len(plain) - 1
    kept = _most_important(plain, layout, width)
    return [Block([plain[name] for name in plain if name in kept], below)], len(plain) - len(kept)


def _most_important(columns: Mapping[str, TextColumn], layout: Layout, width: int) -> set[str]:
    """Select the columns that fit: what a layout names, in its order, then the others if all of those fit."""
    kept: set[str] = set()
    for groups in _by_importance(columns, layout):
        for group in groups:
            if Block([columns[name] for name in columns if name in kept or name in group]).width <= width:
                kept |= set(group)
        if any(name not in kept for group in groups for name in group):
            break
    return kept


def _by_importance(columns: Mapping[str, TextColumn], layout: Layout) -> tuple[Groups, Groups]:
    """List the groups of columns that a layout names, the most important first, and each of the other columns."""
    listed = [(group,) if isinstance(group, str) else group for group in (*layout.keys, *layout.priority)]
    named = [group for group in (tuple(name for name in group if name in columns) for group in listed) if group]
    names = {name for group in named for name in group}
    return named, [(name,) for name in columns if name not in names]


def _blocks(columns: Mapping[str, TextColumn], layout: Layout, width: int) -> list[Block]:
    """Break a table into blocks of whole columns, each with the columns that identify a row, prose in the last ones."""
    n_rows = len(next(iter(columns.values())).cells) - 1
    repeated = [name for name in layout.keys if name in columns] or list(columns)[: n_rows > 1]
    while repeated and Block([columns[name] for name in repeated]).width > width // (2 if repeated[1:] else 1):
        repeated.pop()
    keys = [columns[name] for name in repeated]
    blocks = [Block(list(keys))]
    for name in sorted(columns, key=lambda name: name in layout.prose):
        if name in repeated:
            continue
        for block in (blocks[-1], Block(list(keys))):
            room = block.room(width)
            column = columns[name].wrapped(room) if name in layout.prose else columns[name]
            if not block.below and column is not None and column.width <= room:
                block.beside.append(column)
                break
        else:
            block = Block(list(keys), [columns[name]])
        if block is not blocks[-1]:
            blocks.append(block)
    return [block for block in blocks if block.below or len(block.beside) > len(keys)] or blocks

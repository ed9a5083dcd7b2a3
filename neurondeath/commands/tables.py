"""A table of a command: its columns, its texts, and what to keep of it in a narrow terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from neurondeath_theory.foundation.results import Columns

__all__ = ["Layout", "Table"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What to show of a table, and what to keep of it in a narrow terminal.

    Attributes
    ----------
    keys : tuple of str
        Columns that identify a row: they stay longest, and are repeated in every block of a broken table.
    priority : tuple of str or tuple of str
        Columns in the order of their importance; a tuple of names stays or goes as a whole. Columns that are not named
        are hidden first, the last one before the others.
    prose : tuple of str
        Columns of sentences, which may be wrapped at words.
    shown : tuple of str, optional
        Columns of the table unless others are asked for; by default all.
    """

    keys: tuple[str, ...] = ()
    priority: tuple[str | tuple[str, ...], ...] = ()
    prose: tuple[str, ...] = ()
    shown: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of one length, with a title above and notes below them."""

    columns: Columns
    title: str = ""
    notes: Sequence[str] = ()
    layout: Layout = field(default_factory=Layout)

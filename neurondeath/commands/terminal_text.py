"""Text on a terminal: how wide it is, lines broken at spaces only; control characters made visible."""

import os
import re
from typing import TextIO

from rich.cells import cell_len

from neurondeath_theory.foundation.number_text import whole_number
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["cell_len", "terminal_width", "visible", "wrap"]

WIDEST = 10_000  # columns; more have no effect
DEFAULT_WIDTH = 80  # columns of a terminal that does not report its size


def terminal_width(stream: TextIO) -> int | None:
    """Return the number of columns of the terminal behind a stream, or None if it is a file or a pipe.

    The environment variable COLUMNS has precedence over what the terminal reports, as in other command lines.
    """
    if not stream.isatty():
        return None
    columns = whole_number(os.environ.get("COLUMNS", "")) or 0
    if columns > 0:
        return min(columns, WIDEST)
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError):
        return DEFAULT_WIDTH


def wrap(text: str, width: int | None, *, hanging: str = "") -> list[str]:
    """Break a line at spaces into lines of at most `width` columns; a word that is longer stays whole.

    Parameters
    ----------
    text : str
        One line; its indentation is kept in all lines.
    width : int or None
        Columns of a line; None for no limit.
    hanging : str
        Further indentation of all lines but the first. A word that indentation would push over the edge has none.

    Examples
    --------
    >>> wrap("  P(alive) = 0.12346 with --no-bias", 18, hanging="  ")
    ['  P(alive) =', '    0.12346 with', '    --no-bias']
    """
    if width is None or cell_len(text) <= width:
        return [text]
    indentation = text[: len(text) - len(text.lstrip(" "))]
    lines: list[str] = []
    for gap, word in re.findall(r"( *)([^ ]+)", text):
        if lines and cell_len(lines[-1] + gap + word) <= width:
            lines[-1] += gap + word
            continue
        start = indentation + hanging * bool(lines)
        lines.append(start + word if cell_len(start + word) <= width else word)
    return lines or [""]

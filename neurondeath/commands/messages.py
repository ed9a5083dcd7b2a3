"""Messages on stderr, on a terminal wrapped at words."""

import sys

from neurondeath.commands.terminal_text import cell_len, terminal_width, visible, wrap

__all__ = ["OpenLine", "lines_begun", "message"]

_begun = 0


def message(text: str) -> None:
    """Write a message."""
    for line in wrap(visible(text), terminal_width(sys.stderr), hanging="  "):
        print(line, file=sys.stderr, flush=True)


class OpenLine:
    """A line that names a piece of work while it is done, and is completed by its outcome."""

    def __init__(self) -> None:
        self._begun: str | None = None

    def begin(self, text: str) -> None:
        """Write the beginning of a line."""
        global _begun
        _begun += 1
        *lines, self._begun = wrap(visible(text), terminal_width(sys.stderr), hanging="  ")
        print(*lines, self._begun, sep="\n", end="", file=sys.stderr, flush=True)

    def end(self, text: str = "") -> None:
        """Complete the line, in a new one if it would become too wide; without a line begun, do nothing."""
        if self._begun is None:
            return
        width = terminal_width(sys.stderr)
        rest = visible(text)
        if width is not None and cell_len(f"{self._begun} {rest}") > width:
            print(file=sys.stderr)
            rest = "\n".join(wrap(f"  {rest}", width))
        else:
            rest = f" {rest}" if rest else ""
        print(rest, file=sys.stderr, flush=True)
        self._begun = None


def lines_begun() -> int:
    """Count the open lines of this process so far."""
    return _begun

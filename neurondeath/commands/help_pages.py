"""Help pages of commands, wrapped at words: the name of an option is never broken at its hyphens."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand

from neurondeath.commands.terminal_text import cell_len, terminal_width, wrap

__all__ = ["WrappedHelpCommand", "help_page"]

MOST_WIDTH = 80  # columns of a page, also in wider terminals and in pipes
NAMES_WIDTH = 30  # columns of the names in a list of options
LEAST_TEXT = 30  # columns beside the names, below which explanations are written under the names
STEP = "  "


class WrappedHelpCommand(TyperCommand):
    """A command whose help page is wrapped at words."""

    def get_help(self, ctx: Any) -> str:
        """Return the help page."""
        return help_page(self, ctx)


def help_page(command: Any, context: Any) -> str:
    """Return the help page of a command or of a group of commands."""
    page = _Page(min(terminal_width(sys.stdout) or MOST_WIDTH, MOST_WIDTH))
    command.format_help(context, page)
    return "\n".join(page.lines)


class _Page:
    """A help page; it has the methods of the formatter of the command core, which breaks words at hyphens."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: list[str] = []
        self._indentation = ""

    def write_usage(self, program: str, arguments: str = "", prefix: str = "Usage: ") -> None:
        """Write the line that shows how the command is called."""
        self.lines += wrap(f"{prefix}{program} {arguments}", self.width, hanging=" " * len(prefix))

    def write_paragraph(self) -> None:
        """Write an empty line."""
        self.lines.append("")

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        for number, paragraph in enumerate(text.split("\n\n")):
            self.lines += [""] * (number > 0)
            self.lines += wrap(self._indentation + " ".join(paragraph.split()), self.width)

    def write_dl(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write a list of names with their explanations."""
        widest = min(max(cell_len(name) for name, _ in rows), NAMES_WIDTH)
        margin = self._indentation + " " * widest + STEP
        if self.width - len(margin) < LEAST_TEXT:
            margin = self._indentation + 3 * STEP
        for name, explanation in rows:
            start = self._indentation + name
            lines = wrap(margin + explanation, self.width)
            if cell_len(start) + len(STEP) <= len(margin) and lines[0].startswith(margin):
                lines[0] = start.ljust(len(margin)) + lines[0].removeprefix(margin)
            else:
                lines = [*wrap(start, self.width, hanging=STEP), *lines]
            self.lines += lines

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Write a heading, and indent what follows."""
        self.lines += ["", f"{self._indentation}{name}:"]
        with self.indentation():
            yield

    @contextmanager
    def indentation(self) -> Iterator[None]:
        """Indent what is written meanwhile."""
        outer = self._indentation
        self._indentation += STEP
        try:
            yield
        finally:
            self._indentation = outer

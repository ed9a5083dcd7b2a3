"""The progress of long work as a bar on a terminal."""

import sys
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from neurondeath.commands.terminal_text import cell_len, terminal_width, visible, wrap

__all__ = ["ProgressBar"]

HEIGHT = 25  # rows of the terminal, more than the bar has; rich would read any text in LINES as a number
LEAST_BAR = 10  # columns of the terminal, below which the bar is left out


class _WordProgress(Progress):
    """A bar between two texts; in a narrow terminal the texts alone, wrapped at words."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Lay out the bar."""
        for task in self.tasks:
            if not task.fields["what"]:  # nothing is known yet
                continue
            text = f"{task.fields['what']}, {task.fields['how_far']}"
            if cell_len(text) + LEAST_BAR <= self.console.width:
                yield self.make_tasks_table([task])
            else:
                yield Text("\n".join(wrap(text, self.console.width)))


class ProgressBar:
    """One bar on stderr, with the name of the work before it and the amount that is done behind it."""

    seconds = 0.1  # between updates

    def __init__(self) -> None:
        self._bar = _WordProgress(
            TextColumn("{task.fields[what]}"),
            BarColumn(),
            TextColumn("{task.fields[how_far]}"),
            console=Console(stderr=True, width=terminal_width(sys.stderr), height=HEIGHT),
        )
        self._row = self._bar.add_task("", total=1.0, what="", how_far="")
        self._bar.start()

    def update(self, share: float, what: str, how_far: str) -> None:
        """Draw the bar, as wide as the terminal is now."""
        self._bar.console.width = terminal_width(sys.stderr) or self._bar.console.width
        self._bar.update(self._row, completed=share, what=visible(what), how_far=visible(how_far))

    def say(self, message: str) -> None:
        """Print a message above the bar."""
        console = self._bar.console
        console.print(Text("\n".join(wrap(visible(message), console.width, hanging="  "))), soft_wrap=True)

    def close(self) -> None:
        """Stop, and leave the bar as it is."""
        self._bar.stop()

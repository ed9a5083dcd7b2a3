"""The progress of long work as a bar on a terminal."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

__all__ = ["ProgressBar"]


class ProgressBar:
    """One bar on stderr, with what is being done before it and how far it is behind it."""

    seconds = 0.1  # between updates

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.fields[what]}"),
            BarColumn(),
            TextColumn("{task.fields[how_far]}"),
            console=Console(stderr=True),
        )
        self._row = self._bar.add_task("", total=1.0, what="", how_far="")
        self._bar.start()

    def update(self, share: float, what: str, how_far: str) -> None:
        """Draw the bar."""
        self._bar.update(self._row, completed=share, what=what, how_far=how_far)

    def say(self, message: str) -> None:
        """Print a message above the bar."""
        self._bar.console.print(message, highlight=False, markup=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()

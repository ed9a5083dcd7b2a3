"""What a Jupyter notebook shows of running work: an output that is replaced in place, and a progress bar made of it.

IPython is used when it runs this process, and imported by nothing here.
"""

import sys
import time
from html import escape
from typing import Any

__all__ = ["NotebookBar", "NotebookOutput", "in_notebook"]

PATIENCE = 0.5  # seconds before a bar appears: short work shows none


def in_notebook() -> bool:
    """Report whether this process is the kernel of a notebook."""
    find = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return find is not None and hasattr(find(), "kernel")


class NotebookOutput:
    """One output of a cell, written again in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str, text: str) -> None:
        """Write the output, or replace it.

        Parameters
        ----------
        html, text : str
            What notebooks show, and what programs show that display no HTML.
        """
        bundle = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = sys.modules["IPython"].display.display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class NotebookBar:
    """A progress bar in the output of a cell; messages are lines of their own, on stderr."""

    seconds = 0.2  # between updates

    def __init__(self) -> None:
        self._begun, self._output = time.monotonic(), NotebookOutput()

    def update(self, share: float, what: str, how_far: str) -> None:
        """Draw the bar, once the work has taken some time."""
        if time.monotonic() - self._begun < PATIENCE:
            return
        text = f"{what}, {how_far}"
        bar = f'<progress max="1" value="{share:.4f}" style="vertical-align:middle"></progress>'
        self._output.show(f"<div>{bar} {escape(text)}</div>", text)

    def say(self, message: str) -> None:
        """Print a message below the bar."""
        print(message, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing: the bar stays as it is."""

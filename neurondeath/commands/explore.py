"""`neurondeath explore`: the design explorer in a browser."""

import webbrowser
from typing import Annotated

import typer

from neurondeath.commands.option_names import option_names
from neurondeath.explorer.server import DEFAULT_PORT, Explorer
from neurondeath_theory.foundation.progress import PlainLines, new_display, use_display
from neurondeath_theory.foundation.validation import check_real

__all__ = ["explore"]

LONGEST = 1e6  # seconds


def explore(
    port: Annotated[int, typer.Option(help="Port of 127.0.0.1; 0 for a free one.")] = DEFAULT_PORT,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    seconds: Annotated[float | None, typer.Option(help="End after this time.  [default: at Ctrl-C]")] = None,
) -> None:
    """Explore designs in a browser: change width, depth, activation and sparsity, and see what follows.

    The page is served on this machine only; its address is written on stdout.
    """
    if seconds is not None:
        check_real("--seconds", seconds, low=0.0, high=LONGEST, low_open=True)
    with option_names({"port": "--port"}), Explorer(port) as explorer:
        print(explorer.address, flush=True)
        _say("the explorer runs until " + ("Ctrl-C" if seconds is None else f"{seconds:g} s have passed"))
        if browser and not webbrowser.open(explorer.address):
            _say("no browser was found: open the address in one")
        use_display(_NoDisplay)  # the page shows what is being done
        explorer.serve(seconds)


def _say(text: str) -> None:
    """Write a message, after which the command says nothing more by itself."""
    display = new_display()
    display.say(text)
    display.close()


class _NoDisplay(PlainLines):
    """Shows nothing."""

    def say(self, message: str) -> None:
        """Print nothing."""

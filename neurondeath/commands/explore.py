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
        display = new_display()
        display.say("the explorer runs until " + ("Ctrl-C" if seconds is None else f"{seconds:g} s have passed"))
        display.close()
        use_display(_NoDisplay)  # the page shows what is being done
        if browser:
            webbrowser.open(explorer.address)
        explorer.serve(seconds)


class _NoDisplay(PlainLines):
    """Shows nothing."""

    def say(self, message: str) -> None:
        """Print nothing."""

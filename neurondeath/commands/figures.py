"""`neurondeath figures`: regenerate the figures."""

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.figures.gallery import check_folder, check_formats, check_names, make_figure, write_page
from neurondeath.figures.registry import FIGURES
from neurondeath_theory.foundation.interruption import Interrupted
from neurondeath_theory.foundation.validation import invalid

__all__ = ["figures"]


def figures(
    names: Annotated[list[str], typer.Argument(metavar="list|NAME...|all", help="Which figures; list shows them.")],
    out: Annotated[Path | None, typer.Option(help="The folder for pictures, their tables and gallery.md.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer trials: all figures in about a minute.")] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Draw from the tables in the folder alone.")] = False,
    formats: Annotated[str, typer.Option("--format", help="png, pdf, svg; several as png,pdf.")] = "png",
) -> None:
    """Make figures with their data; what was simulated is kept in the folder, so that a second run resumes."""
    if names == ["list"]:
        for name, title in FIGURES.items():
            print(f"{name:24} {title}")
        return
    wanted = check_names(names)
    kinds = check_formats(formats)
    if out is None:
        raise invalid("--out", "be given", None, "name a folder, as in --out figures_out")
    folder = check_folder(out)
    finished = 0
    try:
        for number, name in enumerate(wanted, start=1):
            started = time.monotonic()
            print(f"[{number}/{len(wanted)}] {name} ...", end="", file=sys.stderr, flush=True)
            try:
                pictures = make_figure(name, folder, quick=quick, redraw=redraw, formats=kinds)
            finally:
                # an error or an interruption begins its own line
                print(f" {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
            for picture in pictures:
                print(picture)
            finished = number
    except KeyboardInterrupt:
        message = f"interrupted with {finished} of {len(wanted)} figures finished, in {folder}"
        raise Interrupted(message, signal.SIGINT) from None
    finally:
        write_page(folder)  # an interrupted run has finished figures to show
    print(f"{len(wanted)} figures in {folder}", file=sys.stderr)

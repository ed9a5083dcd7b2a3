"""`neurondeath figures`: regenerate the figures."""

import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.messages import OpenLine, message
from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show, show_path
from neurondeath.commands.tables import Layout
from neurondeath.figures.gallery import check_folder, check_formats, check_names, make_figure, write_page
from neurondeath.figures.registry import FIGURES
from neurondeath_theory.foundation.interruption import Interrupted
from neurondeath_theory.foundation.validation import invalid

__all__ = ["figures"]


def figures(
    names: Annotated[list[str], typer.Argument(metavar="list|NAME...|all", help="Which figures; list shows them.")],
    out: Annotated[Path | None, typer.Option(help="The folder for pictures, their tables and gallery.md.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer trials: all figures in about a minute.")] = False,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Draw from the tables in the folder, without simulations.")
    ] = False,
    formats: Annotated[str, typer.Option("--format", help="png, pdf, svg; several: png,pdf.")] = "png",
    columns: Annotated[str | None, typer.Option(help="Columns of the list: all, or names separated by commas.")] = None,
) -> None:
    """Make figures with their data; what was simulated is kept in the folder, so that a second run resumes."""
    if names == ["list"]:
        listed = {"figure": list(FIGURES), "title": list(FIGURES.values())}
        show(listed, Format.table, chosen=columns, layout=Layout(keys=("figure",), prose=("title",)))
        return
    if columns is not None:
        raise invalid("--columns", "be left out unless the figures are listed", columns)
    wanted = check_names(names)
    kinds = check_formats(formats)
    if out is None:
        raise invalid("--out", "be given", None, "name a folder, as in --out figures_out")
    folder = check_folder(out)
    finished = 0
    line = OpenLine()
    try:
        for number, name in enumerate(wanted, start=1):
            started = time.monotonic()
            line.begin(f"[{number}/{len(wanted)}] {name} ...")
            try:
                pictures = make_figure(name, folder, quick=quick, redraw=redraw, formats=kinds)
            finally:
                line.end(f"{time.monotonic() - started:.1f} s")
            for picture in pictures:
                show_path(picture)
            finished = number
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted with {finished} of {len(wanted)} figures finished, in {folder}", signal.SIGINT
        ) from None
    finally:
        write_page(folder)  # also for the finished figures of an interrupted run
    message(f"{len(wanted)} figures in {folder}")

"""`neurondeath figures`: regenerate the figures."""

import time
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.messages import OpenLine, message
from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show, show_path
from neurondeath.commands.tables import Layout
from neurondeath.commands.time_left import TimeLeft
from neurondeath.figures.gallery import check_formats, check_names, check_outputs, make_figure, write_page
from neurondeath.figures.registry import FIGURES
from neurondeath_theory.foundation.interruption import Interrupted, signal_of, stop_word
from neurondeath_theory.foundation.output_files import output_folder
from neurondeath_theory.foundation.validation import invalid

__all__ = ["figures"]


def figures(
    names: Annotated[list[str], typer.Argument(metavar="list|NAME...|all", help="Which figures; list shows them.")],
    out: Annotated[Path | None, typer.Option(help="The folder for pictures, their tables and gallery.md.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer trials: all figures in about a minute.")] = False,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Draw from the tables in the folder, without simulations.")
    ] = False,
    titles: Annotated[
        bool, typer.Option("--titles/--no-titles", help="Write the claim of each figure above it; papers use captions.")
    ] = True,
    formats: Annotated[str, typer.Option("--format", help="png, pdf, svg; several: png,pdf.")] = "png",
    columns: Annotated[str | None, typer.Option(help="Columns of the list: all, or names separated by commas.")] = None,
) -> None:
    """Make figures with their data; what was simulated is kept in the folder, so that a second run resumes."""
    if names == ["list"]:
        listed = {"figure": list(FIGURES), "title": list(FIGURES.values())}
        show(listed, Format.table, chosen=columns, layout=Layout(keys=("figure",), prose=("title",)))
        return
    wanted = check_names(names)
    kinds = check_formats(formats)
    if out is None:
        raise invalid("--out", "be given", None, "name a folder, as in --out figures_out")
    check_outputs(wanted, out, kinds, redraw=redraw)
    finished = 0
    line, left = OpenLine(), TimeLeft(len(wanted))
    with output_folder("--out", out) as folder:
        try:
            for number, name in enumerate(wanted, start=1):
                started = time.monotonic()
                text = f"[{number}/{len(wanted)}{left.text(finished)}] {name} ..."
                if not redraw:
                    line.begin(text)
                try:
                    pictures = make_figure(name, folder, quick=quick, redraw=redraw, formats=kinds, titles=titles)
                finally:
                    line.end(f"{time.monotonic() - started:.1f} s")
                if redraw:  # quick, and only now is it known that the table can be drawn
                    message(f"{text} {time.monotonic() - started:.1f} s")
                for picture in pictures:
                    show_path(picture)
                finished = number
        except KeyboardInterrupt as error:
            number = signal_of(error)
            done = f"{stop_word(number)} with {finished} of {len(wanted)} figures finished, in {folder}"
            raise Interrupted(done, number) from None
        finally:
            if finished:
                write_page(folder)  # also for the finished figures of an interrupted run
    message(f"{len(wanted)} figure{'s' * (len(wanted) > 1)} in {out}")

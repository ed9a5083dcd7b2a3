"""Make figures: compute, save the data, draw from the saved data, and keep a page that shows them all."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurondeath.figures.picture import FORMATS, add_title, save
from neurondeath.figures.registry import FIGURES, load
from neurondeath.figures.tables import Table, TableError, read_table, write_table
from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.output_files import check_output_file
from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = ["PAGE", "STORE", "caption", "check_formats", "check_names", "check_outputs", "make_figure", "write_page"]

PAGE = "gallery.md"
STORE = "simulations.sqlite"  # simulation results, which later runs reuse


def check_names(names: Sequence[str]) -> list[str]:
    """Check names of figures and expand "all"."""
    for name in names:
        check_choice("figure", name, ["all", *FIGURES])
    return list(FIGURES) if "all" in names else list(dict.fromkeys(names))


def check_formats(text: str) -> list[str]:
    """Check a comma-separated list of picture formats."""
    kinds = list(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    if not set(kinds) <= set(FORMATS):
        raise invalid("--format", f"be one or more of {', '.join(FORMATS)}, separated by commas", text)
    return kinds


def check_outputs(names: Sequence[str], folder: Path, formats: Sequence[str], *, redraw: bool) -> None:
    """Check, before the work, what figures would read and write in a folder.

    Raises
    ------
    InvalidArgumentError
        If a picture or a table cannot be written.
    TableError
        If there is no complete table to redraw from.
    """
    if redraw and not folder.is_dir():
        raise invalid("--out", "name a folder with tables, for --redraw", str(folder))
    if folder.exists():
        files = [f"{name}.{kind}" for name in names for kind in (*formats, "csv")]
        for file in (*files, PAGE, STORE):
            check_output_file("--out", folder / file)
    for name in names if redraw else ():
        read_table(folder / f"{name}.csv", figure=name)


def make_figure(
    name: str,
    folder: Path,
    *,
    quick: bool = False,
    redraw: bool = False,
    formats: Sequence[str] = ("png",),
    titles: bool = True,
    store: Path | None = None,
) -> list[Path]:
    """Make one figure and its table in a folder.

    Parameters
    ----------
    name : str
        Which figure.
    folder : path
        Output folder, also of its table NAME.csv; must exist.
    quick : bool
        Fewer trials and coarser grids.
    redraw : bool
        Draw from the existing table without computing anything.
    formats : sequence of {"png", "pdf", "svg"}
        File formats.
    titles : bool
        Write the claim of the figure above it.
    store : path, optional
        Results store of the simulations; in the folder by default.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    InvalidArgumentError
        If there is no such figure.
    TableError
        If there is no complete table to redraw from.
    """
    figure = load(name)
    path = folder / f"{name}.csv"
    if not redraw:
        table = figure.compute(quick, folder / STORE if store is None else store)
        write_table(table, path, figure=name, quality="quick" if quick else "full")
    table, _ = read_table(path, figure=name)
    try:
        picture = figure.draw(table)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if not redraw:
            raise
        reason = f"{type(error).__name__} {error}"
        raise TableError(
            f"table {str(path)!r} does not fit this version ({reason}); make {name} without --redraw"
        ) from None
    if titles:
        add_title(picture, FIGURES[name])
    return [save(picture, folder / f"{name}.{kind}") for kind in formats]


def caption(name: str, table: Table) -> str:
    """Insert the numbers of trials into a figure's caption."""
    trials = np.unique(table["trials"][table["trials"] > 0]) if "trials" in table else np.array([])
    numbers = [f"{int(number):,}".replace(",", " ") for number in trials]
    if len(numbers) > 1:
        numbers = [f"{numbers[0]} to {numbers[-1]}"]
    return load(name).CAPTION.format(trials="".join(numbers))


def write_page(folder: Path) -> Path:
    """Write a page that shows all figures in a folder with their captions."""
    lines = ["# Figures", ""]
    for name, title in FIGURES.items():
        pictures = [folder / f"{name}.{kind}" for kind in FORMATS]
        there = [picture.name for picture in pictures if picture.exists()]
        try:
            table, quality = read_table(folder / f"{name}.csv", figure=name)
        except TableError:
            continue
        if not there:
            continue
        shown = next((picture for picture in there if not picture.endswith(".pdf")), None)
        lines += [f"## {name}: {title}", ""]
        lines += [f"![{name}]({shown})", ""] if shown else []
        files = ", ".join(f"[{file}]({file})" for file in [*there, f"{name}.csv"])
        lines += [f"{caption(name, table)} ({'Quick version. ' if quality == 'quick' else ''}Files: {files})", ""]
    page = folder / PAGE
    write_atomically(page, "\n".join(lines))
    return page

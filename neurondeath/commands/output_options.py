"""The options of all commands that choose what is written on stdout: `--format` and `--columns`."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer

from neurondeath_theory.foundation.validation import invalid, listed

__all__ = ["ALL_COLUMNS", "ColumnsOption", "Format", "FormatOption", "check_columns"]

ALL_COLUMNS = "all"


class Format(StrEnum):
    """How a command writes its data on stdout."""

    table = "table"
    json = "json"
    csv = "csv"


FormatOption = Annotated[Format, typer.Option("--format", help="How to write the data on stdout.")]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Columns of the table or of CSV: all, or names separated by commas. Not for JSON, which has all.",
    ),
]


def check_columns(chosen: str | None, output: Format | str, known: Iterable[str] = ()) -> list[str] | None:
    """Read the value of `--columns`; commands that work for long do so before they begin.

    Parameters
    ----------
    chosen : str or None
        "all", or names separated by commas.
    output : str
        What is written: "table", "json", ...
    known : iterable of str
        Names to choose from; any name is accepted if there are none.

    Returns
    -------
    list of str or None
        The chosen names in their order; None if the table is to have its default columns, or all.

    Raises
    ------
    InvalidArgumentError
        If a name is not known, or `output` has no columns.

    Examples
    --------
    >>> check_columns("alive, depth", "table", ["depth", "alive", "seed"])
    ['alive', 'depth']
    """
    if chosen is None:
        return None
    if output not in (Format.table, Format.csv):
        raise invalid("--columns", "be left out here", chosen, f"{output} always holds everything")
    names = list(dict.fromkeys(name.strip() for name in chosen.split(",")))
    if names == [ALL_COLUMNS]:
        return None
    choices = list(known)
    for name in names:
        if not name or (choices and name not in choices):
            remedy = f"they are {listed(choices)}" if choices else "give names separated by commas"
            raise invalid("--columns", "be all, or name columns of the data", name or chosen, remedy)
    return names

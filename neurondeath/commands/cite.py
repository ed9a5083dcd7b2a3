"""`neurondeath cite`: the papers behind a claim or a function, as BibTeX."""

from typing import Annotated

import typer

from neurondeath.commands.show import show_text
from neurondeath.paper_check.citations import cite as find_citation

__all__ = ["cite"]


def cite(
    name: Annotated[
        str, typer.Argument(metavar="KEY|CLAIM|FUNCTION", help="rister2020, R1 or survival_bounds, for example.")
    ],
) -> None:
    """Print the BibTeX entries of the papers behind a claim or a function."""
    show_text(find_citation(name))

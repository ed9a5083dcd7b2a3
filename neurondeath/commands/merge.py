"""`neurondeath merge`: one store from several."""

from typing import Annotated

import typer

from neurondeath.commands.console import Format, FormatOption, print_csv, print_json, print_table
from neurondeath.simulations.stores.merging import merge_stores

__all__ = ["merge"]


def merge(
    target: Annotated[str, typer.Argument(help="The results store to add to; made if missing.")],
    sources: Annotated[list[str], typer.Argument(help="The results stores to read.")],
    output: FormatOption = Format.table,
) -> None:
    """Add the finished shards of other stores to one, nothing counted twice.

    A source is merged as a whole or not at all. Merging it again adds nothing; the same trials with other numbers, or
    cut into other shards, are refused.
    """
    result = merge_stores(target, sources)
    if output is Format.json:
        columns = result.columns()
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        print_json({"target": result.target, "sources": rows})
    elif output is Format.csv:
        print_csv(result.columns())
    else:
        print_table(result.columns(), title=str(result))

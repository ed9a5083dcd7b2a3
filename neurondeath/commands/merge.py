"""`neurondeath merge`: one store from several."""

from typing import Annotated

import typer

from neurondeath.commands.data_formats import records
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.simulations.stores.merging import Merge, merge_stores

__all__ = ["merge"]

LAYOUT = Layout(keys=("source",), priority=("added", "skipped", "trials"))


def merge(
    target: Annotated[str, typer.Argument(help="The results store to add to; created if missing.")],
    sources: Annotated[list[str], typer.Argument(help="The results stores to read.")],
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Add the finished shards of other stores to one, nothing counted twice.

    A source is merged as a whole or not at all. Merging it again adds nothing; the same trials with other numbers, or
    cut into other shards, are refused.
    """
    check_columns(columns, output, Merge(target=target, sources=(), added=(), skipped=(), trials=()).columns())
    result = merge_stores(target, sources)
    flat = result.columns()
    show(
        flat,
        output,
        chosen=columns,
        title=str(result),
        layout=LAYOUT,
        json=lambda: {"target": result.target, "sources": records(flat)},
    )

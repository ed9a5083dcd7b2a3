"""`neurondeath runs`: the contents of a store of training runs."""

from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption
from neurondeath.commands.run_tables import show_epochs, show_runs
from neurondeath_torch.training.run_store import RunStore

__all__ = ["runs"]


def runs(
    store: Annotated[Path, typer.Argument(help="The store of training runs.")],
    experiment: Annotated[str, typer.Option(help="Only experiments whose id begins with this.")] = "",
    per_epoch: Annotated[bool, typer.Option("--per-epoch", help="Show every epoch, not only the last.")] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Show the training runs of a store: the last epoch of each, or with --per-epoch all."""
    with RunStore(store, readonly=True) as opened:
        found = opened.runs(experiment)
    (show_epochs if per_epoch else show_runs)(found, output, columns)

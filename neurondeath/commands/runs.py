"""`neurondeath runs`: the contents of a store of training runs."""

from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption
from neurondeath.commands.run_tables import show_epochs, show_runs
from neurondeath_torch.training.run_store import RunStore, RunStoreError

__all__ = ["runs"]


def runs(
    store: Annotated[Path, typer.Argument(help="The store of training runs.")],
    experiment: Annotated[str, typer.Option(help="Only experiments whose id begins with this.")] = "",
    per_epoch: Annotated[bool, typer.Option("--per-epoch", help="Show every epoch, not only the last.")] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Show the training runs of a store: the last epoch of each, or with --per-epoch all.

    Runs that are damaged are left out; then a line on stderr names them, and the exit code is 2.
    """
    with RunStore(store, readonly=True) as opened:
        found, damaged = opened.survey(experiment)
    if damaged and not found:
        raise damaged[0]
    (show_epochs if per_epoch else show_runs)(found, output, columns)
    if damaged:
        more = f" (and {len(damaged) - 1} more are damaged)" if len(damaged) > 1 else ""
        raise RunStoreError(f"{len(found)} runs are shown, but {damaged[0]}{more}")

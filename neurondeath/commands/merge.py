"""`neurondeath merge`: one store from several, of simulations or of training runs."""

import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.data_formats import records
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.simulations.stores.merging import Merge, merge_stores
from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.training.run_merging import RunMerge, merge_run_stores
from neurondeath_torch.training.run_schema import APPLICATION_ID as RUN_STORE_ID

__all__ = ["merge"]

LAYOUT = Layout(keys=("source",), priority=("added", "skipped", "trials", "runs"))
ID_BYTES = slice(68, 72)  # of a SQLite file: the application id


def merge(
    target: Annotated[str, typer.Argument(help="The store to add to; created if missing.")],
    sources: Annotated[list[str], typer.Argument(help="The stores to read, of the same kind.")],
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Add the finished shards, or the training runs, of other stores to one, nothing counted twice.

    A source is merged as a whole or not at all. Merging it again adds nothing. The same trials or epochs with other
    numbers, and trials cut into other shards, are refused. Of a run that two stores contain, the longer one is kept.
    """
    result: Merge | RunMerge
    if _are_run_stores(target, sources):
        check_columns(columns, output, RunMerge(target=target, sources=(), runs=(), added=(), skipped=()).columns())
        result = merge_run_stores(target, sources)
    else:
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


def _are_run_stores(target: str, sources: Sequence[str]) -> bool:
    """Whether stores of training runs are to be merged; refuse a mixture of both kinds."""
    ids = {path: _application_id(path) for path in (target, *sources)}
    of_runs = [path for path, number in ids.items() if number == RUN_STORE_ID]
    others = [path for path, number in ids.items() if number not in (None, RUN_STORE_ID)]
    if of_runs and others:
        received = f"{of_runs[0]} of training runs and {others[0]} of another"
        raise invalid("SOURCES", "name stores of one kind", received, "merge each kind into a store of its own")
    return bool(of_runs)


def _application_id(path: str) -> int | None:
    """Read which program's database a file is; None if it is not a regular file that can be read."""
    with suppress(OSError, ValueError):  # the store says what is wrong
        if stat.S_ISREG(Path(path).stat().st_mode):
            with open(path, "rb") as file:
                return int.from_bytes(file.read(ID_BYTES.stop)[ID_BYTES], "big")
    return None

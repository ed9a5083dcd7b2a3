"""`neurondeath results`: the contents of a store."""

from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.layer_tables import SUMMARY_COLUMNS, show_layers, show_summary, show_table
from neurondeath.commands.output_options import ALL_COLUMNS, Format, FormatOption
from neurondeath.commands.show import show_path
from neurondeath.commands.store_reading import readable_tasks
from neurondeath.simulations.estimation.exports import check_export, export_table
from neurondeath.simulations.estimation.layer_table import (
    COLUMN_GROUPS,
    check_layer,
    chosen_columns,
    layer_table,
    parse_condition,
    sorted_table,
    tasks_that_meet,
)
from neurondeath_theory.foundation.validation import invalid

__all__ = ["results"]

ANYTIME_COLUMNS = ("always_low", "always_high", "living_ratio_always_low", "living_ratio_always_high")


def results(
    stores: Annotated[list[str], typer.Argument(help="The results store, or several to be read together.")],
    task: Annotated[str | None, typer.Option(help="Only tasks whose id begins with this.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only rows that meet a condition on a column, repeatable: width=4,8  init!=he  alive<0.5."),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="last, all or a number.  [default: last in tables, all elsewhere]")
    ] = None,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="As --layer all, with one table per task.")] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            help="One flat table, also in JSON: all, or names of columns and groups, separated by commas; the groups "
            f"are {', '.join(COLUMN_GROUPS)}."
        ),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="One flat table sorted by columns, e.g. width,-alive.")] = None,
    anytime: Annotated[
        bool, typer.Option("--anytime", help="Add the interval that stays valid however often a run is extended.")
    ] = False,
    export: Annotated[Path | None, typer.Option(help="Write the flat table to a .csv, .json or .parquet file.")] = None,
    output: FormatOption = Format.table,
) -> None:
    """Show the estimates of a store, or of several together.

    Tables have the last layer of every task; with --per-layer, and in JSON and CSV, there is every layer.

    A task that is damaged is named on stderr, all others are shown, and the exit code is 2.
    """
    target = None if export is None else check_export(export, "--export")
    conditions = [parse_condition(text, "--where") for text in where or ()]
    picked = check_layer(layer, "--layer")
    if per_layer and layer is not None:
        raise invalid("--per-layer", "be used without --layer", layer)
    with readable_tasks(stores, task) as simulations:
        flat = columns is not None or sort is not None or target is not None or layer is not None or anytime
        kept = None if flat else tasks_that_meet(simulations, conditions)
        if kept is not None:
            if output is Format.table and not per_layer:
                show_summary(kept)
            else:
                show_layers(kept, output)
            return
        if picked is None:
            picked = "last" if output is Format.table and not per_layer and target is None else "all"
        table = layer_table(simulations, layer=picked, where=conditions, anytime=anytime)
        if sort is not None:
            table = sorted_table(table, sort, "--sort")
        if columns is not None and columns.strip() != ALL_COLUMNS:
            table = chosen_columns(table, columns, "--columns")
        if target is not None:
            show_path(export_table(table, target, name="--export"))
            return
        which = f"layer {picked}" if isinstance(picked, int) else f"{picked} layer{'s' * (picked == 'all')}"
        summary = [*SUMMARY_COLUMNS[:8], *(ANYTIME_COLUMNS if anytime else ()), *SUMMARY_COLUMNS[8:]]
        show_table(
            table,
            output,
            f"{which} of every task",
            shown=summary if columns is None else None,
            everything=columns is not None,
        )

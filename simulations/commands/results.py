"""`neurondeath results`: what a store holds."""

from typing import Annotated

import typer

from neurondeath_theory._console import Format, FormatOption
from simulations.commands._show import show_layers, show_summary
from simulations.estimates import read_store
from simulations.store import Store

__all__ = ["results"]


def results(
    store: Annotated[str, typer.Argument(help="The results store.")],
    task: Annotated[str | None, typer.Option(help="Only tasks whose id begins so.")] = None,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="Show every layer, not only the last.")] = False,
    output: FormatOption = Format.table,
) -> None:
    """Show the estimates of a store: the last layer of every task; with --per-layer, JSON and CSV every layer."""
    with Store(store, readonly=True) as opened:
        simulations = read_store(opened, task)
    if output is Format.table and not per_layer:
        show_summary(simulations)
    else:
        show_layers(simulations, output)

"""`neurondeath plot`: draw the estimates of a store."""

from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.messages import message
from neurondeath.commands.show import show_path
from neurondeath.commands.store_reading import readable_tasks
from neurondeath.figures.picture import check_picture
from neurondeath.figures.picture import save as save_picture
from neurondeath.figures.store_plot import draw_store_plot
from neurondeath.figures.survival.survival_depth import draw_survival_depth
from neurondeath.simulations.estimation.layer_table import check_layer, layer_table, parse_condition, tasks_that_meet

__all__ = ["plot"]


def plot(
    store: Annotated[str, typer.Argument(help="The results store.")],
    out: Annotated[
        list[Path] | None,
        typer.Option(help="The picture to write: .png, .pdf or .svg; repeatable.  [default: survival_depth.png]"),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only tasks whose id begins with this.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Only rows that meet a condition on a column, repeatable: width=4,8  init!=he  depth<=20."),
    ] = None,
    x: Annotated[str | None, typer.Option("--x", help="Column on the horizontal axis: depth, width, ...")] = None,
    y: Annotated[
        str | None, typer.Option("--y", help="Column on the vertical axis: alive, death, living_ratio, an output, ...")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Columns that identify a curve, e.g. width,init.  [default: the fewest that do]")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="last, all or a number.  [default: all if x is depth, else last]")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic vertical axis.")] = False,
    log_x: Annotated[bool, typer.Option("--log-x", help="Logarithmic horizontal axis.")] = False,
    bounds: Annotated[
        bool, typer.Option("--bounds/--no-bounds", help="Also draw the bounds and exact values of the theory.")
    ] = True,
) -> None:
    """Draw estimates of a results store with 95 % intervals, and the theory.

    By default P(alive) against depth, one panel per input set; with --x, --y, --group-by or --layer one panel of any
    column against any other.
    """
    pictures = out or [Path("survival_depth.png")]
    for picture in pictures:
        check_picture("--out", picture)
    conditions = [parse_condition(text, "--where") for text in where or ()]
    picked = check_layer(layer, "--layer")
    with readable_tasks(store, task) as simulations:
        default_picture = x is y is group_by is picked is None and bounds and not log_x
        kept = tasks_that_meet(simulations, conditions) if default_picture else None
        if kept is not None:
            figure = draw_survival_depth(kept, log=log)
            drew = f"{len(kept)} tasks"
        else:
            x, y = x or "depth", y or "alive"
            table = layer_table(simulations, layer=picked or ("all" if x == "depth" else "last"), where=conditions)
            groups = None if group_by is None else [name.strip() for name in group_by.split(",")]
            figure = draw_store_plot(table, x=x, y=y, group_by=groups, bounds=bounds, log_x=log_x, log_y=log)
            drew = f"{len(set(table['task_id']))} tasks"
        for picture in pictures:
            show_path(save_picture(figure, picture, name="--out"))
        message(f"drew {drew}")

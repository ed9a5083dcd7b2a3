"""`neurondeath plot`: draw the estimates of a store."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.messages import message
from neurondeath.commands.picture_options import PictureOptions
from neurondeath.commands.show import show_path
from neurondeath.commands.store_reading import readable_tasks
from neurondeath.figures.picture import check_picture
from neurondeath.figures.picture import save as save_picture
from neurondeath.figures.store_map import draw_store_map
from neurondeath.figures.store_plot import draw_store_plot
from neurondeath.figures.survival.survival_depth import draw_survival_depth
from neurondeath.simulations.estimation.layer_table import check_layer, layer_table, parse_condition, tasks_that_meet
from neurondeath_theory.foundation.validation import invalid

__all__ = ["plot"]


class PlotKind(StrEnum):
    """What is drawn."""

    curves = "curves"
    map = "map"


def plot(
    stores: Annotated[list[str], typer.Argument(help="The results store, or several to be read together.")],
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
    kind: Annotated[
        PlotKind, typer.Option(help="curves, or map: --y as colour over --x (width) and --group-by (n_layers).")
    ] = PlotKind.curves,
    title: Annotated[str | None, typer.Option(help="Title above the picture.")] = None,
    size: Annotated[str | None, typer.Option(help="Width x height in inches, as 5x3.", metavar="WxH")] = None,
    dpi: Annotated[float | None, typer.Option(help="Dots per inch of a .png.  [default: 200]")] = None,
    xlim: Annotated[str | None, typer.Option(help="Ends of the horizontal axis.", metavar="FIRST:LAST")] = None,
    ylim: Annotated[str | None, typer.Option(help="Ends of the vertical axis.", metavar="FIRST:LAST")] = None,
    style: Annotated[
        str | None, typer.Option(help="A style of matplotlib, or a style sheet, on top of the project's.")
    ] = None,
) -> None:
    """Draw estimates of a results store with 95 % intervals, and the theory.

    By default P(alive) against depth, one panel per input set; with --x, --y, --group-by or --layer one panel of any
    column against any other. Curves that differ in one number get a colour bar; of networks of one width that differ in
    depth only, the deepest is drawn.
    """
    pictures = out or [Path("survival_depth.png")]
    for picture in pictures:
        check_picture("--out", picture)
    conditions = [parse_condition(text, "--where") for text in where or ()]
    picked = check_layer(layer, "--layer")
    look = PictureOptions.read(title=title, size=size, dpi=dpi, xlim=xlim, ylim=ylim, style=style)
    groups = None if group_by is None else [name.strip() for name in group_by.split(",")]
    if kind is PlotKind.map and groups is not None and len(groups) > 1:
        raise invalid("--group-by", "name one column, the vertical axis of a map", group_by)
    with readable_tasks(stores, task) as simulations, look.in_style():
        default_picture = x is y is group_by is picked is None and bounds and not log_x and kind is PlotKind.curves
        kept = tasks_that_meet(simulations, conditions) if default_picture else None
        if kept is not None:
            figure = draw_survival_depth(kept, log=log)
            drew = f"{len(kept)} tasks"
        else:
            x, y = x or ("width" if kind is PlotKind.map else "depth"), y or "alive"
            down = groups[0] if groups else "n_layers"
            every = "depth" in (x, *(groups or ()))
            table = layer_table(simulations, layer=picked or ("all" if every else "last"), where=conditions)
            if kind is PlotKind.map:
                figure = draw_store_map(table, x=x, down=down, y=y, log=log)
            else:
                figure = draw_store_plot(table, x=x, y=y, group_by=groups, bounds=bounds, log_x=log_x, log_y=log)
            drew = f"{len(set(table['task_id']))} tasks"
        look.apply(figure)
        for picture in pictures:
            show_path(save_picture(figure, picture, name="--out", dpi=look.dpi))
        message(f"drew {drew}")

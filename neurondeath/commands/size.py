"""`neurondeath size`: the least width for a depth, the greatest depth for a width, or widths that grow with depth."""

from typing import Annotated

import typer

from neurondeath.commands.data_formats import records
from neurondeath.commands.network_layers import check_listed, shown_layers
from neurondeath.commands.option_names import option_names
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.survival.safe_sizes import max_depth, min_width
from neurondeath_theory.survival.width_schedules import GrowingWidthSchedule, growing_width_schedule

__all__ = ["size"]

LAYOUT = Layout(priority=("min_width", "max_depth", "depth", "width", "survival"))


def size(
    survival: Annotated[float | None, typer.Option(help="Probability of being born alive to reach, in (0, 1).")] = None,
    depth: Annotated[int | None, typer.Option(help="Number of hidden layers: asks for the least width.")] = None,
    width: Annotated[int | None, typer.Option(help="Width of every hidden layer: asks for the greatest depth.")] = None,
    growth: Annotated[
        float | None,
        typer.Option(help="Widths (1 + GROWTH) log2(layer) + FIRST instead, which survive at any depth; above 0."),
    ] = None,
    first: Annotated[float, typer.Option(help="Width of the first layer, with --growth.")] = 3.0,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Find the size of a plain ReLU network that is born alive, by the lower bound on its survival, for any inputs.

    For inputs of your own compare widths: neurondeath bounds --width 8:14 --depth 100 --inputs FILE.
    """
    if growth is not None and depth is not None:
        with option_names({"epsilon": "--growth", "c": "--first"}):
            schedule = growing_width_schedule(depth, growth, first)
        _show_schedule(schedule, columns, output)
        return
    if survival is None:
        raise invalid("--survival", "be given", None, "give a probability in (0, 1), as --survival 0.99")
    row: dict[str, int | float]
    if depth is not None and width is None:
        row = {"depth": depth, "survival": survival, "min_width": min_width(depth, survival)}
        note = f"the least width at which {depth} hidden layers are born alive with probability at least {survival}"
    elif width is not None and depth is None:
        deepest = max_depth(width, survival)
        row = {"width": width, "survival": survival, "max_depth": deepest}
        note = f"the greatest depth at which width {width} is born alive with probability at least {survival}"
        if deepest == 0:
            note = f"a single layer of width {width} already misses {survival}; take a wider one"
    else:
        given = None if depth is None else f"--depth {depth} --width {width}"
        raise invalid("--depth or --width", "be given, one of the two", given, "--depth K asks for the least width")
    flat = {name: [value] for name, value in row.items()}
    show(flat, output, chosen=columns, notes=[note], layout=LAYOUT, json=lambda: row)


def _show_schedule(schedule: GrowingWidthSchedule, columns: str | None, output: Format) -> None:
    """Write the widths layer by layer; a table of a deep network is thinned out."""
    check_listed(schedule.depth, output)
    flat = schedule.columns()
    layers = shown_layers(schedule.depth) if output is Format.table else list(range(schedule.depth))
    show(
        {name: [values[layer] for layer in layers] for name, values in flat.items()},
        output,
        chosen=columns,
        notes=[str(schedule)],
        layout=Layout(keys=("depth",), priority=("width", "survival_at_width", "survival", "exact_width")),
        json=lambda: {
            "growth": schedule.epsilon,
            "first": schedule.c,
            "limit": schedule.limit,
            "layers": records(flat),
        },
    )

"""`neurondeath design`: the least width for a depth, or the greatest depth for a width."""

from typing import Annotated

import typer

from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.survival.safe_sizes import max_depth, min_width

__all__ = ["design"]

LAYOUT = Layout(priority=("min_width", "max_depth", "depth", "width", "survival"))


def design(
    survival: Annotated[float, typer.Option(help="Probability of being born alive to reach, in (0, 1).")],
    depth: Annotated[int | None, typer.Option(help="Number of hidden layers: asks for the least width.")] = None,
    width: Annotated[int | None, typer.Option(help="Width of every hidden layer: asks for the greatest depth.")] = None,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Find the size of a plain ReLU network that is born alive, by the lower bound on its survival, for any inputs."""
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

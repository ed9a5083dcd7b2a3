"""`neurondeath advise`: remedies against neuron death, ranked, for one network."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from neurondeath.commands.network_layers import LARGEST_PAIR_WIDTH, MOST_PAIR_LAYERS
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.simulations.inputs.input_sets import read_points
from neurondeath_theory.foundation.validation import check_count
from neurondeath_theory.remedies.advice import Advice
from neurondeath_theory.remedies.advice import advise as rank_remedies

__all__ = ["advise"]

LAYOUT = Layout(
    keys=("rank", "remedy"),
    priority=("standing", "alive_at_least", ("living_ratio", "living_ratio_kind")),
    prose=("statement", "notion"),
    shown=("rank", "remedy", "standing", "alive_at_least", "living_ratio", "living_ratio_kind"),
)


def advise(
    width: Annotated[int, typer.Option(help="Width of every hidden layer.")],
    depth: Annotated[int, typer.Option(help="Number of hidden layers.")],
    inputs: Annotated[
        str | None, typer.Option(help="Input points: gaussian:64, digits:256, a .npy or .npz file.")
    ] = None,
    survival: Annotated[float, typer.Option(help="Goal for the probability of being alive, in (0, 1).")] = 0.99,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Rank the remedies against neuron death for a plain ReLU network, each with its guarantee."""
    if inputs is not None:
        check_count("--width", width, most=LARGEST_PAIR_WIDTH)
        check_count("--depth", depth, most=MOST_PAIR_LAYERS)
    points = None if inputs is None else read_points("--inputs", inputs, width)
    advice = rank_remedies(width, depth, points, survival=survival)
    statements = [f"{remedy.name}: {remedy.statement}. Alive: {remedy.notion}." for remedy in advice.remedies]
    zero = f"{advice.n_zero} of {advice.n_points} input points are zero: dead from layer 1 whatever is done"
    show(
        advice.columns(),
        output,
        chosen=columns,
        title=f"Remedies for width {advice.width}, depth {advice.depth}; goal P(alive) >= {advice.survival:g}",
        notes=[*(statements if columns is None else []), *([zero] if advice.n_zero else []), str(advice)],
        layout=LAYOUT,
        json=lambda: _document(advice),
    )


def _document(advice: Advice) -> dict[str, Any]:
    given = {name: getattr(advice, name) for name in ("width", "depth", "survival", "n_points", "n_zero")}
    return {**given, "remedies": [{"rank": rank, **asdict(one)} for rank, one in enumerate(advice.remedies, 1)]}

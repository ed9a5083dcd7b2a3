"""`neurondeath advise`: remedies against neuron death, ranked, for one network."""

from dataclasses import asdict
from typing import Annotated

import typer

from neurondeath.commands.console import Format, FormatOption, print_csv, print_json, print_table
from neurondeath.simulations.inputs.input_sets import read_points
from neurondeath_theory.remedies.advice import Advice
from neurondeath_theory.remedies.advice import advise as rank_remedies

__all__ = ["advise"]


def advise(
    width: Annotated[int, typer.Option(help="Width of every hidden layer.")],
    depth: Annotated[int, typer.Option(help="Number of hidden layers.")],
    inputs: Annotated[
        str | None, typer.Option(help="Input points: gaussian:64, digits:256, a .npy or .npz file.")
    ] = None,
    survival: Annotated[float, typer.Option(help="Goal for the probability of being alive, in (0, 1).")] = 0.99,
    output: FormatOption = Format.table,
) -> None:
    """Rank the remedies against neuron death for a plain ReLU network, each with what it promises."""
    points = None if inputs is None else read_points("--inputs", inputs, width)
    _print(rank_remedies(width, depth, points, survival=survival), output)


def _print(advice: Advice, output: Format) -> None:
    if output is Format.json:
        given = {name: getattr(advice, name) for name in ("width", "depth", "survival", "n_points", "n_zero")}
        rows = [{"rank": rank, **asdict(remedy)} for rank, remedy in enumerate(advice.remedies, 1)]
        print_json({**given, "remedies": rows})
        return
    columns = advice.columns()
    if output is Format.csv:
        print_csv(columns)
        return
    shown = ("rank", "remedy", "standing", "alive_at_least", "living_ratio", "living_ratio_kind")
    zero = f"{advice.n_zero} of {advice.n_points} input points are zero: dead from layer 1 whatever is done"
    print_table(
        {name: columns[name] for name in shown},
        title=f"Remedies for width {advice.width}, depth {advice.depth}; goal P(alive) >= {advice.survival:g}",
        notes=[
            *(f"{remedy.name}: {remedy.statement}. Alive: {remedy.notion}." for remedy in advice.remedies),
            *([zero] if advice.n_zero else []),
            str(advice),
        ],
    )

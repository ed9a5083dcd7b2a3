"""`neurondeath advise`: remedies against neuron death for one network, simulated and ranked."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from neurondeath.commands.network_layers import LARGEST_PAIR_WIDTH, MOST_PAIR_LAYERS
from neurondeath.commands.output_options import ColumnsOption, Format, FormatOption, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout
from neurondeath.simulations.inputs.input_sets import InputSet, read_points
from neurondeath_theory.foundation.validation import check_count
from neurondeath_theory.remedies.advice import COLUMNS, Advice
from neurondeath_theory.remedies.advice import advise as rank_by_guarantees

__all__ = ["advise"]

SEEN = ("guaranteed", "simulated", "simulated_stderr", "simulated_living_ratio", "effective_rank")
PROMISED = ("standing", "guaranteed", "living_ratio", "living_ratio_kind")
PROSE = ("statement", "call", "notion")
SETTINGS = ("width", "depth", "survival", "n_points", "n_zero", "simulated_inputs", "trials", "seed", "not_simulated")


def advise(
    width: Annotated[int, typer.Option(help="Width of every hidden layer.")],
    depth: Annotated[int, typer.Option(help="Number of hidden layers.")],
    inputs: Annotated[
        str | None,
        typer.Option(
            help="Input points: gaussian:64, digits:256, a .npy or .npz file. Without any, gaussian:64 is simulated."
        ),
    ] = None,
    survival: Annotated[float, typer.Option(help="Goal for the probability of being alive, in (0, 1).")] = 0.99,
    trials: Annotated[
        int | None,
        typer.Option(help="Simulated networks per remedy; by default 400, fewer for large networks."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated networks.")] = 0,
    no_simulation: Annotated[
        bool, typer.Option("--no-simulation", help="Rank by what theorems guarantee, without simulating.")
    ] = False,
    columns: ColumnsOption = None,
    output: FormatOption = Format.table,
) -> None:
    """Rank the remedies against neuron death for a plain ReLU network by what happens to them.

    Every remedy is simulated on the inputs with common random numbers, beside what its theorem guarantees.
    """
    check_columns(columns, output, COLUMNS)
    if inputs is not None:
        check_count("--width", width, most=LARGEST_PAIR_WIDTH)
        check_count("--depth", depth, most=MOST_PAIR_LAYERS)
    points = None if inputs is None else InputSet(inputs, read_points("--inputs", inputs, width))
    if no_simulation:
        advice = rank_by_guarantees(width, depth, None if points is None else points.points, survival=survival)
    else:
        from neurondeath.simulations.advice import advise as rank_by_simulation  # loads the compiler

        advice = rank_by_simulation(width, depth, points, survival=survival, trials=trials, seed=seed, quiet=False)
    show(
        advice.columns(),
        output,
        chosen=columns,
        title=f"Remedies for width {advice.width}, depth {advice.depth}; goal P(alive) >= {advice.survival:g}",
        notes=[*(_statements(advice) if columns is None else []), *_remarks(advice), str(advice)],
        layout=_layout(advice),
        json=lambda: _document(advice),
    )


def _layout(advice: Advice) -> Layout:
    """Show what was simulated, or what is promised."""
    shown = PROMISED if advice.trials is None else SEEN
    return Layout(keys=("rank", "remedy"), priority=shown, prose=PROSE, shown=("rank", "remedy", *shown))


def _statements(advice: Advice) -> list[str]:
    return [f"{one.name}: {one.statement}. Alive: {one.notion}. Call: {one.call}." for one in advice.remedies]


def _remarks(advice: Advice) -> list[str]:
    remarks = []
    if advice.n_zero:
        remarks.append(
            f"{advice.n_zero} of {advice.n_points} input points are zero: dead from layer 1 whatever is done"
        )
    if advice.not_simulated:
        remarks.append(f"not simulated: {advice.not_simulated}")
    if advice.trials is not None:
        why = ", since no inputs were given" if advice.n_points is None else ""
        on = f"{advice.simulated_inputs}{why}"
        remarks.append(f"simulated: {advice.trials} networks per remedy with common random numbers on {on}")
    return remarks


def _document(advice: Advice) -> dict[str, Any]:
    given = {name: getattr(advice, name) for name in SETTINGS}
    rows = [
        {"rank": rank, "name": one.name, "guaranteed": one.guaranteed, **asdict(one)}
        for rank, one in enumerate(advice.remedies, 1)
    ]
    return {**given, "remedies": rows}

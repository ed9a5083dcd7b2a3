"""How estimates are shown on stdout, whether just sampled or read from a store."""

from collections.abc import Sequence
from typing import Any

from neurondeath_theory._console import Format, print_csv, print_json, print_table, shown_layers
from simulations.estimates import Simulation

__all__ = ["show_layers", "show_summary"]

TABLE_COLUMNS = (
    "depth",
    "alive",
    "low",
    "high",
    "lower_bound",
    "upper_bound",
    "living_ratio",
    "living_ratio_stderr",
    "expected_living_ratio",
)


def show_layers(simulations: Sequence[Simulation], output: Format, notes: Sequence[str] = ()) -> None:
    """Write every layer of every task; a table of a deep network thins out."""
    if output is Format.json:
        print_json({"tasks": [_with_layers(simulation) for simulation in simulations]})
    elif output is Format.csv:
        rows: dict[str, list[Any]] = {}
        for simulation in simulations:
            columns = simulation.columns()
            depth = simulation.network.depth
            for name, value in _identity(simulation).items():
                rows.setdefault(name, []).extend([value] * depth)
            for name, values in columns.items():
                rows.setdefault(name, []).extend(values)
        print_csv(rows)
    else:
        for simulation in simulations:
            columns = simulation.columns()
            picked = shown_layers(simulation.network.depth)
            print_table(
                {name: [columns[name][layer] for layer in picked] for name in TABLE_COLUMNS},
                title=f"{simulation.network} on {simulation.inputs['spec']}, {simulation.trials} trials, "
                f"seed {simulation.seed}, task {simulation.task_id}",
            )
            print()
        for note in ("low and high: exact 95 % interval of P(alive)", *notes):
            print(note)


def show_summary(simulations: Sequence[Simulation], notes: Sequence[str] = ()) -> None:
    """Write a table with the last layer of every task."""
    rows: dict[str, list[Any]] = {}
    for simulation in simulations:
        columns = simulation.columns()
        for name, value in {**_identity(simulation), **{c: columns[c][-1] for c in TABLE_COLUMNS}}.items():
            rows.setdefault(name, []).append(value)
        rows.setdefault("trials", []).append(simulation.trials)
    print_table(rows, title="last layer of every task", notes=notes)


def _with_layers(simulation: Simulation) -> dict[str, Any]:
    columns = simulation.columns()
    layers = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {**simulation.summary(), "layers": layers}


def _identity(simulation: Simulation) -> dict[str, Any]:
    return {
        "task_id": simulation.task_id,
        "network": str(simulation.network),
        "inputs": simulation.inputs["spec"],
        "seed": simulation.seed,
    }

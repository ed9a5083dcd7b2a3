"""How estimates are shown on stdout, whether just sampled or read from a store."""

from collections.abc import Mapping, Sequence
from typing import Any

from neurondeath.commands.console import Format, print_csv, print_json, print_table, shown_layers
from neurondeath.simulations.estimation.estimates import Simulation

__all__ = ["SUMMARY_COLUMNS", "show_layers", "show_summary", "show_table"]

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

SUMMARY_COLUMNS = ("task_id", "network", "inputs", "seed", *TABLE_COLUMNS, "trials", "estimator")

# in JSON and CSV only, unless the estimator makes them worth a column
HIDDEN_COLUMNS = ("alive_stderr", "death", "log10_alive", "log10_death", "trials", "estimator")


def show_layers(simulations: Sequence[Simulation], output: Format, notes: Sequence[str] = ()) -> None:
    """Write every layer of every task; a table of a deep network thins out."""
    if output is Format.json:
        print_json({"tasks": [_with_layers(simulation) for simulation in simulations]})
    elif output is Format.csv:
        _print_layers_as_csv(simulations)
    else:
        for simulation in simulations:
            columns = simulation.columns()
            picked = shown_layers(simulation.network.depth)
            print_table(
                {name: [columns[name][layer] for layer in picked] for name in _table_columns(simulation)},
                title=f"{simulation.network} on {simulation.inputs['spec']}, {simulation.trials} trials, "
                f"seed {simulation.seed}, task {simulation.task_id}",
                notes=[f"{name} withheld: {reason}" for name, reason in simulation.withheld.items()],
            )
            print()
        for note in (*_interval_notes(simulations), *notes):
            print(note)


def show_summary(simulations: Sequence[Simulation]) -> None:
    """Write a table with the last layer of every task."""
    rows: dict[str, list[Any]] = {}
    for simulation in simulations:
        columns = simulation.columns()
        for name, value in {**_identity(simulation), **{c: columns[c][-1] for c in TABLE_COLUMNS}}.items():
            rows.setdefault(name, []).append(None if value != value else value)  # NaN: no statement holds
        rows.setdefault("trials", []).append(simulation.trials)
        rows.setdefault("estimator", []).append(simulation.estimator)
    print_table(rows, title="last layer of every task", notes=_interval_notes(simulations))


def show_table(columns: Mapping[str, Sequence[Any]], output: Format, title: str) -> None:
    """Write one flat table; as JSON a list of rows."""
    if output is Format.json:
        print_json({"rows": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]})
    elif output is Format.csv:
        print_csv(columns)
    else:
        known = {name: [None if value != value else value for value in values] for name, values in columns.items()}
        print_table(known, title=title)


def _table_columns(simulation: Simulation) -> list[str]:
    """Name the columns of a table: the usual ones that hold something, rare death, and what else was measured."""
    columns = simulation.columns()
    shown = list(TABLE_COLUMNS)
    if simulation.estimator != "crude":
        shown[2:2] = ["alive_stderr", "death"]
    usual = {*shown, *HIDDEN_COLUMNS}
    shown += [name for name in columns if name not in usual]
    return [name for name in shown if any(value == value for value in columns[name])]


def _interval_notes(simulations: Sequence[Simulation]) -> list[str]:
    crude = any(simulation.estimator == "crude" for simulation in simulations)
    others = any(simulation.estimator != "crude" for simulation in simulations)
    kinds = ["exact for the crude estimator"] * crude + ["normal for the others"] * others
    return [f"low and high: 95 % interval of P(alive), {', '.join(kinds)}"]


def _print_layers_as_csv(simulations: Sequence[Simulation]) -> None:
    tables = [(_identity(simulation), simulation.columns(), simulation.network.depth) for simulation in simulations]
    names = list(dict.fromkeys(name for identity, columns, _ in tables for name in (*identity, *columns)))
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for identity, columns, depth in tables:
        for name in names:
            rows[name].extend([identity[name]] * depth if name in identity else columns.get(name, [None] * depth))
    print_csv(rows)


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

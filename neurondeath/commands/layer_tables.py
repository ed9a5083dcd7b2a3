"""How estimates are shown on stdout, just sampled or read from a store."""

from collections.abc import Mapping, Sequence
from typing import Any

from neurondeath.commands.data_formats import records
from neurondeath.commands.network_layers import shown_layers
from neurondeath.commands.output_options import Format, check_columns
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout, Table
from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath.simulations.outputs import OUTPUT_COLUMNS

__all__ = ["KNOWN_COLUMNS", "SUMMARY_COLUMNS", "show_layers", "show_summary", "show_table"]

TASK_COLUMNS = ("task_id", "network", "inputs", "seed")
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
SUMMARY_COLUMNS = ("network", "inputs", "task_id", "seed", *TABLE_COLUMNS, "trials", "estimator")

# in JSON and CSV only, unless the estimator makes them worth a column
HIDDEN_COLUMNS = (
    *("alive_stderr", "death", "log10_alive", "log10_death", "log10_death_low", "log10_death_high"),
    *("effective_chains", "withheld", "trials", "estimator"),
)

# all columns that estimates may have
KNOWN_COLUMNS = (
    *TASK_COLUMNS,
    *TABLE_COLUMNS,
    *HIDDEN_COLUMNS,
    *(f"{name}{ending}" for name in OUTPUT_COLUMNS for ending in ("", "_stderr")),
    "living_ratio_at_least",
    "variance_mean_exact",
)

PRIORITY: tuple[str | tuple[str, ...], ...] = (
    *("alive", ("low", "high"), ("always_low", "always_high"), ("death", "alive_stderr"), "living_ratio"),
    ("living_ratio_always_low", "living_ratio_always_high"),
    *((name, f"{name}_stderr") for name in OUTPUT_COLUMNS),
    *(("lower_bound", "upper_bound"), "living_ratio_stderr", "expected_living_ratio", "task_id", "seed"),
)
LAYOUT = Layout(keys=("network", "inputs", "depth"), priority=PRIORITY)
SHORT_KEYS = ("task_id", "seed", "depth")  # narrow enough to be repeated in every block of a broken table


def show_layers(
    simulations: Sequence[Simulation], output: Format, columns: str | None = None, notes: Sequence[str] = ()
) -> None:
    """Write every layer of every task, in a table for each task; tables of deep networks are thinned out."""
    names = check_columns(columns, output, KNOWN_COLUMNS)
    needs_flat_table = output is Format.csv or names is not None
    show(
        _all_layers(simulations, names or [], thinned=output is Format.table) if needs_flat_table else {},
        output,
        chosen=columns,
        title="layers of every task",
        layout=LAYOUT,
        tables=[_task_table(simulation) for simulation in simulations],
        notes=[*_interval_notes(simulations), *notes],
        json=lambda: {"tasks": [_with_layers(simulation) for simulation in simulations]},
    )


def show_summary(simulations: Sequence[Simulation], notes: Sequence[str] = ()) -> None:
    """Write a table with the last layer of every task."""
    rows: dict[str, list[Any]] = {}
    for simulation in simulations:
        columns = simulation.columns()
        for name in SUMMARY_COLUMNS:
            value = _task_values(simulation)[name] if name in TASK_COLUMNS else columns[name][-1]
            rows.setdefault(name, []).append(value)
    show_table(rows, Format.table, "last layer of every task", notes=[*_interval_notes(simulations), *notes])


def show_table(
    columns: Mapping[str, Sequence[Any]],
    output: Format,
    title: str,
    *,
    shown: Sequence[str] | None = None,
    everything: bool = False,
    notes: Sequence[str] = (),
) -> None:
    """Write one flat table; in JSON a list of rows.

    Parameters
    ----------
    columns : mapping of str to sequence
        The table; what is NaN in it is unknown.
    output : Format
        Table, JSON or CSV.
    title, notes : str, sequence of str
        Text above and below a table.
    shown : sequence of str, optional
        Columns that a table shows; by default all.
    everything : bool
        Hide no column, however narrow the terminal.
    """
    known = {name: [None if value != value else value for value in values] for name, values in columns.items()}
    show(
        known if output is Format.table else columns,
        output,
        chosen="all" if everything and output is Format.table else None,
        title=title,
        layout=Layout(
            keys=SHORT_KEYS if everything else LAYOUT.keys,
            priority=PRIORITY,
            shown=None if shown is None else tuple(shown),
        ),
        notes=notes,
    )


def _task_table(simulation: Simulation) -> Table:
    columns = simulation.columns()
    layers = shown_layers(simulation.network.depth)
    return Table(
        columns={name: [values[layer] for layer in layers] for name, values in columns.items()},
        title=f"{simulation.network} on {simulation.inputs['spec']}, {simulation.trials} trials, "
        f"seed {simulation.seed}, task {simulation.task_id}",
        notes=[*(f"{name} withheld: {reason}" for name, reason in simulation.withheld.items()), ""],
        layout=Layout(keys=("depth",), priority=PRIORITY, shown=_table_columns(simulation)),
    )


def _table_columns(simulation: Simulation) -> tuple[str, ...]:
    """Name the columns of a table: those of all tables that have a value, a rare death, and the further outputs."""
    columns = simulation.columns()
    names = list(TABLE_COLUMNS)
    if simulation.estimator != "crude":
        names[2:2] = ["alive_stderr", "death"]
    names += [name for name in columns if name not in (*names, *HIDDEN_COLUMNS)]
    return tuple(name for name in names if any(value == value for value in columns[name]))


def _interval_notes(simulations: Sequence[Simulation]) -> list[str]:
    crude = any(simulation.estimator == "crude" for simulation in simulations)
    others = any(simulation.estimator != "crude" for simulation in simulations)
    kinds = ["exact for the crude estimator"] * crude + ["Student's for averages"] * others
    return [f"low and high: 95 % interval of P(alive), {', '.join(kinds)}"]


def _all_layers(simulations: Sequence[Simulation], wanted: Sequence[str], *, thinned: bool) -> dict[str, list[Any]]:
    """Lay out the layers of all tasks as one table; None where a task has no such column."""
    tables = [(_task_values(simulation), simulation.columns(), simulation.network.depth) for simulation in simulations]
    names = dict.fromkeys([*(name for values, columns, _ in tables for name in (*values, *columns)), *wanted])
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for values, columns, depth in tables:
        layers = shown_layers(depth) if thinned else range(depth)
        for name in names:
            if name in columns:
                rows[name] += [columns[name][layer] for layer in layers]
            else:
                rows[name] += [values.get(name)] * len(layers)
    return rows


def _with_layers(simulation: Simulation) -> dict[str, Any]:
    return {**simulation.summary(), "layers": records(simulation.columns())}


def _task_values(simulation: Simulation) -> dict[str, Any]:
    """Return the values of `TASK_COLUMNS`."""
    return {
        "task_id": simulation.task_id,
        "network": str(simulation.network),
        "inputs": simulation.inputs["spec"],
        "seed": simulation.seed,
    }

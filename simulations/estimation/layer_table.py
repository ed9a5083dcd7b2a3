"""Estimates as one flat table, one row per layer of every task: conditions, choice of columns, order of rows."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.number_text import real_number, whole_number
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.widths import short_widths

__all__ = [
    "COLUMN_GROUPS",
    "Condition",
    "NothingToShowError",
    "check_layer",
    "chosen_columns",
    "layer_table",
    "parse_condition",
    "sorted_table",
    "task_record",
    "tasks_that_meet",
]

Table = Mapping[str, Sequence[Any]]

# names that stand for several columns
COLUMN_GROUPS = {
    "task": ("task_id", "network", "inputs", "seed"),
    "settings": (
        "width",
        "n_layers",
        "input_dim",
        "n_points",
        "input_seed",
        "architecture",
        "block_depth",
        "effective_depth",
        "input_mean_square",
        "activation",
        "tau",
        "m",
        "init",
        "weight_variance",
        "degrees_of_freedom",
        "zero_share",
        "bias_variance",
        "bias_law",
        "sign_flip",
        "estimator",
        "engine",
        "dtype",
    ),
    "survival": (
        *("alive", "low", "high", "alive_stderr", "death", "log10_alive", "log10_death"),
        *("log10_death_low", "log10_death_high"),
    ),
    "living": ("living_ratio", "living_ratio_stderr"),
    "theory": ("lower_bound", "upper_bound", "expected_living_ratio"),
    "effort": ("trials", "cpu_seconds"),
}
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


class NothingToShowError(NeuronDeathError):
    """No row of a table meets the conditions."""


@dataclass(frozen=True)
class Condition:
    """A condition on a named column, such as width=4,8 or alive<0.5."""

    column: str
    sign: str
    values: tuple[str, ...]

    def holds(self, value: Any) -> bool:
        """Whether a value meets the condition; an unknown value meets only !=."""
        compare = OPERATORS[self.sign]
        if self.sign == "!=":
            return all(compare(*_alike(value, wanted)) for wanted in self.values)
        if value is None or value != value:
            return False
        return any(compare(*_alike(value, wanted)) for wanted in self.values)


def parse_condition(text: str, name: str = "where") -> Condition:
    """Read a condition: a column, one of = != < <= > >=, and a value; after = and != several as a,b.

    Examples
    --------
    >>> parse_condition("width=4,8")
    Condition(column='width', sign='=', values=('4', '8'))
    """
    found = re.fullmatch(r"\s*(\w+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", text)
    if found is None:
        raise invalid(name, "be COLUMN=VALUE, or with != < <= > >=", text, "as in width=4,8 or alive<0.5")
    column, sign, rest = found.groups()
    # a comma separates values only after = and !=
    values = tuple(value.strip() for value in rest.split(",")) if sign in ("=", "!=") else (rest,)
    if sign not in ("=", "!=") and real_number(rest) is None:
        raise invalid(name, f"compare with a number after {sign}", text)
    return Condition(column, sign, values)


def check_layer(text: str | None, name: str = "layer") -> int | str | None:
    """Validate "last", "all" or the number of a layer, from 1."""
    if text in (None, "last", "all"):
        return text
    number = whole_number(str(text))
    if number is None or number < 1:
        raise invalid(name, "be last, all or the number of a layer, at least 1", text)
    return number


def task_record(simulation: Simulation) -> dict[str, Any]:
    """Return the columns that are the same in all layers of a task."""
    network = simulation.network
    widths = set(network.widths)
    numbers = network.activation.parameters
    return {
        "task_id": simulation.task_id,
        "network": str(network),
        "inputs": simulation.inputs["spec"],
        "seed": simulation.seed,
        "width": network.widths[0] if len(widths) == 1 else None,
        "widths": short_widths(network.widths),
        "n_layers": network.depth,
        "input_dim": network.input_dim,
        "n_points": simulation.inputs["n_points"],
        "input_seed": simulation.inputs["seed"],
        "architecture": network.architecture,
        "block_depth": network.block_depth,
        "effective_depth": network.effective_depth,
        "input_mean_square": network.input_mean_square,
        "activation": str(network.activation),
        "tau": numbers.get("tau"),
        "m": numbers.get("m"),
        "init": network.init,
        "weight_variance": None if network.law is not None else network.weight_variance,
        "degrees_of_freedom": network.degrees_of_freedom,
        "zero_share": network.zero_share,
        "bias_variance": network.bias_variance,
        "bias_law": network.bias_law if network.law is None else None,
        "sign_flip": network.sign_flip,
        "estimator": simulation.estimator,
        "engine": simulation.engine,
        "dtype": simulation.dtype,
        "cpu_seconds": simulation.cpu_seconds,
    }


def tasks_that_meet(simulations: Iterable[Simulation], where: Sequence[Condition]) -> list[Simulation] | None:
    """Select the tasks that meet conditions on columns of `task_record`; None if a condition is on another column.

    Raises
    ------
    NothingToShowError
        If no task is left.
    """
    kept = []
    for simulation in simulations:
        record = task_record(simulation)
        if any(condition.column not in record for condition in where):
            return None
        if all(condition.holds(record[condition.column]) for condition in where):
            kept.append(simulation)
    if not kept:
        raise NothingToShowError("no task of the store meets the conditions; leave some out")
    return kept


def layer_table(
    simulations: Iterable[Simulation],
    *,
    layer: int | str = "all",
    where: Sequence[Condition] = (),
    anytime: bool = False,
) -> Table:
    """Arrange estimates as columns of equal length.

    Parameters
    ----------
    simulations : iterable of Simulation
        The estimates.
    layer : "all", "last" or int
        Which layers; a number counts from 1, and networks with fewer layers have no row.
    where : sequence of Condition
        Conditions that a row must meet.
    anytime : bool
        Add `always_low` and `always_high`, see `Simulation.confidence_sequence`, and the same of the living ratio.

    Returns
    -------
    mapping of str to sequence
        Columns; None where a task has no such value.

    Raises
    ------
    InvalidArgumentError
        If a condition names an unknown column.
    NothingToShowError
        If no row is left.
    """
    rows: list[dict[str, Any]] = []
    known: dict[str, None] = {}
    for simulation in simulations:
        columns = dict(simulation.columns())
        if anytime:
            columns["always_low"], columns["always_high"] = simulation.confidence_sequence()
            ratios = simulation.living_ratio_sequence()
            columns["living_ratio_always_low"], columns["living_ratio_always_high"] = ratios
        depth = simulation.network.depth
        record = task_record(simulation)
        known |= dict.fromkeys([*record, *columns])
        here = [condition for condition in where if condition.column in record]
        if not all(condition.holds(record[condition.column]) for condition in here):
            continue
        for index in _indices(layer, depth):
            row = record | {name: _plain(values[index]) for name, values in columns.items()}
            if all(condition.holds(row.get(condition.column)) for condition in where if condition not in here):
                rows.append(row)
    _check_columns("--where", [condition.column for condition in where], known)
    if not rows:
        if isinstance(layer, int):
            raise NothingToShowError(f"`--layer` must be a layer of a task that meets the conditions; got {layer}")
        raise NothingToShowError("no row of any task meets the conditions; leave some out")
    names = [name for name in known if any(name in row for row in rows)]
    return {name: [row.get(name) for row in rows] for name in names}


def chosen_columns(table: Table, text: str, name: str = "columns") -> Table:
    """Select columns by their names or by the names of groups, in the given order.

    Examples
    --------
    >>> list(chosen_columns({"alive": [1.0], "low": [0.9], "trials": [10]}, "trials,survival"))
    ['trials', 'alive', 'low']
    """
    wanted = [column.strip() for column in text.split(",")]
    _check_columns(name, wanted, [*table, *COLUMN_GROUPS])
    picked = [one for column in wanted for one in COLUMN_GROUPS.get(column, (column,)) if one in table]
    return {column: table[column] for column in picked}


def sorted_table(table: Table, text: str, name: str = "sort") -> Table:
    """Sort rows by columns, first by the first; -COLUMN sorts in descending order; unknown values come last.

    Examples
    --------
    >>> dict(sorted_table({"alive": [0.5, None, 0.9]}, "-alive"))
    {'alive': [0.9, 0.5, None]}
    """
    keys = [column.strip() for column in text.split(",")]
    _check_columns(name, [key.removeprefix("-") for key in keys], table)
    order = list(range(len(next(iter(table.values())))))
    for key in reversed(keys):
        values = table[key.removeprefix("-")]
        known = [i for i in order if values[i] is not None and values[i] == values[i]]
        unknown = [i for i in order if values[i] is None or values[i] != values[i]]
        order = sorted(known, key=lambda i: values[i], reverse=key.startswith("-")) + unknown
    return {column: [values[i] for i in order] for column, values in table.items()}


def _indices(layer: int | str, depth: int) -> range:
    """Return the chosen layers of a network as indices from 0."""
    if isinstance(layer, int):
        return range(layer - 1, min(layer, depth))
    return range(depth - 1 if layer == "last" else 0, depth)


def _check_columns(name: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    for column in wanted:
        if names and column not in names:
            raise invalid(name, "name columns of the results", column, f"they are {', '.join(names)}")


def _alike(value: Any, wanted: str) -> tuple[Any, Any]:
    """Convert a value and the text it is compared with to numbers if both are, otherwise to texts."""
    number = real_number(wanted)
    if number is not None and isinstance(value, (int, float)):
        return float(value), number
    return ("" if value is None else str(value)), wanted


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value

"""Means over seeds with Student's 95 % intervals, from the table of a study: what the pictures of trainings show."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy.special import stdtrit

from figures.tables import Record

__all__ = ["Keys", "over_seeds"]

Row: TypeAlias = Mapping[str, Any]
Keys: TypeAlias = Mapping[str, str | Callable[[Row], Any]]


def over_seeds(rows: Iterable[Row], keys: Keys, values: Mapping[str, str]) -> list[Record]:
    """Average measurements over the rows that differ in their seed alone.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of a study's table.
    keys : mapping
        Field of a record -> the column, or a function of the row, that tells groups apart.
    values : mapping
        Field of a record -> the column to average; NAME_low and NAME_high bound the mean. Of runs that diverged there
        is nothing to average.

    Returns
    -------
    list of Record
        One a group, in order of appearance; `trials` is the number of seeds with numbers.

    Examples
    --------
    >>> rows = [{"width": 8, "seed": seed, "dead": dead} for seed, dead in enumerate([1, 2, 3])]
    >>> (record,) = over_seeds(rows, {"width": "width"}, {"dead": "dead"})
    >>> record["dead"], round(record["dead_high"], 3), record["trials"]
    (2.0, 4.484, 3)
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        group = tuple(row[key] if isinstance(key, str) else key(row) for key in keys.values())
        groups.setdefault(group, []).append(row)
    records: list[Record] = []
    for group, members in groups.items():
        record: dict[str, Any] = dict(zip(keys, group, strict=True))
        whole = [row for row in members if all(_is_number(row[column]) for column in values.values())]
        for name, column in values.items():
            mean, width = _mean_and_width([float(row[column]) for row in whole])
            record.update({name: mean, f"{name}_low": mean - width, f"{name}_high": mean + width})
        records.append({**record, "trials": len(whole), "diverged": len(members) - len(whole)})
    return records


def _is_number(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _mean_and_width(values: Sequence[float]) -> tuple[float, float]:
    """Give a mean and the half-width of its interval; none where fewer than two values say nothing of it."""
    if not values:
        return float("nan"), float("nan")
    if len(values) < 2:
        return values[0], 0.0
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)), float(stdtrit(len(values) - 1, 0.975)) * error

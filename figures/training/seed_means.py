"""Means over seeds with Student's 95 % intervals, from the table of a study, for the figures of training."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from neurondeath.figures.tables import Record
from neurondeath_theory.foundation.intervals import student_interval

__all__ = ["Keys", "over_seeds"]

Row: TypeAlias = Mapping[str, Any]
Keys: TypeAlias = Mapping[str, str | Callable[[Row], Any]]


def over_seeds(rows: Iterable[Row], keys: Keys, values: Mapping[str, str]) -> list[Record]:
    """Average measurements over the rows that differ only in their seed.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of a study's table.
    keys : mapping
        Field of a record -> the column, or a function of the row, that distinguishes groups.
    values : mapping
        Field of a record -> the column to average; NAME_low and NAME_high bound the mean. Runs that
        diverged are left out.

    Returns
    -------
    list of Record
        One per group, in order of appearance; `trials` is the number of seeds with numbers.

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
            mean, low, high = _mean_and_limits([float(row[column]) for row in whole])
            record.update({name: mean, f"{name}_low": low, f"{name}_high": high})
        records.append({**record, "trials": len(whole), "diverged": len(members) - len(whole)})
    return records


def _is_number(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _mean_and_limits(values: Sequence[float]) -> tuple[float, float, float]:
    """Return a mean and its interval; for a single value, which has none, the value three times."""
    mean, low, high = student_interval(values)
    return (mean, low, high) if len(values) > 1 else (mean, mean, mean)

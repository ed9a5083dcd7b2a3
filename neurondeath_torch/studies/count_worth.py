r"""What a count of dead units is worth, judged by the accuracy that a network then reaches on the next task.

From runs over sequences of tasks: at the end of task t a network has a share of dead, dormant, gradient-dormant and
cloned units, an effective rank of its last features, a weight size; in task t + 1 it reaches an accuracy. The worth of
a measure is the rank correlation of the two (Spearman's), in three senses:

- `within`: over the tasks of one run, averaged over the runs. Both may follow the number of the task alone.
- `beyond_time`: the same with the number of the task held fixed, by the partial rank correlation
  $(r_{xy} - r_{xt} r_{yt}) / \sqrt{(1 - r_{xt}^2)(1 - r_{yt}^2)}$, averaged over the runs.
- `between`: over the runs, of their means over the tasks: does it tell networks apart?

Intervals are percentiles of a bootstrap that draws whole runs, since the tasks of a run are not independent. A run in
which one of the two does not vary has no rank correlation and is left out of the first two senses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real, invalid

__all__ = ["MEASURES", "SENSES", "CountWorth", "count_worth", "partial_rank_correlation", "rank_correlation"]

Array = npt.NDArray[np.float64]
SENSES = ("within", "beyond_time", "between")
MEASURES = (
    "dead_share",
    "dormant_share",
    "gradient_dormant_share",
    "cloned_share",
    "feature_rank",
    "uncentred_rank",
    "weight_size",
    "activation_sparsity",
    "task_accuracy",
)
SHARES = {
    "dormant_share": "dormant_units",
    "gradient_dormant_share": "gradient_dormant_units",
    "cloned_share": "cloned_units",
}
LEAST_TASKS = 4  # pairs of tasks of a run, for its rank correlation
DRAWS = 2000
CONSTANT = 1e-12  # of a rank correlation from 1 in absolute value, where nothing is left beyond time


@dataclass(frozen=True, kw_only=True)
class CountWorth(Result):
    """Rank correlations of measures at the end of a task with what is reached in the next one.

    Attributes
    ----------
    outcome : str
        What is reached in the next task.
    measure, sense : tuple of str
        The measures, and the senses of `SENSES`.
    correlation, low, high : float array, shape (n_rows,)
        Rank correlation with its interval; NaN where no run has one.
    runs : tuple of int
        Runs that have one.
    confidence : float
        Of the intervals.
    """

    outcome: str
    measure: tuple[str, ...]
    sense: tuple[str, ...]
    correlation: Array
    low: Array
    high: Array
    runs: tuple[int, ...]
    confidence: float

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per measure and sense."""
        return {
            "measure": self.measure,
            "sense": self.sense,
            "correlation": self.correlation,
            "low": self.low,
            "high": self.high,
            "runs": self.runs,
        }

    def of(self, measure: str, sense: str = "within") -> tuple[float, float, float]:
        """Return the correlation of a measure and its limits."""
        row = list(zip(self.measure, self.sense, strict=True)).index((measure, sense))
        return float(self.correlation[row]), float(self.low[row]), float(self.high[row])

    def __str__(self) -> str:
        rows = [
            index
            for index, sense in enumerate(self.sense)
            if sense == "beyond_time" and 2 * self.runs[index] >= max(self.runs)
        ]
        rows.sort(key=lambda index: -abs(self.correlation[index]))
        found = ", ".join(
            f"{self.measure[i]} {format_number(float(self.correlation[i]), 2)} "
            f"[{format_number(float(self.low[i]), 2)}, {format_number(float(self.high[i]), 2)}]"
            for i in rows
        )
        return f"rank correlation with {self.outcome} of the next task, beyond time, in {max(self.runs)} runs: {found}"


def count_worth(
    rows: Any,
    *,
    outcome: str = "task_online_accuracy",
    measures: Sequence[str] | None = None,
    confidence: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> CountWorth:
    """Compute how measures at the end of tasks are correlated with what is reached in the next task.

    Parameters
    ----------
    rows : sequence of mapping, or StudyTable
        Rows at the ends of tasks, such as those of the study dead_count_worth: `experiment`, `seed`, `task`, `epoch`,
        the outcome and the measures. Of several rows of a task the last counts; rows of epoch 0 are left out.
    outcome : str
        Column of what is reached in the next task.
    measures : sequence of str, optional
        Columns at the end of the task before; by default those of `MEASURES` that the rows have.
    confidence : float
        Of the intervals, in (0, 1).
    draws : int
        Draws of the bootstrap.
    seed : int
        Its seed.

    Returns
    -------
    CountWorth
        One row per measure and sense.

    Raises
    ------
    InvalidArgumentError
        If a column is missing, no run has five tasks, or an argument is out of its domain.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dead = rng.random((6, 30))
    >>> rows = [
    ...     {"experiment": "a", "seed": run, "epoch": task + 1, "task": task, "dead_share": dead[run, task],
    ...      "task_online_accuracy": 0.9 - 0.5 * (dead[run, task - 1] if task else 0.0)}
    ...     for run in range(6) for task in range(30)
    ... ]
    >>> count_worth(rows).of("dead_share")
    (-1.0, -1.0, -1.0)
    """
    level = check_real("confidence", confidence, low=0.0, high=1.0, low_open=True, high_open=True)
    n_draws, rng = check_count("draws", draws), np.random.default_rng(check_count("seed", seed, least=0))
    given = [_with_shares(row) for row in getattr(rows, "rows", rows)]
    runs = _runs(given, outcome)
    known = {name for row in given for name, value in row.items() if value is not None}
    wanted = [name for name in MEASURES if name in known] if measures is None else list(measures)
    for name in wanted:
        if name not in known:
            raise invalid("measures", f"name columns of the rows ({', '.join(sorted(known))})", name)
    found: list[tuple[str, str, float, float, float, int]] = []
    for measure in wanted:
        pairs = [pair for run in runs if (pair := _pairs(run, measure, outcome)) is not None]
        for sense in SENSES:
            found.append((measure, sense, *_bootstrapped(pairs, sense, level, n_draws, rng)))
    columns = list(zip(*found, strict=True))
    return CountWorth(
        outcome=outcome,
        measure=tuple(columns[0]),
        sense=tuple(columns[1]),
        correlation=np.array(columns[2], dtype=np.float64),
        low=np.array(columns[3], dtype=np.float64),
        high=np.array(columns[4], dtype=np.float64),
        runs=tuple(columns[5]),
        confidence=level,
    )


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Compute Spearman's rank correlation, ties with their mean rank; NaN if one of the two does not vary.

    Examples
    --------
    >>> rank_correlation([1, 2, 3], [10, 30, 20])
    0.5
    """
    from scipy.stats import rankdata

    a, b = (rankdata(np.asarray(values, dtype=np.float64)) for values in (x, y))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0.0 else float("nan")


def partial_rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike, given: npt.ArrayLike) -> float:
    """Compute the partial rank correlation of x and y with a third held fixed; NaN if it determines one of them.

    Examples
    --------
    >>> round(partial_rank_correlation([1, 3, 2, 4], [2, 4, 1, 3], [1, 2, 3, 4]), 4)
    1.0
    """
    xy, xt, yt = rank_correlation(x, y), rank_correlation(x, given), rank_correlation(y, given)
    left = (1.0 - xt**2) * (1.0 - yt**2)
    return float(np.clip((xy - xt * yt) / np.sqrt(left), -1.0, 1.0)) if left > CONSTANT else float("nan")


def _with_shares(row: Mapping[str, Any]) -> dict[str, Any]:
    units = row.get("units")
    shares = {share: row[count] / units for share, count in SHARES.items() if units and row.get(count) is not None}
    return {**shares, **row}


def _runs(rows: Sequence[Mapping[str, Any]], outcome: str) -> list[list[Mapping[str, Any]]]:
    """Return the last row of every task, run by run, in the order of the tasks."""
    if not rows:
        raise invalid("rows", "hold rows at the ends of tasks", "no row")
    for name in ("experiment", "seed", "task", "epoch", outcome):
        if all(row.get(name) is None for row in rows):
            raise invalid("rows", f"have a column {name}", sorted(rows[0]))
    runs: dict[tuple[Any, Any], dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        if row["epoch"] and row["task"] is not None:
            tasks = runs.setdefault((row["experiment"], row["seed"]), {})
            if row["task"] not in tasks or row["epoch"] >= tasks[row["task"]]["epoch"]:
                tasks[row["task"]] = row
    ordered = [[tasks[task] for task in sorted(tasks)] for tasks in runs.values()]
    longest = max((len(run) for run in ordered), default=0)
    if longest <= LEAST_TASKS:
        raise invalid("rows", f"hold a run of at least {LEAST_TASKS + 1} tasks", f"at most {longest}")
    return ordered


def _pairs(run: Sequence[Mapping[str, Any]], measure: str, outcome: str) -> tuple[Array, Array, Array] | None:
    """Return measure, outcome in the next task and its number, where both are known; None if there are too few."""
    found = [
        (now[measure], after[outcome], after["task"])
        for now, after in pairwise(run)
        if after["task"] == now["task"] + 1 and _finite(now.get(measure)) and _finite(after.get(outcome))
    ]
    if len(found) < LEAST_TASKS:
        return None
    x, y, t = np.array(found, dtype=np.float64).T
    return x, y, t


def _finite(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _bootstrapped(
    pairs: Sequence[tuple[Array, Array, Array]], sense: str, level: float, draws: int, rng: np.random.Generator
) -> tuple[float, float, float, int]:
    """Return the correlation in a sense, its limits over draws of runs, and the number of runs."""
    statistic: Callable[[Array], float]
    if sense == "between":
        means = np.array([(x.mean(), y.mean()) for x, y, _ in pairs]).reshape(-1, 2)
        statistic, n = (lambda drawn: rank_correlation(*means[drawn.astype(int)].T)), len(pairs)
    else:
        of_run = [
            rank_correlation(x, y) if sense == "within" else partial_rank_correlation(x, y, t) for x, y, t in pairs
        ]
        known = np.array([value for value in of_run if not np.isnan(value)])
        statistic, n = (lambda drawn: float(known[drawn.astype(int)].mean())), len(known)
    if n < (3 if sense == "between" else 1):
        return float("nan"), float("nan"), float("nan"), n
    estimate = statistic(np.arange(n, dtype=np.float64))
    if np.isnan(estimate) or n < 2:
        return estimate, float("nan"), float("nan"), n
    found = np.array([statistic(rng.integers(n, size=n).astype(np.float64)) for _ in range(draws)])
    low, high = np.nanquantile(found, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return estimate, float(low), float(high), n

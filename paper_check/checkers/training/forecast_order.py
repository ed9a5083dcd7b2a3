"""How well a number at birth orders what networks learned, over the networks of the study `alive_and_learning`.

Forecasts are columns of the study, or `score`, that of `learning_verdict`; `agreement` is Spearman's correlation with
the test accuracy, or the area under the ROC curve (AUC) for an accuracy above 0.8. Limits are 95 % percentile intervals
of 1000 bootstrap samples of cells (width, depth, remedy), whose seeds stay together. `held_out` leaves only networks
that the thresholds of the verdict were not chosen on: widths 8 and 32, or depths beyond 60.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from neurondeath.paper_check.comparisons import all_of, compare
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.trainability.learning_verdict import learning_score
from neurondeath_torch.studies.tables import StudyTable, read_study

__all__ = ["agreement", "better"]

STUDY = "alive_and_learning"
RESAMPLES = 1000
LEARNED = 0.8
FALLING = ("correlation",)  # forecasts that fall where more is learned
HELD_WIDTHS, FITTED_DEPTHS = (8, 32), (5, 10, 20, 40, 60)
Array = npt.NDArray[np.float64]
Statistic = Callable[[Sequence[Mapping[str, Any]]], float]


def agreement(
    *,
    setting: Setting,
    forecast: str = "score",
    measure: str = "spearman",
    relation: str = ">=",
    right: float = 0.0,
    held_out: bool = True,
    within: str = "",
) -> Evidence:
    """Compare the agreement of a forecast and the learned accuracy with a number.

    Parameters
    ----------
    setting : Setting
        Where the tables are.
    forecast : str
        "score", or a column measured at birth.
    measure : {"spearman", "auc"}
        The agreement.
    relation, right : str, float
        The claim on it.
    held_out : bool
        Whether to leave out the networks on which the thresholds were chosen.
    within : str
        A column: compare within each of its values that has both outcomes.
    """
    table, rows = _rows(setting, held_out)
    groups = {"": rows} if not within else _split(rows, within)
    found = []
    for name, group in groups.items():
        function = _measured(forecast, measure)
        value, low, high = _limits(group, function, (1.0 - 0.95) / len(groups), setting.seed)
        found.append((name, value, low, high, len(group), compare(value, low, high, relation, right).verdict))
    what = f"{measure} of {forecast} and accuracy{f', within each {within}' if within else ''} {relation} {right:g}"
    return _evidence(table, what, found)


def better(*, setting: Setting, than: Sequence[str], forecast: str = "score", measure: str = "spearman") -> Evidence:
    """Check that a forecast agrees better with the learned accuracy than each of some columns.

    Parameters
    ----------
    setting : Setting
        Where the tables are.
    than : sequence of str
        Columns; "remedy" stands for the mean accuracy of the remedy, which no forecast at birth knows.
    forecast, measure : str
        As in `agreement`.
    """
    table, rows = _rows(setting, True)
    first, found = _measured(forecast, measure), []
    for name in than:
        gain = _difference(first, _measured(name, measure))
        value, low, high = _limits(rows, gain, 0.05 / len(than), setting.seed)
        found.append((name, value, low, high, len(rows), compare(value, low, high, ">", 0.0).verdict))
    return _evidence(table, f"{measure} of {forecast} minus that of each of {', '.join(than)} > 0", found)


def _difference(first: Statistic, second: Statistic) -> Statistic:
    return lambda rows: first(rows) - second(rows)


def _rows(setting: Setting, held_out: bool) -> tuple[StudyTable, list[Mapping[str, Any]]]:
    table = read_study(STUDY, setting.studies)
    rows = [row for row in table.rows if not held_out or _is_held_out(row)]
    if not rows:
        raise ValueError(f"study {STUDY} has no networks that were held out")
    return table, rows


def _is_held_out(row: Mapping[str, Any]) -> bool:
    return row["width"] in HELD_WIDTHS or row["depth"] not in FITTED_DEPTHS


def _split(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, list[Mapping[str, Any]]]:
    """Group rows; groups with one outcome only have no AUC."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(str(row[column]), []).append(row)
    return {name: group for name, group in groups.items() if len({row["test_accuracy"] > LEARNED for row in group}) > 1}


def _measured(forecast: str, measure: str) -> Statistic:
    function = {"spearman": _spearman, "auc": _auc}[check_choice("measure", measure, ["spearman", "auc"])]
    return lambda rows: function(_forecasts(rows, forecast), np.array([row["test_accuracy"] for row in rows]))


def _forecasts(rows: Sequence[Mapping[str, Any]], forecast: str) -> Array:
    if forecast == "score":
        return np.array([learning_score(row["root_rank"], row["step_gain"] or 0.0) for row in rows])
    if forecast == "remedy":
        by_name = {name: np.mean([row["test_accuracy"] for row in group]) for name, group in _all(rows).items()}
        return np.array([by_name[row["remedy"]] for row in rows])
    if forecast not in rows[0]:
        raise ValueError(f"study {STUDY} has no column {forecast}")
    # points of a network without features all look alike
    values = np.array([1.0 if row[forecast] is None else row[forecast] for row in rows], dtype=np.float64)
    return -values if forecast in FALLING else values


def _all(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["remedy"], []).append(row)
    return groups


def _spearman(x: Array, y: Array) -> float:
    a, b = rankdata(x), rankdata(y)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt(np.sum(a**2) * np.sum(b**2)))
    return float(np.sum(a * b)) / scale if scale > 0.0 else 0.0


def _auc(x: Array, y: Array) -> float:
    learned = y > LEARNED
    n = int(learned.sum())
    if n in (0, len(y)):
        return np.nan  # of a bootstrap sample; left out
    return float((rankdata(x)[learned].sum() - n * (n + 1) / 2) / (n * (len(y) - n)))


def _limits(
    rows: Sequence[Mapping[str, Any]],
    function: Statistic,
    alarm: float,
    seed: int,
) -> tuple[float, float, float]:
    """Return a statistic and its percentile limits over bootstrap samples of cells."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        cells.setdefault((row["width"], row["depth"], row["remedy"]), []).append(row)
    listed, rng = list(cells.values()), np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        picked = rng.integers(len(listed), size=len(listed))
        values.append(function([row for cell in picked for row in listed[cell]]))
    low, high = np.nanquantile(values, [alarm / 2.0, 1.0 - alarm / 2.0])
    value = function(rows)
    return value, min(float(low), value), max(float(high), value)


def _evidence(table: StudyTable, what: str, found: Sequence[tuple[Any, ...]]) -> Evidence:
    verdict = all_of(one[-1] for one in found)
    name, value, low, high, n, _ = next(one for one in found if one[-1] is verdict)
    place = f", {name}" if name else ""
    return Evidence(
        route="training",
        verdict=verdict,
        summary=f"{what}: {value:.3f} in [{low:.3f}, {high:.3f}]{place}, {n} networks (study {table.name}, "
        f"{table.provenance.get('date', 'no date')})",
        points=sum(one[4] for one in found),
        numbers={
            "what": [one[0] for one in found],
            "value": [one[1] for one in found],
            "low": [one[2] for one in found],
            "high": [one[3] for one in found],
            "networks": [one[4] for one in found],
            "verdict": [one[5].value for one in found],
        },
    )

"""Checkers of claims on training: they read the tables of the shipped studies, or of studies that were run again.

A claim names a study (`neurondeath study list`), a measurement, and the runs it is about by their settings. The
randomness is that of the seeds: means over seeds have Student's t intervals, paired where the two sides share their
seeds and Welch's where they do not; counts of networks have exact binomial ones; all at 95 %, shared over the
comparisons of a checker. The effect that a claim may bound is the difference, the slope, or the mean or share less its
number. A relation is CONFIRMED when all of the interval satisfies it, REFUTED when none of it does,
else INCONCLUSIVE. A run without a number (a loss that was no longer finite) is left out, and the summary says so.

Settings are given as tables of column and value, "" for a setting that a run does not have; `at` among them is the
epoch: "last", "first" (before training) or a number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from neurondeath.paper_check.checkers.training.difference_limits import difference_limits, image_limits, mean_limits
from neurondeath.paper_check.comparisons import all_of, binomial_limits, compare
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath_theory.foundation.validation import check_choice, check_count, check_real
from neurondeath_torch.studies.tables import StudyTable, read_study

__all__ = ["LEVEL", "Row", "difference", "level", "near", "selected_rows", "share", "trend"]

LEVEL = 0.95  # of all intervals of a checker together
DIRECTIONS = {"rises": ">", "falls": "<"}
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """An estimate with its limits, and the claim on it."""

    what: str
    left: float
    right: float
    estimate: float
    low: float
    high: float
    n: int
    verdict: Verdict
    over: str = ""  # what n counts, if not seeds
    zero: float = 0.0  # estimate of no effect


def difference(
    *,
    setting: Setting,
    study: str,
    y: str,
    left: Row,
    right: Row,
    relation: str,
    by: Sequence[str] = (),
    margin: float = 0.0,
    images: int | None = None,
) -> Evidence:
    """Compare the mean of a measurement between two settings: left - right relation margin.

    Parameters
    ----------
    setting : Setting
        Where the tables are.
    study, y : str
        The table and its column.
    left, right : mapping
        Which runs, by column and value, and `at`.
    relation : {">", "<"}
        How the difference is related to the margin.
    by : sequence of str
        Compare separately for every combination of these columns.
    margin : float
        What the difference must exceed, or stay below.
    images : int, optional
        Number of test images, over which the accuracies of two single networks are compared.
    """
    if images is not None:
        check_count("images", images)
    table = read_study(study, setting.studies)
    groups = _groups(table, by)
    found, missing = [], 0
    for group in groups:
        a, lost_a = _values(table, y, {**group, **left})
        b, lost_b = _values(table, y, {**group, **right})
        missing += lost_a + lost_b
        alarm, over = (1.0 - LEVEL) / len(groups), ""
        if images is not None and len(a) == len(b) == 1:
            (first,), (second,) = a.values(), b.values()
            estimate, low, high = image_limits(first, second, images, alarm)
            n, over = images, " test images of one network each"
        else:
            estimate, low, high, n = difference_limits(a, b, alarm)
        found.append(
            Compared(
                what=_words(group),
                left=_mean(a),
                right=_mean(b),
                estimate=estimate,
                low=low,
                high=high,
                n=n,
                over=over,
                verdict=_verdict(estimate, low, high, relation, margin),
            )
        )
    what = f"{y} of {_words(left)} minus that of {_words(right)}, {relation} {margin:g}"
    return _evidence(table, what, found, missing)


def trend(
    *,
    setting: Setting,
    study: str,
    y: str,
    along: str,
    direction: str,
    where: Row,
    minus: Row | None = None,
    values: Sequence[Any] = (),
    margin: float = 0.0,
    pooled: bool = False,
) -> Evidence:
    """Check whether a measurement rises or falls along a setting, by its mean slope per step (least squares per seed).

    Parameters
    ----------
    setting : Setting
        Where the tables are.
    study, y : str
        The table and its column.
    along : str
        The column whose values, in ascending order, are the steps; "epoch" follows each run.
    direction : {"rises", "falls"}
        Sign of the slope.
    where : mapping
        Which runs, by column and value, and `at`.
    minus : mapping, optional
        Subtract from y its value in these runs of the same seed.
    values : sequence, optional
        Only these values of the column.
    margin : float
        What the slope must exceed in its direction.
    pooled : bool
        Where the settings leave several runs of a seed, take their mean.
    """
    table = read_study(study, setting.studies)
    relation = DIRECTIONS[check_choice("direction", direction, list(DIRECTIONS))]
    steps = sorted({row[along] for row in selected_rows(table, {**where, "at": "all"}) if row[along] is not None})
    steps = [step for step in steps if step in values] if values else steps
    if len(steps) < 2:
        raise ValueError(f"no two values of {along} among the runs of {_words(where)}")
    columns, missing = [], 0
    for step in steps:
        place = {"at": step} if along == "epoch" else {along: step}
        here, lost = _values(table, y, {**where, **place}, pooled)
        if minus is not None:
            other, more = _values(table, y, {**minus, **place}, pooled)
            here, lost = {seed: here[seed] - other[seed] for seed in here.keys() & other.keys()}, lost + more
        columns.append(here)
        missing += lost
    seeds = sorted(set.intersection(*(set(column) for column in columns)))
    rank = np.arange(len(steps)) - (len(steps) - 1) / 2.0
    slopes = [float(rank @ [column[seed] for column in columns] / (rank @ rank)) for seed in seeds]
    estimate, low, high = mean_limits(slopes, LEVEL)
    signed = margin if direction == "rises" else -margin
    verdict = _verdict(estimate, low, high, relation, signed)
    means = [_mean(column) for column in columns]
    course = ", ".join(f"{step:g}: {mean:.4g}" for step, mean in zip(steps, means, strict=True))
    one = Compared(
        what=f"slope over {along} {course}",
        left=means[-1],
        right=means[0],
        estimate=estimate,
        low=low,
        high=high,
        n=len(seeds),
        verdict=verdict,
    )
    subtracted = f" minus that of {_words(minus)}" if minus is not None else ""
    return _evidence(table, f"{y} of {_words(where)}{subtracted} {direction} with {along}", [one], missing)


def level(
    *,
    setting: Setting,
    study: str,
    y: str,
    where: Row,
    relation: str,
    right: float,
    by: Sequence[str] = (),
    images: int | None = None,
) -> Evidence:
    """Compare the mean of a measurement with a number: mean relation right.

    Parameters
    ----------
    setting : Setting
        Where the tables are.
    study, y : str
        The table and its column.
    where : mapping
        Which runs, by column and value, and `at`.
    relation : {">", "<"}
        How the mean is related to the number.
    right : float
        The number.
    by : sequence of str
        Compare separately for every combination of these columns.
    images : int, optional
        Number of test images, over which the accuracy of a single network is compared.
    """
    if images is not None:
        check_count("images", images)
    return _levels(setting, study, y, where, by, [(relation, right)], f"{relation} {right:g}", images)


def near(
    *, setting: Setting, study: str, y: str, where: Row, number: float, tolerance: float, by: Sequence[str] = ()
) -> Evidence:
    """Check whether the mean of a measurement lies within a tolerance of a number.

    Parameters
    ----------
    setting, study, y, where, by
        As for `level`.
    number : float
        The number.
    tolerance : float
        Largest distance of the mean from the number.
    """
    check_real("tolerance", tolerance, low=0.0, low_open=True)
    sides = [(">", number - tolerance), ("<", number + tolerance)]
    return _levels(setting, study, y, where, by, sides, f"within {tolerance:g} of {number:g}")


def share(*, setting: Setting, study: str, count: str, of: str, where: Row, relation: str, right: float) -> Evidence:
    """Compare a share of networks with a number, by exact binomial limits.

    Parameters
    ----------
    setting : Setting
        Where the tables are.
    study : str
        The table.
    count, of : str
        Its columns with the networks that are counted, and all of them.
    where : mapping
        Which rows, by column and value.
    relation : {">", "<"}
        How the share is related to the number.
    right : float
        The number.
    """
    table = read_study(study, setting.studies)
    rows = selected_rows(table, where)
    hits, trials = sum(row[count] for row in rows), sum(row[of] for row in rows)
    (low,), (high,) = binomial_limits([hits], trials, false_alarm=1.0 - LEVEL, comparisons=1)
    one = Compared(
        what=f"{hits} of {trials}",
        left=hits / trials,
        right=right,
        estimate=hits / trials,
        low=float(low),
        high=float(high),
        n=trials,
        zero=right,
        verdict=_verdict(hits / trials, low, high, relation, right),
    )
    return _evidence(table, f"share of {count} among {of} of {_words(where)} {relation} {right:g}", [one], 0)


def _levels(
    setting: Setting,
    study: str,
    y: str,
    where: Row,
    by: Sequence[str],
    sides: Sequence[tuple[str, float]],
    claimed: str,
    images: int | None = None,
) -> Evidence:
    table = read_study(study, setting.studies)
    groups = _groups(table, by)
    found, missing = [], 0
    for group in groups:
        values, lost = _values(table, y, {**group, **where})
        missing += lost
        n, over, alarm = len(values), "", (1.0 - LEVEL) / len(groups)
        if images is not None and n == 1:
            (estimate,), n, over = values.values(), images, " test images of one network"
            (low,), (high,) = binomial_limits([round(estimate * images)], images, false_alarm=alarm, comparisons=1)
        else:
            estimate, low, high = mean_limits(list(values.values()), 1.0 - alarm)
        found.append(
            Compared(
                what=_words(group),
                left=estimate,
                right=float(np.mean([side for _, side in sides])),
                estimate=estimate,
                low=float(low),
                high=float(high),
                n=n,
                over=over,
                zero=float(np.mean([side for _, side in sides])),
                verdict=all_of(_verdict(estimate, low, high, relation, side) for relation, side in sides),
            )
        )
    return _evidence(table, f"mean {y} of {_words(where)} {claimed}", found, missing)


def _evidence(table: StudyTable, what: str, found: Sequence[Compared], missing: int) -> Evidence:
    """Combine comparisons into evidence; the summary shows the decisive one."""
    verdict = all_of(one.verdict for one in found)
    shown = next(one for one in found if one.verdict is verdict)
    place = f", {shown.what}" if shown.what else ""
    others = f"{len(found)} comparisons, " if len(found) > 1 else ""
    lost = f"; {missing} diverged run{'s' if missing > 1 else ''} left out" if missing else ""
    made = "reduced size, " if table.provenance.get("quick") else ""
    return Evidence(
        route="training",
        verdict=verdict,
        summary=f"{what}: {others}{shown.estimate:.4g} in [{shown.low:.4g}, {shown.high:.4g}] at {LEVEL:.0%}{place}, "
        f"n = {shown.n}{shown.over}{lost} (study {table.name}, {made}{table.provenance.get('date', 'no date')})",
        points=sum(one.n > 0 for one in found),
        effects=tuple((one.low - one.zero, one.high - one.zero) for one in found),
        numbers={
            "what": [one.what for one in found],
            "left": [one.left for one in found],
            "right": [one.right for one in found],
            "estimate": [one.estimate for one in found],
            "low": [one.low for one in found],
            "high": [one.high for one in found],
            "n": [one.n for one in found],
            "verdict": [one.verdict.value for one in found],
        },
    )


def _groups(table: StudyTable, by: Sequence[str]) -> list[dict[str, Any]]:
    for name in by:
        _check_column(table, name)
    return [dict(zip(by, values, strict=True)) for values in dict.fromkeys(tuple(r[n] for n in by) for r in table.rows)]


def selected_rows(table: StudyTable, where: Row) -> list[Row]:
    """Select rows by their cells and the epoch."""
    wanted = {name: None if value == "" else value for name, value in where.items() if name != "at"}
    for name in wanted:
        _check_column(table, name)
    rows = [row for row in table.rows if all(row[name] == value for name, value in wanted.items())]
    at = where.get("at", "last")
    if at == "all":
        picked = rows
    elif at == "last":
        picked = list({(row["experiment"], row["seed"]): row for row in rows}.values())
    else:
        epoch = 0 if at == "first" else at
        picked = [row for row in rows if row["epoch"] == epoch]
    if not picked:
        raise ValueError(f"study {table.name} has no run of {_words(where)}")
    return picked


def _values(table: StudyTable, y: str, where: Row, pooled: bool = False) -> tuple[dict[int, float], int]:
    """Return the measurement of each seed, and the number of runs without one."""
    _check_column(table, y)
    rows = selected_rows(table, where)
    if not pooled and len({row["seed"] for row in rows}) < len(rows):
        raise ValueError(f"study {table.name} has several runs per seed of {_words(where)}; name more settings")
    ended = {(row["experiment"], row["seed"]) for row in table.rows if row.get("diverged")}
    whole = [
        row for row in rows if row[y] is not None and isfinite(row[y]) and (row["experiment"], row["seed"]) not in ended
    ]
    seeds = dict.fromkeys(row["seed"] for row in whole)
    values = {seed: float(np.mean([row[y] for row in whole if row["seed"] == seed])) for seed in seeds}
    return values, len(rows) - len(whole)


def _check_column(table: StudyTable, name: str) -> None:
    if not table.rows or name not in table.rows[0]:
        raise ValueError(f"study {table.name} has no column {name}")


def _verdict(estimate: float, low: float, high: float, relation: str, claimed: float) -> Verdict:
    return compare(estimate, low, high, check_choice("relation", relation, list(DIRECTIONS.values())), claimed).verdict


def _mean(values: Mapping[int, float]) -> float:
    return float(np.mean(list(values.values()))) if values else float("nan")


def _words(where: Row) -> str:
    return ", ".join(
        f"{name.rpartition('.')[2]} {value if value != '' else 'default'}" for name, value in where.items()
    )

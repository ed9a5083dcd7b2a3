"""How an estimate with limits is compared with a claimed value; every checker decides by these rules.

The limits [low, high] enclose the truth: of a Monte Carlo estimate with the checker's false-alarm probability, shared
over its comparisons (Bonferroni), of a computed number with certainty. At every point

- a relation is REFUTED when no value within the limits satisfies it;
- `==` is CONFIRMED when the claimed value lies within the limits and these are narrow enough;
- `>=`, `<=` are CONFIRMED when every value within the limits satisfies them, or the limits are narrow enough to have
  detected a relevant violation;
- `>`, `<` are CONFIRMED when every value within the limits satisfies them;
- all else is INCONCLUSIVE.

Narrow enough is a half-width of at most `precision` x |claimed value| + `absolute`, which the checker states. One
refuted point refutes; a comparison is CONFIRMED when every point is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.evidence import Verdict
from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath.simulations.populations import TRIALS
from neurondeath_theory.foundation.intervals import exact_interval
from neurondeath_theory.foundation.validation import check_choice

__all__ = [
    "RELATIONS",
    "Comparison",
    "all_of",
    "binomial_limits",
    "compare",
    "holds",
    "independent_parts",
    "normal_limits",
    "survival_limits",
]

Array = npt.NDArray[np.float64]
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal,
    ">=": np.greater_equal,
    "<=": np.less_equal,
    ">": np.greater,
    "<": np.less,
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Result of a comparison.

    Attributes
    ----------
    verdict : Verdict
        CONFIRMED, REFUTED or INCONCLUSIVE.
    margin : float
        The worst distance of the claimed value from being refuted; negative where it is.
    worst : int
        Flat index of the point of that margin.
    points : int
        Number of points compared.
    """

    verdict: Verdict
    margin: float
    worst: int
    points: int


def compare(
    estimate: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    relation: str,
    claimed: npt.ArrayLike,
    *,
    precision: float = 0.0,
    absolute: npt.ArrayLike = 0.0,
) -> Comparison:
    """Compare estimates and their limits with claimed values, `estimate relation claimed`.

    Parameters
    ----------
    estimate, low, high : float array, shapes that broadcast
        The estimates, and limits that enclose the truth; for an exact number all three are the same.
    relation : {"==", ">=", "<=", ">", "<"}
        How the claim relates the truth (on the left) to the claimed value (on the right).
    claimed : float array
        The claimed values.
    precision, absolute : float
        The limits are narrow enough when their half-width is at most precision x |claimed| + absolute.

    Returns
    -------
    Comparison
        By the rules above.

    Raises
    ------
    ValueError
        If there is nothing to compare, a value is NaN, or the estimate lies outside its limits.

    Examples
    --------
    >>> compare(0.30, 0.29, 0.31, "==", 0.305, precision=0.05).verdict.value
    'CONFIRMED'
    >>> compare([0.5, 0.30], [0.4, 0.29], [0.6, 0.31], ">=", [0.2, 0.33]).verdict.value
    'REFUTED'
    """
    holds_at = RELATIONS[check_choice("relation", relation, list(RELATIONS))]
    value, least, most, right, slack = np.broadcast_arrays(
        *(np.asarray(item, dtype=np.float64) for item in (estimate, low, high, claimed, absolute))
    )
    if value.size == 0:
        raise ValueError("nothing to compare")
    if np.isnan([value, least, most, right]).any():
        raise ValueError("a value to compare is not a number")
    if ((value < least) | (value > most)).any():
        raise ValueError("an estimate lies outside its own limits")
    with np.errstate(invalid="ignore"):  # infinity minus infinity: satisfied with margin 0
        above, below = (
            np.nan_to_num(gap, nan=0.0, posinf=np.inf, neginf=-np.inf) for gap in (most - right, right - least)
        )
        narrow = ~(most - least > 2.0 * (precision * np.abs(right) + slack))
    if relation == "==":
        margin, refuted, confirmed = np.minimum(above, below), (above < 0) | (below < 0), narrow
    else:
        margin = above if ">" in relation else below
        refuted = ~(holds_at(least, right) | holds_at(most, right))
        confirmed = holds_at(least, right) & holds_at(most, right)
        if "=" in relation:
            confirmed = confirmed | narrow
    verdict = Verdict.CONFIRMED if confirmed.all() else Verdict.INCONCLUSIVE
    if refuted.any():
        verdict = Verdict.REFUTED
    worst = int(np.argmin(margin))
    return Comparison(verdict=verdict, margin=float(margin.flat[worst]), worst=worst, points=int(value.size))


def holds(left: Any, relation: str, right: Any) -> bool:
    """Return whether two exact numbers satisfy a relation.

    Examples
    --------
    >>> holds(1, "<=", 2), holds(2, "<", 2)
    (True, False)
    """
    a, b = left, right
    answers = {"==": a == b, ">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b}
    return bool(answers[check_choice("relation", relation, list(RELATIONS))])


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of evidence made of several parts, each of which must be confirmed.

    Examples
    --------
    >>> all_of([Verdict.CONFIRMED, Verdict.INCONCLUSIVE]).value
    'INCONCLUSIVE'
    """
    found = set(verdicts)
    if not found:
        raise ValueError("no part of the evidence has a verdict")
    order = (
        Verdict.ERROR,
        Verdict.REFUTED,
        Verdict.NOT_TESTED,
        Verdict.INCONCLUSIVE,
        Verdict.BOUNDED,
        Verdict.CONFIRMED,
    )
    return next(verdict for verdict in order if verdict in found)


def binomial_limits(hits: npt.ArrayLike, trials: int, *, false_alarm: float, comparisons: int) -> tuple[Array, Array]:
    """Return exact two-sided limits of probabilities from counts, with `false_alarm` shared over all comparisons.

    Examples
    --------
    >>> low, high = binomial_limits([50], 100, false_alarm=1e-6, comparisons=10)
    >>> low.round(3).item(), high.round(3).item()
    (0.248, 0.752)
    """
    return exact_interval(np.asarray(hits), trials, confidence=1.0 - false_alarm / comparisons)


def normal_limits(
    mean: npt.ArrayLike, stderr: npt.ArrayLike, *, false_alarm: float, comparisons: int, parts: int | None = None
) -> tuple[Array, Array]:
    """Return two-sided limits of averages from standard errors, with `false_alarm` shared over all comparisons.

    Limits are normal; with `parts`, the number of independent parts that the standard errors come from, Student's.

    Examples
    --------
    >>> low, high = normal_limits(1.0, 0.1, false_alarm=1e-6, comparisons=1)
    >>> low.round(3).item(), high.round(3).item()
    (0.511, 1.489)
    """
    from scipy.special import ndtri, stdtrit

    middle, error = np.asarray(mean, dtype=np.float64), np.asarray(stderr, dtype=np.float64)
    tail = 0.5 * false_alarm / comparisons
    width = -(ndtri(tail) if parts is None else stdtrit(max(parts - 1, 1), tail)) * error
    return middle - width, middle + width


def independent_parts(simulation: Simulation) -> int:
    """Return how many independent parts the standard errors of a simulation come from, at least."""
    return simulation.trials // TRIALS if simulation.estimator == "conditional" else simulation.trials


def survival_limits(simulation: Simulation, *, false_alarm: float, comparisons: int) -> tuple[Array, Array]:
    """Return limits of P(alive through layer l), all layers: exact for counts, Student's for the other estimators.

    A layer whose interval is withheld is not limited at all.
    """
    if simulation.estimator != "crude":
        limits = normal_limits(
            simulation.alive,
            simulation.alive_stderr,
            false_alarm=false_alarm,
            comparisons=comparisons,
            parts=independent_parts(simulation),
        )
        withheld = np.array([bool(reason) for reason in simulation.interval_withheld])
        return np.where(withheld, 0.0, limits[0]), np.where(withheld, 1.0, limits[1])
    hits = np.rint(simulation.alive * simulation.trials).astype(np.int64)
    return binomial_limits(hits, simulation.trials, false_alarm=false_alarm, comparisons=comparisons)

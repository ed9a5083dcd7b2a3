"""Generic checkers that compare formulas with formulas, for any claim, also a user's, that needs no simulation.

A claim reads `left relation right` over a domain, or `term -> limit` as a name grows. The texts are formulas (see
`paper_check.formulas`), the domain is a table of names, each [low, high] for real numbers in between, both ends
included, [low, high, "integer"] for integers, [low, high, "log"] for real numbers spread evenly in their
logarithm, or a list of values in a table: { values = [1, 2, 5] }.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from neurondeath.paper_check.comparisons import RELATIONS, holds
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.foundation.validation import check_choice, check_count, check_real, invalid

__all__ = ["holds_at_random_points", "holds_symbolically", "tends_to"]

DIGITS = 40
TOLERANCE = 1e-25  # relative, of equality: far above the rounding of 40 digits, far below the error of a wrong formula
SHRINK = 1e-4  # factor by which the distance of a sequence from its limit must shrink
FAR = 100  # distance of a settled sequence from a wrong limit, in units of its last step
QUICK_POINTS, FULL_POINTS = 200, 2000
Domain = Mapping[str, Any]


def holds_at_random_points(
    *,
    setting: Setting,
    left: str,
    relation: str,
    right: str,
    names: Domain,
    tolerance: float = TOLERANCE,
) -> Evidence:
    """Compare two formulas at random points of a domain, in 40-digit arithmetic.

    Parameters
    ----------
    setting : Setting
        200 points, or 2000 in a full check.
    left, relation, right : str
        The statement; relations are ==, >=, <=, > and <.
    names : mapping
        The domain; its corners are compared in addition to the random points.
    tolerance : float
        Relative difference at which two values still count as equal; strict relations must hold beyond it.

    Returns
    -------
    Evidence
        REFUTED by a single point, else CONFIRMED, which covers only the points compared.

    Raises
    ------
    InvalidArgumentError
        If a formula, the relation or the domain is invalid.

    Examples
    --------
    >>> found = holds_at_random_points(
    ...     setting=Setting(), left="1 - x", relation="<=", right="exp(-x)", names={"x": [0, 1]}
    ... )
    >>> found.verdict.value, found.points
    ('CONFIRMED', 202)
    """
    check_choice("relation", relation, list(RELATIONS))
    tolerance = check_real("tolerance", tolerance, low=0.0, high=0.1)
    points = _points(names, FULL_POINTS if setting.full else QUICK_POINTS, setting.seed)
    rows: list[tuple[Any, Any, float]] = []
    broken = []
    for number, point in enumerate(points):
        a, b = (_real(evaluate(text, point, digits=DIGITS), text, point) for text in (left, right))
        gap = a - b
        close = abs(gap) <= tolerance * max(abs(a), abs(b))
        if not ("=" in relation if close else holds(a, relation, b)):
            broken.append(number)
        rows.append((a, b, float(gap)))
    worst = _worst(rows, relation)
    where = broken[0] if broken else worst
    at = ", ".join(f"{name} = {float(value):.6g}" for name, value in points[where].items())
    place = f"{float(rows[where][0]):.10g} and {float(rows[where][1]):.10g} at {at or 'no names'}"
    summary = (
        f"{left} {relation} {right} fails at {len(broken)} of {len(points)} points, first {place}"
        if broken
        else f"{left} {relation} {right} at all {len(points)} points in {DIGITS}-digit arithmetic; closest {place}"
    )
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if broken else Verdict.CONFIRMED,
        summary=summary,
        points=len(points),
        numbers={
            **{name: [float(point[name]) for point in points] for name in names},
            "left": [float(row[0]) for row in rows],
            "right": [float(row[1]) for row in rows],
            "difference": [row[2] for row in rows],
        },
    )


def holds_symbolically(*, setting: Setting, left: str, right: str, names: Sequence[str]) -> Evidence:
    """Prove that two formulas are the same, by computer algebra; all names stand for positive numbers.

    Parameters
    ----------
    setting : Setting
        Only its seed is used, for the points that refute.
    left, right : str
        The formulas.
    names : sequence of str
        Their names.

    Returns
    -------
    Evidence
        CONFIRMED when the difference simplifies to zero, REFUTED when it is not zero at a random point, INCONCLUSIVE
        when neither can be shown.

    Raises
    ------
    InvalidArgumentError
        If a formula is invalid.

    Examples
    --------
    >>> holds_symbolically(setting=Setting(), left="(x + 1)**2", right="x**2 + 2*x + 1", names=["x"]).verdict.value
    'CONFIRMED'
    """
    import sympy

    difference = parse_formula(left, names) - parse_formula(right, names)
    for point in _points({name: [0.5, 3.0] for name in names}, 5, setting.seed):
        a, b = (_real(evaluate(text, point, digits=DIGITS), text, point) for text in (left, right))
        if abs(a - b) > TOLERANCE * max(abs(a), abs(b)):
            at = ", ".join(f"{name} = {float(value):.6g}" for name, value in point.items())
            summary = f"{left} is {float(a):.10g} and {right} is {float(b):.10g} at {at or 'no names'}"
            return Evidence(route="symbolic", verdict=Verdict.REFUTED, summary=summary, points=1)
    for rewrite in (sympy.expand, sympy.simplify, lambda term: sympy.simplify(sympy.expand(term.rewrite(sympy.exp)))):
        if rewrite(difference) == 0:
            summary = f"{left} - ({right}) simplifies to 0 for all positive {', '.join(names) or 'numbers'}"
            return Evidence(route="symbolic", verdict=Verdict.CONFIRMED, summary=summary, points=1)
    summary = f"{left} - ({right}) is zero at random points, but does not simplify to 0"
    return Evidence(route="symbolic", verdict=Verdict.INCONCLUSIVE, summary=summary, points=1)


def tends_to(
    *,
    setting: Setting,
    term: str,
    limit: str,
    name: str,
    names: Domain | None = None,
    first: float = 16,
    factor: float = 4,
    steps: int = 12,
) -> Evidence:
    """Compare a formula with its claimed limit as one name grows, at ever larger values.

    Parameters
    ----------
    setting : Setting
        At 20 random points of the other names, or 200 in a full check.
    term, limit : str
        The formula, and its limit (without `name`).
    name : str
        The name that grows.
    names : mapping, optional
        The domain of the other names.
    first, factor : float
        First value of the name, and ratio of successive values.
    steps : int
        Number of values, at least 4.

    Returns
    -------
    Evidence
        The values are taken at `first`, `first` x `factor`, ... CONFIRMED when at every point their distance from the
        limit shrinks to 1e-4 of what it was; REFUTED when at some point their steps shrink as much, and they have
        settled at 100 such steps or more from the limit; else INCONCLUSIVE.

    Raises
    ------
    InvalidArgumentError
        If a formula or the domain is invalid.

    Examples
    --------
    >>> tends_to(setting=Setting(), term="(1 + 1/k)**k", limit="e", name="k").verdict.value
    'CONFIRMED'
    """
    steps = check_count("steps", steps, least=4, most=60)
    first, factor = check_real("first", first), check_real("factor", factor, low=1.0, low_open=True)
    others = _points(dict(names or {}), 200 if setting.full else 20, setting.seed)
    verdicts, rows = [], []
    for point in others:
        values = [
            _real(evaluate(term, {**point, name: first * factor**step}, digits=DIGITS), term, point)
            for step in range(steps)
        ]
        target = _real(evaluate(limit, point, digits=DIGITS), limit, point)
        gaps = [abs(value - target) for value in values]
        moves = [abs(b - a) for a, b in pairwise(values)]
        settled = moves[-1] <= SHRINK * moves[0]
        if gaps[-1] <= SHRINK * max(gaps[0], moves[0]) and gaps[-1] <= gaps[-2]:
            verdicts.append(Verdict.CONFIRMED)
        else:
            far = gaps[-1] > FAR * moves[-1]
            verdicts.append(Verdict.REFUTED if settled and far else Verdict.INCONCLUSIVE)
        rows.append((float(values[-1]), float(target), float(gaps[-1])))
    order = (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.CONFIRMED)
    verdict = next(one for one in order if one in verdicts)
    shown = rows[verdicts.index(verdict)] if verdict != Verdict.CONFIRMED else max(rows, key=lambda row: row[2])
    last = first * factor ** (steps - 1)
    summary = (
        f"{term} at {name} = {last:.4g}: {shown[0]:.10g}, claimed limit {shown[1]:.10g}, "
        f"{verdicts.count(verdict)} of {len(others)} points {verdict.value}"
    )
    numbers = {
        **{key: [float(point[key]) for point in others] for key in names or {}},
        "last value": [row[0] for row in rows],
        "claimed limit": [row[1] for row in rows],
        "distance": [row[2] for row in rows],
    }
    return Evidence(route="high precision", verdict=verdict, summary=summary, points=len(others), numbers=numbers)


def _points(names: Domain, count: int, seed: int) -> list[dict[str, Any]]:
    """Return the corners of the domain, then random points in it."""
    random = np.random.default_rng(seed)
    if not names:
        return [{}]
    corners: list[dict[str, Any]] = [{}, {}]
    drawn: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, domain in names.items():
        low, high, values = _draw(name, domain, count, random)
        corners[0][name], corners[1][name] = low, high
        for point, value in zip(drawn, values, strict=True):
            point[name] = value
    return corners + drawn


def _draw(name: str, domain: Any, count: int, random: np.random.Generator) -> tuple[Any, Any, list[Any]]:
    rule = 'be [low, high], [low, high, "integer"], [low, high, "log"] or { values = [...] }'
    numbers = (int, float)
    if isinstance(domain, Mapping):
        values = domain.get("values")
        if not isinstance(values, list) or not values or not all(isinstance(value, numbers) for value in values):
            raise invalid(f"names.{name}", rule, domain)
        return values[0], values[-1], [values[index] for index in random.integers(len(values), size=count)]
    if not isinstance(domain, Sequence) or isinstance(domain, str) or len(domain) not in (2, 3):
        raise invalid(f"names.{name}", rule, domain)
    low, high = domain[0], domain[1]
    kind = domain[2] if len(domain) == 3 else "real"
    if not all(isinstance(end, numbers) and not isinstance(end, bool) for end in (low, high)) or not low <= high:
        raise invalid(f"names.{name}", rule, domain)
    if kind == "integer" and low == int(low) and high == int(high):
        return int(low), int(high), [int(value) for value in random.integers(int(low), int(high) + 1, size=count)]
    if kind == "log" and low > 0:
        return low, high, [float(value) for value in np.exp(random.uniform(np.log(low), np.log(high), size=count))]
    if kind == "real":
        return low, high, [float(value) for value in random.uniform(low, high, size=count)]
    raise invalid(f"names.{name}", rule, domain)


def _real(value: Any, text: str, point: Mapping[str, Any]) -> Any:
    import mpmath

    if isinstance(value, mpmath.mpc) or mpmath.isnan(value):
        raise ValueError(f"{text} is no real number at {dict(point)}")
    return value


def _worst(rows: list[tuple[Any, Any, float]], relation: str) -> int:
    """Return the index of the point nearest to a violation: for an equality, of the largest difference."""
    scaled = [float(abs(a - b) / max(abs(a), abs(b), 1)) for a, b, _ in rows]
    return int(np.argmax(scaled)) if relation == "==" else int(np.argmin(scaled))

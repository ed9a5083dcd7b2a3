r"""Checkers of units of the second layer that no input can activate [brownlowe2024].

The unit is $f(x) = v \cdot \mathrm{relu}(W x + b) + c$ on all of $R^d$; it is off everywhere when $\sup f \le 0$. For
a first layer of n <= d + 1 units in general position this is decided without optimisation: f is linear on every region
of the arrangement of the n hyperplanes $w_i x + b_i = 0$, and after a change of coordinates no region holds a line. So
f is bounded above when $v \cdot \mathrm{relu}(W u) \le 0$ along the directions u in which d - 1 hyperplanes meet, and
then its greatest value is at a point where d of them meet. Nothing of the published proof is used.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.checkers.findings import claimed_exactly
from neurondeath.paper_check.comparisons import binomial_limits, compare, holds
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.survival.stably_unactivated import stably_unactivated_probability

__all__ = ["probability_by_enumeration", "probability_by_sampling"]

Array = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

# input dimension, width; those with more than 13 signs in a full check only
TINY = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (2, 3), (3, 3))
QUICK_SIGNS = 13
SAMPLED = ((1, 1), (2, 2), (3, 3), (3, 2), (1, 2), (2, 3), (3, 4))
TRIALS, FULL_TRIALS = 40_000, 400_000
LAWS = ("gaussian", "uniform")


def probability_by_enumeration(
    *, setting: Setting, relation: str, right: str, width_over_dimension: Sequence[int]
) -> Evidence:
    """Count the sign patterns with which the unit is off everywhere, for magnitudes drawn at random and then fixed.

    Parameters
    ----------
    setting : Setting
        3 draws of the magnitudes, or 10 and more networks in a full check.
    relation, right : str
        P(off everywhere) relation formula, in d, the input dimension, and n, the first layer's width.
    width_over_dimension : sequence of two int
        The least and the greatest n - d for which the claim is made.
    """
    rng = np.random.default_rng(setting.seed)
    rows: list[tuple[int, int, Fraction, Fraction]] = []
    for d, n in _cases(TINY, width_over_dimension):
        n_signs = n * (d + 2) + 1
        if n_signs > QUICK_SIGNS and not setting.full:
            continue
        signs = 1 - 2 * ((np.arange(2**n_signs)[:, None] >> np.arange(n_signs)) & 1)
        for _ in range(10 if setting.full else 3):
            off = off_everywhere(*_parts(signs * rng.uniform(0.1, 1.0, size=n_signs), d, n))
            share = Fraction(int(off.sum()), len(off))
            rows.append((d, n, share, claimed_exactly(right, {"d": d, "n": n})))
            rows.append(
                (d, n, Fraction(stably_unactivated_probability(d, n)), claimed_exactly(right, {"d": d, "n": n}))
            )
    wrong = [row for row in rows if not holds(row[2], relation, row[3])]
    d, n, share, claimed = (wrong or rows)[0]
    shown = f"d = {d}, n = {n}: {share} {'is not' if wrong else 'is'} {relation} {claimed}"
    return Evidence(
        route="enumeration",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=f"shares of sign patterns, and the library's values: {len(wrong)} of {len(rows)} against it; {shown}",
        points=len(rows),
        numbers={
            "d": [row[0] for row in rows],
            "n": [row[1] for row in rows],
            "share": [float(row[2]) for row in rows],
            "claimed": [float(row[3]) for row in rows],
        },
    )


def probability_by_sampling(
    *, setting: Setting, relation: str, right: str, width_over_dimension: Sequence[int]
) -> Evidence:
    """Sample Gaussian and uniform weights and biases, and decide for each draw whether the unit is off everywhere."""
    trials = FULL_TRIALS if setting.full else TRIALS
    rng = np.random.default_rng(setting.seed)
    cases = [(law, *case) for law in LAWS for case in _cases(SAMPLED, width_over_dimension)]
    hits, claimed = [], []
    for law, d, n in cases:
        size = (trials, n * (d + 2) + 1)
        entries = rng.standard_normal(size) if law == "gaussian" else rng.uniform(-1.0, 1.0, size)
        hits.append(int(off_everywhere(*_parts(entries, d, n)).sum()))
        claimed.append(float(evaluate(right, {"d": d, "n": n})))
    low, high = binomial_limits(hits, trials, false_alarm=setting.false_alarm, comparisons=len(cases))
    share = np.array(hits) / trials
    found = compare(share, low, high, relation, claimed, precision=0.15)
    law, d, n = cases[found.worst]
    return Evidence(
        route="Monte Carlo",
        verdict=found.verdict,
        summary=f"{len(cases)} networks, {trials} trials each; worst {law} law, d = {d}, n = {n}: "
        f"{share[found.worst]:.5f} in [{low[found.worst]:.5f}, {high[found.worst]:.5f}], "
        f"claimed {relation} {claimed[found.worst]:.5f}",
        points=found.points,
        numbers={
            "law": [case[0] for case in cases],
            "d": [case[1] for case in cases],
            "n": [case[2] for case in cases],
            "share": share.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "claimed": claimed,
        },
    )


def off_everywhere(weights: Array, biases: Array, outer: Array, bias: Array) -> Booleans:
    """Decide for many networks at once whether the unit is off on all inputs.

    Parameters
    ----------
    weights, biases : float array, shapes (networks, n, d) and (networks, n)
        The first layer, n <= d + 1, in general position.
    outer, bias : float array, shapes (networks, n) and (networks,)
        The unit.

    Returns
    -------
    bool array, shape (networks,)
        Whether it is off.

    Examples
    --------
    >>> line, at = np.array([[[1.0], [-1.0]]]), np.array([[0.5, 0.5]])
    >>> [bool(off_everywhere(line, at, np.array([[-1.0, -1.0]]), np.array([c]))[0]) for c in (0.9, 1.1)]
    [True, False]
    """
    n, d = weights.shape[1:]
    if n < d:  # f depends on W x alone: n coordinates are enough
        weights = weights @ np.linalg.qr(np.swapaxes(weights, 1, 2))[0]
        d = n
    off = np.ones(len(weights), dtype=bool)
    for meeting in combinations(range(n), d):
        rows = list(meeting)
        point = np.linalg.solve(weights[:, rows], -biases[:, rows, None])
        z = (weights @ point)[..., 0] + biases
        z[:, rows] = 0.0
        off &= (outer * np.maximum(z, 0.0)).sum(axis=1) + bias <= 0.0
    for meeting in combinations(range(n), d - 1):
        rows = list(meeting)
        z = (weights @ _common_direction(weights[:, rows])[..., None])[..., 0]
        z[:, rows] = 0.0
        for side in (z, -z):
            off &= (outer * np.maximum(side, 0.0)).sum(axis=1) <= 0.0
    return off


def _common_direction(rows: Array) -> Array:
    """Return the direction orthogonal to d - 1 rows, shape (networks, d), by cofactors."""
    d = rows.shape[2]
    minors = [np.delete(rows, column, axis=2) for column in range(d)]
    return np.stack([(-1.0) ** column * np.linalg.det(minor) for column, minor in enumerate(minors)], axis=1)


def _parts(entries: Array, d: int, n: int) -> tuple[Array, Array, Array, Array]:
    weights, biases, outer = np.split(entries[:, :-1], [n * d, n * (d + 1)], axis=1)
    return weights.reshape(-1, n, d), biases, outer, entries[:, -1]


def _cases(cases: Sequence[tuple[int, int]], width_over_dimension: Sequence[int]) -> list[tuple[int, int]]:
    least, most = width_over_dimension
    return [(d, n) for d, n in cases if least <= n - d <= most]

r"""Expansions in 1/width of the logarithm of size and angle in one layer, compared with exact moments.

With $K \sim \mathrm{Bin}(n, 1/2)$ active units, in digits as many as wanted:

- size, K >= 1: $q_l / q_{l-1} = (2/n)\chi^2_K$; its logarithm has the mean $E\psi(K/2) + \log(4/n)$, the variance
  $\mathrm{Var}\,\psi(K/2) + E\psi'(K/2)$;
- angle, K >= 2, as it tends to 0: $\log(\sin^2\theta'/\sin^2\theta) = \log\chi^2_{K-1} - \log\chi^2_K$, independent.

An expansion up to order r is right when the rest is of order r + 1: it must halve, times $n^r$, each time n doubles.

The moments of the size are derived a second time: with M(t) the Laplace transform of X > 0,
$E\log X = \int_0^\infty (e^{-t} - M(t))\,dt/t$ and
$E\log^2 X = -2\int_0^\infty (e^{-t} - M(t))(\log t + \gamma)\,dt/t$.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

from mpmath import mp, mpf

from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.foundation.validation import check_choice, check_count

__all__ = ["LAWS", "expansion", "size_moments"]

LAWS = ("size", "angle")
DIGITS = 30
WIDTHS = {False: (48, 96, 192), True: (64, 128, 256, 512, 1024)}
HALVED = (0.4, 0.6)  # ratio of successive rests of the right order: 1/2 + O(1/n)
REACH = 14  # standard deviations of K; beyond it the mass is below 1e-40
AGREEMENT = mpf(10) ** -15  # of the two derivations
WIDTH_TWICE = 6  # at which they are compared


def expansion(*, setting: Setting, law: str, order: int, mean: str, variance: str) -> Evidence:
    """Compare expansions of the mean and the variance, formulas in n, up to the power n^-order, with exact moments."""
    check_choice("law", law, LAWS)
    power = check_count("order", order, most=4)
    exact = [_moments(law, n) for n in WIDTHS[setting.full]]
    rows: list[dict[str, Any]] = []
    for number, (name, text) in enumerate((("mean", mean), ("variance", variance))):
        with mp.workdps(DIGITS):
            rests = [
                mpf(n) ** power * (moments[number] - evaluate(text, {"n": n}, digits=DIGITS))
                for n, moments in zip(WIDTHS[setting.full], exact, strict=True)
            ]
            ratios = [float(after / before) if before else math.inf for before, after in pairwise(rests)]
        rows += [
            {"quantity": name, "width": n, "rest": float(rest), "ratio": ratio}
            for n, rest, ratio in zip(WIDTHS[setting.full][1:], rests[1:], ratios, strict=True)
        ]
    wrong = [row for row in rows if not HALVED[0] <= row["ratio"] <= HALVED[1]]
    worst = max(rows, key=lambda row: abs(row["ratio"] - 0.5))
    agree = law != "size" or _agreement() < AGREEMENT
    verdict = Verdict.REFUTED if wrong else Verdict.CONFIRMED
    return Evidence(
        route="high precision",
        verdict=verdict if agree else Verdict.ERROR,
        summary=(
            f"what the exact moments exceed the expansions by, times n^{power}, changes by factors of "
            f"{min(row['ratio'] for row in rows):.3f} to {max(row['ratio'] for row in rows):.3f} as the width doubles "
            f"(1/2 if right); farthest for the {worst['quantity']}: {worst['rest']:.4g} at width {worst['width']}"
            + ("" if law != "size" else f"; two derivations of the moments differ by {float(_agreement()):.1e}")
        ),
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


@lru_cache(maxsize=64)
def size_moments(width: int) -> tuple[Any, Any]:
    """Return mean and variance of log(q_l / q_{l-1}) in one He ReLU layer that lives, to 30 digits.

    Examples
    --------
    >>> [round(float(x), 6) for x in size_moments(10)]
    [-0.307461, 0.866734]
    """
    return _moments("size", width)


@lru_cache(maxsize=64)
def _moments(law: str, width: int) -> tuple[Any, Any]:
    least = 1 if law == "size" else 2
    with mp.workdps(DIGITS):
        spread = REACH * math.sqrt(width) / 2 + 1
        counts = range(max(least, math.floor(width / 2 - spread)), min(width, math.ceil(width / 2 + spread)) + 1)
        weights = [mp.binomial(width, k) for k in counts]
        half = [mpf(k) / 2 for k in counts]
        before = [mpf(k - 1) / 2 for k in counts]
        centres = [mp.psi(0, h) for h in half]
        within = [mp.psi(1, h) for h in half]
        if law == "angle":
            centres = [mp.psi(0, b) - centre for b, centre in zip(before, centres, strict=True)]
            within = [mp.psi(1, b) + one for b, one in zip(before, within, strict=True)]
        total = mp.fsum(weights)
        mean = mp.fdot(weights, centres) / total
        variance = mp.fdot(weights, [(c - mean) ** 2 + w for c, w in zip(centres, within, strict=True)]) / total
        return (mean + mp.log(mpf(4) / width) if law == "size" else mean), variance


@lru_cache(maxsize=1)
def _agreement() -> Any:
    """Difference of the two derivations of the moments of the size at one width."""
    n = WIDTH_TWICE
    with mp.workdps(DIGITS):
        none = mpf(2) ** -n

        def gap(t: Any) -> Any:
            transform = ((1 + 1 / mp.sqrt(1 + 4 * t / n)) / 2) ** n  # of X = 2 F, F > 0 or not
            return mp.exp(-t) - (transform - none) / (1 - none)

        cuts = [mp.log(mpf(10)) * k for k in range(-21, 37, 3)]
        first = _integral(lambda u: gap(mp.exp(u)), cuts)
        second = -2 * _integral(lambda u: gap(mp.exp(u)) * (u + mp.euler), cuts)
        mean, variance = size_moments(n)
        return max(abs(first - mean), abs(second - first**2 - variance))


def _integral(function: Callable[[Any], Any], cuts: list[Any]) -> Any:
    return mp.quad(function, cuts, maxdegree=6)

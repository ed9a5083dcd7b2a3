"""Limits of deep networks: at fixed width, and along widths that grow with the logarithm of the depth."""

from typing import Any

import numpy as np

from neurondeath.paper_check.checkers.findings import Sampled, sample, sampled_evidence
from neurondeath.paper_check.comparisons import binomial_limits, compare
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.width_schedules import log_width_schedule

__all__ = [
    "fixed_width_by_sampling",
    "fixed_width_symbolic",
    "log_width_by_sampling",
    "log_width_high_precision",
    "log_width_symbolic",
]

WIDTHS = range(1, 9)
MPMATH_DIGITS = 60
LARGEST_WIDTH = 1000  # ten times the logarithm of the largest depth
NEAR_ENOUGH = 0.02  # of an interval that contains a limit


def fixed_width_symbolic(*, setting: Setting, limit: str) -> Evidence:
    r"""Bound P(alive) at width n from above symbolically, and take the depth to infinity.

    Independently of the layers before, all n(n+1) weights and biases of a layer are negative with probability
    $q = 2^{-n(n+1)}$, and then the layer is dead on every input. So P(alive) lies between 0 and $(1 - q)^{k-1}$, at
    every input set and with or without biases; its limit is determined where both ends have the same limit.
    """
    import sympy

    k = sympy.Symbol("k", positive=True)
    tops = [sympy.limit((1 - sympy.Rational(1, 2 ** (n * (n + 1)))) ** (k - 1), k, sympy.oo) for n in WIDTHS]
    claimed = parse_formula(limit, {})
    squeezed = all(top == 0 for top in tops)
    verdict = Verdict.CONFIRMED if squeezed and claimed == 0 else Verdict.REFUTED
    return Evidence(
        route="symbolic",
        verdict=verdict if squeezed else Verdict.INCONCLUSIVE,
        summary=f"0 <= P(alive) <= (1 - 2^(-n(n+1)))^(k-1), which tends to {tops[0]}, widths 1 to 8; claimed {claimed}",
        points=len(tops),
        numbers={"width": list(WIDTHS), "limit of the upper bound": [str(top) for top in tops]},
    )


def fixed_width_by_sampling(*, setting: Setting, limit: str) -> Evidence:
    """Sample P(alive) at widths 1 to 4 and growing depth; it never rises, so its limit is at most the last value.

    Confirmed when the claimed limit lies in the interval from 0 to the upper confidence limit at the greatest depth,
    and this is at most 0.04 long.
    """
    trials = 100_000 if setting.full else 20_000
    cases = [(1, 16, 0.0), (2, 64, 0.0), (2, 64, 1.0), (3, 128, 0.0), (4, 256, 0.1)]
    columns: dict[str, list[float]] = {"width": [], "bias variance": [], "depth": [], "alive": [], "high": []}
    for width, depth, bias_variance in cases:
        network = Network([width] * depth, bias_variance=bias_variance)
        result = sample(setting, network, "gaussian:32", trials=trials)
        for k in (depth // 16, depth // 4, depth):
            hits = round(result.alive[k - 1] * trials)
            high = binomial_limits(hits, trials, false_alarm=setting.false_alarm, comparisons=len(cases))[1]
            values = (width, bias_variance, k, hits / trials, float(high))
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    last = np.array(columns["high"])[2::3]
    found = compare(last / 2, 0.0, last, "==", float(evaluate(limit, {})), absolute=NEAR_ENOUGH)
    return Evidence(
        route="Monte Carlo",
        verdict=found.verdict,
        summary=(
            f"P(alive) on 32 Gaussian points, widths 1 to 4, falls to at most {last.max():.3g} at the greatest depths "
            f"(upper limits, {trials} networks); claimed limit {limit}"
        ),
        points=len(cases),
        numbers=columns,
    )


def log_width_symbolic(*, setting: Setting, width: str, limit: str) -> Evidence:
    """Take (1 - 2^-width)^k to infinite depth symbolically; width is a formula in k and c, limit one in c."""
    import sympy

    k, c = sympy.Symbol("k", positive=True), sympy.Symbol("c", real=True)
    a = sympy.Symbol("a", positive=True)  # 2^-c
    dead = sympy.simplify(2 ** (-parse_formula(width, {"k": k, "c": c})))
    dead = sympy.simplify(sympy.powsimp(sympy.expand_power_exp(dead)).subs(2 ** (-c), a))
    if dead.has(c):
        dead = sympy.simplify(dead.subs(c, -sympy.log(a) / sympy.log(2)))
    found = sympy.exp(sympy.limit(k * sympy.log(1 - dead), k, sympy.oo)).subs(a, 2 ** (-c))
    claimed = parse_formula(limit, {"c": c})
    same = sympy.simplify(found - claimed) == 0
    return Evidence(
        route="symbolic",
        verdict=Verdict.CONFIRMED if same else Verdict.REFUTED,
        summary=f"(1 - 2^-({width}))^k tends to {found} as k grows; claimed {claimed}",
        points=1,
        numbers={"limit": [str(found)], "claimed": [str(claimed)]},
    )


def log_width_high_precision(*, setting: Setting, width: str, limit: str) -> Evidence:
    r"""Compute (1 - 2^-width)^k to 60 digits at depths up to 10^30 and compare it with the limit.

    With $a = 2^{-c}$ a layer of width $\log_2 k + c$ dies with probability a/k, and
    $-a - a^2/k \le k \log(1 - a/k) \le -a$ for $k \ge 2a$: the relative distance from the limit must be at most
    $a^2/k$. At depths of 10, 1000 and 10^6 `log_width_schedule` must agree to 1e-12.
    """
    import mpmath

    rows = []
    with mpmath.workdps(MPMATH_DIGITS):
        for c in (-1, 0, 1, 2, 5):
            a = mpmath.mpf(2) ** -c
            stated = evaluate(limit, {"c": c}, digits=MPMATH_DIGITS)
            for exponent in (1, 3, 6, 10, 20, 30):
                k = 10**exponent
                n = evaluate(width, {"k": k, "c": c}, digits=MPMATH_DIGITS)
                _check_width(width, n)
                value = mpmath.exp(k * mpmath.log1p(-(mpmath.mpf(2) ** -n)))
                distance = abs(mpmath.log(value / stated)) if stated > 0 and value > 0 else mpmath.inf
                rows.append((c, exponent, float(value), float(stated), float(distance), float(a**2 / k)))
                if exponent <= 6:
                    library = float(log_width_schedule(k, float(c)).survival[0])
                    exact = mpmath.exp(k * mpmath.log1p(-a / k))
                    if abs(library / exact - 1) > 1e-12:
                        raise ArithmeticError(f"log_width_schedule({k}, {c}) disagrees with 60 digits")
    wrong = [row for row in rows if row[4] > row[5]]
    worst = max(rows, key=lambda row: row[4] / row[5])
    names = ("c", "log10 depth", "survival", "limit", "relative distance", "at most")
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=(
            f"(1 - 2^-({width}))^k at depths 10 to 10^30, c from -1 to 5: {len(wrong)} of {len(rows)} farther from the "
            f"limit than 2^(-2c)/k; the worst at c = {worst[0]}, k = 10^{worst[1]}: {worst[2]:.6g} against "
            f"{worst[3]:.6g}, relative distance {worst[4]:.2g} of {worst[5]:.2g}"
        ),
        points=len(rows),
        numbers={name: [row[i] for row in rows] for i, name in enumerate(names)},
    )


def log_width_by_sampling(*, setting: Setting, width: str, limit: str) -> Evidence:
    """Sample a single point's survival, which equals the lower bound, at depths of 64 to 512 and integer widths.

    The limits are widened by the relative difference a^2/k at finite depth, as in `log_width_high_precision`.
    """
    trials = 200_000 if setting.full else 40_000
    rows = []
    for c, k in ((0, 64), (0, 256), (1, 128), (2, 64)):
        exact = float(evaluate(width, {"k": k, "c": c}))
        _check_width(width, exact)
        n = round(exact)
        network = Network([max(n, 1)] * k, input_dim=8)
        result = sample(setting, network, "gaussian:1", trials=trials, engine="dense")
        claimed = float(evaluate(limit, {"c": c}))
        rows.append(
            Sampled(
                network=str(network),
                inputs=f"a point, c = {c}",
                layer=k,
                claimed=claimed,
                trials=trials,
                hits=round(result.alive[-1] * trials),
                allowance=claimed * 4.0**-c / k,
            )
        )
    return sampled_evidence(rows, "==", "a single point's survival along the widths", setting)


def _check_width(text: str, width: Any) -> None:
    """Refuse a width far beyond the logarithm of any depth: no network of it could be sampled."""
    if not abs(width) <= LARGEST_WIDTH:  # also NaN
        raise invalid("width", f"be at most {LARGEST_WIDTH}", text)

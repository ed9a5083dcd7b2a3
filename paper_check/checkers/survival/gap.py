"""The gap between P(alive) and its lower bound along widths that grow with the logarithm of the depth."""

from itertools import pairwise

from neurondeath.paper_check.checkers.findings import sample
from neurondeath.paper_check.comparisons import all_of, compare, independent_parts, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.born_dead import one_dimensional_survival

__all__ = ["gap_by_sampling", "gap_exactly"]

NEAR_ENOUGH = 0.02  # half-length of an interval that contains a limit


def gap_exactly(*, setting: Setting, gap: str, bound: str) -> Evidence:
    """Compute the gap between P(alive) and its lower bound along n = log2 k + c, exactly, on two opposite rays.

    P(alive) is `one_dimensional_survival`, exact with its error (and compared with independent quadrature by the
    claims at fixed width); depths 8, 32, 128, 512 with c = 0, in a full check also 2048 and c = 1. A positive gap that
    falls from each depth to the next has its limit between 0 and the last one. The lower bound must come within
    2^(-2c)/k of its own limit, which must be a positive number.
    """
    exponents = (3, 5, 7, 9, 11) if setting.full else (3, 5, 7, 9)
    rows, verdicts = [], []
    for c in (0, 1) if setting.full else (0,):
        gaps = []
        for exponent in exponents:
            k, n = 2**exponent, exponent + c
            rays = one_dimensional_survival([n] * k)
            lower = float(evaluate("(1 - 2**(-n))**k", {"n": n, "k": k}, digits=30))
            gaps.append(float(rays.exact[-1]) - lower)
            rows.append((c, k, n, float(rays.exact[-1]), float(rays.error[-1]), lower, gaps[-1]))
        stated_gap, stated_bound = float(evaluate(gap, {"c": c})), float(evaluate(bound, {"c": c}))
        error, slack = rows[-1][4], 4.0**-c / rows[-1][1]
        verdicts.append(compare(gaps[-1], 0.0, gaps[-1] + error, "==", stated_gap, absolute=NEAR_ENOUGH).verdict)
        verdicts.append(compare(lower, lower, lower + slack, "==", stated_bound, absolute=NEAR_ENOUGH).verdict)
        verdicts.append(Verdict.CONFIRMED if stated_bound > slack else Verdict.REFUTED)
        falling = all(0 < later < earlier for earlier, later in pairwise(gaps))
        verdicts.append(Verdict.CONFIRMED if falling else Verdict.INCONCLUSIVE)
    names = ("c", "depth", "width", "alive", "error", "lower bound", "gap")
    shown = ", ".join(f"{row[6]:.4f}" for row in rows if row[0] == 0)
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts),
        summary=(
            f"gap on two opposite rays at depths {', '.join(str(2**e) for e in exponents)}, c = 0: {shown}, while the "
            f"lower bound is {rows[len(exponents) - 1][5]:.4f}; claimed limits: gap {gap}, bound {bound}"
        ),
        points=len(rows),
        numbers={name: [row[i] for row in rows] for i, name in enumerate(names)},
    )


def gap_by_sampling(*, setting: Setting, gap: str) -> Evidence:
    """Sample the same gap on two opposite rays and on 64 Gaussian points, and decide by the same rule.

    Uses the conditional estimator. The gap falls when its upper confidence limit lies below the previous lower one.
    """
    trials = 40_000 if setting.full else 4_000
    exponents = (3, 5, 7, 9)
    kinds = ("rays", "gaussian:64")
    rows, verdicts = [], []
    for kind in kinds:
        lows, highs = [], []
        for exponent in exponents:
            k = 2**exponent
            network = Network([exponent] * k, input_dim=1 if kind == "rays" else None)
            result = sample(setting, network, kind, trials=trials, estimator="conditional")
            lower = float(evaluate("(1 - 2**(-n))**k", {"n": exponent, "k": k}, digits=30))
            found = float(result.alive[-1]) - lower
            low, high = normal_limits(
                found,
                result.alive_stderr[-1],
                false_alarm=setting.false_alarm,
                comparisons=len(kinds) * len(exponents),
                parts=independent_parts(result),
            )
            lows.append(float(low))
            highs.append(float(high))
            rows.append((kind, k, float(result.alive[-1]), lower, found, lows[-1], highs[-1]))
        stated = float(evaluate(gap, {"c": 0}))
        verdicts.append(compare(max(found, 0.0), 0.0, highs[-1], "==", stated, absolute=NEAR_ENOUGH).verdict)
        falling = all(later < earlier for earlier, later in zip(lows, highs[1:], strict=False))
        verdicts.append(Verdict.CONFIRMED if falling else Verdict.INCONCLUSIVE)
    names = ("inputs", "depth", "alive", "lower bound", "gap", "low", "high")
    depths = ", ".join(str(2**exponent) for exponent in exponents)
    shown = ", ".join(f"{row[4]:.4f}" for row in rows if row[0] == kinds[1])
    return Evidence(
        route="Monte Carlo",
        verdict=all_of(verdicts),
        summary=(
            f"gap at depths {depths}, c = 0, {trials} networks each: on 64 Gaussian points {shown}; claimed limit {gap}"
        ),
        points=len(rows),
        numbers={name: [row[i] for row in rows] for i, name in enumerate(names)},
    )

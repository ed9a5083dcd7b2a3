r"""Effect of clipping height and scale on V'(q*): it rises with m, and falls with q* at fixed m.

With h = m/sqrt(q*), a = tau/sqrt(q*), b = a + h, everything at the edge of chaos is a function of a and h. From the
integrals $G = \int_a^b p$ and $S = \int_a^b (z - a) z\, p\,dz$ (Stein: $E\phi\phi' u$) one has $V'(q^*) = S/G$, hence

$$\frac{d}{dh} \log(1 - V') = \frac{V' - b h}{h} ,$$

negative since (z - a) z < b h on (a, b) when a >= 0.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from neurondeath.paper_check.checkers.gaussian_limit.closed_forms import FORM_DIGITS, identities
from neurondeath.paper_check.checkers.gaussian_limit.gaussian_quadrature import DIGITS, check_kinds, moments, sides
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design

__all__ = ["clip_for_slope", "slope_against_clip", "slope_against_clip_by_calculus", "slope_against_variance"]

DIRECTIONS = ("increasing", "decreasing", "constant")
EQUALITY_TOLERANCE = mpf(10) ** -25
SMALLEST, LARGEST = "1e-12", "12"  # clips, in standard deviations, that stand for the limits 0 and infinity
LIMIT_TOLERANCE = mpf(10) ** -10  # of V' at the smallest and largest clip


def slope_against_clip(
    *,
    setting: Setting,
    kinds: Sequence[str],
    sparsities: Sequence[str],
    slope: str,
    direction: str,
    limit_small: str,
    limit_large: str,
) -> Evidence:
    """Check V'(q*) at fixed q* and sparsity: its formula in a, h and b, its direction in m, and its limits."""
    check_choice("direction", direction, DIRECTIONS)
    clips = [mp.nstr(mpf(x), 20) for x in np.geomspace(0.03, 9.0, 25 if setting.full else 9)]
    variances = ("0.25", "1", "3") if setting.full else ("3",)
    rows: list[dict[str, Any]] = []
    verdicts = []
    with mp.workdps(DIGITS):
        for kind, sparsity, q in itertools.product(check_kinds(kinds), sparsities, variances):
            threshold = _threshold(kind, sparsity)
            path = [_slope(kind, q, threshold, clip) for clip in [SMALLEST, *clips, LARGEST]]
            claimed = [
                evaluate(slope, {"a": threshold, "h": mpf(clip), "b": threshold + mpf(clip)}, digits=FORM_DIGITS)
                for clip in clips
            ]
            agreed = all(abs(x - y) <= EQUALITY_TOLERANCE for x, y in zip(path[1:-1], claimed, strict=True))
            limits = ((path[0], limit_small), (path[-1], limit_large))
            reached = all(abs(end - mpf(limit)) <= LIMIT_TOLERANCE for end, limit in limits)
            right = agreed and _direction(path) == direction and reached
            verdicts.append(Verdict.CONFIRMED if right else Verdict.REFUTED)
            rows += [
                {"kind": kind, "sparsity": sparsity, "q": q, "clip": clip, "v_prime": float(x), "claimed": float(y)}
                for clip, x, y in zip(clips, path[1:-1], claimed, strict=True)
            ]
    verdict = all_of(verdicts)
    low, high = min(row["v_prime"] for row in rows), max(row["v_prime"] for row in rows)
    return Evidence(
        route="high precision",
        verdict=verdict,
        summary=(
            f"{len(verdicts)} families at fixed q* and sparsity, m/sqrt(q*) from {SMALLEST} to {LARGEST}: V'(q*) from "
            f"{low:.3g} to {high:.6g}, {direction} and equal to the formula in {verdicts.count(Verdict.CONFIRMED)}"
        ),
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def slope_against_clip_by_calculus(*, setting: Setting, slope: str, direction: str) -> Evidence:
    """Derive the formula, its derivative in h and the derivative's sign, for all a >= 0 and h > 0."""
    del setting
    import sympy

    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import identity_verdict

    check_choice("direction", direction, DIRECTIONS)
    a, h = sympy.symbols("a h", positive=True)
    z = sympy.Symbol("z", real=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    gain = sympy.integrate(density, (z, a, a + h))
    truth = sympy.integrate((z - a) * z * density, (z, a, a + h)) / gain
    claimed = parse_formula(slope, {"a": a, "h": h, "b": a + h})
    share, further = sympy.symbols("share further", positive=True)
    inside = a + h * share
    # share in (0, 1) is 1/(1 + further)
    bound = sympy.factor(((a + h) * h - (inside - a) * inside).subs(share, 1 / (1 + further)))
    rising = bool(bound.is_positive)
    found = {
        "V'(q*) = E[(z - a) z | a < z < b]": identity_verdict(truth - claimed),
        "d/dh log(1 - V') = (V' - b h)/h": identity_verdict(
            sympy.diff(sympy.log(1 - truth), h) * (1 - truth) - (truth - (a + h) * h) / h * (1 - truth)
        ),
        "(z - a) z < b h inside (a, b), so V' is increasing": Verdict.INCONCLUSIVE
        if not rising
        else Verdict.CONFIRMED
        if direction == "increasing"
        else Verdict.REFUTED,
    }
    return identities(found, "what integration and differentiation give, a and h in place of tau and m")


def clip_for_slope(
    *, setting: Setting, kind: str, sparsity: str, v_primes: Sequence[str], heights: Sequence[str]
) -> Evidence:
    """Compare clipping heights, claimed to half a unit of their last decimal at q* = 1, with target slopes.

    V'(q*) half a unit below and above a height must enclose its target.
    """
    del setting
    (kind,) = check_kinds([kind])
    rows = []
    with mp.workdps(DIGITS):
        threshold = _threshold(kind, sparsity)
        for target, height in zip(v_primes, heights, strict=True):
            half = mpf(10) ** -len(height.partition(".")[2]) / 2
            low, high = (_slope(kind, "1", threshold, mp.nstr(mpf(height) + side * half, 20)) for side in (-1, 1))
            library = sparse_design(kind, float(sparsity), v_prime=float(target)).m or math.nan
            rows.append(
                {
                    "target": target,
                    "height": height,
                    "low": float(low),
                    "high": float(high),
                    "inside": bool(low <= mpf(target) <= high),
                    "library": library,
                    "library_inside": abs(_slope(kind, "1", threshold, repr(library)) - mpf(target)) <= 1e-11,
                }
            )
    verdict = Verdict.CONFIRMED if all(row["inside"] for row in rows) else Verdict.REFUTED
    if not all(row["library_inside"] for row in rows):
        verdict = Verdict.ERROR
    return Evidence(
        route="high precision",
        verdict=verdict,
        summary=f"{kind}, s = {sparsity}: "
        + ", ".join(f"V' = {row['target']} at m = {row['library']:.5f} (claimed {row['height']})" for row in rows),
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def slope_against_variance(
    *,
    setting: Setting,
    kinds: Sequence[str],
    sparsities: Sequence[str],
    clips: Sequence[str],
    hold: str,
    direction: str,
) -> Evidence:
    """Compute V'(q*) for growing q* at fixed sparsity and fixed clipping height (m) or fixed m/sqrt(q*) (ratio)."""
    check_choice("hold", hold, ("m", "ratio"))
    check_choice("direction", direction, DIRECTIONS)
    variances = ("1", "1.5", "2", "3", "4", "6", "8", "16") if setting.full else ("1", "2", "4", "8")
    rows: list[dict[str, Any]] = []
    verdicts = []
    with mp.workdps(DIGITS):
        for kind, sparsity, clip in itertools.product(check_kinds(kinds), sparsities, clips):
            threshold = _threshold(kind, sparsity)
            standard = [mpf(clip) / (mp.sqrt(mpf(q)) if hold == "m" else 1) for q in variances]
            path = [
                _slope(kind, q, threshold, mp.nstr(height, 42)) for q, height in zip(variances, standard, strict=True)
            ]
            verdicts.append(Verdict.CONFIRMED if _direction(path) == direction else Verdict.REFUTED)
            rows += [
                {"kind": kind, "sparsity": sparsity, "m": clip, "q": q, "v_prime": float(x)}
                for q, x in zip(variances, path, strict=True)
            ]
    held = "m" if hold == "m" else "m/sqrt(q*)"
    first, last = rows[0]["v_prime"], rows[len(variances) - 1]["v_prime"]
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts),
        summary=(
            f"at fixed sparsity and {held}, q* from {variances[0]} to {variances[-1]}: V'(q*) {direction} in "
            f"{verdicts.count(Verdict.CONFIRMED)} of {len(verdicts)} families, in the first from {first:.4g} to "
            f"{last:.4g}"
        ),
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def _threshold(kind: str, sparsity: str) -> Any:
    """Return the standardised threshold a: sides x P(z > a) = 1 - s."""
    tail = (1 - mpf(sparsity)) / sides(kind)
    return mp.sqrt(2) * mp.erfinv(1 - 2 * tail)


def _slope(kind: str, q: str, threshold: Any, clip: str) -> Any:
    """Compute V'(q*) at the edge of chaos, by quadrature."""
    root = mp.sqrt(mpf(q))
    truth = moments(kind, q, mp.nstr(threshold * root, 42), mp.nstr(mpf(clip) * root, 42))
    return truth.slope / truth.gain


def _direction(path: Sequence[Any]) -> str:
    """Classify a sequence as constant, increasing, decreasing or mixed."""
    steps = [right - left for left, right in itertools.pairwise(path)]
    if all(abs(step) <= EQUALITY_TOLERANCE for step in steps):
        return "constant"
    if all(step > EQUALITY_TOLERANCE for step in steps):
        return "increasing"
    return "decreasing" if all(step < -EQUALITY_TOLERANCE for step in steps) else "mixed"

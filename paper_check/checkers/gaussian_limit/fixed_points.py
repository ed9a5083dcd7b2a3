r"""Slope and curvature of the variance map at its fixed points, and the number of these.

At the edge of chaos $\sigma_w^2 = 1/E\phi'^2$, so V'(q*) and V''(q*) are the derivatives of $E\phi^2$ over $E\phi'^2$:
from quadrature or symbolic integration of the activation's definition, never from the formula that is tested. A design
has q* = 1; tau follows from its sparsity and, where it is clipped, m from V'(q*), found by bisection.
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf
from scipy.optimize import brentq

from neurondeath.paper_check.checkers.gaussian_limit.closed_forms import (
    FORM_DIGITS,
    evidence_from_deviations,
    formula_names,
    formula_symbols,
    grid,
    identities,
    library_design,
)
from neurondeath.paper_check.checkers.gaussian_limit.designs_by_quadrature import (
    design_numbers,
    second_moment,
    slope_gain,
)
from neurondeath.paper_check.checkers.gaussian_limit.gaussian_quadrature import DIGITS, check_kinds, moments
from neurondeath.paper_check.comparisons import all_of, compare, holds
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design

__all__ = [
    "curvature_by_calculus",
    "fixed_points_by_quadrature",
    "inflections_by_calculus",
    "map_above_identity",
    "most_fixed_points",
    "slope_by_calculus",
    "slope_by_quadrature",
]

Array = npt.NDArray[np.float64]

UNSEEN = mpf(10) ** (2 - FORM_DIGITS)  # probability of a clip that the quadrature cannot resolve
SCAN = np.geomspace(1e-3, 1e5, 8001)  # variances between which fixed points are searched
SMALLEST_RATIO = 1e-13  # of V(q) - q to q; below it the sign is not significant


def slope_by_quadrature(*, setting: Setting, kinds: Sequence[str], slope: str, relation: str, bound: str) -> Evidence:
    """Compare V'(q*) with a formula, which may name sigma_w2 = 1/E phi'^2, and with a bound.

    Where the clip is so far out that the quadrature cannot resolve it, a strict bound is not checked.
    """
    rows: list[dict[str, Any]] = []
    kept = True
    for kind, (q, tau, m) in itertools.product(check_kinds(kinds), grid(setting.full)):
        with mp.workdps(DIGITS):
            truth = moments(kind, q, tau, m)
            exact = truth.slope / truth.gain
            names = formula_names(kind, q, tau, m) | {"sigma_w2": 1 / truth.gain}
            claimed = evaluate(slope, names, digits=FORM_DIGITS)
            limit = evaluate(bound, names, digits=FORM_DIGITS)
            library = library_design(kind, q, tau, m).v_prime
            if relation not in ("<", ">") or not kind.startswith("clipped") or mp.ncdf(-names["b"]) > UNSEEN:
                with mp.workdps(FORM_DIGITS):  # an equality holds to the digits that the quadrature has
                    kept = kept and holds(+exact, relation, +limit)
            rows.append(
                {
                    "kind": kind,
                    "quantity": "V'(q*)",
                    "q": q,
                    "tau": tau,
                    "m": m,
                    "quadrature": float(exact),
                    "claimed": float(claimed),
                    "deviation": float(abs(claimed - exact)),
                    "library": float(abs(library - exact)),
                }
            )
    evidence = evidence_from_deviations(rows, "the formula", "quadrature")
    if kept or evidence.verdict is not Verdict.CONFIRMED:
        return evidence
    summary = f"V'(q*) {relation} {bound} fails on the grid; {evidence.summary}"
    return Evidence(
        route=evidence.route,
        verdict=Verdict.REFUTED,
        summary=summary,
        points=evidence.points,
        numbers=evidence.numbers,
    )


def slope_by_calculus(*, setting: Setting, kinds: Sequence[str], slope: str) -> Evidence:
    """Compare the same formula with the derivative of the symbolic integral, for all q*, tau, m > 0."""
    del setting
    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import identity_verdict, symbolic_moments

    found = {}
    for kind in check_kinds(kinds):
        truth = symbolic_moments(kind)
        claimed = parse_formula(slope, formula_symbols(kind) | {"sigma_w2": 1 / truth.gain})
        found[f"V'(q*) of {kind}"] = identity_verdict(truth.slope / truth.gain - claimed)
    return identities(found, "the derivative of the integral at the edge of chaos")


def curvature_by_calculus(*, setting: Setting, kinds: Sequence[str], curvature_relation: str) -> Evidence:
    """Decide the sign of V''(q), for all q, tau > 0, from the symbolic integral."""
    del setting
    import sympy

    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import symbolic_moments

    found = {}
    for kind in check_kinds(kinds):
        curvature = sympy.simplify(symbolic_moments(kind).curvature)
        signs = {">": curvature.is_positive, "<": curvature.is_negative, "==": curvature.is_zero}
        check_choice("curvature_relation", curvature_relation, list(signs))
        known = next((relation for relation, true in signs.items() if true), None)
        verdict = Verdict.CONFIRMED if known == curvature_relation else Verdict.REFUTED
        found[f"V''(q) of {kind}"] = verdict if known else Verdict.INCONCLUSIVE
    verdict = all_of(found.values())
    return Evidence(
        route="symbolic",
        verdict=verdict,
        summary=f"V''(q) {curvature_relation} 0 for all q, tau > 0: {', '.join(found)} {verdict.lower()}",
        points=len(found),
        numbers={"quantity": list(found), "verdict": [str(one) for one in found.values()]},
    )


def map_above_identity(
    *, setting: Setting, kinds: Sequence[str], sparsities: Sequence[float], map_relation: str
) -> Evidence:
    """Compare V(q) with q away from q* = 1, at the edge of chaos, by quadrature between the kinks."""
    q = np.geomspace(1e-2, 1e2, 401 if setting.full else 101)
    q = q[np.abs(q - 1.0) > 0.02]  # at q* itself they touch
    gaps = []
    for kind, sparsity in itertools.product(check_kinds(kinds), sparsities):
        tau, m = design_numbers(kind, float(sparsity), None)
        gaps.append(_map_over_identity(kind, tau, m, q))
    values = np.array(gaps)
    result = compare(values, values, values, map_relation, 0.0)
    return Evidence(
        route="high precision",
        verdict=result.verdict,
        summary=(
            f"(V(q) - q)/q lies between {values.min():.3g} and {values.max():.3g} for q in [{q[0]:g}, {q[-1]:g}] "
            f"away from q* = 1"
        ),
        points=values.size,
        numbers={"q": np.tile(q, len(gaps)).tolist(), "relative_gap": values.ravel().tolist()},
    )


def fixed_points_by_quadrature(
    *, setting: Setting, kind: str, sparsity: float, v_prime: float, fixed_points: Sequence[str], chi1: Sequence[str]
) -> Evidence:
    """Compare a list of all fixed points of a design, and chi_1 at each, with those that a fine scan of V - q finds.

    A number written with d decimals is claimed to half a unit of the last one.
    """
    del setting
    (kind,) = check_kinds([kind])
    tau, m = design_numbers(kind, sparsity, v_prime)
    found = _scan_fixed_points(kind, tau, m)
    gain = slope_gain(kind, np.array([1.0]), tau, m)[0]
    gains = [float(slope_gain(kind, np.array([q]), tau, m)[0] / gain) for q in found]
    library = [point.q for point in sparse_design(kind, sparsity, v_prime=v_prime).fixed_points.points]
    right = len(found) == len(fixed_points) == len(chi1) and all(
        abs(value - float(text)) <= _half_unit(text)
        for value, text in zip([*found, *gains], [*fixed_points, *chi1], strict=True)
    )
    verdict = Verdict.CONFIRMED if right else Verdict.REFUTED
    if len(library) != len(found) or not np.allclose(library, found, rtol=1e-9):
        verdict = Verdict.ERROR
    listed = ", ".join(f"{q:.4f} (chi_1 {value:.4f})" for q, value in zip(found, gains, strict=True))
    return Evidence(
        route="high precision",
        verdict=verdict,
        summary=(
            f"fixed points of {kind}, s = {sparsity:g}, V' = {v_prime:g}: {listed}; claimed {', '.join(fixed_points)} "
            f"(chi_1 {', '.join(chi1)})"
        ),
        points=2 * len(found),
        numbers={"q": found, "chi1": gains},
    )


def most_fixed_points(
    *,
    setting: Setting,
    kinds: Sequence[str],
    sparsities: Sequence[float],
    v_primes: Sequence[float],
    relation: str,
    count: int,
) -> Evidence:
    """Compare the largest number of fixed points over a family of clipped designs with a claimed one."""
    del setting
    counts = []
    cases = list(itertools.product(check_kinds(kinds), sparsities, v_primes))
    for kind, sparsity, v_prime in cases:
        tau, m = design_numbers(kind, float(sparsity), float(v_prime))
        counts.append(len(_scan_fixed_points(kind, tau, m)))
    most = max(counts)
    return Evidence(
        route="high precision",
        verdict=Verdict.CONFIRMED if holds(most, relation, count) else Verdict.REFUTED,
        summary=f"{len(cases)} designs have {min(counts)} to {most} fixed points; the most claimed {relation} {count}",
        points=len(cases),
        numbers={
            "kind": [case[0] for case in cases],
            "sparsity": [float(case[1]) for case in cases],
            "v_prime": [float(case[2]) for case in cases],
            "fixed_points": counts,
        },
    )


def inflections_by_calculus(*, setting: Setting, kinds: Sequence[str], sign_changes: int) -> Evidence:
    r"""Count the sign changes of V'' of a clipped activation, for all tau, m > 0.

    V'' is a positive factor times $\tau p(a) - B p(b)$ with B > 0 linear in x = 1/q; its sign is that of
    $-g(x)$, $g = \log(B p(b)/(\tau p(a)))$. g vanishes at x = 0, rises there, is concave and tends to minus
    infinity: one change of sign. Each of the four is decided symbolically, the form of V'' from the integral.
    """
    del setting
    import sympy

    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import (
        SYMBOLS,
        identity_verdict,
        symbolic_moments,
    )

    tau, m = SYMBOLS["tau"], SYMBOLS["m"]
    x = sympy.Symbol("x", positive=True)
    found = {}
    for kind in check_kinds(kinds):
        names = formula_symbols(kind)
        split = "c/(2*q**(3/2))*(tau*pdf(a) - (tau + m*(tau+m)**2/q)*pdf(b))"
        form = identity_verdict(symbolic_moments(kind).curvature - parse_formula(split, names))
        log_ratio = sympy.log(1 + m * (tau + m) ** 2 * x / tau) - (2 * tau * m + m**2) * x / 2
        bend = sympy.factor(sympy.diff(log_ratio, x, 2))
        start = sympy.expand(sympy.limit(sympy.diff(log_ratio, x), x, 0))
        shape = bool(
            log_ratio.subs(x, 0) == 0
            and bend.is_negative
            and start.is_positive
            and sympy.limit(log_ratio, x, sympy.oo) == -sympy.oo
        )
        known = form is Verdict.CONFIRMED and shape
        agreed = Verdict.CONFIRMED if sign_changes == 1 else Verdict.REFUTED
        found[f"V'' of {kind} changes sign once"] = agreed if known else Verdict.INCONCLUSIVE
    verdict = all_of(found.values())
    return Evidence(
        route="symbolic",
        verdict=verdict,
        summary=f"for all tau, m > 0: {'; '.join(found)}; claimed {sign_changes} changes",
        points=4 * len(found),
        numbers={"identity": list(found), "verdict": [str(one) for one in found.values()]},
    )


def _map_over_identity(kind: str, tau: float, m: float, q: Array) -> Array:
    """Compute (V(q) - q)/q at the edge of chaos of q* = 1."""
    one = np.array([1.0])
    weight = 1.0 / slope_gain(kind, one, tau, m)[0]
    bias = 1.0 - weight * second_moment(kind, one, tau, m)[0]
    return np.asarray((weight * second_moment(kind, q, tau, m) + bias - q) / q)


@lru_cache(maxsize=256)
def _scan_fixed_points(kind: str, tau: float, m: float) -> list[float]:
    gap = _map_over_identity(kind, tau, m, SCAN)
    clear = np.abs(gap) > SMALLEST_RATIO
    q, signs = SCAN[clear], np.sign(gap[clear])
    found = []
    for left, right in zip(np.nonzero(np.diff(signs))[0], np.nonzero(np.diff(signs))[0] + 1, strict=True):
        found.append(
            brentq(lambda x: float(_map_over_identity(kind, tau, m, np.array([x]))[0]), q[left], q[right], xtol=1e-14)
        )
    return [float(root) for root in found]


def _half_unit(text: str) -> float:
    decimals = len(text.partition(".")[2])
    return float(mpf(10) ** -decimals / 2) * (1 + 1e-9)

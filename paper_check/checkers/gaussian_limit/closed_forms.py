r"""price2024's closed forms of the variance map and its edge of chaos, compared with integrals of the definitions.

The formulas of a claim are texts in q, tau, m, sigma_w2, sigma_b2, c (1 for one-sided activations, 2 for odd ones),
a = tau/sqrt(q) and b = (tau + m)/sqrt(q). They are compared with V = sigma_w2 E phi^2 + sigma_b2,
V', V'', chi_1 = sigma_w2 E phi'^2 and the sparsity P(phi = 0), once by symbolic integration for all q, tau, m > 0, once
by quadrature in high precision on a grid, where the library has to agree too.
"""

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import mpmath
from mpmath import mp, mpf

from neurondeath.paper_check.checkers.gaussian_limit.gaussian_quadrature import (
    DIGITS,
    Moments,
    check_kinds,
    library_activation,
    moments,
    sides,
)
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.gaussian_limit import variance
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos

__all__ = [
    "edge_of_chaos_by_calculus",
    "edge_of_chaos_by_quadrature",
    "evidence_from_deviations",
    "forms_by_calculus",
    "forms_by_quadrature",
    "formula_names",
    "formula_symbols",
    "grid",
    "identities",
    "library_design",
]

QUADRATURE_TOLERANCE = mpf(10) ** -25  # relative; far above the error of a quadrature to 35 digits
ZERO_TOLERANCE = mpf(10) ** -30  # smaller moments are 0 up to rounding
LIBRARY_TOLERANCE = 1e-11  # relative, of the library's doubles
FORM_DIGITS = 30
SIGMA_W2, SIGMA_B2 = "3.7", "0.21"  # the forms are linear in them

Names = dict[str, Any]


def grid(full: bool) -> list[tuple[str, str, str]]:
    """Return values of (q, tau, m) as texts, so that doubles and high precision use the same numbers."""
    q = ("0.125", "0.5", "1", "2.5", "8") if full else ("0.5", "1", "8")
    tau = ("0", "0.25", "1.0364", "2") if full else ("0.25", "1.0364")
    m = ("0.0625", "0.5", "1.1704", "3") if full else ("0.0625", "1.1704")
    return list(itertools.product(q, tau, m))


def formula_names(kind: str, q: Any, tau: Any, m: Any) -> Names:
    """Return the values of the names in the formulas of a claim, in high precision."""
    root = mp.sqrt(mpf(q))
    q, tau, m = mpf(q), mpf(tau), mpf(m)
    return {"q": q, "tau": tau, "m": m, "c": sides(kind), "a": tau / root, "b": (tau + m) / root}


def forms_by_quadrature(*, setting: Setting, kinds: Sequence[str], **forms: str) -> Evidence:
    """Compare V, V', V'', chi_1 and sparsity with quadrature; `forms` are the formulas by name."""
    kinds, texts = check_kinds(kinds), _check_forms(forms)
    rows: list[dict[str, Any]] = []
    for kind, (q, tau, m) in itertools.product(kinds, grid(setting.full)):
        with mp.workdps(DIGITS):
            names = formula_names(kind, q, tau, m) | {"sigma_w2": mpf(SIGMA_W2), "sigma_b2": mpf(SIGMA_B2)}
            truths = _of_network(moments(kind, q, tau, m), mpf(SIGMA_W2), mpf(SIGMA_B2))
            library = _by_library(kind, float(q), float(tau), float(m))
            for name, text in texts.items():
                truth, claimed = truths[name], evaluate(text, names, digits=FORM_DIGITS)
                rows.append(
                    {
                        "kind": kind,
                        "quantity": name,
                        "q": q,
                        "tau": tau,
                        "m": m,
                        "quadrature": float(truth),
                        "claimed": float(claimed),
                        "deviation": float(_deviation(claimed, truth)),
                        "library": float(_deviation(mpf(library[name]), truth)),
                    }
                )
    return evidence_from_deviations(rows, "the closed forms", "quadrature")


def forms_by_calculus(*, setting: Setting, kinds: Sequence[str], **forms: str) -> Evidence:
    """Compare the same formulas with symbolic integrals and their derivatives, for all q, tau, m > 0."""
    del setting  # nothing to refine
    import sympy

    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import identity_verdict, symbolic_moments

    weight, bias = sympy.symbols("sigma_w2 sigma_b2", positive=True)
    found: dict[str, Verdict] = {}
    for kind in check_kinds(kinds):
        truths = _of_network(symbolic_moments(kind), weight, bias)
        names = formula_symbols(kind) | {"sigma_w2": weight, "sigma_b2": bias}
        for name, text in _check_forms(forms).items():
            found[f"{name} of {kind}"] = identity_verdict(truths[name] - parse_formula(text, names))
    return identities(found, "integrals of the definition and their derivatives in q")


def edge_of_chaos_by_quadrature(*, setting: Setting, kinds: Sequence[str], sigma_w2: str, sigma_b2: str) -> Evidence:
    """Check chi_1(q*) = 1, V(q*) = q* for the claimed variances; `sigma_b2` may name sigma_w2 and moment, E phi^2."""
    rows: list[dict[str, Any]] = []
    for kind, (q, tau, m) in itertools.product(check_kinds(kinds), grid(setting.full)):
        with mp.workdps(DIGITS):
            truth = moments(kind, q, tau, m)
            names = formula_names(kind, q, tau, m) | {"moment": truth.moment}
            weight = evaluate(sigma_w2, names, digits=FORM_DIGITS)
            bias = evaluate(sigma_b2, names | {"sigma_w2": weight}, digits=FORM_DIGITS)
            design = library_design(kind, q, tau, m)
            exact_weight = 1 / truth.gain
            exact_bias = mpf(q) - exact_weight * truth.moment
            for name, claimed, met, library, scale in (
                ("chi_1(q*) = 1", weight * truth.gain, mpf(1), design.sigma_w2 * truth.gain, mpf(1)),
                ("V(q*) = q*", weight * truth.moment + bias, mpf(q), design.sigma_b2 + mpf(q) - exact_bias, mpf(q)),
            ):
                rows.append(
                    {
                        "kind": kind,
                        "quantity": name,
                        "q": q,
                        "tau": tau,
                        "m": m,
                        "quadrature": float(met),
                        "claimed": float(claimed),
                        "deviation": float(abs(claimed - met) / scale),
                        "library": float(abs(library - met) / scale),
                    }
                )
    return evidence_from_deviations(rows, "the claimed variances", "the two conditions by quadrature")


def edge_of_chaos_by_calculus(*, setting: Setting, kinds: Sequence[str], sigma_w2: str) -> Evidence:
    """Check 1/sigma_w2 = E phi'^2 for all q, tau, m > 0."""
    del setting
    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import identity_verdict, symbolic_moments

    found = {
        f"1/sigma_w2 of {kind}": identity_verdict(
            1 / parse_formula(sigma_w2, formula_symbols(kind)) - symbolic_moments(kind).gain
        )
        for kind in check_kinds(kinds)
    }
    return identities(found, "the integral of the squared slope")


@lru_cache(maxsize=512)
def library_design(kind: str, q: str, tau: str, m: str) -> EdgeOfChaos:
    """Compute the edge of chaos with the library."""
    return edge_of_chaos(library_activation(kind, float(tau), float(m)), float(q))


def _check_forms(forms: Mapping[str, str]) -> Mapping[str, str]:
    known = {"variance", "slope", "curvature", "chi1", "sparsity"}
    if not forms or not set(forms) <= known:
        raise TypeError(f"the formulas are named {', '.join(sorted(known))}; got {', '.join(forms) or 'none'}")
    return forms


def _of_network(of_activation: Moments, sigma_w2: Any, sigma_b2: Any) -> dict[str, Any]:
    return {
        "variance": sigma_w2 * of_activation.moment + sigma_b2,
        "slope": sigma_w2 * of_activation.slope,
        "curvature": sigma_w2 * of_activation.curvature,
        "chi1": sigma_w2 * of_activation.gain,
        "sparsity": of_activation.sparsity,
    }


def _by_library(kind: str, q: float, tau: float, m: float) -> dict[str, float]:
    phi, weight, bias = library_activation(kind, tau, m), float(SIGMA_W2), float(SIGMA_B2)
    return {
        "variance": float(variance.variance_map(phi, q, weight, bias)),
        "slope": float(variance.variance_slope(phi, q, weight)),
        "curvature": float(variance.variance_curvature(phi, q, weight)),
        "chi1": float(variance.chi1(phi, q, weight)),
        "sparsity": float(variance.activation_sparsity(phi, q)),
    }


def formula_symbols(kind: str) -> Names:
    """Return the same names as positive symbols."""
    import sympy

    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import SYMBOLS

    q, tau, m = SYMBOLS["q"], SYMBOLS["tau"], SYMBOLS["m"]
    root = sympy.sqrt(q)
    return {**SYMBOLS, "c": sympy.Integer(sides(kind)), "a": tau / root, "b": (tau + m) / root}


def _deviation(value: Any, truth: Any) -> Any:
    """Return the relative deviation, or the absolute one where the quadrature cannot distinguish the truth from 0."""
    return abs(value - truth) / (abs(truth) if abs(truth) > ZERO_TOLERANCE else mpf(1))


def evidence_from_deviations(rows: list[dict[str, Any]], what: str, against: str) -> Evidence:
    """Decide formulas by their worst deviation; a library that disagrees with the quadrature is an ERROR."""
    worst = max(rows, key=lambda row: row["deviation"] if row["deviation"] == row["deviation"] else mpmath.inf)
    library = max(rows, key=lambda row: row["library"])
    where = "{quantity} of {kind} at q = {q}, tau = {tau}, m = {m}".format(**worst)
    if worst["deviation"] <= QUADRATURE_TOLERANCE:
        verdict = Verdict.CONFIRMED
        summary = f"{what} and {against} agree to {worst['deviation']:.1e}, relative, at worst ({where})"
    else:
        verdict = Verdict.REFUTED
        summary = f"{where}: claimed {worst['claimed']:.10g}, {against} {worst['quadrature']:.10g}"
    summary += f"; the library to {library['library']:.1e}"
    if not library["library"] <= LIBRARY_TOLERANCE:
        verdict = Verdict.ERROR
    numbers = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return Evidence(route="high precision", verdict=verdict, summary=summary, points=len(rows), numbers=numbers)


def identities(found: dict[str, Verdict], against: str) -> Evidence:
    """Combine the verdicts on the identities of several formulas."""
    verdict = all_of(found.values())
    failed = [name for name, one in found.items() if one is not Verdict.CONFIRMED]
    summary = f"{len(found) - len(failed)} of {len(found)} formulas equal {against}, for all q, tau, m > 0"
    if failed:
        summary += f"; not confirmed: {', '.join(failed)}"
    return Evidence(
        route="symbolic",
        verdict=verdict,
        summary=summary,
        points=len(found),
        numbers={"identity": list(found), "verdict": [str(one) for one in found.values()]},
    )

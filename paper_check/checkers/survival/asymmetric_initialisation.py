r"""Checkers of the randomised asymmetric initialisation, RAI [lu2019]: its scale and its effect on death.

A row (w, b) of length d + 1 is normal with standard deviation $\sigma / \sqrt d$, then one entry, uniformly chosen, is
redrawn from Beta(2, 1), density 2x on (0, 1). Given that entry j is redrawn as y, the pre-activation at x is normal
with mean $y \tilde x_j$ and variance $s_j^2 = \sigma^2 (|\tilde x|^2 - \tilde x_j^2)/d$, where $\tilde x = (x, 1)$: a
unit is inactive with probability $\frac1{d+1} \sum_j \int_0^1 2y\, \Phi(-y \tilde x_j / s_j)\, dy$.
"""

from typing import Any

import numpy as np

from neurondeath.paper_check.comparisons import binomial_limits, compare, holds
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.rai import rai_constant

__all__ = ["inactive_units_by_quadrature", "networks_by_sampling", "root_by_algebra", "root_by_bisection"]

DIGITS = 40
LIBRARY_TOLERANCE = 1e-14  # rounding error of the library's double
# input dimension, width, depth, inputs
NETWORKS = ((1, 3, 10, "rays"), (4, 2, 20, "gaussian:64"), (4, 4, 50, "gaussian:64"), (2, 2, 20, "orthant:16"))
TRIALS, FULL_TRIALS = 20_000, 200_000
POINTS = ("non-negative", "far negative")


def root_by_algebra(
    *, setting: Setting, equation: str, root: str, value: float, digits: int, a: int, b: int
) -> Evidence:
    """Solve the equation in sympy, with the moments of Beta(a, b) integrated there, and compare its positive roots.

    Parameters
    ----------
    setting : Setting
        Not used.
    equation : str
        Expression that is zero, in sigma, mu1 and mu2.
    root : str
        The claimed solution.
    value, digits : float, int
        Its value to some digits.
    a, b : int
        Shape of the Beta law.
    """
    import sympy

    y, sigma = sympy.Symbol("y", positive=True), sympy.Symbol("sigma", real=True)
    density = y ** (a - 1) * (1 - y) ** (b - 1)
    mass = sympy.integrate(density, (y, 0, 1))
    mu1, mu2 = (sympy.integrate(y**power * density, (y, 0, 1)) / mass for power in (1, 2))
    term = parse_formula(equation, {"sigma": sigma, "mu1": mu1, "mu2": mu2})
    roots = [found for found in sympy.solve(term, sigma) if found.is_positive]
    claimed = parse_formula(root, [])
    same = len(roots) == 1 and sympy.simplify(roots[0] - claimed) == 0
    rounded = len(roots) == 1 and bool(
        abs(roots[0] - sympy.Rational(str(value))) < sympy.Rational(5, 10 ** (digits + 1))
    )
    shown = ", ".join(str(sympy.N(found, 12)) for found in roots) or "none"
    return Evidence(
        route="symbolic",
        verdict=Verdict.CONFIRMED if same and rounded else Verdict.REFUTED,
        summary=f"moments {mu1}, {mu2}; positive roots: {shown}; the claimed root is {sympy.N(claimed, 12)}, {value}",
        points=2,
    )


def root_by_bisection(
    *, setting: Setting, equation: str, root: str, value: float, digits: int, a: int, b: int
) -> Evidence:
    """Find the root of the equation by bisection in 40 digits, and compare the claimed one and the library's.

    Parameters
    ----------
    setting : Setting
        Not used.
    equation, root, value, digits, a, b
        As for `root_by_algebra`.
    """
    import mpmath

    with mpmath.workdps(DIGITS + 10):
        mass = mpmath.beta(a, b)
        mu1, mu2 = (mpmath.quad(lambda y, p=p: y ** (a - 1 + p) * (1 - y) ** (b - 1), [0, 1]) / mass for p in (1, 2))

        def at(sigma: Any) -> Any:
            return evaluate(equation, {"sigma": sigma, "mu1": mu1, "mu2": mu2}, digits=DIGITS)

        found = mpmath.findroot(at, (0, 10), solver="illinois", tol=mpmath.mpf(10) ** (-2 * DIGITS + 10), verify=False)
        if abs(at(found)) > mpmath.mpf(10) ** (-DIGITS + 10):
            raise ValueError(f"no root of {equation} between 0 and 10")
        rows = [
            ("closed form", evaluate(root, {}, digits=DIGITS), mpmath.mpf(10) ** (-DIGITS + 8)),
            (f"{digits} digits", mpmath.mpf(str(value)), mpmath.mpf(5) / 10 ** (digits + 1)),
            ("library", mpmath.mpf(rai_constant(a=float(a), b=float(b))), mpmath.mpf(LIBRARY_TOLERANCE)),
        ]
        wrong = [name for name, stated, slack in rows if abs(stated - found) > slack]
        shown = mpmath.nstr(found, 20)
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=f"the root is {shown}" + (f"; wrong: {', '.join(wrong)}" if wrong else ", equal to all three values"),
        points=len(rows),
        numbers={
            "source": [name for name, _, _ in rows],
            "stated": [float(stated) for _, stated, _ in rows],
            "distance": [float(abs(stated - found)) for _, stated, _ in rows],
        },
    )


def inactive_units_by_quadrature(*, setting: Setting, points: str, relation: str, right: str) -> Evidence:
    """Integrate P(unit inactive) at random points of 1 to 8 dimensions and compare it with a number.

    Parameters
    ----------
    setting : Setting
        40 points, or 400 in a full check.
    points : {"non-negative", "far negative"}
        Lengths from 0.01 to 100 in the non-negative orthant, or all coordinates from -100 to -10.
    relation, right : str
        The claim: P(unit inactive) relation number.
    """
    from scipy.integrate import quad
    from scipy.special import ndtr

    check_choice("points", points, POINTS)
    rng = np.random.default_rng(setting.seed)
    sigma = rai_constant()
    claimed = float(evaluate(right, {}))
    rows: list[tuple[int, float, float]] = []
    for _ in range(400 if setting.full else 40):
        d = int(rng.integers(1, 9))
        if points == "far negative":
            x = -rng.uniform(10.0, 100.0, size=d)
        else:
            x = np.abs(rng.standard_normal(d)) * 10.0 ** rng.uniform(-2.0, 2.0)
        extended = np.append(x, 1.0)
        total = 0.0
        for j, entry in enumerate(extended):
            spread = sigma * np.sqrt((np.delete(extended, j) ** 2).sum() / d)
            total += quad(lambda y, step=entry / spread: 2.0 * y * ndtr(-y * step), 0.0, 1.0, epsabs=1e-12, limit=200)[
                0
            ]
        rows.append((d, float(np.linalg.norm(x)), total / (d + 1)))
    wrong = [row for row in rows if not holds(row[2], relation, claimed)]
    nearest = min(wrong or rows, key=lambda row: abs(row[2] - claimed))
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=f"P(unit inactive) at {len(rows)} {points} points, {len(wrong)} against the claim; the nearest, "
        f"{nearest[0]} inputs, length {nearest[1]:.3g}: {nearest[2]:.6f}, claimed {relation} {right}",
        points=len(rows),
        numbers={
            "inputs": [row[0] for row in rows],
            "length": [row[1] for row in rows],
            "P(inactive)": [row[2] for row in rows],
        },
    )


def networks_by_sampling(*, setting: Setting, relation: str, factor: float) -> Evidence:
    """Sample networks of both initialisations: P(dead) with RAI relation factor x P(dead) with He.

    Parameters
    ----------
    setting : Setting
        20000 networks each, or 200000 in a full check.
    relation : str
        Relation of the two probabilities.
    factor : float
        Factor of the second one.
    """
    trials = FULL_TRIALS if setting.full else TRIALS
    hits = np.empty((2, len(NETWORKS)), dtype=np.int64)
    for column, (d, width, depth, inputs) in enumerate(NETWORKS):
        for row, init in enumerate(("rai", "he")):
            simulation = simulate(
                Network([width] * depth, input_dim=d, init=init),
                inputs,
                trials=trials,
                seed=setting.seed,
                workers=setting.workers,
                store=setting.store,
            )
            hits[row, column] = round(float(simulation.death[-1]) * simulation.trials)
    low, high = binomial_limits(hits, trials, false_alarm=setting.false_alarm, comparisons=hits.size)
    share = hits / trials
    # the difference lies between the differences of opposite limits
    found = compare(
        share[0] - factor * share[1],
        low[0] - factor * high[1],
        high[0] - factor * low[1],
        relation,
        np.zeros(len(NETWORKS)),
    )
    d, width, depth, inputs = NETWORKS[found.worst]
    return Evidence(
        route="Monte Carlo",
        verdict=found.verdict,
        summary=f"{len(NETWORKS)} pairs of networks, {trials} trials each; nearest, or farthest beyond, width {width}, "
        f"depth {depth}, {inputs}: P(dead) {share[0, found.worst]:.5f} with RAI, {share[1, found.worst]:.5f} with He",
        points=found.points,
        numbers={
            "input dimension": [case[0] for case in NETWORKS],
            "width": [case[1] for case in NETWORKS],
            "depth": [case[2] for case in NETWORKS],
            "inputs": [case[3] for case in NETWORKS],
            "RAI": share[0].tolist(),
            "RAI low": low[0].tolist(),
            "RAI high": high[0].tolist(),
            "He": share[1].tolist(),
            "He low": low[1].tolist(),
            "He high": high[1].tolist(),
        },
    )

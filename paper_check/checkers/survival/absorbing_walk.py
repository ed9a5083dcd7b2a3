r"""Checkers of the one-dimensional picture of death in training: a walk absorbed at 0 [dufort2024].

For $dw = a(w)\,dt + s\,dW$ from w > 0, u(w, t) = P(0 reached by t) is the bounded solution of the backward equation
$u_t = a(w)\,u_w + \frac{s^2}2 u_{ww}$ with u(0, t) = 1 and u(w, 0) = 0: computer algebra decides whether a formula is
that solution. Independently, walks are sampled in exact steps, with excursions between two observations at their
probability: a Brownian path from x to y > 0 touches 0 within a step h with probability $e^{-2xy/(s^2 h)}$; for a
decay the bridge has the clock of its own noise.

Formulas may name w, t, s (noise), l (decay) and m (pull).
"""

from typing import Any

import numpy as np

from neurondeath.paper_check.comparisons import binomial_limits, compare
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, names_in, parse_formula
from neurondeath.simulations.counter_random import stream_key, stream_normals
from neurondeath_theory.survival.absorbing_walk import absorbed_probability

__all__ = ["limit_by_algebra", "solves_backward_equation", "walks_by_sampling"]

STEP = 1.0 / 32
LOOKS = (4, 8, 16, 32, 64, 96)
TRIALS, FULL_TRIALS = 40_000, 400_000
STARTS = (0.5, 1.0, 2.0)
RATES = {"free": (0.0, 0.0), "decay": (1.0, 0.0), "pull": (0.0, 1.0)}  # l, m


def solves_backward_equation(*, setting: Setting, probability: str, drift: str) -> Evidence:
    """Prove that a formula is P(0 reached by t): equation, value at the barrier, value at the start.

    Parameters
    ----------
    setting : Setting
        Not used.
    probability : str
        The formula, in w, t, s, l, m.
    drift : str
        a(w), as "-l*w".
    """
    import sympy

    w, t, s, rate, pull = sympy.symbols("w t s l m", positive=True)
    known = {"w": w, "t": t, "s": s, "l": rate, "m": pull}
    u = parse_formula(probability, known)
    terms = [sympy.diff(u, t), -parse_formula(drift, known) * sympy.diff(u, w), -(s**2) / 2 * sympy.diff(u, w, 2)]
    residual = sum(terms)
    point = {w: sympy.Rational(7, 5), t: sympy.Rational(3, 4), s: sympy.Rational(6, 5)}
    point |= {rate: sympy.Rational(4, 5), pull: sympy.Rational(2, 3)}
    # the size of the terms distinguishes a residual from rounding
    left, scale = (sympy.N(term.subs(point), 40) for term in (abs(residual), sum(abs(term) for term in terms)))
    if left > sympy.Float("1e-25") * scale:
        equation, finding = (
            Verdict.REFUTED,
            f"its residual is {float(left):.3g} at a point, of terms of size {float(scale):.3g}",
        )
    elif sympy.simplify(residual) == 0:
        equation, finding = Verdict.CONFIRMED, "solves the backward equation identically"
    else:
        equation, finding = Verdict.INCONCLUSIVE, "its residual vanishes at a point but does not simplify to 0"
    barrier = sympy.simplify(u.subs(w, 0)) == 1
    early = {**point, t: sympy.Rational(1, 10**6)}
    starts = bool(abs(sympy.N(u.subs(early), 30)) < sympy.Float("1e-50"))
    ends = f"it is {'' if barrier else 'not '}1 at w = 0 and {'' if starts else 'not '}0 at t = 0"
    return Evidence(
        route="symbolic",
        verdict=equation if barrier and starts else Verdict.REFUTED,
        summary=f"{probability} {finding}; {ends}",
        points=3,
    )


def limit_by_algebra(*, setting: Setting, probability: str, name: str, limit: str) -> Evidence:
    """Take the limit of a formula as a name goes to 0, by computer algebra, and compare it with the claimed one."""
    import sympy

    known = {key: sympy.Symbol(key, positive=True) for key in names_in(probability) | names_in(limit) | {name}}
    found = sympy.limit(parse_formula(probability, known), known[name], 0, "+")
    same = sympy.simplify(found - parse_formula(limit, known)) == 0
    return Evidence(
        route="symbolic",
        verdict=Verdict.CONFIRMED if same else Verdict.REFUTED,
        summary=f"as {name} -> 0 the formula tends to {found}; claimed: {limit}",
        points=1,
    )


def walks_by_sampling(*, setting: Setting, probability: str, law: str) -> Evidence:
    """Sample walks and compare the share that has reached 0 with a formula, and with the library.

    Parameters
    ----------
    setting : Setting
        40000 walks from each start, or 400000 in a full check.
    probability : str
        The formula, in w, t, s, l, m.
    law : {"free", "decay", "pull"}
        Which drift.
    """
    trials = FULL_TRIALS if setting.full else TRIALS
    rate, pull = RATES[law]
    rows: list[tuple[str, float, float, float, int]] = []
    for number, start in enumerate(STARTS):
        for look, dead in _deaths(law, start, trials, seed=setting.seed, number=number).items():
            time = look * STEP
            values = {"w": start, "t": time, "s": 1.0, "l": rate, "m": pull}
            rows.append(("claim", start, time, float(evaluate(probability, values)), dead))
            library = float(absorbed_probability(start, time, decay=rate, pull=pull))
            rows.append(("library", start, time, library, dead))
    hits = np.array([row[4] for row in rows])
    claimed = np.array([row[3] for row in rows])
    low, high = binomial_limits(hits, trials, false_alarm=setting.false_alarm, comparisons=len(rows))
    share = hits / trials
    found = compare(share, low, high, "==", claimed, precision=0.02, absolute=0.02)
    source, start, time = rows[found.worst][:3]
    return Evidence(
        route="Monte Carlo",
        verdict=found.verdict,
        summary=f"{trials} walks from each of {len(STARTS)} starts, {law}; worst ({source}) from {start} at t = "
        f"{time:g}: {share[found.worst]:.5f} in [{low[found.worst]:.5f}, {high[found.worst]:.5f}], "
        f"stated {claimed[found.worst]:.5f}",
        points=found.points,
        numbers={
            "source": [row[0] for row in rows],
            "start": [row[1] for row in rows],
            "time": [row[2] for row in rows],
            "share": share.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "stated": claimed.tolist(),
        },
    )


def _deaths(law: str, start: float, trials: int, *, seed: int, number: int) -> dict[int, int]:
    """Count the walks that have reached 0 by each observation."""
    from scipy.special import ndtr

    rate, pull = RATES[law]
    keep = np.exp(-rate * STEP)
    variance = -np.expm1(-2.0 * rate * STEP) / (2.0 * rate) if rate else STEP
    moves = stream_key(seed, f"absorbed walks, {law}, {number}")
    excursions = stream_key(seed, f"excursions, {law}, {number}")
    weight: Any = np.full(trials, start)
    dead = np.zeros(trials, dtype=bool)
    counts = {}
    for step in range(1, max(LOOKS) + 1):
        before, weight = weight, keep * weight - pull * STEP
        decayed = keep * before if rate else before
        weight = weight + np.sqrt(variance) * stream_normals(moves, trials, layer=step)
        # exp(-2 x y / clock), both ends of the bridge on the scale of the step's end
        with np.errstate(over="ignore"):
            touched = np.exp(-2.0 * decayed * np.maximum(weight, 0.0) / variance)
        dead |= (weight <= 0.0) | (ndtr(stream_normals(excursions, trials, layer=step)) < touched)
        if step in LOOKS:
            counts[step] = int(dead.sum())
    return counts

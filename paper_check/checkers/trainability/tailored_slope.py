r"""The correlation map of leaky ReLUs and the slope made for a depth: algebra, bisection, sampled networks.

Names in formulas: rho, the correlation; theta, its arc cosine; s, the negative slope. A weight variance of
2/(1 + s^2) over fan-in keeps the size.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from neurondeath.paper_check.checkers.findings import Sampled, sampled_evidence
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.trainability.tailored_slope import tailored_slope

__all__ = ["map_by_algebra", "map_by_sampling", "slopes_by_bisection", "target_by_sampling"]

Floats = npt.NDArray[np.float64]

NETWORKS, WIDTH = {False: 60, True: 600}, 1000
LIBRARY = 1e-9
DEEPEST_SAMPLED = 60
ABSOLUTE = 0.4  # half-width that confirms: log sizes spread, and the mutations are off by more


def map_by_algebra(*, setting: Setting, weight: str, image: str) -> Evidence:
    """Integrate the product of two leaky ReLUs over the angle, and compare `weight` times it with `image`.

    In polar coordinates E r^2 = 2; the signs of both cosines are constant on four arcs.
    """
    del setting
    import sympy

    theta, s = sympy.symbols("theta s", positive=True)
    mean = _mean_product()
    names = {"s": s, "theta": theta, "rho": sympy.cos(theta)}
    difference = parse_formula(weight, names) * mean - parse_formula(image, names)
    found = {
        "the map": sympy.simplify(sympy.expand_trig(sympy.expand(difference * (1 + s**2)))),
        "its fixed point 1": sympy.simplify(parse_formula(weight, names) * mean.subs(theta, 0) - 1),
    }
    verdicts = [Verdict.CONFIRMED if gap == 0 else Verdict.REFUTED for gap in found.values()]
    return Evidence(
        route="symbolic",
        verdict=all_of(verdicts),
        summary=f"({weight}) E f(z1) f(z2) = {image}: {verdicts[0].lower()}; it keeps a correlation of 1: "
        f"{verdicts[1].lower()}",
        points=len(found),
        numbers={"identity": list(found), "verdict": [str(verdict) for verdict in verdicts]},
    )


def slopes_by_bisection(
    *, setting: Setting, start: float, target: float, values: Sequence[Sequence[float]], digits: int
) -> Evidence:
    """Compare claimed slopes [depth, slope] with the root of the iterated map, written by arc sines."""
    del setting
    half = 0.5 * 10.0**-digits
    rows, verdicts = [], []
    far = 0.0
    for depth, claimed in values:
        found = _root(int(depth), start, target)
        far = max(far, abs(found - tailored_slope(int(depth), target, start=start).negative_slope))
        verdicts.append(Verdict.CONFIRMED if abs(found - claimed) <= half + 1e-9 else Verdict.REFUTED)
        rows.append((depth, found, claimed))
    listed = ", ".join(f"{found:.6f} (claimed {claimed:g}) for {depth:g} layers" for depth, found, claimed in rows)
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts) if far <= LIBRARY else Verdict.ERROR,
        summary=f"slopes that take {start:g} to {target:g}: {listed}; the library is {far:.1e} off",
        points=len(rows),
        numbers={
            "depth": [row[0] for row in rows],
            "slope": [row[1] for row in rows],
            "claimed": [row[2] for row in rows],
        },
    )


def map_by_sampling(
    *, setting: Setting, start: float, image: str, slopes: Sequence[Sequence[float]], weight: str, allowance: str
) -> Evidence:
    """Compare correlation and size after all layers with the iterated map and with 1, for [depth, slope] in `slopes`.

    Given two points' Gram matrix the pre-activations are independent Gaussian pairs, so no weights are drawn.
    `allowance`, in n and L, covers the finite width.
    """
    rows: list[Sampled] = []
    for depth, slope in slopes:
        rho = start
        for _ in range(int(depth)):
            rho = min(float(evaluate(image, {"rho": rho, "theta": math.acos(rho), "s": slope})), 1.0)
        rows += _rows(setting, int(depth), slope, weight, start, rho, allowance)
    return sampled_evidence(rows, "==", "leaky networks", setting, absolute=ABSOLUTE)


def target_by_sampling(
    *, setting: Setting, start: float, target: float, values: Sequence[Sequence[float]], weight: str, allowance: str
) -> Evidence:
    """Compare correlation and size after all layers with the target and with 1, for [depth, slope] in `values`."""
    rows: list[Sampled] = []
    for depth, slope in values:
        if depth <= DEEPEST_SAMPLED:
            rows += _rows(setting, int(depth), slope, weight, start, target, allowance)
    return sampled_evidence(rows, "==", "leaky networks", setting, absolute=ABSOLUTE)


@lru_cache(maxsize=1)
def _mean_product() -> Any:
    """E f(z1) f(z2) of leaky ReLUs, an expression in theta and s."""
    import sympy

    theta, s, x = sympy.symbols("theta s x", positive=True)
    product = sympy.cos(x) * sympy.cos(x - theta)
    half = sympy.pi / 2
    arcs: tuple[tuple[Any, Any, Any], ...] = (
        (1, theta - half, half),
        (s, half, half + theta),
        (s**2, half + theta, 3 * half),
    )
    arcs += ((s, -half, theta - half),)
    mean = sum(factor * sympy.integrate(product, (x, low, high)) for factor, low, high in arcs) / sympy.pi
    return mean


def _rows(
    setting: Setting, depth: int, slope: float, weight: str, start: float, correlation: float, allowance: str
) -> list[Sampled]:
    gain = float(evaluate(weight, {"s": slope}))
    cosines, sizes = _sampled(depth, slope, gain, start, NETWORKS[setting.full], setting.seed)
    slack = float(evaluate(allowance, {"n": WIDTH, "L": depth}))
    return [
        Sampled(
            network=f"width {WIDTH}, slope {slope:g}",
            inputs=what,
            layer=depth,
            claimed=claimed,
            trials=found.size,
            mean=float(found.mean()),
            stderr=float(found.std(ddof=1)) / math.sqrt(found.size),
            allowance=slack,
        )
        for what, found, claimed in (("correlation", cosines, correlation), ("log size", sizes, 0.0))
    ]


@lru_cache(maxsize=64)
def _root(depth: int, start: float, target: float) -> float:
    def excess(slope: float) -> float:
        rho = start
        whole, half = (1.0 + slope) ** 2 / 4.0, (1.0 - slope) ** 2 / 4.0
        for _ in range(depth):
            # E |z1 z2| = (2/pi) (sqrt(1 - rho^2) + rho asin rho)
            absolute = 2.0 / math.pi * (math.sqrt(max(1.0 - rho * rho, 0.0)) + rho * math.asin(min(rho, 1.0)))
            rho = min(2.0 / (1.0 + slope**2) * (whole * rho + half * absolute), 1.0)
        return rho - target

    return float(brentq(excess, 0.0, 1.0, xtol=1e-14))


@lru_cache(maxsize=32)
def _sampled(depth: int, slope: float, gain: float, start: float, networks: int, seed: int) -> tuple[Floats, Floats]:
    """Correlations and log sizes of two points after all layers."""
    rng = np.random.default_rng([seed, 79])
    gram: Any = np.empty((networks, 2, 2))
    gram[:] = [[1.0, start], [start, 1.0]]
    for _ in range(depth):
        first, second, cross = np.sqrt(gram[:, 0, 0]), np.sqrt(gram[:, 1, 1]), gram[:, 0, 1]
        rho = np.clip(cross / (first * second), -1.0, 1.0)
        z, w = rng.standard_normal((2, networks, WIDTH))
        u = first[:, None] * z
        v = second[:, None] * (rho[:, None] * z + np.sqrt(1.0 - rho**2)[:, None] * w)
        pair = np.stack([np.where(one > 0.0, one, slope * one) for one in (u, v)], axis=1)
        gram = gain / WIDTH * (pair @ pair.transpose(0, 2, 1))
    correlation = gram[:, 0, 1] / np.sqrt(gram[:, 0, 0] * gram[:, 1, 1])
    return correlation, np.log(gram[:, 0, 0])

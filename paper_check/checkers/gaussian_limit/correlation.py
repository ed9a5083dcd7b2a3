r"""How correlations tend to 1 at the edge of chaos, compared with bivariate quadrature and whole networks.

For two pre-activations of variance q and correlation $1 - \epsilon$ write $u_{1,2} = s \pm d$ with independent
$s \sim N(0, q(1 - \epsilon/2))$ and $d \sim N(0, q\epsilon/2)$: at a fixed point of V

$$1 - R(1 - \epsilon) = \frac{\sigma_w^2}{2q} E[(\phi(s + d) - \phi(s - d))^2],$$

a positive integrand, so that the distance from 1 keeps its relative precision however small it is. The integral is done
by Gauss-Legendre rules in s between all kinks $k_i \pm d$ and in d between the values at which two of these meet.
Designs have q* = 1.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.comparisons import all_of, compare, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.gaussian_limit.correlation import correlation_map
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, sparse_design
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = [
    "correlation_by_sampling",
    "decay_by_quadrature",
    "distance_map",
    "expansion_by_calculus",
    "expansion_by_quadrature",
]

Floats = npt.NDArray[np.float64]

OUTER = np.polynomial.legendre.leggauss(40)
INNER = np.polynomial.legendre.leggauss(24)
OUTER_CUTS = np.array([0.0, 1.0, 2.0, 3.5, 5.0, 7.0, 10.0])  # standard deviations; the density is below 1e-22 beyond
INNER_CUTS = np.arange(-10.0, 11.0)
LIBRARY = 1e-11  # absolute accuracy of the library's map
LIMIT = 1e-5  # relative accuracy of an extrapolated limit
NETWORKS = {False: 40_000, True: 400_000}
WIDTH = 8
MISSING = 0.15  # share by which a trajectory may still be off its asymptote after 200 layers, where log(l)/l is 0.03
PRECISE = 0.1  # half-width of limits on a covariance, of variances q* = 1, that are narrow enough

Case = Mapping[str, Any]


def distance_map(design: EdgeOfChaos, epsilon: float) -> float:
    """Compute 1 - R(1 - epsilon) by quadrature, to full relative accuracy, for 0 < epsilon < 2."""
    phi = design.activation
    kinks = np.array(phi.kinks)
    spread = math.sqrt(design.q * epsilon / 2.0)
    root = math.sqrt(design.q * (1.0 - epsilon / 2.0))
    meetings = [abs(j - i) / 2.0 / spread for i, j in itertools.combinations(kinks, 2)]
    cuts = np.unique(np.concatenate([OUTER_CUTS, [x for x in meetings if x < OUTER_CUTS[-1]]]))
    half = 0.5 * np.diff(cuts)[:, None]
    t = (cuts[:-1, None] + half * (1.0 + OUTER[0])).ravel()
    weights = (half * OUTER[1]).ravel() * np.sqrt(2.0 / math.pi) * np.exp(-0.5 * t * t)  # both signs of d
    d = spread * t
    edges = np.concatenate(
        [
            kinks[None, :] + d[:, None],
            kinks[None, :] - d[:, None],
            np.broadcast_to(root * INNER_CUTS, (d.size, INNER_CUTS.size)),
        ],
        axis=1,
    )
    edges = np.sort(np.clip(edges, root * INNER_CUTS[0], root * INNER_CUTS[-1]), axis=1)
    width = 0.5 * np.diff(edges, axis=1)[:, :, None]
    s = edges[:, :-1, None] + width * (1.0 + INNER[0])
    gap = _step(phi, s, d[:, None, None])
    inner = np.sum(width * INNER[1] * gap * gap * np.exp(-0.5 * (s / root) ** 2), axis=(1, 2))
    mean = float(np.sum(weights * inner)) / (root * math.sqrt(2.0 * math.pi))
    return design.sigma_w2 / (2.0 * design.q) * mean


def expansion_by_quadrature(
    *, setting: Setting, cases: Sequence[Case], amplitude: str, correction: str, power: str
) -> Evidence:
    r"""Check $1 - R = \epsilon - correction\, \epsilon^{power}$ near $\rho = 1$, and the library's map everywhere.

    `amplitude` is a formula in sigma_w2, q, jump and kink, whose sum over the kinks is A; `correction` one in A.
    """
    rows: list[dict[str, Any]] = []
    verdicts = []
    worst_map = 0.0
    exponent = float(evaluate(power, {}))
    for case in cases:
        design = _design(case)
        far = np.concatenate([np.linspace(0.05, 1.0, 20 if setting.full else 8), [1.5, 1.95]])
        mapped = np.array([distance_map(design, float(x)) for x in far])
        library = correlation_map(design.activation, 1.0 - far, design.q, design.sigma_w2, design.sigma_b2)
        worst_map = max(worst_map, float(np.abs(1.0 - mapped - library).max()))
        epsilons = (4e-4, 2e-4, 1e-4)
        ratio = [(x - distance_map(design, x)) / x**exponent for x in epsilons]
        first = 2.0 * ratio[1] - ratio[0], 2.0 * ratio[2] - ratio[1]  # the next term is of relative order epsilon
        limit = (4.0 * first[1] - first[0]) / 3.0
        claimed = float(evaluate(correction, {"A": _amplitude(design, amplitude)}))
        verdicts.append(
            compare(
                limit, limit - LIMIT * abs(limit), limit + LIMIT * abs(limit), "==", claimed, precision=2 * LIMIT
            ).verdict
        )
        rows.append({"design": _label(case), "quadrature": limit, "claimed": claimed})
    verdict = all_of(verdicts) if worst_map <= LIBRARY else Verdict.ERROR
    listed = ", ".join(f"{row['quadrature']:.7g} (claimed {row['claimed']:.7g}) for {row['design']}" for row in rows)
    return Evidence(
        route="high precision",
        verdict=verdict,
        summary=f"(epsilon - (1 - R))/epsilon^({power}) tends to {listed}; the library's map is {worst_map:.1e} off",
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]} if rows else {},
    )


def decay_by_quadrature(*, setting: Setting, cases: Sequence[Case], amplitude: str, decay: str) -> Evidence:
    r"""Compare $1 - \rho_l \sim f(l)$, a formula in A and l, with the map.

    Two tests. One step of the map from f(l) must fall by as much as f does per layer, in the limit of many layers. And
    the trajectory from $\rho = 0$ must approach f: what is missing at the last layer is below 15 %, and smaller than at
    a quarter of the depth.
    """
    depth = 1600 if setting.full else 200
    rows: list[dict[str, Any]] = []
    verdicts = []
    for case in cases:
        design = _design(case)
        names = {"A": _amplitude(design, amplitude)}

        def claimed(layer: float, names: Mapping[str, float] = names) -> float:
            return float(evaluate(decay, {**names, "l": layer}))

        ratios = []
        for layer in (1000.0, 2000.0, 4000.0):
            start = claimed(layer)
            if not 0.0 < start < 1.0:
                ratios = [math.inf]
                break
            ratios.append((start - distance_map(design, start)) / (start - claimed(layer + 1.0)))
        if len(ratios) == 3:  # relative errors of order 1/l and 1/l^2
            first = 2.0 * ratios[1] - ratios[0], 2.0 * ratios[2] - ratios[1]
            limit = (4.0 * first[1] - first[0]) / 3.0
        else:
            limit = math.inf
        path = _trajectory(_key(case), depth)
        missing = [abs(path[layer] / claimed(layer) - 1.0) for layer in (depth // 4, depth)]
        right = abs(limit - 1.0) <= LIMIT and missing[1] < min(missing[0], MISSING)
        verdicts.append(Verdict.CONFIRMED if right else Verdict.REFUTED)
        rows.append({"design": _label(case), "step_ratio": limit, "early": missing[0], "late": missing[1]})
    listed = ", ".join(
        f"{row['step_ratio']:.7g} and {row['late']:.3f} (at layer {depth // 4} {row['early']:.3f}) for {row['design']}"
        for row in rows
    )
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts),
        summary=f"fall of the map in a layer over that of {decay}, and what is missing at layer {depth}: {listed}",
        points=2 * len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]} if rows else {},
    )


def expansion_by_calculus(*, setting: Setting, amplitude: str, correction: str, power: str) -> Evidence:
    r"""Derive the leading term from $R'' = \sigma_w^2 q \sum_{ij} J_i J_j p_2(k_i, k_j; \rho)$ (Price's theorem).

    $p_2$ is the density of the pair of pre-activations. Near $\rho = 1$ only i = j matters: the others vanish faster
    than any power. For ReLU R'' is also derived from the integral of the product itself.
    """
    del setting
    import sympy

    from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import identity_verdict

    weight, q, jump, kink, epsilon = sympy.symbols("sigma_w2 q jump kink epsilon", positive=True)
    exponent = sympy.exp(-(kink**2) / (q * (2 - epsilon)))
    bend = weight * q * jump**2 * exponent / (2 * sympy.pi * q * sympy.sqrt(epsilon * (2 - epsilon)))
    a = parse_formula(amplitude, {"sigma_w2": weight, "q": q, "jump": jump, "kink": kink})
    claimed = parse_formula(correction, {"A": a}) * epsilon ** parse_formula(power, {})
    ratio = sympy.limit(sympy.simplify(sympy.diff(claimed, epsilon, 2) / bend), epsilon, 0, "+")
    angle, phase = sympy.symbols("theta phase", positive=True)
    product = sympy.integrate(sympy.cos(phase) * sympy.cos(phase - angle), (phase, angle - sympy.pi / 2, sympy.pi / 2))
    cosine = 2 * product / sympy.pi  # sigma_w2 = 2, E r^2 = 2, over 2 pi
    slope = sympy.diff(cosine, angle) / -sympy.sin(angle)
    curvature = sympy.diff(slope, angle) / -sympy.sin(angle)
    exact = sympy.simplify(curvature - 1 / (sympy.pi * sympy.sin(angle)))
    relu = {weight: 2, q: 1, jump: 1, kink: 0, epsilon: 1 - sympy.cos(angle)}
    kernel = sympy.simplify(sympy.trigsimp(bend.subs(relu)) ** 2 - 1 / (sympy.pi * sympy.sin(angle)) ** 2)
    found = {
        "second derivative of the correction over R'' tends to 1": identity_verdict(ratio - 1)
        if ratio.is_finite
        else Verdict.REFUTED,
        "R'' of ReLU from its integral": Verdict.CONFIRMED if exact == 0 else Verdict.INCONCLUSIVE,
        "R'' of ReLU from Price's theorem": Verdict.CONFIRMED if kernel == 0 else Verdict.INCONCLUSIVE,
    }
    return Evidence(
        route="symbolic",
        verdict=all_of(found.values()),
        summary=f"{'; '.join(f'{name}: {verdict.lower()}' for name, verdict in found.items())} (ratio {ratio})",
        points=len(found),
        numbers={"identity": list(found), "verdict": [str(verdict) for verdict in found.values()]},
    )


def correlation_by_sampling(
    *, setting: Setting, cases: Sequence[Case], correlations: Sequence[float], covariance: str
) -> Evidence:
    """Compare the next layer's covariance with whole two-layer networks.

    `covariance` is a formula in sigma_w2, sigma_b2, q and product; `product` is E phi(u1) phi(u2) by quadrature. The
    mean over networks of the product of the second layer's pre-activations is exact at every width.
    """
    rng = np.random.default_rng([setting.seed, 7])
    trials = NETWORKS[setting.full]
    rows: list[dict[str, Any]] = []
    for case in cases:
        design = _design(case)
        for rho in correlations:
            second = design.q - design.sigma_b2  # sigma_w2 E phi^2 at the fixed point
            product = (second - design.q * distance_map(design, 1.0 - rho)) / design.sigma_w2
            names = {"sigma_w2": design.sigma_w2, "sigma_b2": design.sigma_b2, "q": design.q, "product": product}
            sampled = _second_layer_products(design, rho, trials, rng)
            rows.append(
                {
                    "design": _label(case),
                    "correlation": rho,
                    "networks": float(sampled.mean()),
                    "error": float(sampled.std(ddof=1)) / math.sqrt(trials),
                    "claimed": float(evaluate(covariance, names)),
                }
            )
    mean = np.array([row["networks"] for row in rows])
    low, high = normal_limits(
        mean, [row["error"] for row in rows], false_alarm=setting.false_alarm, comparisons=len(rows)
    )
    found = compare(mean, low, high, "==", [row["claimed"] for row in rows], absolute=PRECISE)
    worst = rows[found.worst]
    return Evidence(
        route="Monte Carlo",
        verdict=found.verdict,
        summary=(
            f"covariance of the second layer of {trials} networks of width {WIDTH}, {len(rows)} comparisons: the "
            f"worst {worst['networks']:.4f} ± {worst['error']:.1g} (claimed {worst['claimed']:.4f}) at "
            f"correlation {worst['correlation']:g} of {worst['design']}"
        ),
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def _second_layer_products(design: EdgeOfChaos, rho: float, trials: int, rng: np.random.Generator) -> Floats:
    """Sample networks of two inputs and two layers, one unit in the second, and multiply its two pre-activations."""
    second = design.q - design.sigma_b2
    target = np.array([[second, design.q * rho - design.sigma_b2], [design.q * rho - design.sigma_b2, second]])
    points = np.linalg.cholesky(target * 2.0 / design.sigma_w2)  # rows are inputs; fan-in 2
    weights = rng.standard_normal((trials, WIDTH, 2)) * math.sqrt(design.sigma_w2 / 2.0)
    biases = rng.standard_normal((trials, WIDTH, 1)) * math.sqrt(design.sigma_b2)
    hidden = design.activation(weights @ points.T + biases)
    weights = rng.standard_normal((trials, 1, WIDTH)) * math.sqrt(design.sigma_w2 / WIDTH)
    outputs = (weights @ hidden)[:, 0] + rng.standard_normal((trials, 1)) * math.sqrt(design.sigma_b2)
    return np.asarray(outputs[:, 0] * outputs[:, 1])


def _step(phi: PiecewiseLinear, s: Floats, d: Floats) -> Floats:
    """Compute phi(s + d) - phi(s - d) as an integral of the slope, without cancellation."""
    edges = np.array([-np.inf, *phi.kinks, np.inf])
    total = np.zeros(np.broadcast_shapes(s.shape, d.shape))
    for left, right, slope in zip(edges, edges[1:], phi.slopes, strict=False):
        if slope != 0.0:
            # lengths relative to s, where d may be far smaller than s
            total += slope * np.maximum(np.minimum(right - s, d) - np.maximum(left - s, -d), 0.0)
    return total


def _amplitude(design: EdgeOfChaos, amplitude: str) -> float:
    phi = design.activation
    names = {"sigma_w2": design.sigma_w2, "q": design.q}
    return sum(
        float(evaluate(amplitude, {**names, "jump": jump, "kink": kink}))
        for kink, jump in zip(phi.kinks, phi.jumps, strict=True)
    )


@lru_cache(maxsize=32)
def _trajectory(key: tuple[tuple[str, Any], ...], depth: int) -> list[float]:
    """Compute 1 - rho of layers 0..depth, from rho = 0."""
    design = sparse_design(**dict(key))
    path = [1.0]
    for _ in range(depth):
        path.append(distance_map(design, path[-1]))
    return path


def _key(case: Case) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(case.items()))


def _design(case: Case) -> EdgeOfChaos:
    return sparse_design(**dict(case))


def _label(case: Case) -> str:
    return ", ".join(f"{value}" if name == "kind" else f"{name} {value}" for name, value in _key(case))

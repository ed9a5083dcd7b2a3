r"""Fluctuations of signal and gradient in the critical residual stream, times the width, in the limit of many branches.

To first order in 1/n and as L grows, the deviations of the Hermite means of the units are a linear diffusion in
$t \in [0, D]$ (see `neurondeath_theory.trainability.residual_fluctuations` for its terms). Here its covariances are
integrated as differential equations, with coefficients by quadrature; the library iterates over branches with closed
forms. The third route draws the networks themselves, one branch at a time, from the law of a branch's output given the
stream.

Quantities: `signal`, n Var log q at D, with h_0 from a random first layer; `gradient`, n Var log |J u|^2, the same;
`fixed gradient`, with |h_0|^2 = n q*.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf

from neurondeath.paper_check.checkers.findings import Sampled, sampled_evidence
from neurondeath.paper_check.checkers.trainability.hermite_quadrature import hermite_series
from neurondeath.paper_check.comparisons import RELATIONS, all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos, sparse_design
from neurondeath_theory.trainability.residual_fluctuations import residual_fluctuations

__all__ = ["bounded", "bounded_by_sampling", "constants_by_diffusion", "constants_by_sampling", "growth_of_relu"]

Floats = npt.NDArray[np.float64]
Case = Mapping[str, Any]

QUANTITIES = ("signal", "gradient", "fixed gradient")
MODES = {False: 100, True: 300}
STEPS_PER_MODE = 0.3  # Runge-Kutta steps per unit of D and mode: the fastest mode decays at the rate MODES / 2
AGREEMENT = 0.006  # relative, of diffusion and library: modes beyond the last, and branches for infinitely many
LIBRARY_BRANCHES = 400
ROUNDED = 0.01  # relative, of a claimed constant
NETWORKS, WIDTH, BRANCHES = {False: 400, True: 6_000}, 250, 40
PRECISION = 0.5  # half-width that confirms; the mutations are off by more
LATE = (8.0, 16.0, 32.0, 64.0)
GROWTH = 1e-3  # relative, of 400 coefficients, and of the diffusion at the largest D


def constants_by_diffusion(*, setting: Setting, cases: Sequence[Case]) -> Evidence:
    """Compare claimed constants with the diffusion, and this with the library.

    A case has `design` ("relu", or [sparsity, V'] of the clipped shifted ReLU), `of`, `D` and `value`.
    """
    rows: list[dict[str, Any]] = []
    far = 0.0
    for case in cases:
        of, reach, value = check_choice("of", case["of"], QUANTITIES), float(case["D"]), float(case["value"])
        design = _design(case["design"])
        found = _diffusion(design, reach, of != "fixed gradient", MODES[setting.full])["signal" not in of]
        theirs = _library(design, reach, of != "fixed gradient", LIBRARY_BRANCHES)[0 if of == "signal" else 1]
        far = max(far, abs(theirs / found - 1.0))
        rows.append({"design": _label(case["design"]), "of": of, "D": reach, "diffusion": found, "claimed": value})
    wrong = [abs(row["claimed"] / row["diffusion"] - 1.0) > ROUNDED for row in rows]
    listed = ", ".join(
        f"{row['of']} {row['diffusion']:.4g} (claimed {row['claimed']:g}) at D = {row['D']:g} of {row['design']}"
        for row in rows
    )
    verdict = Verdict.REFUTED if any(wrong) else Verdict.CONFIRMED
    return Evidence(
        route="high precision",
        verdict=verdict if far <= AGREEMENT else Verdict.ERROR,
        summary=f"n times the variance of the logarithm: {listed}; the library is within {far:.1e} of it",
        points=len(rows),
        numbers={name: [row[name] for row in rows] for name in rows[0]},
    )


def constants_by_sampling(*, setting: Setting, sampled: Sequence[Case]) -> Evidence:
    """Compare claimed constants with sampled networks of width 250 and 40 branches.

    The limits are widened by value^2 / (2 n) + value D / L, for the finite width and number of branches.
    """
    rows = []
    for case in sampled:
        of, reach, value = check_choice("of", case["of"], QUANTITIES), float(case["D"]), float(case["value"])
        rows.append(_row(setting, case["design"], of, reach, value, value**2 / (2 * WIDTH) + value * reach / BRANCHES))
    what = "n times the variance of the logarithm"
    return sampled_evidence(rows, "==", what, setting, precision=PRECISION, absolute=0.0)


def growth_of_relu(*, setting: Setting, limit: str) -> Evidence:
    r"""Compare the growth of n Var log q per unit of D, as D grows, with a formula, for ReLU, in three ways.

    The series is $4 + 4\sum_{k \ne 2} g_k^2/k$. With the covariance $K(\rho) = \sum_k g_k^2 \rho^k$ of twice the
    squared ReLUs at correlation rho, and $g_2^2 = 2$, it is $4 + 4\int_0^1 (K(\rho) - 2\rho^2)\,d\rho/\rho$. The third
    is the diffusion at large D.
    """
    design = edge_of_chaos("relu")
    signal = _coefficients(design, 400)[0]
    order = np.arange(1, len(signal) + 1)
    with mp.workdps(30):
        claimed = evaluate(limit, {}, digits=30)

        def integrand(theta: Any) -> Any:
            # K = 4 J22 - 1; K - 2 rho^2 over rho, times sin for the step in theta
            rest = (1 - 2 * theta / mp.pi) * (1 + 2 * mp.cos(theta) ** 2) + 6 / mp.pi * mp.sin(theta) * mp.cos(theta)
            return rest * mp.tan(theta)

        integral = 4 + 4 * mp.quad(integrand, [0, mp.pi / 4, mp.pi / 2])
        exact = abs(integral - claimed) < mpf(10) ** -18
    reaches = LATE if setting.full else LATE[:3]
    ends = [_diffusion(design, reach, True, 40)[0] for reach in reaches]
    found = {
        "series": 4.0 + 4.0 * float(np.sum((signal**2 / order)[order != 2])),
        "diffusion": (ends[-1] - ends[-2]) / (reaches[-1] - reaches[-2]),
    }
    near = all(abs(value / float(claimed) - 1.0) <= GROWTH for value in found.values())
    return Evidence(
        route="high precision",
        verdict=Verdict.CONFIRMED if exact and near else Verdict.REFUTED,
        summary=(
            f"n Var log q of ReLU grows per D by {float(integral):.9g} by the integral, {found['series']:.7g} by "
            f"the series, {found['diffusion']:.6g} by the diffusion up to D = {reaches[-1]:g}; claimed {limit} = "
            f"{float(claimed):.9g}"
        ),
        points=3,
        numbers={"way": ["integral", *found], "growth": [float(integral), *found.values()]},
    )


def bounded(
    *, setting: Setting, design: Sequence[float], of: str, depths: Sequence[float], relation: str, bound: str
) -> Evidence:
    """Compare a constant with a bound, a formula in D, at several D."""
    check_choice("of", of, QUANTITIES)
    chosen = _design(design)
    holds = RELATIONS[check_choice("relation", relation, list(RELATIONS))]
    number = 0 if of == "signal" else 1
    found = [_diffusion(chosen, float(d), of != "fixed gradient", MODES[setting.full])[number] for d in depths]
    limits = [float(evaluate(bound, {"D": d})) for d in depths]
    right = [bool(holds(value, limit)) for value, limit in zip(found, limits, strict=True)]
    listed = ", ".join(
        f"{value:.4g} (bound {limit:.4g}) at D = {d:g}" for d, value, limit in zip(depths, found, limits, strict=True)
    )
    return Evidence(
        route="high precision",
        verdict=all_of(Verdict.CONFIRMED if one else Verdict.REFUTED for one in right),
        summary=f"n times the variance of the log {of}, {_label(design)}: {listed}",
        points=len(found),
        numbers={"D": list(depths), "found": found, "bound": limits},
    )


def bounded_by_sampling(
    *,
    setting: Setting,
    design: Sequence[float],
    of: str,
    sampled_depths: Sequence[float],
    relation: str,
    bound: str,
) -> Evidence:
    """Compare the constants of sampled networks, of width 250 and 40 branches, with the same bound."""
    check_choice("of", of, QUANTITIES)
    rows = [_row(setting, design, of, float(d), float(evaluate(bound, {"D": d})), 0.0) for d in sampled_depths]
    return sampled_evidence(rows, relation, "n times the variance of the logarithm", setting)


def _row(setting: Setting, design: Any, of: str, reach: float, claimed: float, allowance: float) -> Sampled:
    """Width times the variance over sampled networks, beside a claimed number."""
    key = design if isinstance(design, str) else tuple(design)
    found = _sampled(key, reach, of != "fixed gradient", NETWORKS[setting.full], setting.seed)
    values = found[0 if of == "signal" else 1]
    spread = float(values.var(ddof=1))
    fourth = float(np.mean((values - values.mean()) ** 4))
    return Sampled(
        network=f"{_label(design)}, D = {reach:g}",
        inputs=of,
        layer=BRANCHES,
        claimed=claimed,
        trials=values.size,
        mean=WIDTH * spread,
        stderr=WIDTH * math.sqrt((fourth - spread**2) / values.size),
        allowance=allowance,
    )


def _design(name: Any) -> EdgeOfChaos:
    if isinstance(name, str):
        return edge_of_chaos(name)
    sparsity, v_prime = name
    return sparse_design("clipped-shifted-relu", sparsity, v_prime=v_prime)


def _label(name: Any) -> str:
    return name if isinstance(name, str) else f"s = {name[0]}, V' = {name[1]}"


@lru_cache(maxsize=16)
def _coefficients(design: EdgeOfChaos, modes: int) -> tuple[Floats, Floats]:
    """Hermite coefficients, from order 1, of the squared activation and of the squared slope, by quadrature."""
    phi, root = design.activation, math.sqrt(design.q)
    kinks = [kink / root for kink in phi.kinks]
    signal = hermite_series(lambda z: design.sigma_w2 / design.q * phi(root * z) ** 2, kinks, modes)[0]
    slope = hermite_series(lambda z: design.sigma_w2 * phi.derivative(root * z) ** 2, kinks, modes)[0]
    return signal[1:], slope[1:]


@lru_cache(maxsize=64)
def _library(design: EdgeOfChaos, reach: float, random_start: bool, branches: int) -> tuple[float, float]:
    found = residual_fluctuations(design, branches, reach, random_start=random_start)
    return float(found.signal[-1]), float(found.gradient[-1])


@lru_cache(maxsize=64)
def _diffusion(design: EdgeOfChaos, reach: float, random_start: bool, modes: int) -> tuple[float, float]:
    """N Var log q and n Var log |J u|^2 at D = reach, by the covariance equations of the diffusion."""
    signal, slope = (np.append(series, 0.0) for series in _coefficients(design, modes))
    order = np.append(np.arange(1.0, modes + 1.0), 0.0)  # the last column is the noise of the second mode itself
    into_x, into_y = math.sqrt(0.5) * signal, math.sqrt(0.5) * slope
    x_into_y, restore = into_y[1], 1.0 - design.v_prime
    into_x[1] = into_y[1] = 0.0
    noise = np.where(order == 0.0, 2.0, 0.0)

    def rate(y: Floats) -> Floats:
        xx, xa, xy, ya, _, am, _ = y
        return np.array(
            [
                -2.0 * restore * xx + 2.0 * into_x * xa + noise,
                -(restore + order / 2.0) * xa + into_x,
                -restore * xy + into_x * ya + into_y * xa + x_into_y * xx,
                -order / 2.0 * ya + into_y + x_into_y * xa,
                2.0 * into_y * ya + 2.0 * x_into_y * xy,
                -(order + 2.0) / 2.0 * am + slope,
                2.0 * slope * am,
            ]
        )

    state = np.zeros((7, modes + 1))
    state[0, -1] = float(random_start)
    steps = math.ceil(STEPS_PER_MODE * modes * reach) + 50
    size = reach / steps
    for _ in range(steps):
        first = rate(state)
        second = rate(state + 0.5 * size * first)
        third = rate(state + 0.5 * size * second)
        last = rate(state + size * third)
        state = state + size / 6.0 * (first + 2.0 * second + 2.0 * third + last)
    return float(2.0 * state[0].sum()), float(2.0 * (state[4].sum() + state[6].sum() + 2.0 * reach))


@lru_cache(maxsize=16)
def _sampled(name: Any, reach: float, random_start: bool, networks: int, seed: int) -> tuple[Floats, Floats]:
    """Logarithms of q and |J u|^2 at the end of networks drawn branch by branch."""
    design = _design(name)
    rng = np.random.default_rng([seed, 59])
    share = reach / BRANCHES
    keep, add = math.sqrt(1.0 - share), math.sqrt(share)
    h, v = rng.standard_normal((2, networks, WIDTH)) * math.sqrt(design.q)
    if not random_start:
        h *= math.sqrt(design.q * WIDTH) / np.linalg.norm(h, axis=1, keepdims=True)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    for _ in range(BRANCHES):
        features, passed = design.activation(h), design.activation.derivative(h) * v
        # covariance of the outputs (W phi + b, W phi' v) of one unit; the bias has no tangent
        own, cross, tangent = (
            design.sigma_w2 / WIDTH * np.einsum("tn,tn->t", one, other)
            for one, other in ((features, features), (features, passed), (passed, passed))
        )
        root = np.sqrt(own + design.sigma_b2)
        share_of_first = cross / root
        rest = np.sqrt(np.maximum(tangent - share_of_first**2, 0.0))
        first, second = rng.standard_normal((2, networks, WIDTH))
        h = keep * h + add * root[:, None] * first
        v = keep * v + add * (share_of_first[:, None] * first + rest[:, None] * second)
    return np.log(np.mean(h * h, axis=1)), np.log(np.sum(v * v, axis=1))

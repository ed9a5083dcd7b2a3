r"""The angle between two points in zero-bias ReLU layers of finite width.

Names in formulas: theta, the angle before the layer, x = theta / pi, and n, the width. A layer gives n independent
pairs of standard normals of correlation $\cos\theta$; a and b are the rectified vectors. With the mixed moments per
unit $J_{pq} = E\,\mathrm{relu}(z_1)^p\,\mathrm{relu}(z_2)^q$ and the averages A, B, C of $a^2, b^2, ab$,
$\ln\sin^2\theta' = \ln(1 - C^2/(AB))$ is a smooth function, so mean and variance follow to order 1/n from their
covariance (delta method): the way of jakub2023. The library uses other coordinates and exact small angles; the operator
on the angle neither.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf

from neurondeath.paper_check.checkers.findings import (
    Counted,
    Sampled,
    claimed_exactly,
    counted_evidence,
    sampled_evidence,
)
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath_theory.trainability.angle_steps import angle_step

__all__ = [
    "limit_by_algebra",
    "moments_by_quadrature",
    "parallel_by_enumeration",
    "parallel_by_sampling",
    "step_by_moments",
    "step_by_sampling",
    "step_of_moments_by_sampling",
]

Floats = npt.NDArray[np.float64]

DIGITS = 30
EQUAL = mpf(10) ** -25
PAIRS = {False: 30_000, True: 600_000}
NORMALS_PER_PASS = 2**22
ANGLES = ("0.2", "0.7", "1.3", "2", "2.9")
WIDE = 10**6  # width at which the library's step is that of first order
LIBRARY = 1e-4  # of its terms of order 1/n there, whose size is up to 8
ENUMERATED = (2, 3, 4, 5)  # widths
SAMPLED, SECOND = 100, 30.0  # width, and the size of the terms of order 1/n^2 at angles above 1/2
MEAN_ABSOLUTE, PRECISION = 0.02, 0.1


def limit_by_algebra(*, setting: Setting, drift: str) -> Evidence:
    r"""Expand $\ln(\sin^2\theta'/\sin^2\theta)$ of the infinitely wide layer: the coefficient of theta is `drift`."""
    del setting
    import sympy

    start, found = _expansion()
    right = sympy.simplify(found - parse_formula(drift, [])) == 0 and start == 0
    return Evidence(
        route="symbolic",
        verdict=Verdict.CONFIRMED if right else Verdict.REFUTED,
        summary=f"ln(sin^2 theta'/sin^2 theta) = {start} + ({found}) theta + ..., claimed {drift}",
        points=1,
    )


def moments_by_quadrature(*, setting: Setting, j11: str, j22: str, j31: str) -> Evidence:
    """Compare closed forms of the mixed moments, formulas in theta, with integrals over the angle, to 25 digits."""
    angles = ANGLES if not setting.full else [str(x / 10) for x in range(1, 32, 2)]
    rows: list[dict[str, Any]] = []
    with mp.workdps(DIGITS):
        for text in angles:
            for (p, q), formula in (((1, 1), j11), ((2, 2), j22), ((3, 1), j31)):
                value, claimed = _mixed_moment(p, q, text), evaluate(formula, {"theta": text}, digits=DIGITS)
                rows.append({"angle": float(text), "p": p, "q": q, "integral": value, "claimed": claimed})
        wrong = [row for row in rows if abs(row["integral"] - row["claimed"]) > EQUAL]
        far = max(rows, key=lambda row: abs(row["integral"] - row["claimed"]))
        gap = float(abs(far["integral"] - far["claimed"]))
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=(
            f"{len(wrong)} of {len(rows)} mixed moments differ from their integral; farthest is J{far['p']}{far['q']}"
            f" at angle {far['angle']:g}, by {gap:.1e}"
        ),
        points=len(rows),
        numbers={name: [float(row[name]) for row in rows] for name in rows[0]},
    )


def step_by_moments(*, setting: Setting, j11: str, j22: str, j31: str, mean: str, variance: str) -> Evidence:
    """Compare the terms of order 1/n of mean and variance of the next ln sin^2, formulas in theta, with the moments'.

    `mean` and `variance` are n times the correction of the mean and n times the variance, as theta tends to 0, up to
    the power theta^1; the moments give them at every angle, where the library must agree.
    """
    del setting
    rows: list[dict[str, Any]] = []
    off = 0.0
    for text in ANGLES[:4]:
        theta = float(text)
        claimed = _first_order(*(float(evaluate(one, {"theta": theta})) for one in (j11, j22, j31)))
        step = angle_step(theta, WIDE)
        wide = math.log(1.0 - (2.0 * float(_mixed_moment(1, 1, text))) ** 2)
        library = WIDE * (float(step.log_sin2_mean) - wide), WIDE * float(step.log_sin2_variance)
        off = max(off, *(abs(a - b) for a, b in zip(claimed, library, strict=True)))
        rows.append({"angle": theta, "mean": claimed[0], "variance": claimed[1], "expansion": math.nan})
    verdicts = [Verdict.CONFIRMED if off <= LIBRARY else Verdict.REFUTED]
    for number, text in enumerate((mean, variance)):
        rests = []
        for theta in (0.02, 0.01, 0.005):
            values = _first_order(*(float(evaluate(one, {"theta": theta})) for one in (j11, j22, j31)))
            rests.append((values[number] - float(evaluate(text, {"theta": theta}))) / theta)
        right = all(abs(after / before) < 0.7 for before, after in pairwise(rests))
        verdicts.append(Verdict.CONFIRMED if right else Verdict.REFUTED)
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts),
        summary=(
            f"terms of order 1/n from the mixed moments at {len(rows)} angles: the library's are {off:.1e} off; near 0 "
            f"mean {mean}: {verdicts[1].lower()}, variance {variance}: {verdicts[2].lower()}"
        ),
        points=len(rows) + 2,
        numbers={name: [row[name] for row in rows] for name in ("angle", "mean", "variance")},
    )


def step_by_sampling(
    *, setting: Setting, cases: Sequence[Sequence[float]], mean_step: str, variance_step: str, allowance: str
) -> Evidence:
    """Compare mean and variance of ln(sin^2 theta' / sin^2 theta) with sampled layers, [width, angle] in `cases`.

    Given that both points survive and are not parallel; `allowance` covers what the formulas leave out.
    """
    rows: list[Sampled] = []
    for n, theta in cases:
        names = {"n": n, "theta": theta}
        claimed = [float(evaluate(text, names)) for text in (mean_step, variance_step)]
        rows += _step_rows(setting, int(n), theta, claimed, float(evaluate(allowance, names)))
    what = "ln(sin^2 theta' / sin^2 theta)"
    return sampled_evidence(rows, "==", what, setting, precision=PRECISION, absolute=MEAN_ABSOLUTE)


def step_of_moments_by_sampling(*, setting: Setting, j11: str, j22: str, j31: str) -> Evidence:
    """Compare mean and variance of ln sin^2 to order 1/n, from the mixed moments, with sampled layers of width 100."""
    rows: list[Sampled] = []
    for theta in (0.7, 1.3):
        moments = [float(evaluate(one, {"theta": theta})) for one in (j11, j22, j31)]
        mean, variance = _first_order(*moments)
        wide = math.log(1.0 - (2.0 * moments[0]) ** 2) - 2.0 * math.log(math.sin(theta))
        rows += _step_rows(setting, SAMPLED, theta, [wide + mean / SAMPLED, variance / SAMPLED], SECOND / SAMPLED**2)
    what = "ln(sin^2 theta' / sin^2 theta)"
    return sampled_evidence(rows, "==", what, setting, precision=PRECISION, absolute=MEAN_ABSOLUTE)


def _step_rows(setting: Setting, n: int, theta: float, claimed: Sequence[float], allowance: float) -> list[Sampled]:
    """Return the sampled mean and variance of ln(sin^2 theta' / sin^2 theta), beside claimed ones."""
    values = _log_ratios(n, theta, PAIRS[setting.full], setting.seed)
    centre, spread = float(values.mean()), float(values.var(ddof=1))
    fourth = float(np.mean((values - centre) ** 4))
    errors = math.sqrt(spread / values.size), math.sqrt((fourth - spread**2) / values.size)
    return [
        Sampled(
            network=f"width {n}",
            inputs=f"{what} at angle {theta:g}",
            layer=1,
            claimed=right,
            trials=values.size,
            mean=value,
            stderr=error,
            allowance=allowance,
        )
        for what, right, value, error in zip(("mean", "variance"), claimed, (centre, spread), errors, strict=True)
    ]


def parallel_by_enumeration(*, setting: Setting, relation: str, probability: str) -> Evidence:
    """Count the patterns of active units whose rectified vectors are nonzero and exactly parallel.

    A unit is active at both points with probability (pi - theta)/(2 pi), at the first alone, at the second alone with
    theta/(2 pi) each, else at none. Magnitudes are integers drawn for every pattern; angles are multiples of pi/8.
    """
    rng = np.random.default_rng([setting.seed, 37])
    rows = []
    n_patterns = 0
    for n in ENUMERATED[: 4 if setting.full else 3]:
        regions = np.array(list(product(range(4), repeat=n)))  # both, first, second, none
        n_patterns += len(regions)
        size = rng.integers(1, 10_000, (2, *regions.shape))
        a = size[0] * ((regions == 0) | (regions == 1))
        b = size[1] * ((regions == 0) | (regions == 2))
        crossed = (a[:, :, None] * b[:, None, :] != a[:, None, :] * b[:, :, None]).any(axis=(1, 2))
        parallel = regions[a.any(axis=1) & b.any(axis=1) & ~crossed]
        for eighths in (1, 5, 7):
            both, alone = Fraction(8 - eighths, 16), Fraction(eighths, 16)
            weights = [both, alone, alone, both]
            total = Fraction(sum(math.prod(weights[region] for region in pattern) for pattern in parallel.tolist()))
            claimed = claimed_exactly(probability, {"n": n, "x": eighths / 8})
            rows.append(
                Counted(
                    network=f"width {n}",
                    inputs=f"angle {eighths} pi/8",
                    layer=1,
                    least=total,
                    most=total,
                    claimed=claimed,
                )
            )
    return counted_evidence(rows, relation, "P(both survive and are parallel)", n_patterns)


def parallel_by_sampling(*, setting: Setting, relation: str, probability: str) -> Evidence:
    """Compare the same probability with sampled layers; parallel means a.b = |a||b| to rounding."""
    rows = []
    rng = np.random.default_rng([setting.seed, 41])
    for n in (2, 3, 6):
        for theta in (math.pi / 8, math.pi / 2):
            pairs = PAIRS[setting.full]
            a, b = _rectified(rng, pairs, n, theta)
            inner, sizes = np.sum(a * b, axis=1), np.sum(a * a, axis=1) * np.sum(b * b, axis=1)
            parallel = (sizes > 0.0) & (inner**2 >= sizes * (1.0 - 1e-12))
            rows.append(
                Sampled(
                    network=f"width {n}",
                    inputs=f"angle {theta:.4g}",
                    layer=1,
                    claimed=float(evaluate(probability, {"n": n, "x": theta / math.pi})),
                    trials=pairs,
                    hits=int(parallel.sum()),
                )
            )
    return sampled_evidence(rows, relation, "P(both survive and are parallel)", setting)


@lru_cache(maxsize=1)
def _expansion() -> tuple[Any, Any]:
    """Return the constant and the coefficient of theta in ln(sin^2 theta' / sin^2 theta) at infinite width."""
    import sympy

    theta = sympy.Symbol("theta", positive=True)
    cosine = (sympy.sin(theta) + (sympy.pi - theta) * sympy.cos(theta)) / sympy.pi
    ratio = sympy.series((1 - cosine**2) / theta**2, theta, 0, 2).removeO()
    sine = sympy.series(sympy.sin(theta) ** 2 / theta**2, theta, 0, 2).removeO()
    found = sympy.simplify(sympy.diff(sympy.log(ratio / sine), theta).subs(theta, 0))
    start = sympy.simplify(sympy.log(ratio / sine).subs(theta, 0))
    return start, found


@lru_cache(maxsize=256)
def _mixed_moment(p: int, q: int, theta: str) -> Any:
    """Compute E relu(z1)^p relu(z2)^q in polar coordinates: E r^(p+q) times an integral over the common arc."""
    with mp.workdps(DIGITS):
        angle, power = mpf(theta), mpf(p + q)
        radial = mpf(2) ** (power / 2) * mp.gamma(1 + power / 2)
        arc = mp.quad(lambda x: mp.cos(x) ** p * mp.cos(x - angle) ** q, mp.linspace(angle - mp.pi / 2, mp.pi / 2, 4))
        return radial * arc / (2 * mp.pi)


def _first_order(j11: float, j22: float, j31: float) -> tuple[float, float]:
    """N times the correction of the mean of ln sin^2 and n times its variance, by the delta method."""
    a, c = 0.5, j11
    d = a * a - c * c
    slope = np.array([a / d - 1.0 / a, a / d - 1.0 / a, -2.0 * c / d])
    cross = 2.0 * a * c / d**2
    own = 1.0 / a**2 - a**2 / d**2
    bend = np.array(
        [
            [own, 1.0 / d - a * a / d**2, cross],
            [1.0 / d - a * a / d**2, own, cross],
            [cross, cross, -2.0 / d - 4.0 * c * c / d**2],
        ]
    )
    mixed, side = j22 - 0.25, j31 - 0.5 * c
    covariance = np.array([[1.25, mixed, side], [mixed, 1.25, side], [side, side, j22 - c * c]])
    return float(0.5 * np.sum(bend * covariance)), float(slope @ covariance @ slope)


@lru_cache(maxsize=16)
def _log_ratios(width: int, theta: float, pairs: int, seed: int) -> Floats:
    """Sample ln(sin^2 theta' / sin^2 theta) of pairs that survive and are not parallel."""
    rng = np.random.default_rng([seed, 43, width])
    found = []
    together = max(1, NORMALS_PER_PASS // width)
    for first in range(0, pairs, together):
        a, d = _rectified(rng, min(together, pairs - first), width, theta, difference=True)
        # sin^2 |a|^2 |b|^2 = |a|^2 |d|^2 - (a.d)^2 with d = b - a: no cancellation at small angles
        squares, inner, differences = (np.sum(x * y, axis=1) for x, y in ((a, a), (a, d), (d, d)))
        other = squares + 2.0 * inner + differences
        area = squares * differences - inner**2
        good = (squares > 0.0) & (other > 0.0) & (area > 1e-13 * squares * differences)
        found.append(np.log(area[good] / (squares[good] * other[good])))
    return np.asarray(np.concatenate(found) - 2.0 * math.log(math.sin(theta)))


def _rectified(
    rng: np.random.Generator, pairs: int, width: int, theta: float, *, difference: bool = False
) -> tuple[Floats, Floats]:
    """Draw the rectified vectors of a layer, or the first and the difference, shape (pairs, width)."""
    z, w = rng.standard_normal((2, pairs, width))
    other = math.cos(theta) * z + math.sin(theta) * w
    a, b = np.maximum(z, 0.0), np.maximum(other, 0.0)
    return a, (b - a if difference else b)

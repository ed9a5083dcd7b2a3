r"""P(first layer dead on S): the one place where the input set enters survival in closed form.

Model: $z = W x + b$ with n units, entries of W iid $N(0, \sigma_w^2 / d)$, biases iid $N(0, \sigma_b^2)$. The layer is
dead on S when every unit is inactive at every point. Units are independent, so the probability is $q^n$ with
$q = P(w \cdot x_i + b \le 0\ \forall i) = P(g \cdot y_i \le 0\ \forall i)$, g standard normal and
$y_i = (\sigma_w x_i / \sqrt d, \sigma_b)$: the Gaussian measure of the polar cone C of the $y_i$. Only their directions
matter, and only within the space they span, of dimension r (the rank).

- If no open half-space holds all $y_i$, C has no interior and q = 0 (Gordan's theorem). The nearest point of the convex
  hull of the directions to the origin decides: it is the origin, or the normal u of a separating plane, of norm t.
- r = 1: q = 1/2. r = 2: the angle of the polar cone over $2 \pi$, where the points leave a gap of G > pi between
  neighbouring directions: $q = (G - \pi) / (2 \pi)$. r = 3: a spherical polygon; its polar has the solid angle $2 \pi$
  minus the perimeter of the points' spherical hull, so $q = (2 \pi - \mathrm{perimeter}) / (4 \pi)$.
- r > 3: C lies in the half-space $-u \cdot g \ge 0$, since u is a non-negative combination of the $y_i$. Split
  $g = -s u + g_\perp$: then $g \in C$ iff $s \ge h(g_\perp) = \max_i (g_\perp \cdot y_i) / (u \cdot y_i)$, and
  $h \ge 0$, so $q = E\,\Phi(-h)$: an average over scrambled Sobol points; its error comes from independent scramblings.
- r > 3 and q too small for that: multilevel splitting through the nested cones $h(g_\perp) \le \rho s$, from the
  half-space s >= 0 (probability 1/2, infinite rho) to C (rho = 1). A pilot run fixes the levels; each population then
  moves within the cone along random ellipses, on which the cone cuts out a single arc, so that no move is rejected. The
  product of survival shares is unbiased, and the error comes from independent populations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_points, check_real

__all__ = ["FirstLayerDeath", "first_layer_death", "nearest_of_hull"]

Matrix = npt.NDArray[np.float64]

NO_INTERIOR = 1e-12  # distance of the hull from the origin that is rounding error
SCRAMBLINGS = 32  # independent Sobol sequences that give the error
SOBOL_POINTS = 2048  # points of each
RARE = 1e-3  # below this, an average over 65 536 points in [0, 1/2] may miss the region that matters
POPULATIONS = (8, 24)  # independent populations that give the error of splitting, at least and at most
MOST_MULTIPLICATIONS = 1e11  # of all populations together, if there are more than the least number of them
POPULATION = 512  # points of each
MOVES = 8  # moves of a population between two levels
KEPT = 0.3  # share of the pilot population that reaches the next level
PRODUCTS_PER_BLOCK = 8_000_000


@dataclass(frozen=True, kw_only=True)
class FirstLayerDeath(Result):
    """P(first layer dead on S) for one layer.

    Attributes
    ----------
    width : int
        Number of units n.
    n_points, rank : int
        Points given, and the dimension that the pairs (point, bias) span.
    log_unit, log_unit_error : float
        Natural logarithm of q = P(a unit is inactive on all of S), -inf where that is impossible, and its standard
        error (0 where the value is exact up to rounding).
    method : str
        How q was found: "impossible", "exact" (rank up to 3), "directional" or "splitting".
    """

    width: int
    n_points: int
    rank: int
    log_unit: float
    log_unit_error: float
    method: str

    @property
    def unit_probability(self) -> float:
        """P(a unit is inactive on all of S)."""
        return math.exp(self.log_unit)

    @property
    def log_death(self) -> float:
        """Natural logarithm of P(layer dead on S); -inf where that is impossible."""
        return self.width * self.log_unit

    @property
    def log_death_error(self) -> float:
        """Standard error of `log_death`."""
        return self.width * self.log_unit_error

    @property
    def value(self) -> float:
        """P(layer dead on S)."""
        return math.exp(self.log_death)

    @property
    def error(self) -> float:
        """Standard error of `value` to first order; where `log_death_error` is near 1, use the logarithms instead."""
        return self.value * self.log_death_error

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row."""
        return {
            "width": [self.width],
            "rank": [self.rank],
            "unit_probability": [self.unit_probability],
            "death": [self.value],
            "error": [self.error],
            "log_death": [self.log_death],
            "log_death_error": [self.log_death_error],
            "method": [self.method],
        }

    def __str__(self) -> str:
        value, error = format_number(self.value), format_number(self.error, 2)
        return f"P(first layer dead on {self.n_points} points) = {value} ± {error} ({self.method}, rank {self.rank})"


def first_layer_death(
    inputs: npt.ArrayLike,
    width: int,
    *,
    bias_variance: float = 0.0,
    weight_variance: float = 2.0,
    seed: int = 0,
) -> FirstLayerDeath:
    """Compute the probability that the first layer is dead on every input point.

    Parameters
    ----------
    inputs : array, shape (n_points, d)
        Input points.
    width : int
        Number of units of the layer, at least 1.
    bias_variance : float
        Variance of the biases, at least 0.
    weight_variance : float
        Weights have this variance divided by d; above 0. Without biases it has no effect.
    seed : int
        Seed of the estimators; the exact methods do not use it.

    Returns
    -------
    FirstLayerDeath
        The probability, its standard error and the method.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Notes
    -----
    Gaussian weights and biases. Exact to about 1e-12 (absolute, in q) for rank up to 3; the rank is the dimension of
    the points' span, one more with biases unless the points lie in a hyperplane off the origin. At higher rank the
    relative error of q is a tenth of a percent for common events and a tenth or more for rare ones; it is returned.
    From rank 3 on, points within 1e-8 of filling a half-space may count as impossible. Points at zero are
    inactive without biases and have no effect. A rare event takes seconds, thousands of points in tens of dimensions up
    to a minute.

    Examples
    --------
    >>> first_layer_death([[1.0, 0.0], [0.0, 1.0]], width=2).value
    0.0625
    >>> first_layer_death([[1.0], [-1.0]], width=3).method
    'impossible'
    >>> print(first_layer_death([[1.0], [-1.0]], width=3, bias_variance=1.0, weight_variance=1.0))
    P(first layer dead on 2 points) = 0.015625 ± 0 (exact, rank 2)
    """
    points = check_points("inputs", inputs)
    n = check_count("width", width)
    sb2 = check_real("bias_variance", bias_variance, low=0)
    sw2 = check_real("weight_variance", weight_variance, low=0, low_open=True)
    seed = check_count("seed", seed, least=0)
    directions = _directions(points, math.sqrt(sw2), math.sqrt(sb2))
    if not len(directions):
        return FirstLayerDeath(width=n, n_points=len(points), rank=0, log_unit=0.0, log_unit_error=0.0, method="exact")
    reduced = _span(directions)
    log_unit, error, method = _log_polar_measure(reduced, seed)
    return FirstLayerDeath(
        width=n,
        n_points=len(points),
        rank=reduced.shape[1],
        log_unit=log_unit,
        log_unit_error=error,
        method=method,
    )


def _directions(points: Matrix, sw: float, sb: float) -> Matrix:
    """Return the distinct unit vectors along (sw x / sqrt d, sb); none for points at zero without bias."""
    largest = np.abs(points).max(axis=1)
    scale = np.maximum(largest * sw, sb)
    kept = scale > 0
    # divide before multiplying, so that no square overflows or underflows
    x = points[kept] / np.maximum(largest[kept], np.finfo(np.float64).tiny)[:, None]
    weights = x * (largest[kept] * sw / scale[kept] / math.sqrt(points.shape[1]))[:, None]
    y = np.column_stack([weights, sb / scale[kept]]) if sb > 0 else weights
    return np.unique(y / np.linalg.norm(y, axis=1, keepdims=True), axis=0)


def _span(directions: Matrix) -> Matrix:
    """Express the directions in an orthonormal basis of their span."""
    _, values, basis = np.linalg.svd(directions, full_matrices=False)
    rank = int((values > values[0] * max(directions.shape) * np.finfo(np.float64).eps).sum())
    reduced = directions @ basis[:rank].T
    return np.asarray(reduced / np.linalg.norm(reduced, axis=1, keepdims=True))


def _log_polar_measure(y: Matrix, seed: int) -> tuple[float, float, str]:
    """Compute log q, its standard error and the method, for unit vectors y of full rank."""
    normal, distance = nearest_of_hull(y)
    cosines = y @ normal
    if distance <= NO_INTERIOR or cosines.min() <= 0:
        return -math.inf, 0.0, "impossible"
    rank = y.shape[1]
    if rank == 1:
        return math.log(0.5), 0.0, "exact"
    # where the rays through the points meet the plane at distance 1 along the normal
    tangents = (y @ np.linalg.svd(normal[None, :])[2][1:].T) / cosines[:, None]
    if rank <= 3:
        q = _polar_angle(y) if rank == 2 else _polar_solid_angle(y, tangents)
        return (math.log(q), 0.0, "exact") if q > 0 else (-math.inf, 0.0, "impossible")
    rng = np.random.default_rng(seed)
    q, error = _directional(tangents, rng)
    if q >= RARE:
        return math.log(q), error / q, "directional"
    log_q, error = _splitting(tangents, rng)
    return log_q, error, "splitting"


def nearest_of_hull(y: Matrix) -> tuple[Matrix, float]:
    """Return the direction and the norm of the point of the convex hull of y nearest to the origin.

    For non-negative weights m of sum s the minimum of |y^T m|^2 + (s - 1)^2 over s is v / (1 + v), v the squared norm
    of y^T m / s, so non-negative least squares finds the nearest point.
    """
    from scipy.optimize import nnls  # imported only where it is used

    system = np.vstack([y.T, np.ones(len(y))])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    weights, _ = nnls(system, goal, maxiter=30 * len(y) + 100)
    distance = float(np.linalg.norm(y.T @ (weights / weights.sum())))
    if distance <= NO_INTERIOR:
        return np.zeros(y.shape[1]), distance
    # all points with weight are equally far along the normal: this keeps the precision where the distance is small
    support = y[weights > 0]
    normal = np.linalg.lstsq(support, np.ones(len(support)), rcond=None)[0]
    return np.asarray(normal / np.linalg.norm(normal)), distance


def _polar_angle(y: Matrix) -> float:
    """Compute the polar cone's share of the circle from the widest gap between directions in the plane."""
    angles = np.sort(np.arctan2(y[:, 1], y[:, 0]))
    gaps = np.diff(angles, append=angles[0] + 2.0 * np.pi)
    return float(gaps.max() - np.pi) / (2.0 * np.pi)


def _polar_solid_angle(y: Matrix, tangents: Matrix) -> float:
    """Compute the polar cone's share of the sphere from the perimeter of the points' spherical hull."""
    hull = y[_convex_hull(tangents)]
    after = np.roll(hull, -1, axis=0)
    sides = 2.0 * np.arctan2(np.linalg.norm(hull - after, axis=1), np.linalg.norm(hull + after, axis=1))
    return (2.0 * math.pi - float(sides.sum())) / (4.0 * math.pi)


def _convex_hull(points: Matrix) -> list[int]:
    """List the corners of the convex hull of points in the plane, in order (monotone chains)."""
    order = np.lexsort((points[:, 1], points[:, 0])).tolist()
    x, y = points[:, 0].tolist(), points[:, 1].tolist()
    hull: list[int] = []
    for chain in (order, order[::-1]):
        first = len(hull)
        for i in chain:
            while len(hull) - first >= 2:
                a, b = hull[-2], hull[-1]
                if (x[b] - x[a]) * (y[i] - y[a]) > (y[b] - y[a]) * (x[i] - x[a]):
                    break
                hull.pop()
            hull.append(i)
        hull.pop()  # the last point of a chain is the first of the next
    return hull


def _directional(tangents: Matrix, rng: np.random.Generator) -> tuple[float, float]:
    """Average Phi(-h) over scrambled Sobol points; the error comes from independent scramblings."""
    from scipy.special import ndtr, ndtri
    from scipy.stats import qmc

    dimension = tangents.shape[1]
    step = max(1, PRODUCTS_PER_BLOCK // len(tangents))
    means = np.empty(SCRAMBLINGS)
    for i in range(SCRAMBLINGS):
        uniform = qmc.Sobol(dimension, rng=rng).random(SOBOL_POINTS)
        normals = ndtri(np.clip(uniform, 2.0**-54, 1.0 - 2.0**-53))
        total = 0.0
        for start in range(0, SOBOL_POINTS, step):
            total += float(ndtr(-(normals[start : start + step] @ tangents.T).max(axis=1)).sum())
        means[i] = total / SOBOL_POINTS
    return float(means.mean()), float(means.std(ddof=1)) / math.sqrt(SCRAMBLINGS)


def _splitting(tangents: Matrix, rng: np.random.Generator) -> tuple[float, float]:
    """Compute log q and its standard error from independent populations between the levels of a pilot."""
    _, levels = _population(tangents, [], rng)
    cost = len(levels) * MOVES * POPULATION * tangents.size
    n_populations = min(max(int(MOST_MULTIPLICATIONS / cost), POPULATIONS[0]), POPULATIONS[1])
    logs = np.array([_population(tangents, levels, rng)[0] for _ in range(n_populations)])
    largest = float(logs.max())
    if largest == -math.inf:
        return -math.inf, math.inf  # every population died out
    shares = np.exp(logs - largest)  # equal weights: the product of shares is unbiased, its logarithm is not
    mean = float(shares.mean())
    return largest + math.log(mean), float(shares.std(ddof=1)) / math.sqrt(n_populations) / mean


def _population(tangents: Matrix, levels: list[float], rng: np.random.Generator) -> tuple[float, list[float]]:
    """Move one population to level 1; without levels, choose them. Return log q and the levels passed."""
    s = np.abs(rng.standard_normal(POPULATION))
    products = rng.standard_normal((POPULATION, tangents.shape[1])) @ tangents.T
    pilot, log_q = not levels, math.log(0.5)
    passed: list[float] = []
    while not passed or passed[-1] > 1.0:
        heights = products.max(axis=1) / s
        level = max(1.0, float(np.quantile(heights, KEPT))) if pilot else levels[len(passed)]
        survivors = np.flatnonzero(heights <= level)
        if not len(survivors):
            return -math.inf, passed
        passed.append(level)
        log_q += math.log(len(survivors) / POPULATION)
        if level > 1.0:
            chosen = rng.choice(survivors, POPULATION)
            s, products = s[chosen], products[chosen]
            for _ in range(MOVES):
                s, products = _move(tangents, level, s, products, rng)
    return log_q, passed


def _move(
    tangents: Matrix, level: float, s: Matrix, products: Matrix, rng: np.random.Generator
) -> tuple[Matrix, Matrix]:
    """Move points of the cone h <= level s along random ellipses, uniformly on the arc inside the cone."""
    other_s = rng.standard_normal(len(s))
    other = rng.standard_normal((len(s), tangents.shape[1])) @ tangents.T
    slack = np.maximum(level * s[:, None] - products, np.finfo(np.float64).tiny)
    # a constraint -slack cos + change sin <= 0 holds on the half-circle that ends at the arc cotangent of change/slack
    cotangents = (other - level * other_s[:, None]) / slack
    last = np.arctan2(1.0, cotangents.max(axis=1))
    first = np.arctan2(1.0, cotangents.min(axis=1)) - np.pi
    angle = first + (last - first) * rng.random(len(s))
    cos, sin = np.cos(angle), np.sin(angle)
    return s * cos + other_s * sin, products * cos[:, None] + other * sin[:, None]

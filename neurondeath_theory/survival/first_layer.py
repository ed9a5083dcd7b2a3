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
- r > 3: points that are orthogonal to all others contribute factors of their own. What is left is averaged over
  directions, or over vectors on which r of the points are inactive, drawn under the minimax tilt, and where neither is
  sharp populations pass through nested cones (`nested_cones`, `tilted_orthant`). Every way gives 16 independent
  unbiased estimates Z of q, which differ by factors: with mean L and variance $s^2$ of $\ln Z$ over the R of them

  $$\ln q = L + s^2 / 2, \qquad \text{standard error } \sqrt{s^2 / R + s^4 / (2 (R - 1))},$$

  which is the plain average where s is small (Cox's method, in Zhou and Gao, Statistics in Medicine 16, 783, 1997).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.intervals import CONFIDENCE
from neurondeath_theory.foundation.probability_text import number_from_log
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_points, check_real
from neurondeath_theory.survival.nested_cones import (
    REPLICATES,
    Cone,
    sample_directions,
    sample_nested_cones,
    sample_tilted,
)

__all__ = ["FirstLayerDeath", "first_layer_death", "nearest_of_hull"]

Matrix = npt.NDArray[np.float64]

LN2, LN10 = math.log(2.0), math.log(10.0)
NO_INTERIOR = 1e-12  # distance of the hull from the origin that is rounding error
MOST_FULL_ROWS = 4096  # points beyond which their triangular factor stands for them
ORTHOGONAL = 1e-15  # cosine that is rounding error
MOST_COSINES = 2**22  # pairs of points that are searched for orthogonal ones
TILTED_WORTH = 0.2  # share of its points that an average of tilted vectors is worth, or the next way is taken
DIRECTIONS_WORTH = 0.1  # the same of directions
MOST_VARIANCE = 4.0  # of a logarithm that the log-normal law is trusted to correct for
LOG_PRECISION = 1e-13  # of a logarithm, relative to it: no estimate is more precise
METHODS = ("exact", "directional", "tilted", "splitting")  # the later one names a product of several


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
        How q was found: "impossible", "exact" (rank up to 3, and orthogonal sets of such points), "directional",
        "tilted" or "splitting".
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
    def log10_death(self) -> float:
        """Decimal logarithm of P(layer dead on S); -inf where that is impossible."""
        return self.log_death / LN10

    @property
    def log10_death_low(self) -> float:
        """Lower limit of the 95 % interval (Student's) of `log10_death`."""
        return (self.log_death - self._half_width) / LN10

    @property
    def log10_death_high(self) -> float:
        """Upper limit of the 95 % interval (Student's) of `log10_death`; no unit is inactive with more than 1/2."""
        most = -self.width * LN2 if self.rank else 0.0
        return max(self.log_death, min(self.log_death + self._half_width, most)) / LN10

    @property
    def _half_width(self) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(REPLICATES - 1, (1.0 + CONFIDENCE) / 2.0)) * self.log_death_error

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
            "log10_death": [self.log10_death],
            "log10_death_low": [self.log10_death_low],
            "log10_death_high": [self.log10_death_high],
            "method": [self.method],
        }

    def __str__(self) -> str:
        value, low, high = (
            number_from_log(log10 * LN10) for log10 in (self.log10_death, self.log10_death_low, self.log10_death_high)
        )
        interval = f", 95 % interval [{low}, {high}]" if self.log_unit_error else ""
        return f"P(first layer dead on {self.n_points} points) = {value}{interval} ({self.method}, rank {self.rank})"


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
    Gaussian weights and biases. Exact to about 1e-12 (absolute, in q) for rank up to 3 and for sets of such points that
    are orthogonal to each other; the rank is the dimension of the points' span, one more with biases unless the points
    lie in a hyperplane off the origin. Otherwise the standard error of log q is returned: about 1e-3 or less for up to
    50 linearly independent points, 0.01 for 64 Gaussian points with biases in 20 dimensions, 0.5 for 100 000 of them.
    That of log P(layer dead) is n times as large. From rank 3 on, points within 1e-8 of filling a half-space may count
    as impossible. Points at zero are inactive without biases and have no effect. Seconds at most, except where tens of
    thousands of points in tens of dimensions hold the rare event: about ten.

    Examples
    --------
    >>> first_layer_death([[1.0, 0.0], [0.0, 1.0]], width=2).value
    0.0625
    >>> first_layer_death([[1.0], [-1.0]], width=3).method
    'impossible'
    >>> print(first_layer_death([[1.0], [-1.0]], width=3, bias_variance=1.0, weight_variance=1.0))
    P(first layer dead on 2 points) = 0.015625 (exact, rank 2)
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
    few = len(directions) <= MOST_FULL_ROWS
    _, values, basis = np.linalg.svd(directions if few else np.linalg.qr(directions, mode="r"), full_matrices=False)
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
    if rank <= 3:
        # where the rays through the points meet the plane at distance 1 along the normal
        tangents = (y @ np.linalg.svd(normal[None, :])[2][1:].T) / cosines[:, None]
        q = _polar_angle(y) if rank == 2 else _polar_solid_angle(y, tangents)
        return (math.log(q), 0.0, "exact") if q > 0 else (-math.inf, 0.0, "impossible")
    parts = _orthogonal_parts(y)
    if len(parts) > 1:
        logs, errors, methods = zip(*(_log_polar_measure(part, seed + i) for i, part in enumerate(parts)), strict=True)
        if "impossible" in methods:
            return -math.inf, 0.0, "impossible"
        return math.fsum(logs), math.hypot(*errors), max(methods, key=METHODS.index)
    return _estimated(Cone(y, normal), np.random.default_rng(seed))


def _orthogonal_parts(y: Matrix) -> list[Matrix]:
    """Split the points into sets that are orthogonal to each other, each in coordinates of its own span."""
    from scipy.sparse.csgraph import connected_components

    if len(y) ** 2 > MOST_COSINES:
        return [y]
    count, labels = connected_components(np.abs(y @ y.T) > ORTHOGONAL, directed=False)
    parts = [_span(y[labels == label]) for label in range(count)]
    return parts if sum(part.shape[1] for part in parts) == y.shape[1] else [y]


def _estimated(cone: Cone, rng: np.random.Generator) -> tuple[float, float, str]:
    """Estimate log q; return it, its standard error and the method."""
    method, logs = "tilted", sample_tilted(cone, rng, TILTED_WORTH)
    if logs is None:
        method, logs = "directional", sample_directions(cone, rng, DIRECTIONS_WORTH)
    if logs is None:
        method, logs = "splitting", sample_nested_cones(cone, rng)
    variance = float(logs.var(ddof=1))
    log_q = min(float(logs.mean()) + min(variance, MOST_VARIANCE) / 2.0, -LN2)
    error = math.sqrt(variance / REPLICATES + variance * variance / (2.0 * (REPLICATES - 1)))
    return log_q, max(error, LOG_PRECISION * (1.0 + abs(log_q))), method


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

r"""Bounds on P(alive on S) that use the input set S.

Model: plain ReLU network, Gaussian weights, no biases; $A_i$ is the event that point i is alive through the last layer.
Each has $P(A_i) = p = \prod_j (1 - 2^{-n_j})$ [rister2020, lower bound, an equality for one point], and the pairs'
$p_{ij} = P(A_i \cap A_j)$ depend on the angle between the points alone (`survival.two_point`). The network is
alive on S when $\cup_i A_i$ happens, so classical bounds on unions apply.

- de Caen: $\sum_i p^2 / \sum_j p_{ij}$. Proof: with N the number of points alive, $1_{\cup A} = \sum_i 1_{A_i} / N$,
  and $E[1_{A_i} / N] \ge p^2 / E[1_{A_i} N]$ by the Cauchy-Schwarz inequality.
- Gallot: for any weights a, $(p \sum_i a_i)^2 \le P(\cup A)\, a^T P a$, again by Cauchy-Schwarz, applied to
  $X = \sum_i a_i 1_{A_i} = X 1_{\cup A}$. The best weights solve $P a = 1$ and give $p^2\, 1^T P^+ 1$, at least as much
  as de Caen (Feng, Li and Shen). Any other weights give a valid bound too, so the nearly singular P of close points
  is harmless: weights come from a few regularised solutions, each is inserted into the inequality itself, with an
  allowance for the error of the $p_{ij}$, and the best result is returned.
- One or two distinct rays: exactly $p$ and, by inclusion and exclusion, $2p - p_{12}$.

Without biases a point matters only as a ray: positive multiples live and die together and are merged. A point at zero
is dead from layer 1 and is left out. A bound for some of the points holds for all of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.probability_text import NEAR_ONE, number_from_log
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_points, invalid
from neurondeath_theory.foundation.widths import Widths, layer_widths
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.two_point import pair_survival, pair_survival_error

__all__ = ["DataAwareBounds", "data_aware_bounds", "pairwise_angles"]

MOST_POINTS = 4000  # the matrix of pairs then takes 128 MB and its eigenvalues about half a minute
SAME_RAY = 1e-12  # angles up to here are rounding errors of the normalisation
LEAST_SURVIVAL = 1e-290  # below it the pairs' probabilities lose digits to underflow
RIDGES = (0.0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4)  # regularisations tried, relative to the largest eigenvalue
NEAR_PARALLEL = 0.9  # beyond this cosine the arc cosine loses digits
CANCELLATION = 0.02  # a squared distance above this share of its terms keeps its digits
DIFFERENCES_PER_BLOCK = 4_000_000


@dataclass(frozen=True, kw_only=True)
class DataAwareBounds(Result):
    """Lower bounds on P(alive on S) through the last layer.

    Attributes
    ----------
    widths : int array, shape (k,)
        Widths of the hidden layers.
    n_points, n_zero, n_rays : int
        Points given, those at zero (dead from layer 1, left out), and distinct rays among the others.
    lower : float
        The bound of a single point, p.
    de_caen, gallot : float
        Bounds from all pairs of rays; `lower <= de_caen <= gallot <= P(alive on S)`.
    exact, exact_error : float or None
        P(alive on S) itself and its error, known for one or two rays.
    pair_error : float
        Absolute error of the pairs' survival; both bounds allow for it.
    mean_living_ratio : float
        Exact mean share of the points given that are alive through the last layer.
    """

    widths: npt.NDArray[np.int64]
    n_points: int
    n_zero: int
    n_rays: int
    lower: float
    de_caen: float
    gallot: float
    exact: float | None
    exact_error: float | None
    pair_error: float
    mean_living_ratio: float

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per bound."""
        rows = {"lower bound, one point": self.lower, "de Caen": self.de_caen, "Gallot": self.gallot}
        if self.exact is not None:
            rows["exact"] = self.exact
        return {"bound": list(rows), "alive": list(rows.values())}

    def __str__(self) -> str:
        layers = f"{len(self.widths)} layer" + ("s" if len(self.widths) > 1 else "")
        left_out = f" ({self.n_zero} of {self.n_points} points are zero, dead from layer 1)" if self.n_zero else ""
        log_death = float(survival_bounds(self.widths).log_death_at_most[-1])
        if log_death < math.log(NEAR_ONE):  # pairs cannot add a digit to what one point guarantees
            most = number_from_log(log_death)
            return f"P(dead through {layers}) <= {most} (one point) on {self.n_rays} distinct rays{left_out}"
        if self.exact is not None:
            return f"P(alive through {layers}) = {format_number(self.exact)} on {self.n_rays} distinct rays{left_out}"
        gallot, de_caen, lower = (format_number(bound) for bound in (self.gallot, self.de_caen, self.lower))
        bounds = f"{gallot} (Gallot), {de_caen} (de Caen), {lower} (one point)"
        return f"P(alive through {layers}) >= {bounds} on {self.n_rays} distinct rays{left_out}"


def data_aware_bounds(
    inputs: npt.ArrayLike, widths: Widths | None = None, *, width: int | None = None, depth: int | None = None
) -> DataAwareBounds:
    """Bound the probability that a plain ReLU network without biases is born alive on these inputs.

    Parameters
    ----------
    inputs : array, shape (n_points, dimension)
        Input points, at most 4000 of them nonzero; a subset gives a valid bound for the whole set.
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each at least 1.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    DataAwareBounds
        The lower bound of one point, de Caen's and Gallot's bounds, and the exact value for one or two rays.

    Raises
    ------
    InvalidArgumentError
        If the inputs are not a finite matrix, hold too many points, or a width is not a whole number of at least 1.
    AssumptionError
        If every point is zero: without biases such a network is dead on them with certainty.

    Notes
    -----
    Gaussian weights, zero biases. Both bounds allow for the error of the pairs' survival, about 1e-8, and so need no
    further correction. About two seconds for 1000 points. Sources: rister2020 (arXiv 2007.06192) for p; D. de Caen,
    Discrete Mathematics 169 (1997); S. Gallot, Journal of Applied Probability 3 (1966), in E. G. Kounias' form (1968).

    Examples
    --------
    >>> bounds = data_aware_bounds([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]], [3, 3])
    >>> bounds.n_rays, bounds.n_zero, round(bounds.exact, 12)
    (1, 1, 0.765625)
    """
    points = check_points("inputs", inputs)
    layers = layer_widths(widths, width, depth)
    nonzero = points.any(axis=1)
    kept = points[nonzero]
    n_zero = len(points) - len(kept)
    if not len(kept):
        raise AssumptionError(
            "`inputs` holds zero points only: without biases the network is dead on them from layer 1, with certainty"
        )
    if len(kept) > MOST_POINTS:
        remedy = "a subset gives a valid bound for the whole set"
        raise invalid("inputs", f"hold at most {MOST_POINTS} nonzero points", len(kept), remedy)

    rays, angles = _distinct_rays(kept)
    p = float(survival_bounds(layers).lower[-1])
    pairs = np.clip(pair_survival(angles, layers), max(0.0, 2.0 * p - 1.0), p)
    np.fill_diagonal(pairs, p)
    pair_error = pair_survival_error(layers)
    exact = exact_error = None
    if len(rays) == 1:
        exact, exact_error = p, 0.0
    elif len(rays) == 2:
        exact, exact_error = 2.0 * p - float(pairs[0, 1]), pair_error
    de_caen = max(p, _de_caen(p, pairs, pair_error))
    return DataAwareBounds(
        widths=layers,
        n_points=len(points),
        n_zero=n_zero,
        n_rays=len(rays),
        lower=p,
        de_caen=de_caen,
        gallot=max(de_caen, _gallot(p, pairs, pair_error)),
        exact=exact,
        exact_error=exact_error,
        pair_error=pair_error,
        mean_living_ratio=p * len(kept) / len(points),
    )


def pairwise_angles(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Compute the angles between nonzero points, accurate to a few rounding errors even near 0 and pi.

    Parameters
    ----------
    points : float array, shape (n_points, dimension)
        Nonzero points of any length.

    Returns
    -------
    float array, shape (n_points, n_points)
        Angles in [0, pi].

    Examples
    --------
    >>> pairwise_angles(np.array([[1.0, 0.0], [1.0, 1e-9], [-3.0, 0.0]])).round(12)[0].tolist()
    [0.0, 1e-09, 3.14159265359]
    """
    units = points / np.abs(points).max(axis=1, keepdims=True)  # so that no square overflows or underflows
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = np.clip(units @ units.T, -1.0, 1.0)
    angles: npt.NDArray[np.float64] = np.arccos(cosines)
    # |u - v|^2 from products of the distances to the mean keeps its digits for points of one cluster
    offsets = units - units.mean(axis=0)
    products = offsets @ offsets.T
    squares = np.diag(products)
    scale = squares[:, None] + squares
    apart = scale - 2.0 * products
    resolved = (cosines > NEAR_PARALLEL) & (apart > CANCELLATION * scale)
    half = 0.5 * np.sqrt(apart[resolved])
    angles[resolved] = 2.0 * np.arcsin(np.minimum(half, 1.0))
    rows, columns = np.nonzero(np.triu((np.abs(cosines) > NEAR_PARALLEL) & ~resolved, 1))
    step = max(1, DIFFERENCES_PER_BLOCK // units.shape[1])
    for start in range(0, len(rows), step):
        i, j = rows[start : start + step], columns[start : start + step]
        difference = np.linalg.norm(units[i] - units[j], axis=1)
        together = np.linalg.norm(units[i] + units[j], axis=1)
        angles[i, j] = angles[j, i] = 2.0 * np.arctan2(difference, together)
    np.fill_diagonal(angles, 0.0)
    return angles


def _distinct_rays(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return the indices of the first point of every ray, and the angles between these points."""
    angles = pairwise_angles(points)
    earlier = np.tril(angles <= SAME_RAY, -1).any(axis=1)
    rays = np.flatnonzero(~earlier)
    return rays, angles[np.ix_(rays, rays)]


def _de_caen(p: float, pairs: npt.NDArray[np.float64], pair_error: float) -> float:
    if p < LEAST_SURVIVAL:
        return p
    together = np.minimum(pairs / p + pair_error / p, 1.0).sum(axis=1)  # of order one however small p is
    return min(p * float((1.0 / together).sum()), 1.0)


def _gallot(p: float, pairs: npt.NDArray[np.float64], pair_error: float) -> float:
    """Compute the greatest (p sum a)^2 / a^T P a over regularised solutions a of P a = 1, with the pairs' error."""
    if p < LEAST_SURVIVAL:
        return p
    from scipy.linalg import eigh  # imported only where it is used

    scaled = pairs / p
    values, vectors = eigh(scaled)
    projected = vectors.sum(axis=0)
    best = 0.0
    for ridge in RIDGES:
        floor = max(ridge, len(scaled) * np.finfo(np.float64).eps) * values[-1]
        inverse = np.where(values > floor, 1.0 / np.maximum(values + ridge * values[-1], floor), 0.0)
        weights = vectors @ (inverse * projected)
        error = pair_error / p + np.finfo(np.float64).eps * len(scaled)
        second_moment = float(weights @ scaled @ weights) + error * float(np.abs(weights).sum()) ** 2
        best = max(best, p * float(weights.sum()) ** 2 / second_moment)
    return min(best, 1.0)

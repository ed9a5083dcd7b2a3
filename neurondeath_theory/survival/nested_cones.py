r"""P(one Gaussian unit is inactive on points): weighted averages, and sequential Monte Carlo through nested cones.

Let u be a unit vector with $u \cdot y_i > 0$ in the cone of the points, and $d_i$ the part of $y_i / (u \cdot y_i)$
across u (the tangents). With standard normals s, g and $h = \max_i g \cdot d_i \ge 0$ the probability is
$q = P(s \ge h)$.

- `sample_directions`: if the values $\Phi(-h)$ differ little, $q = E\,\Phi(-h)$.
- `sample_tilted`: g comes from vectors on which r of the points are inactive, drawn with weights w
  (`tilted_orthant`); then $q = E[w\, \Phi(-h) / \Phi(-h')]$ with h', which may be negative, from these r points.
- `sample_nested_cones`: from there N pairs (s, g) follow the cones $s \ge l_\rho = \max(h', \rho h'')$, h'' from the
  other points, from $\rho = 0$ to 1. Between neighbouring levels they have the weights
  $\Phi(-l_{\rho_k}) / \Phi(-l_{\rho_{k-1}})$, whose means multiply to the rest of q without bias. They are resampled by
  these weights, s is drawn above its limit, and each pair moves along random ellipses, of which the cone cuts out one
  arc, and, so that thin cones are filled too, along lines drawn from the covariance of the pilot's pairs.
- Of very many points few bound the cone where its mass lies. A pilot gathers those that a pair has met; the others
  enter by one last weight, that of h over h of the gathered ones. Nothing is neglected.

Levels, gathered points and covariances come from the pilot; independent populations then give estimates without bias.
The numbers behind the averages are scrambled Sobol points; independent scramblings give the error.

Sources: Del Moral, Doucet, Jasra, Journal of the Royal Statistical Society B 68, 411 (2006); Murray, Adams, MacKay,
Proceedings of Machine Learning Research 9, 541 (2010), with the ellipses.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurondeath_theory.survival.tilted_orthant import TiltedOrthant, draw_tilted, tilted_orthant

__all__ = ["REPLICATES", "Cone", "sample_directions", "sample_nested_cones", "sample_tilted"]

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

REPLICATES = 16  # independent scramblings or populations, which give the error
SOBOL_POINTS = (4096, 128)  # points of a scrambling, at most and at least
AVERAGE_PRODUCTS = 2.0**33  # multiplications of all averages, which limit the number of points
PAIRS = (2048, 64)  # pairs of a population, at most and at least
PILOT_PAIRS = (512, 256)  # pairs of the pilot, and those of more than PILOT_POINTS points
PILOT_POINTS = 2**14
CONE_PRODUCTS = 2.0**33  # multiplications of all populations, which limit the number of pairs
PASSES = 12  # multiplications that take as long as the passes over one product of a pair and a point
MOVES = 4  # moves per level, half along ellipses and half along lines
LEVEL_WORTH = 0.5  # effective share of the pairs from one level to the next
BISECTIONS = 50
MOST_LEVELS = 4096
GATHERED_FROM = 256  # points above which the pilot gathers those that bound the cone
LAST_WORTH = 0.8  # effective share of the pilot's pairs when the other points enter
TINY = 1e-300
BLOCK = 2**22  # products held at a time


class Cone:
    """The vectors on which all points are inactive, along and across a direction.

    Parameters
    ----------
    y : float array, shape (n_points, r)
        Unit vectors of rank r.
    normal : float array, shape (r,)
        u.
    """

    def __init__(self, y: Matrix, normal: Matrix) -> None:
        self.across = np.linalg.svd(normal[None, :])[2][1:].T
        # where the rays through the points meet the plane at distance 1 along the normal
        self.tangents = (y @ self.across) / (y @ normal)[:, None]
        self.orthant: TiltedOrthant = tilted_orthant(y, normal)
        others = np.ones(len(y), dtype=bool)
        others[self.orthant.chosen] = False
        self.first, self.others = self.tangents[self.orthant.chosen], self.tangents[others]

    def draw(self, n_vectors: int, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Draw g on which the chosen points are inactive, from scrambled Sobol points; return log weights too."""
        vectors, log_weights = draw_tilted(self.orthant, _uniforms(len(self.orthant.chosen), n_vectors, rng))
        return vectors @ self.across, log_weights

    def limits(self, g: Matrix, level: float, heights: Matrix) -> Matrix:
        """Return the limits of s in the cone of a level, from the heights of the points that were not chosen."""
        return np.maximum(_heights(self.first, g)[0], level * heights)


@dataclass(frozen=True, eq=False)
class _Path:
    """What the pilot chose: levels that end with 1, rows of the other points, and a root of a covariance per level."""

    levels: list[float]
    gathered: Indices
    roots: list[Matrix]


def sample_directions(cone: Cone, rng: np.random.Generator, least_worth: float) -> Matrix | None:
    """Return logarithms of unbiased estimates of q by averages over directions.

    Parameters
    ----------
    cone : Cone
        The cone.
    rng : Generator
        Source of the scramblings.
    least_worth : float
        Share of a scrambling's points that equal weights would need for the same error; below it the result is None.

    Returns
    -------
    float array, shape (REPLICATES,), or None
        One estimate per scrambling.
    """
    from scipy.special import log_ndtr, ndtri

    points, estimates = _sobol_points(cone.tangents.size), np.empty(REPLICATES)
    for i in range(REPLICATES):
        g = ndtri(_uniforms(cone.tangents.shape[1], points, rng))
        estimates[i], worth = _log_mean(log_ndtr(-_heights(cone.tangents, g)[0]))
        if worth < least_worth:
            return None
    return estimates


def sample_tilted(cone: Cone, rng: np.random.Generator, least_worth: float) -> Matrix | None:
    """Return logarithms of unbiased estimates of q by weighted averages; arguments as for `sample_directions`."""
    points, estimates = _sobol_points(cone.tangents.size), np.empty(REPLICATES)
    for i in range(REPLICATES):
        g, log_weights = cone.draw(points, rng)
        if len(cone.others):
            before = _heights(cone.first, g)[0]
            log_weights = log_weights + _log_tails(before, np.maximum(before, _heights(cone.others, g)[0]))
        estimates[i], worth = _log_mean(log_weights)
        if worth < least_worth:
            return None
    return estimates


def sample_nested_cones(cone: Cone, rng: np.random.Generator) -> Matrix:
    """Return logarithms of unbiased estimates of q, shape (REPLICATES,), one per population."""
    path = _pilot(cone, rng)
    per_move = (len(cone.first) + len(path.gathered)) * (cone.tangents.shape[1] + PASSES)
    cost = len(path.levels) * MOVES * per_move + cone.tangents.size
    most, least = PAIRS
    pairs = 2 ** int(math.log2(min(max(CONE_PRODUCTS / (REPLICATES * cost), least), most)))
    return np.array([_population(cone, path, pairs, rng) for _ in range(REPLICATES)])


def _population(cone: Cone, path: _Path, pairs: int, rng: np.random.Generator) -> float:
    """Return the estimate of log q of one population."""
    rows = cone.others[path.gathered]
    everything = len(rows) == len(cone.others)
    g, log_weights = cone.draw(pairs, rng)
    limits, log_q = _heights(cone.first, g)[0], 0.0
    for level, root in zip(path.levels, path.roots, strict=True):
        new_limits = cone.limits(g, level, _heights(rows, g)[0])
        log_weights = log_weights + _log_tails(limits, new_limits)
        log_q += _log_mean(log_weights)[0]
        if level >= 1.0 and everything:
            break
        chosen = _resample(log_weights, rng)
        inside = _draw_inside(g[chosen], new_limits[chosen], rng)
        g = _move(_normals(cone, rows, level), inside, root, rng)[:, 1:]
        limits, log_weights = cone.limits(g, level, _heights(rows, g)[0]), np.zeros(pairs)
    if not everything:
        log_q += _log_mean(_log_tails(limits, cone.limits(g, 1.0, _heights(cone.others, g)[0])))[0]
    return log_q


def _pilot(cone: Cone, rng: np.random.Generator) -> _Path:
    """Choose levels, gather the points that bound the cones, and measure the covariance of the pairs in them."""
    everything = len(cone.others) <= GATHERED_FROM
    pairs = PILOT_PAIRS[len(cone.tangents) > PILOT_POINTS]
    g, log_weights = cone.draw(pairs, rng)
    limits = _heights(cone.first, g)[0]
    heights, farthest = _heights(cone.others, g)
    gathered = np.arange(len(cone.others)) if everything else np.unique(farthest)
    levels: list[float] = []
    roots: list[Matrix] = []
    before = 0.0
    for _ in range(MOST_LEVELS):
        level = _next_level(log_weights, limits, _heights(cone.first, g)[0], heights, before)
        new_limits = cone.limits(g, level, heights)
        log_weights = log_weights + _log_tails(limits, new_limits)
        if before >= 1.0 and _log_mean(log_weights)[1] >= LAST_WORTH:
            break
        chosen = _resample(log_weights, rng)
        inside = _draw_inside(g[chosen], new_limits[chosen], rng)
        root = _square_root(inside)
        if level > before:
            levels.append(level)
            roots.append(root)
        if everything and level >= 1.0:
            break
        before, rows = level, cone.others[gathered]
        g = _move(_normals(cone, rows, level), inside, root, rng)[:, 1:]
        limits, log_weights = cone.limits(g, level, _heights(rows, g)[0]), np.zeros(pairs)
        heights, farthest = _heights(cone.others, g)
        gathered = gathered if everything else np.union1d(gathered, farthest)
    return _Path(levels, gathered, roots)


def _sobol_points(size: int) -> int:
    """Return the number of points of a scrambling, for a number of coordinates of tangents."""
    most, least = SOBOL_POINTS
    return int(2 ** int(math.log2(min(max(AVERAGE_PRODUCTS / (REPLICATES * size), least), most))))


def _uniforms(dimension: int, n_points: int, rng: np.random.Generator) -> Matrix:
    """Return scrambled Sobol points inside the unit cube."""
    from scipy.stats import qmc

    return np.clip(qmc.Sobol(dimension, rng=rng).random(n_points), 2.0**-54, 1.0 - 2.0**-53)


def _heights(rows: Matrix, g: Matrix) -> tuple[Matrix, Indices]:
    """Return the largest product of every g with the rows, and the row; minus infinity without rows."""
    heights, farthest = np.full(len(g), -np.inf), np.empty(len(g), dtype=np.intp)
    if not len(rows):
        return heights, farthest
    step = max(1, BLOCK // len(rows))
    for start in range(0, len(g), step):
        products = g[start : start + step] @ rows.T
        best = products.argmax(axis=1)
        farthest[start : start + step] = best
        heights[start : start + step] = products[np.arange(len(best)), best]
    return heights, farthest


def _log_tails(before: Matrix, limits: Matrix) -> Matrix:
    """Return log of P(s >= limit) over P(s >= limit before)."""
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(-limits) - log_ndtr(-before))


def _log_mean(logs: Matrix) -> tuple[float, float]:
    """Return the logarithm of the mean, and the share of the values that equal ones would need for the same error."""
    largest = float(logs.max())
    values = np.exp(logs - largest)
    return largest + math.log(values.mean()), float(values.mean() ** 2 / (values * values).mean())


def _next_level(log_weights: Matrix, limits: Matrix, chosen: Matrix, heights: Matrix, before: float) -> float:
    """Return the level whose weights are worth LEVEL_WORTH of what they were, at most 1."""

    def worth(level: float) -> float:
        return _log_mean(log_weights + _log_tails(limits, np.maximum(chosen, level * heights)))[1]

    goal = LEVEL_WORTH * _log_mean(log_weights)[1]
    if worth(1.0) >= goal:
        return 1.0
    low, high = max(before, 1e-3 / (1.0 + max(float(heights.max()), 0.0))), 1.0
    for _ in range(BISECTIONS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if worth(middle) >= goal else (low, middle)
    return high


def _resample(log_weights: Matrix, rng: np.random.Generator) -> Indices:
    """Choose as many pairs as there are, in proportion to their weights (systematic resampling)."""
    total = np.cumsum(np.exp(log_weights - log_weights.max()))
    positions = (rng.random() + np.arange(len(total))) / len(total) * total[-1]
    return np.asarray(np.minimum(np.searchsorted(total, positions, side="right"), len(total) - 1))


def _draw_inside(g: Matrix, limits: Matrix, rng: np.random.Generator) -> Matrix:
    """Return pairs (s, g), a row each, with s drawn above its limit."""
    from scipy.special import log_ndtr, ndtri_exp

    s = -ndtri_exp(log_ndtr(-limits) - rng.exponential(size=len(g)))
    return np.column_stack([np.maximum(s, limits), g])


def _square_root(pairs: Matrix) -> Matrix:
    """Return a square root of the covariance of the pairs."""
    values, vectors = np.linalg.eigh(np.cov(pairs.T))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _normals(cone: Cone, rows: Matrix, level: float) -> Matrix:
    """Return the normals of a level's cone, with which the pairs inside have positive products."""
    steepness = np.vstack([cone.first, level * rows])
    return np.column_stack([np.ones(len(steepness)), -steepness])


def _move(normals: Matrix, pairs: Matrix, root: Matrix, rng: np.random.Generator) -> Matrix:
    """Move pairs inside a cone by steps that keep their law: along ellipses and lines in turn."""
    pairs = pairs.T.copy()
    slack = normals @ pairs
    for move in range(MOVES):
        steps = rng.standard_normal(pairs.shape)
        along_line = move % 2 == 1
        steps = root @ steps if along_line else steps
        changes = normals @ steps
        np.maximum(slack, TINY, out=slack)
        ratios = changes / slack
        least, most = ratios.min(axis=0), ratios.max(axis=0)
        uniforms = rng.random(len(least))
        if along_line:
            times = _draw_along_line(pairs, steps, least, most, uniforms)
        else:
            # slack cos + change sin >= 0 holds on the half-circle that ends at the arc cotangent of -change/slack
            last, first = np.arctan2(1.0, -least), np.arctan2(1.0, -most) - np.pi
            angle = first + (last - first) * uniforms
            times = np.sin(angle)
            slack *= np.cos(angle)
            pairs *= np.cos(angle)
        changes *= times
        slack += changes
        pairs += times * steps
    return np.asarray(pairs.T)


def _draw_along_line(pairs: Matrix, steps: Matrix, least: Matrix, most: Matrix, uniforms: Matrix) -> Matrix:
    """Draw how many steps each pair goes: a normal truncated to the part of its line inside the cone.

    1 + t ratio >= 0 must hold for all ratios of change and slack, of which the least and the greatest are given.
    """
    from scipy.special import log_ndtr, ndtri_exp

    squares = np.maximum((steps * steps).sum(axis=0), TINY)
    centre, spread = -(pairs * steps).sum(axis=0) / squares, 1.0 / np.sqrt(squares)
    with np.errstate(divide="ignore"):
        low = (np.where(most > 0.0, -1.0 / np.abs(most), -np.inf) - centre) / spread
        high = (np.where(least < 0.0, 1.0 / np.abs(least), np.inf) - centre) / spread
    turned = low > 0.0  # so that the lower tail keeps its digits
    low, high = np.where(turned, -high, low), np.where(turned, -low, high)
    log_below = np.logaddexp(np.log1p(-uniforms) + log_ndtr(low), np.log(uniforms + TINY) + log_ndtr(high))
    drawn = np.clip(ndtri_exp(np.minimum(log_below, -TINY)), low, high)
    return np.asarray(centre + spread * np.where(turned, -drawn, drawn))

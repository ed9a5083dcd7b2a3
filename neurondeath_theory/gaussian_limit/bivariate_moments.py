r"""Products of two piecewise-linear activations under the bivariate normal law.

Model: $u_i = \sqrt{q_i}\, z_i$ with standard normal z of correlation $\rho$; to be computed are $C(\rho) =
E\phi(u_1)\phi(u_2)$ and $S(\rho) = E\phi'(u_1)\phi'(u_2)$, so that $C' = \sqrt{q_1 q_2}\, S$ (Price's theorem). Two
routes, the first where it keeps its precision:

- Closed form. $\phi(x) = \phi(0) + s_0 x + \sum_i J_i (\sigma_i x - |k_i|)_+$ with hinges that open away from 0
  ($\sigma_i$ the side of the kink), and for hinges at a, b >= 0 with $L = P(z_1 > a, z_2 > b)$, $\bar\rho =
  \sqrt{1-\rho^2}$
  $$E(z_1-a)_+(z_2-b)_+ = (\rho + ab) L - b\, p(a)\, \Phi\!\left(\tfrac{\rho a - b}{\bar\rho}\right)
    - a\, p(b)\, \Phi\!\left(\tfrac{\rho b - a}{\bar\rho}\right) + \bar\rho^2 p_2(a, b; \rho),$$
  $$L = \tfrac12 [\Phi(-a) + \Phi(-b)] - T\!\left(a, \tfrac{b - \rho a}{a \bar\rho}\right)
    - T\!\left(b, \tfrac{a - \rho b}{b \bar\rho}\right),\qquad T = \text{Owen's T.}$$
  S is the same sum with L in place of the hinge products.
- Integral. Clips that are narrow, or kinks far in a tail, make those terms cancel. Then
  $C(\rho) = C(0) + \rho C'(0) + \int_0^\rho (\rho - r) C''(r)\,dr$ with $C(0)$, $C'(0)$ products of one-dimensional
  moments and $C''(r) = \sqrt{q_1 q_2} \sum_{ij} J_i J_j\, p_2(k_i/\sqrt{q_1}, k_j/\sqrt{q_2}; r)$, summed by
  rectangles of pieces so that neighbouring kinks do not cancel. With $r = \sin\theta$ the integrand is smooth inside
  and graded panels resolve the layers that it forms near the end.

An activation whose only kink is at 0, $\phi = c + s_0 x + J x_+$, needs neither: with $\theta = \arccos \rho$,
$2\pi\, E z_{1+} z_{2+} = \sin\theta + (\pi - \theta) \cos\theta$ and $2\pi\, P(z_1, z_2 > 0) = \pi - \theta$, the
arc-cosine kernels of Cho and Saul (2009).

Accuracy: 1e-12 relative to $\sqrt{E\phi(u_1)^2 E\phi(u_2)^2}$, for S to that of the slopes.
Source: price2024 (arXiv 2402.16184) for the maps.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, owens_t

from neurondeath_theory.gaussian_limit.moments import (
    density,
    mean,
    mean_slope,
    second_moment,
    slope_second_moment,
)
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["ROWS_PER_PASS", "arc_cosine_products", "mean_product", "mean_slope_product", "slope_product_derivative"]

Array = npt.NDArray[np.float64]

PAIRS_PER_PASS = 4096
ROWS_PER_PASS = 64  # of a matrix
LARGEST_LOSS = 300.0  # rounding error of the closed form, relative to that of the result, that is accepted
PANEL_RULE = np.polynomial.legendre.leggauss(12)
N_PANELS = 26  # each half as long as the one before it
SMALLEST_VARIANCE = 1e-290  # used in place of zero


class Hinge(NamedTuple):
    """A term jump * max(side * x - place, 0) of an activation."""

    place: float
    side: int
    jump: float


def mean_product(
    activation: PiecewiseLinear, q1: npt.ArrayLike, q2: npt.ArrayLike, correlation: npt.ArrayLike
) -> Array:
    """E phi(u1) phi(u2) for u1 ~ N(0, q1), u2 ~ N(0, q2) of a correlation in [-1, 1]; shapes broadcast."""
    return _in_passes(activation, q1, q2, correlation, slopes=False)


def mean_slope_product(
    activation: PiecewiseLinear, q1: npt.ArrayLike, q2: npt.ArrayLike, correlation: npt.ArrayLike
) -> Array:
    """E phi'(u1) phi'(u2), the derivative of `mean_product` with respect to the covariance; shapes broadcast."""
    return _in_passes(activation, q1, q2, correlation, slopes=True)


def slope_product_derivative(
    activation: PiecewiseLinear, q1: npt.ArrayLike, q2: npt.ArrayLike, correlation: npt.ArrayLike
) -> Array:
    """Differentiate `mean_slope_product` with respect to the correlation, which must lie inside (-1, 1)."""
    first, second, rho = _roots(q1, q2, correlation)
    total = _second_difference(activation, first.ravel(), second.ravel(), rho.ravel(), (1.0 - rho * rho).ravel())
    return (total / np.sqrt(1.0 - rho.ravel() ** 2)).reshape(rho.shape)


def _roots(q1: npt.ArrayLike, q2: npt.ArrayLike, correlation: npt.ArrayLike) -> tuple[Array, Array, Array]:
    first, second, rho = np.broadcast_arrays(
        *(np.asarray(values, dtype=np.float64) for values in (q1, q2, correlation))
    )
    small = SMALLEST_VARIANCE
    return np.sqrt(np.maximum(first, small)), np.sqrt(np.maximum(second, small)), rho


def _in_passes(
    activation: PiecewiseLinear, q1: npt.ArrayLike, q2: npt.ArrayLike, correlation: npt.ArrayLike, *, slopes: bool
) -> Array:
    first, second, rho = _roots(q1, q2, correlation)
    if all(kink == 0.0 for kink in activation.kinks):
        return _arc_cosine(activation, first, second, rho, slopes=slopes)
    result = np.empty(rho.shape)
    flat = result.reshape(-1)
    first, second, rho = first.ravel(), second.ravel(), rho.ravel()
    for start in range(0, rho.size, PAIRS_PER_PASS):
        part = slice(start, start + PAIRS_PER_PASS)
        flat[part] = _product(activation, first[part], second[part], rho[part], slopes=slopes)
    return result


def arc_cosine_products(activation: PiecewiseLinear, covariance: Array) -> Array:
    """E phi(u_a) phi(u_b) over a checked covariance matrix, for an activation whose only kink, if any, is at 0.

    Row blocks of the upper half are computed and mirrored: they stay in the processor's cache.
    """
    root = np.sqrt(np.maximum(np.diag(covariance), SMALLEST_VARIANCE))
    products = np.empty(covariance.shape)
    for start in range(0, len(root), ROWS_PER_PASS):
        rows, columns = slice(start, start + ROWS_PER_PASS), slice(start, None)
        first, second = root[rows, None], root[columns]
        rho = covariance[rows, columns] / (first * second)
        np.clip(rho, -1.0, 1.0, out=rho)
        value = _arc_cosine(activation, first, second, rho, slopes=False)
        products[rows, columns] = value
        products[columns, rows] = value.T
    return products


def _arc_cosine(activation: PiecewiseLinear, first: Array, second: Array, rho: Array, *, slopes: bool) -> Array:
    """Products of an activation whose only kink, if any, is at 0."""
    left, right = activation.slopes[0], activation.slopes[-1]
    jump, offset = right - left, activation.value_at_zero
    quadrant = np.arcsin(rho)  # pi - theta = pi / 2 + arcsin rho
    quadrant /= 2.0 * math.pi
    quadrant += 0.25
    if slopes:
        return np.asarray(left * right + jump * jump * quadrant)
    kernel = np.sqrt((1.0 - rho) * (1.0 + rho))
    kernel /= 2.0 * math.pi
    quadrant *= rho
    kernel += quadrant
    kernel *= jump * jump
    value = kernel + left * right * rho if left * right != 0.0 else kernel
    value *= first * second
    if offset != 0.0:
        value += offset * (offset + jump * (first + second) / math.sqrt(2.0 * math.pi))
    return np.asarray(value)


def _product(activation: PiecewiseLinear, first: Array, second: Array, rho: Array, *, slopes: bool) -> Array:
    value, rounding = _closed_form(activation, first, second, rho, slopes=slopes)
    moment = slope_second_moment if slopes else second_moment
    scale = np.sqrt(moment(activation, first**2) * moment(activation, second**2))
    lossy = rounding > LARGEST_LOSS * scale
    if lossy.any():
        value[lossy] = _integral(activation, first[lossy], second[lossy], rho[lossy], slopes=slopes)
    return np.clip(value, -scale, scale)  # Cauchy-Schwarz, which rounding of the last digit could violate


def _hinges(activation: PiecewiseLinear) -> tuple[float, list[Hinge]]:
    """Decompose an activation into a line through its value at 0 and hinges that open away from 0."""
    slope = float(activation.derivative(0.0))  # on the left of a kink at 0, which then opens to the right
    sides = [1 if kink >= 0.0 else -1 for kink in activation.kinks]
    return slope, [
        Hinge(abs(kink), side, jump) for kink, side, jump in zip(activation.kinks, sides, activation.jumps, strict=True)
    ]


def _closed_form(
    activation: PiecewiseLinear, first: Array, second: Array, rho: Array, *, slopes: bool
) -> tuple[Array, Array]:
    """Sum the closed form, and the absolute values of its terms, to which its rounding error is proportional."""
    slope, hinges = _hinges(activation)
    offset = activation.value_at_zero
    product = first * second
    value = np.full(rho.shape, slope * slope) if slopes else offset * offset + slope * slope * product * rho
    rounding = np.abs(value)
    for hinge in hinges:
        for own in (first, second):
            place = hinge.place / own
            above = ndtr(-place)
            if slopes:
                term = hinge.jump * hinge.side * slope * above
            else:
                term = hinge.jump * (
                    offset * own * (density(place) - place * above) + hinge.side * slope * product * rho * above
                )
            value = value + term
            rounding = rounding + np.abs(term)
    same = bool(np.array_equal(first, second))
    for i, j in itertools.product(range(len(hinges)), repeat=2):
        if same and j < i:
            continue  # the pair (j, i) counts for both
        one, other = hinges[i], hinges[j]
        side = one.side * other.side
        a, b = one.place / first, other.place / second
        both, hinged = _hinge_product(a, b, side * rho)
        size = 0.5 * (ndtr(-a) + ndtr(-b))  # of the terms of `both`, before they cancel
        factor = one.jump * other.jump * (2.0 if same and j > i else 1.0)
        if slopes:
            value = value + factor * side * both
            rounding = rounding + np.abs(factor) * size
        else:
            value = value + factor * product * hinged
            rounding = rounding + np.abs(factor) * product * (1.0 + np.minimum(a, 1e3) * np.minimum(b, 1e3)) * size
    return value, rounding


def _hinge_product(a: Array, b: Array, rho: Array) -> tuple[Array, Array]:
    """P(z1 > a, z2 > b) and E (z1 - a)_+ (z2 - b)_+ for a, b >= 0, correlations in [-1, 1]."""
    a, b = np.minimum(a, 1e3), np.minimum(b, 1e3)  # beyond, everything underflows
    rest = np.sqrt((1.0 - rho) * (1.0 + rho))
    # b - rho a without cancellation near rho = 1 and a = b
    over_a, over_b = (b - a) + (1.0 - rho) * a, (a - b) + (1.0 - rho) * b
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = over_a / rest, over_b / rest
        up, down = np.where(np.isnan(up), 0.0, up), np.where(np.isnan(down), 0.0, down)
        level = np.sqrt((1.0 - rho) / (1.0 + rho))
        ratio_a = np.where(a == b, level, up / a)
        ratio_b = np.where(a == b, level, down / b)
    below_a, below_b = ndtr(-a), ndtr(-b)
    both = 0.5 * (below_a + below_b) - owens_t(a, ratio_a) - owens_t(b, ratio_b)
    both = np.clip(both, 0.0, np.minimum(below_a, below_b))
    joint = np.exp(-0.5 * (a * a + up * up)) / (2.0 * math.pi)
    hinged = (rho + a * b) * both - b * density(a) * ndtr(-up) - a * density(b) * ndtr(-down) + rest * joint
    return both, np.maximum(hinged, 0.0)


def _integral(activation: PiecewiseLinear, first: Array, second: Array, rho: Array, *, slopes: bool) -> Array:
    """Taylor's formula about independence with an integral remainder, in the angle whose sine is the correlation."""
    q1, q2 = first * first, second * second
    start = mean_slope(activation, q1) * mean_slope(activation, q2)
    value = start
    if not slopes:
        value = mean(activation, q1) * mean(activation, q2) + rho * first * second * start
    end = np.arcsin(rho)
    # rounding of the sine near +-1 must not move the end: distances are taken from the end
    cosine = np.sqrt((1.0 - rho) * (1.0 + rho))
    total = np.zeros_like(rho)
    for panel in range(N_PANELS):
        near = 0.0 if panel == N_PANELS - 1 else 2.0 ** -(panel + 1)
        far = 2.0**-panel
        for node, weight in zip(*PANEL_RULE, strict=True):
            share = near + (far - near) * 0.5 * (1.0 + node)
            gap = share * end  # the angle left to the end
            half = np.sin(0.5 * gap)
            sine = np.sin(gap)
            # r = sin(end - gap), cos(end - gap) by the addition formulas
            r = rho * (1.0 - 2.0 * half * half) - cosine * sine
            rest = cosine * (1.0 - 2.0 * half * half) + rho * sine
            remaining = 1.0 if slopes else cosine * sine + 2.0 * rho * half * half
            term = _second_difference(activation, first, second, r, rest * rest) * remaining
            total += 0.5 * weight * (far - near) * np.abs(end) * term * (np.sign(end) if slopes else 1.0)
    if slopes:
        return value + total
    return value + total * first * second * np.sign(end)


def _second_difference(activation: PiecewiseLinear, first: Array, second: Array, r: Array, rest: Array) -> Array:
    """Sum of J_i J_j p2(k_i / sqrt(q1), k_j / sqrt(q2); r) times sqrt(1 - r^2), `rest` being 1 - r^2."""
    edges = [-math.inf, *activation.kinks, math.inf]
    strips = [
        (left, right, slope)
        for left, right, slope in zip(edges, edges[1:], activation.slopes, strict=False)
        if slope != 0.0 and (math.isfinite(left) or math.isfinite(right))
    ]
    total = np.zeros_like(r)
    for one, other in itertools.product(strips, repeat=2):
        total += one[2] * other[2] * _rectangle(one[:2], other[:2], first, second, r, rest)
    return total / (2.0 * math.pi)


def _rectangle(
    one: tuple[float, float], other: tuple[float, float], first: Array, second: Array, r: Array, rest: Array
) -> Array:
    """Mixed difference of exp(-(x^2 + y^2 - 2 r x y) / (2 rest)) over a rectangle, its corners' signs + - - +."""

    def corner(x: Array, y: Array) -> Array:
        # (x - r y)^2 / rest + y^2: no cancellation as r nears one
        across = (x - y) + (1.0 - r) * y
        return np.asarray(np.exp(-0.5 * (across * across / rest + y * y)))

    def place(edge: float, root: Array) -> Array:
        return np.clip(edge / root, -1e3, 1e3)

    total = np.zeros_like(r)
    for x_sign, x_edge in ((-1.0, one[0]), (1.0, one[1])):
        for y_sign, y_edge in ((-1.0, other[0]), (1.0, other[1])):
            if math.isfinite(x_edge) and math.isfinite(y_edge):
                total += x_sign * y_sign * corner(place(x_edge, first), place(y_edge, second))
    if not all(math.isfinite(edge) for edge in (*one, *other)):
        return total
    x, y = place(one[0], first), place(other[0], second)
    h, k = (one[1] - one[0]) / first, (other[1] - other[0]) / second
    x_step = -h * (2.0 * ((x - y) + (1.0 - r) * y) + h) / (2.0 * rest)
    y_step = -k * (2.0 * ((y - x) + (1.0 - r) * x) + k) / (2.0 * rest)
    cross = r * h * k / rest
    close = (np.abs(x_step) < 0.5) & (np.abs(y_step) < 0.5) & (np.abs(cross) < 0.5)
    if close.any():  # narrow rectangles: differences of the exponents, not of the exponentials
        u, v, w = (np.where(close, step, 0.0) for step in (x_step, y_step, cross))
        narrow = corner(x, y) * (np.expm1(u) * np.expm1(v) + np.exp(u + v) * np.expm1(w))
        total = np.where(close, narrow, total)
    return total

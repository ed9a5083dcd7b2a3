r"""Gaussian moments of piecewise-linear activations, without cancellation.

Model: $u = \sqrt q\, z$ with z standard normal; $\phi$ continuous and piecewise linear. Everything the variance map and
its derivatives need is a sum over the pieces $[l, r]$ of $\phi$ of the integrals

$$M_{kj} = \int_{l/\sqrt q}^{r/\sqrt q} (\sqrt q z - l)^k\, \mathrm{He}_j(z)\, p(z)\, dz ,\qquad p = \text{normal
density}.$$

- Closed form. $\mathrm{He}_j p = -(\mathrm{He}_{j-1} p)'$ gives, by parts, $M_{kj} = [-(\sqrt q z - l)^k
  \mathrm{He}_{j-1} p] + k \sqrt q M_{k-1,j-1}$; and $M_{k0} = (k-1) q M_{k-2,0} - l M_{k-1,0} - (r-l)^{k-1} \sqrt q\,
  p(r/\sqrt q)$ with $M_{00} = \Phi(r/\sqrt q) - \Phi(l/\sqrt q)$.
- Derivatives. The law of u spreads as heat, $\partial_q E f(u) = \tfrac12 E f''(u)$, and Stein's identity replaces each
  derivative by a Hermite polynomial: $\partial_q^n E\phi(u)^2 = E[\phi\phi' \mathrm{He}_{2n-1}(z)] / (2q)^{n-1}\sqrt
  q$ and $\partial_q^n E\phi'(u)^2 = E[\phi'^2 \mathrm{He}_{2n}(z)] / (2q)^n$, for $\phi$ with kinks too: both sides
  are smooth in q.
- No cancellation. Pieces are cut at 0 and where $\phi$ changes sign and anchored (by reflection) at the end where
  $|\phi|$ is smaller, so that every power of $\phi$ is a sum of positive terms. Where the closed form itself cancels
  (pieces narrower than one standard deviation, pieces wholly in a tail) the same integral, whose integrand has no kink
  inside a piece, is computed by Gauss-Legendre quadrature with positive terms, exact to rounding: at m = 0.01, q = 1000
  the textbook formula of a clipped unit loses seven digits.

Accuracy: relative 1e-12 of $E\phi^2$, $E\phi^4$, $E\phi'^2$ for q from 1e-150 to 1e150, as long as nothing underflows.
Source: the closed forms for (C)ReLU and (C)ST are those of price2024 (arXiv 2402.16184); this engine is their common
form.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from neurondeath_theory.networks.piecewise_linear import SUM_ROUNDING_ERROR, PiecewiseLinear

__all__ = [
    "density",
    "fourth_moment",
    "inactive_probability",
    "interval_probability",
    "mean",
    "mean_slope",
    "second_moment",
    "second_moment_derivative",
    "slope_second_moment",
    "slope_second_moment_derivative",
]

Array = npt.NDArray[np.float64]

VARIANCES_PER_PASS = 16384  # few enough for their temporaries to stay in the cache
NARROW = 1.0  # greatest width of a piece, in standard deviations, for which quadrature replaces the closed form
TAIL = 2.0  # distance from 0, in standard deviations, beyond which quadrature replaces the closed form
FAR = 45.0  # the density is 0 in double precision beyond
REACH = 100.0  # tails are integrated until their density has fallen by exp(-REACH / 2)
NARROW_RULE = np.polynomial.legendre.leggauss(12)
TAIL_RULE = np.polynomial.legendre.leggauss(32)


class Piece(NamedTuple):
    """A linear piece of an activation, reflected so that |value| grows from left to right, on one side of 0."""

    left: float
    right: float
    value: float  # at the left end
    slope: float  # of the same sign as the value
    direction: int  # -1 if reflected
    copies: int = 1


@lru_cache(maxsize=256)
def pieces(activation: PiecewiseLinear) -> tuple[Piece, ...]:
    """Cut an activation at its kinks, at 0 and at its zeros, walking outwards from 0 where its value is exact."""
    found = []
    for direction in (1, -1):
        knots = sorted(direction * kink for kink in activation.kinks if direction * kink > 0.0)
        inner, value = 0.0, activation.value_at_zero
        for outer in [*knots, math.inf]:
            middle = inner + 1.0 if math.isinf(outer) else 0.5 * (inner + outer)
            slope = direction * float(activation.derivative(direction * middle))
            end = value + slope * (outer - inner) if slope != 0.0 else value
            rounding = SUM_ROUNDING_ERROR * (abs(value) + abs(slope * outer))
            if slope != 0.0 and not math.isinf(outer) and abs(end) <= rounding:
                end = 0.0  # as in `PiecewiseLinear.kink_values`
            if value * end < 0.0:
                zero = min(max(inner - value / slope, inner), outer)
                found.append(_anchored(inner, zero, value, 0.0, slope, direction))
                found.append(_anchored(zero, outer, 0.0, end, slope, direction))
            else:
                found.append(_anchored(inner, outer, value, end, slope, direction))
            inner, value = outer, end
    return tuple(piece for piece in found if piece.right > piece.left)


def _anchored(inner: float, outer: float, start: float, end: float, slope: float, direction: int) -> Piece:
    if abs(end) >= abs(start):
        return Piece(inner, outer, start, slope, direction)
    return Piece(-outer, -inner, end, -slope, -direction)


@lru_cache(maxsize=256)
def _even_pieces(activation: PiecewiseLinear) -> tuple[Piece, ...]:
    """Merge the pieces on which even functionals agree: mirror images, and a function and its negative."""
    merged: dict[tuple[float, ...], Piece] = {}
    for piece in pieces(activation):
        key = (piece.left, piece.right, abs(piece.value), abs(piece.slope))
        copies = merged[key].copies + 1 if key in merged else 1
        merged[key] = Piece(*key, direction=1, copies=copies)
    return tuple(merged.values())


def density(x: Array) -> Array:
    """Compute the standard normal density."""
    near = np.clip(x, -FAR, FAR)  # beyond it underflows, and the square could overflow
    return np.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)


def second_moment(activation: PiecewiseLinear, q: npt.ArrayLike) -> Array:
    """E phi(u)^2 for u ~ N(0, q); q >= 0, any shape."""
    orders = [(0, 0), (1, 0), (2, 0)]

    def combine(p: Piece, m: Sequence[Array]) -> Array:
        return p.value**2 * m[0] + 2.0 * p.value * p.slope * m[1] + p.slope**2 * m[2]

    total = _over_pieces(activation, q, orders, combine, lambda p: p.value != 0.0 or p.slope != 0.0)
    return np.where(np.asarray(q) == 0.0, activation.value_at_zero**2, total)


def fourth_moment(activation: PiecewiseLinear, q: npt.ArrayLike) -> Array:
    """E phi(u)^4 for u ~ N(0, q); q >= 0, any shape."""
    orders = [(k, 0) for k in range(5)]

    def combine(p: Piece, m: Sequence[Array]) -> Array:
        terms = [math.comb(4, k) * p.value ** (4 - k) * p.slope**k * m[k] for k in range(5)]
        return sum(terms[1:], terms[0])

    total = _over_pieces(activation, q, orders, combine, lambda p: p.value != 0.0 or p.slope != 0.0)
    return np.where(np.asarray(q) == 0.0, activation.value_at_zero**4, total)


def second_moment_derivative(activation: PiecewiseLinear, q: npt.ArrayLike, order: int = 1) -> Array:
    """Differentiate E phi(u)^2 with respect to q, `order` times (at least once); q > 0, any shape."""
    hermite = 2 * order - 1

    def combine(p: Piece, m: Sequence[Array]) -> Array:
        return p.slope * (p.value * m[0] + p.slope * m[1])

    total = _over_pieces(activation, q, [(0, hermite), (1, hermite)], combine, lambda p: p.slope != 0.0)
    variance = np.asarray(q, dtype=np.float64)
    return np.asarray(total / ((2.0 * variance) ** (order - 1) * np.sqrt(variance)))


def slope_second_moment(activation: PiecewiseLinear, q: npt.ArrayLike) -> Array:
    """E phi'(u)^2 for u ~ N(0, q); q >= 0 (at 0 the limit from above), any shape."""
    return _over_pieces(activation, q, [(0, 0)], lambda p, m: p.slope**2 * m[0], lambda p: p.slope != 0.0)


def slope_second_moment_derivative(activation: PiecewiseLinear, q: npt.ArrayLike, order: int = 1) -> Array:
    """Differentiate E phi'(u)^2 with respect to q, `order` times; q > 0, any shape."""
    total = _over_pieces(activation, q, [(0, 2 * order)], lambda p, m: p.slope**2 * m[0], lambda p: p.slope != 0.0)
    return np.asarray(total / (2.0 * np.asarray(q, dtype=np.float64)) ** order)


def inactive_probability(activation: PiecewiseLinear, q: npt.ArrayLike, *, gradient: bool = False) -> Array:
    """P(phi(u) = 0), or with `gradient` P(phi'(u) = 0), for u ~ N(0, q)."""
    return _over_pieces(
        activation, q, [(0, 0)], lambda p, m: m[0], lambda p: p.slope == 0.0 and (gradient or p.value == 0.0)
    )


def mean(activation: PiecewiseLinear, q: npt.ArrayLike) -> Array:
    """E phi(u) for u ~ N(0, q); q >= 0, any shape."""

    def combine(p: Piece, m: Sequence[Array]) -> Array:
        return p.value * m[0] + p.slope * m[1]

    return _over_pieces(
        activation, q, [(0, 0), (1, 0)], combine, lambda p: p.value != 0.0 or p.slope != 0.0, even=False
    )


def mean_slope(activation: PiecewiseLinear, q: npt.ArrayLike) -> Array:
    """E phi'(u) for u ~ N(0, q); q >= 0 (at 0 the limit from above), any shape."""
    return _over_pieces(
        activation, q, [(0, 0)], lambda p, m: p.direction * p.slope * m[0], lambda p: p.slope != 0.0, even=False
    )


def interval_probability(left: float, right: float, q: npt.ArrayLike) -> Array:
    """P(left < u < right) for u ~ N(0, q), to full relative precision, for an interval on one side of 0."""
    root = np.sqrt(np.maximum(np.asarray(q, dtype=np.float64), np.finfo(np.float64).tiny))
    return _piece_integrals(left, right, root.ravel(), [(0, 0)])[0].reshape(root.shape)


def _over_pieces(
    activation: PiecewiseLinear,
    q: npt.ArrayLike,
    orders: Sequence[tuple[int, int]],
    combine: Callable[[Piece, Sequence[Array]], Array],
    relevant: Callable[[Piece], bool],
    *,
    even: bool = True,
) -> Array:
    """Sum a combination of the piece integrals over the relevant pieces, some variances q at a time."""
    variance = np.asarray(q, dtype=np.float64)
    # at q = 0 the smallest positive variance is used for the limit
    roots = np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny)).ravel()
    total = np.zeros_like(roots)
    chosen = [piece for piece in (_even_pieces(activation) if even else pieces(activation)) if relevant(piece)]
    for start in range(0, roots.size, VARIANCES_PER_PASS):
        part = slice(start, start + VARIANCES_PER_PASS)
        for piece in chosen:
            integrals = _piece_integrals(piece.left, piece.right, roots[part], orders)
            total[part] += piece.copies * combine(piece, integrals)
    return total.reshape(variance.shape)


def _piece_integrals(left: float, right: float, roots: Array, orders: Sequence[tuple[int, int]]) -> list[Array]:
    """Integrate (sqrt(q) z - left)^k He_j(z) p(z) over one piece, for every (k, j) of `orders`."""
    a, b = left / roots, right / roots
    if math.isfinite(right):
        b = np.where(b > FAR, np.inf, b)  # the mass beyond is 0 in double precision
    results = [np.zeros_like(roots) for _ in orders]
    seen = (a < FAR) & (b > -FAR)
    narrow = seen & (b - a <= NARROW)
    tail = seen & ((a >= TAIL) | (b <= -TAIL))
    for chosen, route in (
        (seen & ~narrow & ~tail, _closed_form),
        (narrow & ~tail, _narrow_quadrature),
        (tail, _tail_quadrature),
    ):
        if chosen.any():
            everywhere = chosen.all()
            mask: slice | npt.NDArray[np.bool_] = slice(None) if everywhere else chosen
            values = route(left, right, roots[mask], a[mask], b[mask], orders)
            for result, value in zip(results, values, strict=True):
                result[mask] = value
    return results


def _closed_form(
    left: float, right: float, roots: Array, a: Array, b: Array, orders: Sequence[tuple[int, int]]
) -> list[Array]:
    bounded = np.isfinite(b)
    edge = np.where(bounded, b, 0.0)
    below, above = density(a), np.where(bounded, density(edge), 0.0)
    width = right - left if math.isfinite(right) else 0.0
    known: dict[tuple[int, int], Array] = {}

    def integral(k: int, j: int) -> Array:
        if (k, j) not in known:
            if j > 0:
                value = -(width**k) * _hermite(j - 1, edge) * above
                if k == 0:
                    value = value + _hermite(j - 1, np.maximum(a, -FAR)) * below
                else:
                    value = value + k * roots * integral(k - 1, j - 1)
            elif k == 0:  # the side of 0 on which both terms are small
                value = np.where(a > 0.0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
            else:
                value = -left * integral(k - 1, 0) - width ** (k - 1) * roots * above
                value = value + (roots * below if k == 1 else (k - 1) * roots * roots * integral(k - 2, 0))
            known[k, j] = value
        return known[k, j]

    return [integral(k, j) for k, j in orders]


def _narrow_quadrature(
    left: float, right: float, roots: Array, a: Array, b: Array, orders: Sequence[tuple[int, int]]
) -> list[Array]:
    return _quadrature(NARROW_RULE, left, roots, a, (right - left) / roots, 1.0, 0.0, orders)


def _tail_quadrature(
    left: float, right: float, roots: Array, a: Array, b: Array, orders: Sequence[tuple[int, int]]
) -> list[Array]:
    results = [np.empty_like(roots) for _ in orders]
    for upper in (True, False):
        chosen = a >= TAIL if upper else a < TAIL
        if not chosen.any():
            continue
        start = a[chosen] if upper else b[chosen]
        reach = REACH / (np.sqrt(start * start + REACH) + np.abs(start))
        span = np.minimum((right - left) / roots[chosen], reach)
        offset = 0.0 if upper else right - left
        values = _quadrature(TAIL_RULE, left, roots[chosen], start, span, 1.0 if upper else -1.0, offset, orders)
        for result, value in zip(results, values, strict=True):
            result[chosen] = value
    return results


def _quadrature(
    rule: tuple[Array, Array],
    left: float,
    roots: Array,
    start: Array,
    span: Array,
    direction: float,
    offset: float,
    orders: Sequence[tuple[int, int]],
) -> list[Array]:
    """Integrate from `start` over `span` standard deviations; `offset` is the distance from `left` at the start."""
    totals = [np.zeros_like(roots) for _ in orders]
    front = density(start) * span
    tilt = -direction * start
    for node, weight in zip(*rule, strict=True):
        step = (0.5 * (1.0 + node)) * span
        mass = np.exp((tilt - 0.5 * step) * step)
        mass *= 0.5 * weight
        distance = offset + direction * roots * step
        place = start + direction * step
        powers = mass
        reached = 0
        for total, (k, j) in zip(totals, orders, strict=True):
            if k < reached:
                powers, reached = mass, 0
            while reached < k:
                powers, reached = powers * distance, reached + 1
            total += powers * _hermite(j, place) if j else powers
    return [total * front for total in totals]


def _hermite(j: int, z: Array) -> Array:
    """Probabilists' Hermite polynomial He_j."""
    before, value = np.zeros_like(z), np.ones_like(z)
    for i in range(j):
        before, value = value, z * value - i * before
    return value

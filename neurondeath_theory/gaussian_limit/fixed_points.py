r"""All fixed points of the variance map, provably none missed, with slope, gradient gain and stability.

Model: V as in `variance`. With $w = 1/(2q)$, J_i the slope jumps, s the slopes,

$$V''(q) \propto \sum_i \left[(s_i^2 - s_{i-1}^2) k_i - J_i \phi(k_i) + 2 J_i \phi(k_i) k_i^2 w\right] e^{-k_i^2 w},$$

an exponential polynomial whose roots `exponential_roots` lists completely (n distinct |kinks|: at most 2n - 1 of them).
Between them V' is monotone, so V' = 1 has at most one root on each interval; between those V(q) - q is monotone, so it
has at most one root on each interval, found by bisection in log q where the signs at the ends differ. The signs at q =
0 and infinity come from the limits of V and V', not from large numbers. For the clipped activations of price2024 V''
changes sign once, so there are at most three fixed points.

A stationary point of V(q) - q at which it vanishes up to rounding (1e-13 of q) is one double, semi-stable fixed point:
two fixed points closer than about 1e-6 of q are reported as one. V(q) = q for all q (ReLU at its edge of chaos) is
`continuum`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.gaussian_limit.exponential_roots import exponential_polynomial_roots
from neurondeath_theory.gaussian_limit.moments import second_moment, second_moment_derivative, slope_second_moment
from neurondeath_theory.gaussian_limit.variance import check_activation, check_variances
from neurondeath_theory.networks.activations import ActivationLike
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["FixedPoint", "FixedPoints", "all_fixed_points", "fixed_points", "inflections"]

Array = npt.NDArray[np.float64]

LOWEST, HIGHEST = -575.0, 575.0  # logarithms of the variances searched
BISECTIONS = 64
RELATIVE_ROUNDING_ERROR = 1e-13  # of V(q), relative to q, and of V'(q)
FAR = 1e10  # q over the squares of the kinks from which V is its expansion for large q to all digits
MARGINAL = 1e-9  # distance from 1 up to which a slope counts as 1


@dataclass(frozen=True, kw_only=True)
class FixedPoint:
    """A fixed point q of the variance map.

    Attributes
    ----------
    q : float
        The variance.
    v_prime : float
        V'(q), the factor by which a small deviation of q changes from one layer to the next.
    chi1 : float
        Gradient gain: above 1 chaotic, below 1 ordered.
    stability : str
        "stable" (|V'| < 1), "unstable" (|V'| > 1) or "semi-stable" (V' = 1).
    """

    q: float
    v_prime: float
    chi1: float
    stability: str

    @property
    def stable(self) -> bool:
        """Whether small deviations of either sign die out."""
        return self.stability == "stable"


@dataclass(frozen=True, kw_only=True)
class FixedPoints(Result):
    """All fixed points of a variance map, in increasing order.

    Attributes
    ----------
    activation, sigma_w2, sigma_b2
        The map.
    points : tuple of FixedPoint
        Isolated fixed points.
    continuum : bool
        Whether every q is a fixed point; `points` is then empty.
    unbounded : bool
        Whether V(q) > q for all large q, so that variances above the last fixed point grow without bound.
    """

    activation: PiecewiseLinear
    sigma_w2: float
    sigma_b2: float
    points: tuple[FixedPoint, ...]
    continuum: bool
    unbounded: bool

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per fixed point."""
        return {
            "q": np.array([point.q for point in self.points]),
            "v_prime": np.array([point.v_prime for point in self.points]),
            "chi1": np.array([point.chi1 for point in self.points]),
            "stability": [point.stability for point in self.points],
        }

    def __str__(self) -> str:
        if self.continuum:
            return "every q is a fixed point of the variance map"
        if not self.points:
            return "the variance map has no fixed point" + (": q grows without bound" if self.unbounded else "")
        shown = ", ".join(f"{format_number(point.q)} ({point.stability})" for point in self.points)
        return f"fixed points q = {shown}"


def fixed_points(activation: ActivationLike, sigma_w2: float, sigma_b2: float) -> FixedPoints:
    r"""Find all fixed points q = V(q) of the variance map.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    sigma_w2 : float
        Weight variance times fan-in, above 0.
    sigma_b2 : float
        Bias variance, at least 0.

    Returns
    -------
    FixedPoints
        Every fixed point from 1e-249 to 1e249, and 0 where V(0) = 0, with slope, chi_1 and stability.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Notes
    -----
    Complete up to rounding, for kinks, slopes and variances of ordinary size (1e-100 to 1e100); relative
    error of q about 1e-15 / |1 - V'(q)|. Source: the argument above; price2024 for the maps.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import hard_tanh
    >>> print(fixed_points(hard_tanh(1.0), 4.0, 0.0))
    fixed points q = 0 (unstable), 2.765 (stable)
    """
    phi = check_activation(activation)
    weight, bias = check_variances(sigma_w2, sigma_b2)
    roots, touching, end_sign, continuum = all_fixed_points(phi, np.array([weight]), np.array([bias]))
    points = []
    for root, double in zip(roots[:, 0], touching[:, 0], strict=True):
        if not math.isnan(root):
            points.append(describe_fixed_point(phi, float(root), weight, touching=bool(double)))
    return FixedPoints(
        activation=phi,
        sigma_w2=weight,
        sigma_b2=bias,
        points=tuple(points),
        continuum=bool(continuum[0]),
        unbounded=bool(end_sign[0] > 0),
    )


def describe_fixed_point(
    activation: PiecewiseLinear, q: float, sigma_w2: float, *, touching: bool = False
) -> FixedPoint:
    """Add slope, gradient gain and stability to a fixed point; `touching`: V(q) - q keeps its sign there."""
    slope = sigma_w2 * (float(second_moment_derivative(activation, q)) if q > 0.0 else _slope_at_zero(activation))
    if touching or abs(abs(slope) - 1.0) <= MARGINAL:
        stability = "semi-stable"
    else:
        stability = "stable" if abs(slope) < 1.0 else "unstable"
    gain = sigma_w2 * float(slope_second_moment(activation, q))
    return FixedPoint(q=q, v_prime=slope, chi1=gain, stability=stability)


@lru_cache(maxsize=256)
def inflections(activation: PiecewiseLinear) -> tuple[float, ...]:
    """Variances q at which V'' may change sign, in increasing order, whatever the weight and bias variances."""
    terms: dict[float, list[float]] = {}
    slopes = activation.slopes
    for kink, value, jump, before, after in zip(
        activation.kinks, activation.kink_values, activation.jumps, slopes, slopes[1:], strict=False
    ):
        term = terms.setdefault(kink * kink, [0.0, 0.0])
        term[0] += (after - before) * (after + before) * kink - jump * value
        term[1] += 2.0 * jump * value * kink * kink
    return tuple(sorted(0.5 / w for w in exponential_polynomial_roots(terms)))


def all_fixed_points(
    activation: PiecewiseLinear, sigma_w2: Array, sigma_b2: Array
) -> tuple[Array, npt.NDArray[np.bool_], Array, npt.NDArray[np.bool_]]:
    """Find the fixed points of many maps at once.

    Returns
    -------
    roots : float array, shape (n_roots, n_maps)
        Fixed points in increasing order, NaN where a map has fewer.
    touching : bool array, shape (n_roots, n_maps)
        Whether V(q) - q has the same sign on both sides.
    end_sign : float array, shape (n_maps,)
        Sign of V(q) - q for large q.
    continuum : bool array, shape (n_maps,)
        Whether V(q) = q for all q.
    """
    at_zero = sigma_w2 * activation.value_at_zero**2 + sigma_b2
    straight = not inflections(activation) and _is_straight(activation)
    continuum = straight & (_sign(sigma_w2 * _end_slope(activation) - 1.0) == 0.0) & (at_zero == 0.0)

    tilt, level = _tail(activation, sigma_w2, sigma_b2)
    critical = _sign(sigma_w2 * _end_slope(activation) - 1.0) == 0.0
    far = FAR * max([kink**2 for kink in activation.kinks], default=0.0)

    def gap(q: Array) -> Array:
        value = sigma_w2 * second_moment(activation, q) + sigma_b2 - q
        lost = critical & (q > far) & (np.abs(value) <= RELATIVE_ROUNDING_ERROR * q)  # V and q cancel
        return np.where(lost, np.sqrt(q) * tilt + level, value)

    stationary = _stationary_points(activation, sigma_w2)
    with np.errstate(invalid="ignore"):
        values = np.array([gap(np.where(np.isnan(c), 1.0, c)) for c in stationary]).reshape(stationary.shape)
        zero = ~np.isnan(stationary) & (np.abs(values) <= RELATIVE_ROUNDING_ERROR * np.maximum(stationary, sigma_b2))
    signs = np.where(zero, 0.0, np.sign(values))
    start_sign = np.where(at_zero > 0.0, 1.0, _sign(sigma_w2 * _slope_at_zero(activation) - 1.0))
    end_sign = np.where(
        critical, np.where(tilt != 0.0, np.sign(tilt), np.sign(level)), np.sign(sigma_w2 * _end_slope(activation) - 1.0)
    )

    roots = [np.where((at_zero == 0.0) & ~continuum, 0.0, np.nan)]
    low, low_sign = np.full(sigma_w2.shape, LOWEST), start_sign
    for c, sign in [*zip(stationary, signs, strict=True), (None, None)]:
        here = np.ones(sigma_w2.shape, dtype=np.bool_) if c is None else ~np.isnan(c)
        high = np.full(sigma_w2.shape, HIGHEST) if c is None else np.log(np.where(here, c, 1.0))
        high_sign = end_sign if sign is None else sign
        crossing = here & (low_sign * high_sign < 0.0) & ~continuum
        roots.append(np.where(crossing, _bisect(gap, low, high, low_sign, crossing), np.nan))
        low, low_sign = np.where(here, high, low), np.where(here, high_sign, low_sign)
    crossings = np.array(roots)
    doubles = np.where(zero & ~continuum, stationary, np.nan)
    found = np.concatenate([crossings, doubles])
    touching = np.concatenate([np.zeros(crossings.shape, np.bool_), np.ones(doubles.shape, np.bool_)])
    order = np.argsort(found, axis=0, kind="stable")  # NaN last
    return np.take_along_axis(found, order, 0), np.take_along_axis(touching, order, 0), end_sign, continuum


def _stationary_points(activation: PiecewiseLinear, sigma_w2: Array) -> Array:
    """Find all q with V'(q) = 1: one row per interval on which V' is monotone and per cut, NaN where there is none."""
    cuts = inflections(activation)

    def excess(q: Array) -> Array:
        return np.asarray(sigma_w2 * second_moment_derivative(activation, q) - 1.0)

    values = [sigma_w2 * _slope_at_zero(activation) - 1.0]
    values += [excess(np.full(sigma_w2.shape, cut)) for cut in cuts]
    values += [sigma_w2 * _end_slope(activation) - 1.0]
    signs = np.array([_sign(value) for value in values])
    logs = [LOWEST, *(math.log(cut) for cut in cuts), HIGHEST]
    rows = [np.where(sign == 0.0, cut, np.nan) for sign, cut in zip(signs[1:-1], cuts, strict=True)]
    for left, right, low, high in zip(logs, logs[1:], signs, signs[1:], strict=False):
        crossing = low * high < 0.0
        ends = np.full(sigma_w2.shape, left), np.full(sigma_w2.shape, right)
        rows.append(np.where(crossing, _bisect(excess, *ends, low, crossing), np.nan))
    return np.sort(np.array(rows), axis=0)


def _bisect(
    function: Callable[[Array], Array], low: Array, high: Array, low_sign: Array, wanted: npt.NDArray[np.bool_]
) -> Array:
    """Halve brackets in log q until they are as narrow as doubles allow."""
    low, high = low.copy(), high.copy()
    if wanted.any():
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            before = np.sign(function(np.exp(middle))) == low_sign
            low, high = np.where(before, middle, low), np.where(before, high, middle)
    return np.exp(0.5 * (low + high))


def _is_straight(activation: PiecewiseLinear) -> bool:
    """Whether V'' vanishes everywhere: no kink, or one at 0 where the function is zero."""
    return all(kink == 0.0 and activation.value_at_zero == 0.0 for kink in activation.kinks)


def _slope_at_zero(activation: PiecewiseLinear) -> float:
    """Limit of V' / sigma_w2 as q falls to 0."""
    if 0.0 in activation.kinks and activation.value_at_zero != 0.0:
        return math.copysign(math.inf, activation.jumps[activation.kinks.index(0.0)] * activation.value_at_zero)
    left, right = float(activation.derivative(0.0)), float(activation.derivative(np.finfo(np.float64).tiny))
    return 0.5 * (left * left + right * right)


def _end_slope(activation: PiecewiseLinear) -> float:
    """Limit of V' / sigma_w2 as q grows."""
    return 0.5 * (activation.slopes[0] ** 2 + activation.slopes[-1] ** 2)


def _tail(activation: PiecewiseLinear, sigma_w2: Array, sigma_b2: Array) -> tuple[Array, Array]:
    """Coefficients of V(q) = sigma_w2 slope q + tilt sqrt(q) + level + O(1 / sqrt(q)) for large q: tilt and level."""
    first = activation.kinks[0] if activation.kinks else 0.0
    last = activation.kinks[-1] if activation.kinks else 0.0
    left = float(activation(first)) - activation.slopes[0] * first
    right = float(activation(last)) - activation.slopes[-1] * last
    tilt = math.sqrt(2.0 / math.pi) * (activation.slopes[-1] * right - activation.slopes[0] * left)
    return sigma_w2 * tilt, sigma_w2 * 0.5 * (left * left + right * right) + sigma_b2


def _sign(values: Array) -> Array:
    """Sign of a difference of slopes; 0 within rounding."""
    return np.where(np.abs(values) <= RELATIVE_ROUNDING_ERROR, 0.0, np.sign(values))

r"""Widths that grow with depth: the lower bound on survival along them, and its limits.

Model: k hidden layers; layer l of width $n_l$ is dead at a point with probability $2^{-n_l}$, and P(alive) is at least
$\prod_l (1 - 2^{-n_l})$ [rister2020, lower bound; proof and assumptions in `neurondeath_theory.survival.bounds`].

- Along $n = \log_2 k + c$, the same for all k layers, the bound is $(1 - 2^{-c}/k)^k \to \exp(-2^{-c})$, from below,
  since $\log(1 - x) \le -x$ with a difference of order $x^2$ and $k (2^{-c}/k)^2 \to 0$.
- Along $n_l = (1 + e) \log_2 l + c$, e, c > 0, layer l dies with probability $a\, l^{-s}$, $a = 2^{-c}$, $s = 1 + e$.
  These sum to a finite number and each is below 1, so the infinite product stays positive. Expanding the logarithm,
  $\log \prod_{l > L} (1 - a l^{-s}) = -\sum_{m \ge 1} \frac{a^m}{m} \zeta(ms, L + 1)$ with Hurwitz' zeta; the first L
  factors are multiplied out, so that the series falls at least by a factor $(L + 1)^{-s}$ per term.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real, check_widths, invalid
from neurondeath_theory.survival.bounds import survival_bounds

__all__ = ["GrowingWidthSchedule", "LogWidthSchedule", "growing_width_schedule", "log_width_schedule"]

LARGEST_WIDTH = 10_000  # beyond it 2^-n is zero in every format
LARGEST_DEPTH = 10_000_000  # layers that fit in memory with all their columns
DIRECT_LAYERS = 16  # factors of an infinite product that are multiplied out
SERIES_ACCURACY = 1e-13  # relative accuracy of the logarithm of an infinite product, checked against mpmath


@dataclass(frozen=True, kw_only=True)
class LogWidthSchedule(Result):
    """The lower bound along n = log2 k + c; every array has shape (len(depths),).

    Attributes
    ----------
    c : float
        Width above log2 k.
    depths : int array
        Depths k.
    exact_widths : float array
        log2 k + c.
    widths : int array
        The same, rounded up to whole widths.
    survival : float array
        (1 - 2^-c/k)^k, the bound at the unrounded width.
    survival_at_widths : float array
        The bound at the whole width, at least `survival`.
    limit : float
        exp(-2^-c), the limit of `survival` for growing depth, approached from below.
    """

    c: float
    depths: npt.NDArray[np.int64]
    exact_widths: npt.NDArray[np.float64]
    widths: npt.NDArray[np.int64]
    survival: npt.NDArray[np.float64]
    survival_at_widths: npt.NDArray[np.float64]
    limit: float

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per depth."""
        return {
            "depth": self.depths,
            "exact_width": self.exact_widths,
            "width": self.widths,
            "survival": self.survival,
            "survival_at_width": self.survival_at_widths,
        }

    def __str__(self) -> str:
        deepest, last = self.depths[-1], format_number(self.survival[-1])
        limit = format_number(self.limit)
        return f"along n = log2 k + {self.c:g} the lower bound is {last} at k = {deepest} and tends to {limit}"


def log_width_schedule(depth: int | Sequence[int] | npt.NDArray[np.integer[Any]], c: float) -> LogWidthSchedule:
    """Compute the lower bound along the widths n = log2 k + c, where it neither vanishes nor tends to one.

    Parameters
    ----------
    depth : int or sequence of int
        Depth or depths k, each at least 1.
    c : float
        Width above log2 k; the width log2 k + c must be above 0 at every depth.

    Returns
    -------
    LogWidthSchedule
        Widths, the bound along them and its limit exp(-2^-c).

    Raises
    ------
    InvalidArgumentError
        If a depth is not a whole number of at least 1, or a width would not be above 0.

    Notes
    -----
    Relative error of the bounds below 1e-13 times the larger of 1 and their logarithm. Source: rister2020
    (arXiv 2007.06192), limits of depth and width.

    Examples
    --------
    >>> print(log_width_schedule([8, 64, 512], c=0.0))
    along n = log2 k + 0 the lower bound is 0.36752 at k = 512 and tends to 0.36788
    """
    depths = check_widths("depth", [depth] if np.ndim(depth) == 0 else depth)
    c = check_real("c", c)
    exact = np.log2(depths) + c
    if (exact <= 0).any():
        shortest = int(depths.min())
        raise invalid("c", f"exceed -log2 of the least depth, {-math.log2(shortest):g}", c, "widths must be above 0")
    if exact.max() > LARGEST_WIDTH:
        raise invalid("c", f"keep the width log2 k + c at most {LARGEST_WIDTH}", c)
    widths = np.maximum(np.ceil(exact), 1.0).astype(np.int64)
    return LogWidthSchedule(
        c=c,
        depths=depths,
        exact_widths=exact,
        widths=widths,
        survival=np.exp(depths * np.log1p(-np.exp2(-c) / depths)),
        survival_at_widths=np.exp(depths * np.log1p(-np.exp2(-widths.astype(np.float64)))),
        limit=math.exp(-(2.0**-c)),
    )


@dataclass(frozen=True, kw_only=True)
class GrowingWidthSchedule(Result):
    """The lower bound along n_l = (1 + epsilon) log2 l + c; every array has shape (depth,).

    Attributes
    ----------
    epsilon, c : float
        Growth beyond log2 l, and width of the first layer.
    exact_widths : float array
        (1 + epsilon) log2 l + c.
    widths : int array
        The same, rounded up to whole widths.
    survival : float array
        The bound through layer l along the unrounded widths.
    survival_at_widths : float array
        The bound through layer l along the whole widths, at least `survival`.
    log_limit, log_limit_error : float
        Natural logarithm of the infinite product along the unrounded widths, and its error.
    """

    epsilon: float
    c: float
    exact_widths: npt.NDArray[np.float64]
    widths: npt.NDArray[np.int64]
    survival: npt.NDArray[np.float64]
    survival_at_widths: npt.NDArray[np.float64]
    log_limit: float
    log_limit_error: float

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.widths)

    @property
    def limit(self) -> float:
        """The infinite product: survival at any depth is at least this."""
        return math.exp(self.log_limit)

    @property
    def limit_error(self) -> float:
        """Absolute error of the limit."""
        return self.limit * self.log_limit_error

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": np.arange(1, self.depth + 1),
            "exact_width": self.exact_widths,
            "width": self.widths,
            "survival": self.survival,
            "survival_at_width": self.survival_at_widths,
        }

    def __str__(self) -> str:
        rule = f"n_l = {1 + self.epsilon:g} log2 l + {self.c:g}"
        last, limit = format_number(self.survival[-1]), format_number(self.limit)
        return f"along {rule} the lower bound is {last} at depth {self.depth} and {limit} at infinite depth"


def growing_width_schedule(depth: int, epsilon: float, c: float) -> GrowingWidthSchedule:
    """Compute the lower bound along widths that grow fast enough for survival at any depth.

    Parameters
    ----------
    depth : int
        Number of layers, at least 1 and at most 10 million.
    epsilon : float
        Growth of the width beyond log2 l, in (0, 100].
    c : float
        Width of the first layer before rounding, in (0, 1000].

    Returns
    -------
    GrowingWidthSchedule
        Widths n_l = (1 + epsilon) log2 l + c, the bound along them and its limit at infinite depth.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain; at epsilon = 0 the infinite product is zero.

    Notes
    -----
    Relative error of the limit's logarithm below 1e-13. Source: rister2020 (arXiv 2007.06192), limits of depth and
    width.

    Examples
    --------
    >>> schedule = growing_width_schedule(1000, epsilon=1.0, c=2.0)
    >>> schedule.widths[[0, 1, 9, 99]].tolist(), round(schedule.limit, 12)
    ([2, 4, 9, 16], 0.636619772368)
    """
    k = check_count("depth", depth, most=LARGEST_DEPTH)
    epsilon = check_real("epsilon", epsilon, low=0, high=100, low_open=True)
    c = check_real("c", c, low=0, high=1000, low_open=True)
    layer = np.arange(1, k + 1, dtype=np.float64)
    exact = (1.0 + epsilon) * np.log2(layer) + c
    widths = np.ceil(exact).astype(np.int64)
    log_alive = np.log1p(-np.exp2(-np.maximum(exact, 1.0)))
    if c < 1.0:  # of a narrow first layer without cancellation
        log_alive[0] = math.log(-math.expm1(-c * math.log(2.0)))
    log_limit = _log_infinite_product(epsilon, c)
    return GrowingWidthSchedule(
        epsilon=epsilon,
        c=c,
        exact_widths=exact,
        widths=widths,
        survival=np.exp(np.cumsum(log_alive)),
        survival_at_widths=survival_bounds(widths).lower,
        log_limit=log_limit,
        log_limit_error=SERIES_ACCURACY * abs(log_limit),
    )


def _log_infinite_product(epsilon: float, c: float) -> float:
    from scipy.special import zeta  # imported only where it is used

    a, s = 2.0**-c, 1.0 + epsilon
    first = np.arange(2, DIRECT_LAYERS + 1, dtype=np.float64)
    # the first factor 1 - 2^-c without cancellation for small c
    terms = [math.log(-math.expm1(-c * math.log(2.0))), *np.log1p(-a * first**-s)]
    m = np.arange(1, 64)  # 17^-64 is below every rounding error
    with np.errstate(under="ignore"):
        terms.extend(-(a**m) / m * zeta(m * s, DIRECT_LAYERS + 1.0))
    return math.fsum(terms)

r"""One-dimensional inputs: the exact probability that a zero-bias ReLU network is born dead, and published bounds.

With input dimension 1 and no bias only two rays matter, x > 0 and x < 0: two points at angle $\pi$. The network is
alive through layer l when one of them is, so `two_point_survival` at $\pi$ gives the born-dead probability (BDP)
exactly.

Published bounds [lu2019, theorem on the born-dead probability for one-dimensional inputs], all widths N, L layers of
which L - 1 are hidden, $a_1 = 1 - 2^{-N}$, $a_2 = 1 - 2^{1-N} - (N-1) 4^{-N}$:

$1 - a_1^{L-2} + \frac{(1 - 2^{1-N})(1 - 2^{-N})}{1 + (N-1) 2^{-N}} (a_2^{L-2} - a_1^{L-2}) \le BDP \le 1 - a_1^{L-2}$,

an equality on the left for L = 2 and 3. For every input dimension and all widths $BDP \le 1 - \prod_j (1 - 2^{-n_j})$,
the product over hidden layers. Assumptions: Gaussian weights, zero biases.

The left bound is a difference of nearly equal numbers. With $h = 2^{-N}$ and m = L - 2 it equals
$h \sum_{j < m} a_1^{m-1-j} (1 - (1 - h)(1 - 2h) a_2^j)$, whose terms are positive, since $a_1 - a_2 = h (1 + (N-1) h)$.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_theory.foundation.probability_text import probability_range
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.widths import Widths, layer_widths
from neurondeath_theory.survival.two_point import TwoPointSurvival, two_point_survival

__all__ = ["OneDimensionalSurvival", "one_dimensional_survival", "published_death_bounds"]

Array = npt.NDArray[np.float64]

LN2 = math.log(2.0)
SMALL_HALF_WIDTH = 100  # beyond it terms of relative size 2^-N are far below rounding errors


@dataclass(frozen=True, kw_only=True)
class OneDimensionalSurvival(Result):
    """P(alive through layer l) for one-dimensional inputs without bias, l = 1..k; every array has shape (k,).

    Attributes
    ----------
    rays : TwoPointSurvival
        Both, one or none of the two rays alive, with errors.
    log_death_at_least, log_death_at_most : float array or None
        Natural logarithms of the published bounds on the born-dead probability at input dimension 1, None where
        withheld; -inf for a bound of zero.
    withheld : str or None
        Why the bounds at input dimension 1 are withheld.
    general_lower : float array
        The general lower bound on P(alive), the product of 1 - 2^-n_j.
    """

    rays: TwoPointSurvival
    log_death_at_least: Array | None
    log_death_at_most: Array | None
    withheld: str | None
    general_lower: Array

    @property
    def widths(self) -> npt.NDArray[np.int64]:
        """Layer widths n_1..n_k."""
        return self.rays.widths

    @property
    def depth(self) -> int:
        """Number of hidden layers k."""
        return self.rays.depth

    @property
    def exact(self) -> Array:
        """P(alive through layer l)."""
        return self.rays.alive

    @property
    def error(self) -> Array:
        """Absolute error of `exact`."""
        return self.rays.alive_error

    @property
    def born_dead(self) -> Array:
        """P(dead through layer l), the born-dead probability of a network with l hidden layers."""
        return self.rays.none

    @property
    def log10_death(self) -> Array:
        """Decimal logarithm of the born-dead probability."""
        return self.rays.log10_death

    @property
    def lower(self) -> Array | None:
        """Published lower bound on P(alive through layer l) at input dimension 1, None where withheld."""
        return None if self.log_death_at_most is None else _complement(self.log_death_at_most)

    @property
    def upper(self) -> Array | None:
        """Published upper bound on P(alive through layer l) at input dimension 1, None where withheld."""
        return None if self.log_death_at_least is None else _complement(self.log_death_at_least)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer; a withheld bound is a column of None."""
        absent = [None] * self.depth
        return {
            "depth": np.arange(1, self.depth + 1),
            "width": self.widths,
            "exact": self.exact,
            "error": self.error,
            "lower": absent if self.lower is None else self.lower,
            "upper": absent if self.upper is None else self.upper,
            "general_lower": self.general_lower,
            "log10_death": self.log10_death,
            "death_relative_error": self.rays.none_relative_error,
        }

    def __str__(self) -> str:
        text = f"{self.rays.value_text()} for one-dimensional inputs"
        if self.log_death_at_least is None or self.log_death_at_most is None:
            return f"{text}; bounds withheld: {self.withheld}"
        least, most = float(self.log_death_at_least[-1]), float(self.log_death_at_most[-1])
        return f"{text}; published bounds: " + probability_range(
            "",
            log_lower=_log_complement(most),
            log_upper=_log_complement(least),
            log_death_at_most=most,
            log_death_at_least=least,
        )


def one_dimensional_survival(
    widths: Widths | None = None, *, width: int | None = None, depth: int | None = None
) -> OneDimensionalSurvival:
    """Compute the exact P(alive) of a zero-bias ReLU network with one-dimensional inputs, and the published bounds.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each from 1 to 100000.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    OneDimensionalSurvival
        Exact value with error, bounds and log probabilities of death through every layer. The bounds at input
        dimension 1 are withheld, with the reason, when the widths are not all equal.

    Raises
    ------
    InvalidArgumentError
        If a width lies outside its domain.

    Notes
    -----
    Zero biases, Gaussian weights. Accuracy as for `two_point_survival`. Source of the bounds: lu2019
    (arXiv 1903.06733), whose networks of L layers have L - 1 hidden ones.

    Examples
    --------
    >>> nine = one_dimensional_survival([2] * 9)
    >>> nine.born_dead[-1].round(6).item()
    0.87984
    >>> print(nine.lower[-1].round(4), nine.upper[-1].round(4))
    0.1001 0.1297
    >>> one_dimensional_survival([2, 3]).withheld
    'the published bounds at input dimension 1 are for layers of one width'
    """
    rays = two_point_survival(layer_widths(widths, width, depth), math.pi)
    layers = rays.widths
    at_least = at_most = None
    withheld = None
    try:
        at_least, at_most = published_death_bounds(layers)
    except AssumptionError as error:
        withheld = str(error)
    with np.errstate(under="ignore"):
        general = np.exp(np.cumsum(np.log1p(-np.exp2(-layers.astype(np.float64)))))
    return OneDimensionalSurvival(
        rays=rays,
        log_death_at_least=at_least,
        log_death_at_most=at_most,
        withheld=withheld,
        general_lower=general,
    )


def published_death_bounds(widths: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Compute the natural logarithms of lu2019's bounds on the born-dead probability at input dimension 1.

    Returns
    -------
    tuple of float array, each of shape (k,)
        Lower and upper bound, for 1..k hidden layers.

    Raises
    ------
    AssumptionError
        If the widths are not all equal.

    Examples
    --------
    >>> low, high = published_death_bounds(np.array([3] * 4))
    >>> np.exp(low).round(4).tolist(), np.exp(high).round(4).tolist()
    ([0.0, 0.043, 0.1036, 0.1733], [0.0, 0.125, 0.2344, 0.3301])
    """
    width, depth = int(widths[0]), len(widths)
    if (widths != width).any():
        raise AssumptionError("the published bounds at input dimension 1 are for layers of one width")
    at_least, at_most = np.full(depth, -math.inf), np.full(depth, -math.inf)
    m = np.arange(1, depth)
    log_half = -width * LN2
    if width > SMALL_HALF_WIDTH:  # to leading order in 2^-N, which leaves a relative error below m 2^-N
        at_most[1:] = np.log(m) + log_half
        at_least[1:] = np.log(m * (m + 2.0)) + 2.0 * log_half
        return at_least, at_most
    half = 2.0**-width
    log_a1 = math.log1p(-half) if width > 1 else -LN2
    at_most[1:] = np.log(-np.expm1(m * log_a1))
    second = 2.0 * half + (width - 1) * half * half
    rest = (1.0 - half) * (1.0 - 2.0 * half)
    if second >= 1.0 or rest <= 0.0:  # width 1: a_2 = 0
        terms = np.ones(depth)
    else:
        log_rest = math.log1p(-half) + math.log1p(-2.0 * half)
        terms = -np.expm1(log_rest + np.arange(depth) * math.log1p(-second))
    total, a1 = 0.0, 1.0 - half
    for layer in range(1, depth):
        total = a1 * total + float(terms[layer - 1])
        at_least[layer] = math.log(total) + log_half
    return at_least, at_most


def _log_complement(log_p: float) -> float:
    return math.log(-math.expm1(log_p)) if log_p < 0.0 else -math.inf


def _complement(log_death: Array) -> Array:
    return np.asarray(-np.expm1(log_death))

r"""Safe sizes: widths and depths that keep a plain ReLU network alive, by the bounds on its survival.

Model: k hidden layers of width n; P(alive) is at least $p(n, k) = (1 - 2^{-n})^k$ [rister2020, lower bound; proof and
assumptions in `survival.bounds`], with equality for a single input. The smallest width for a depth is the
least n with $p(n, k) \ge p$, near $-\log_2(1 - p^{1/k})$; the greatest depth for a width is the greatest such k.

Whether $p(n, k) \ge p$ is decided exactly for the given double p: in double precision where the two logarithms are
clearly apart, else by whole numbers where a tie is possible ($p 2^{nk}$ whole), else by decimals of growing length.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_flag, check_real, check_widths, invalid

__all__ = ["SafeRegion", "max_depth", "min_width", "safe_region"]

LARGEST_WIDTH = 10_000  # the greatest depth then has 3000 digits
TIE_BITS = 1200  # a tie needs p 2^(nk) whole, and no double has more than 1074 binary places
DECIDABLE_DIFFERENCE = 1e-12  # of logarithms, relative, in double precision


def min_width(depth: int, survival: float) -> int:
    """Compute the least width at which a network of this depth is alive with at least this probability.

    Parameters
    ----------
    depth : int
        Number of hidden layers k, at least 1.
    survival : float
        Probability of being alive that the lower bound must reach, in (0, 1).

    Returns
    -------
    int
        The least n with (1 - 2^-n)^k >= survival.

    Raises
    ------
    InvalidArgumentError
        If the depth is not a whole number of at least 1, or the probability does not lie in (0, 1).

    Notes
    -----
    Exact for the double given, ties included. Sufficient for every input set with a nonzero point, necessary for a
    single point. Source: rister2020 (arXiv 2007.06192), lower bound.

    Examples
    --------
    >>> min_width(100, 0.99), min_width(2, 0.5625), min_width(10**9, 1 - 2**-53)
    (14, 2, 83)
    """
    k = check_count("depth", depth)
    p = check_real("survival", survival, low=0, high=1, low_open=True, high_open=True)
    # p^(1/k) = exp(log p / k), and 1 minus it without cancellation
    n = max(1, math.ceil(-math.log2(-math.expm1(_log(p) / k))))
    while not _survives(n, k, p):
        n += 1
    while n > 1 and _survives(n - 1, k, p):
        n -= 1
    return n


def max_depth(width: int, survival: float) -> int:
    """Compute the greatest depth at which a network of this width is alive with at least this probability.

    Parameters
    ----------
    width : int
        Width n of every hidden layer, from 1 to 10 000.
    survival : float
        Probability of being alive that the lower bound must reach, in (0, 1).

    Returns
    -------
    int
        The greatest k with (1 - 2^-n)^k >= survival; 0 if a single layer already falls short.

    Raises
    ------
    InvalidArgumentError
        If the width is not a whole number from 1 to 10 000, or the probability does not lie in (0, 1).

    Notes
    -----
    Exact for the double given, ties included, however many digits it has. Source: rister2020 (arXiv 2007.06192),
    lower bound.

    Examples
    --------
    >>> max_depth(10, 0.99), max_depth(2, 0.5625), max_depth(1, 0.75)
    (10, 2, 0)
    >>> max_depth(64, 0.5)
    12786308645202655659
    """
    n = check_count("width", width, most=LARGEST_WIDTH)
    p = check_real("survival", survival, low=0, high=1, low_open=True, high_open=True)
    digits = 50 + int(0.31 * n)  # the digits of k, and a margin
    with localcontext() as context:
        context.prec = digits
        k = int(Decimal(p).ln() / _decimal_log_layer(n, digits))
    while k > 0 and not _survives(n, k, p):
        k -= 1
    while _survives(n, k + 1, p):
        k += 1
    return k


@dataclass(frozen=True, kw_only=True)
class SafeRegion(Result):
    """Bounds and verdicts over widths and depths; grids have shape (len(widths), len(depths)).

    Attributes
    ----------
    widths, depths : int array
        Axes of the grid.
    survival : float
        Required probability of being alive.
    lower, upper : float array
        Bounds on P(alive through the last layer).
    verdict : str array
        "safe" where the lower bound reaches the goal, "doomed" where the upper bound misses it, else "undecided": it
        depends on the input set.
    bias, nonnegative_inputs : bool
        The assumptions of the upper bound.
    input_dim : int or None
        Input dimension where given.
    """

    widths: npt.NDArray[np.int64]
    depths: npt.NDArray[np.int64]
    survival: float
    lower: npt.NDArray[np.float64]
    upper: npt.NDArray[np.float64]
    verdict: npt.NDArray[np.str_]
    bias: bool
    nonnegative_inputs: bool
    input_dim: int | None

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per pair of width and depth."""
        width, depth = np.meshgrid(self.widths, self.depths, indexing="ij")
        return {
            "width": width.ravel(),
            "depth": depth.ravel(),
            "lower": self.lower.ravel(),
            "upper": self.upper.ravel(),
            "verdict": self.verdict.ravel(),
        }

    def __str__(self) -> str:
        counts = [f"{int((self.verdict == word).sum())} {word}" for word in ("safe", "undecided", "doomed")]
        return f"{self.verdict.size} sizes for P(alive) >= {self.survival:g}: {', '.join(counts)}"


def safe_region(
    widths: Sequence[int] | npt.NDArray[np.integer[Any]],
    depths: Sequence[int] | npt.NDArray[np.integer[Any]],
    *,
    survival: float = 0.99,
    input_dim: int | None = None,
    bias: bool = False,
    nonnegative_inputs: bool = False,
) -> SafeRegion:
    """Decide for every width and depth whether a plain ReLU network is safe, doomed, or undecided (by its inputs).

    Parameters
    ----------
    widths, depths : sequence of int
        Widths n and depths k of the grid, each at least 1; all layers of a network are equally wide.
    survival : float
        Required probability of being alive, in (0, 1).
    input_dim : int, optional
        Input dimension; needed for the upper bound's first factor when the inputs are non-negative.
    bias : bool
        Whether layers have random biases; matters to the upper bound only.
    nonnegative_inputs : bool
        Whether all inputs lie in the non-negative orthant. If not, the first layer is left out of the upper bound.

    Returns
    -------
    SafeRegion
        Bounds on P(alive) and a verdict for every pair.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or `input_dim` is missing for non-negative inputs.

    Notes
    -----
    Relative error of the bounds below 1e-13 times the larger of 1 and their logarithm. The law of weights and biases
    is that of both bounds: signs of entries are independent fair coins (Gaussian, uniform; not orthogonal, not RAI).
    Source: rister2020 (arXiv 2007.06192), lower and upper bound.

    Examples
    --------
    >>> region = safe_region([2, 4, 16], [10, 1000], survival=0.9)
    >>> region.verdict.tolist()
    [['doomed', 'doomed'], ['undecided', 'undecided'], ['safe', 'safe']]
    """
    n_axis, k_axis = check_widths("widths", _as_list(widths)), check_widths("depths", _as_list(depths))
    goal = check_real("survival", survival, low=0, high=1, low_open=True, high_open=True)
    bias = check_flag("bias", bias)
    nonnegative_inputs = check_flag("nonnegative_inputs", nonnegative_inputs)
    if input_dim is not None:
        input_dim = check_count("input_dim", input_dim)
    elif nonnegative_inputs:
        raise invalid("input_dim", "be given when the inputs are non-negative", None, "pass input_dim=d")

    n, k = n_axis.astype(np.float64)[:, None], k_axis.astype(np.float64)[None, :]
    per_layer = n + (1.0 if bias else 0.0)
    log_upper = (k - 1.0) * _log_layer(n * per_layer)
    if nonnegative_inputs and input_dim is not None:
        log_upper = log_upper + _log_layer(n * (input_dim + (1.0 if bias else 0.0)))
    lower, upper = np.exp(k * _log_layer(n)), np.exp(log_upper)
    return SafeRegion(
        widths=n_axis,
        depths=k_axis,
        survival=goal,
        lower=lower,
        upper=upper,
        verdict=np.where(lower >= goal, "safe", np.where(upper < goal, "doomed", "undecided")),
        bias=bias,
        nonnegative_inputs=nonnegative_inputs,
        input_dim=input_dim,
    )


def _as_list(counts: Any) -> Any:
    return [counts] if np.ndim(counts) == 0 and not hasattr(counts, "__iter__") else counts


def _log_layer(bits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.log1p(-np.exp2(-bits))


def _log(p: float) -> float:
    return math.log1p(p - 1.0) if p > 0.5 else math.log(p)


def _survives(n: int, k: int, p: float) -> bool:
    """Decide whether (1 - 2^-n)^k >= p, exactly."""
    if k == 0:
        return True
    if n <= 1000 and k < 2**53:
        bound, goal = k * math.log1p(-(2.0**-n)), _log(p)
        if abs(bound - goal) > DECIDABLE_DIFFERENCE * abs(goal):
            return bound > goal
    if n * k <= TIE_BITS:
        return Fraction(2**n - 1, 2**n) ** k >= Fraction(p)
    digits = 50 + int(0.31 * n)
    while True:  # no tie is possible here, so enough digits decide
        with localcontext() as context:
            context.prec = digits
            exact_bound, exact_goal = k * _decimal_log_layer(n, digits), Decimal(p).ln()
            if abs(exact_bound - exact_goal) > abs(exact_goal) * Decimal(10) ** (10 - digits):
                return exact_bound > exact_goal
        digits *= 2


def _decimal_log_layer(n: int, digits: int) -> Decimal:
    """Compute log(1 - 2^-n) to this number of digits, by its power series."""
    with localcontext() as context:
        context.prec = digits + 10
        x = Decimal(1) / Decimal(2) ** n
        total, power, m = Decimal(0), x, 1
        while power > x * Decimal(10) ** (-digits - 5):
            total -= power / m
            m += 1
            power *= x
        return total

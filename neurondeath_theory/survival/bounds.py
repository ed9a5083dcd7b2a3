r"""Bounds on the probability that a plain ReLU network is initialised alive.

Model: $x_l = \mathrm{relu}(W_l x_{l-1} + b_l)$, widths $n_1..n_k$, input dimension $n_0$. A point is alive through
layer l when no layer 1..l has all its units inactive at it; the network is alive on an input set S when some point of S
is alive through layer l. Write $d_j = 2^{-n_j}$.

- Lower bound $\prod_{j \le l} (1 - d_j)$ [rister2020, theorem on the lower bound]. Proof: fix one nonzero point alive
  through layer j-1. Negating rows of $(W_j, b_j)$ leaves their law unchanged and no pre-activation is zero, so the n_j
  signs are independent fair coins, whatever the layer's input: the layer is dead at the point with probability d_j,
  independently of the past. That is the survival probability of one point; more points can only help.
- Mean living ratio: by linearity of expectation the same product, exactly, for every S of nonzero points (points at
  zero are dead from layer 1 when there are no biases).
- Upper bound $\prod_j (1 - 2^{-n_j (n_{j-1} + 1)})$ with biases, $2^{-n_j n_{j-1}}$ without [rister2020, theorem on the
  upper bound]. Proof: the inputs of a layer are non-negative, so it is dead on all of them when all its weights and
  biases are negative, of probability $2^{-n_j (n_{j-1} + 1)}$ given the magnitudes, independently of the other layers.
  For inputs of both signs this says nothing about layer 1, whose factor is dropped.

Assumptions. Lower bound and mean: the law of $(W_l, b_l)$ is invariant under negating any subset of its rows, and no
pre-activation has an atom at 0 (Gaussian, uniform, orthogonal). Upper bound: the sign of every single entry is an
independent fair coin given the magnitudes (Gaussian, uniform).

Everything is summed in logarithms: the probability of death $D_l = \sum_{j \le l} d_j \prod_{i<j} (1 - d_i)$ has
positive terms only, so it keeps full relative precision down to $2^{-10^{18}}$.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.probability_text import probability_range
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_flag, invalid
from neurondeath_theory.foundation.widths import Widths, layer_widths

__all__ = ["SurvivalBounds", "survival_bounds"]

LN2 = math.log(2.0)


@dataclass(frozen=True, kw_only=True)
class SurvivalBounds(Result):
    """Bounds on P(alive through layer l), l = 1..k; every array has shape (k,).

    Attributes
    ----------
    widths : int array
        Layer widths n_1..n_k.
    input_dim : int or None
        Input dimension n_0 where given.
    bias, nonnegative_inputs : bool
        The assumptions the bounds were computed under.
    log_lower, log_upper : float array
        Natural logarithms of the bounds.
    log_death_at_most, log_death_at_least : float array
        Natural logarithms of the bounds on P(dead through layer l); -inf for an upper bound of one.
    """

    widths: npt.NDArray[np.int64]
    input_dim: int | None
    bias: bool
    nonnegative_inputs: bool
    log_lower: npt.NDArray[np.float64]
    log_upper: npt.NDArray[np.float64]
    log_death_at_most: npt.NDArray[np.float64]
    log_death_at_least: npt.NDArray[np.float64]

    @property
    def depth(self) -> int:
        """Number of hidden layers k."""
        return len(self.widths)

    @property
    def lower(self) -> npt.NDArray[np.float64]:
        """Lower bound on P(alive through layer l)."""
        return np.exp(self.log_lower)

    @property
    def upper(self) -> npt.NDArray[np.float64]:
        """Upper bound on P(alive through layer l)."""
        return np.exp(self.log_upper)

    @property
    def mean_living_ratio(self) -> npt.NDArray[np.float64]:
        """Exact mean share of points alive through layer l, for input sets without zero points."""
        return self.lower

    @property
    def log10_death_at_most(self) -> npt.NDArray[np.float64]:
        """Decimal logarithm of the largest possible P(dead through layer l)."""
        return self.log_death_at_most / math.log(10.0) + 0.0  # no -0.0

    @property
    def log10_death_at_least(self) -> npt.NDArray[np.float64]:
        """Decimal logarithm of the smallest possible P(dead through layer l)."""
        return self.log_death_at_least / math.log(10.0) + 0.0

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": np.arange(1, self.depth + 1),
            "width": self.widths,
            "lower": self.lower,
            "upper": self.upper,
            "mean_living_ratio": self.mean_living_ratio,
            "log10_death_at_most": self.log10_death_at_most,
            "log10_death_at_least": self.log10_death_at_least,
        }

    def __str__(self) -> str:
        return probability_range(
            f"through {self.depth} layer" + ("s" if self.depth > 1 else ""),
            log_lower=float(self.log_lower[-1]),
            log_upper=float(self.log_upper[-1]),
            log_death_at_most=float(self.log_death_at_most[-1]),
            log_death_at_least=float(self.log_death_at_least[-1]),
        )


def survival_bounds(
    widths: Widths | None = None,
    *,
    width: int | None = None,
    depth: int | None = None,
    input_dim: int | None = None,
    bias: bool = False,
    nonnegative_inputs: bool = False,
) -> SurvivalBounds:
    """Bound the probability that a plain ReLU network is initialised alive, layer by layer.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each at least 1.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.
    input_dim : int, optional
        Input dimension n_0; needed for the upper bound's first factor when the inputs are non-negative.
    bias : bool
        Whether the layers have random biases. The lower bound and the mean are the same with and without.
    nonnegative_inputs : bool
        Whether all inputs lie in the non-negative orthant. If not, the first layer is left out of the upper bound.

    Returns
    -------
    SurvivalBounds
        Lower and upper bounds, mean living ratio and log probabilities of death through every layer.

    Raises
    ------
    InvalidArgumentError
        If a width is not a whole number of at least 1, or `input_dim` is missing for non-negative inputs.

    Notes
    -----
    Relative error of the logarithms of death below 1e-12 up to depth 1e6. The input set must contain a nonzero point
    (any point if there are biases). Source: rister2020 (arXiv 2007.06192), lower and upper bound.

    Examples
    --------
    >>> print(survival_bounds([2] * 10))
    0.056314 <= P(alive through 10 layers) <= 0.55942
    >>> print(survival_bounds([64] * 100))
    9.479e-1232 <= P(dead through 100 layers) <= 5.421e-18
    >>> survival_bounds(width=2, depth=10, bias=True).upper[-1].round(5).item()
    0.86785
    >>> bounds = survival_bounds([8, 8, 16], input_dim=4, nonnegative_inputs=True)
    >>> bounds.lower.round(6).tolist()
    [0.996094, 0.992203, 0.992188]
    >>> float(survival_bounds([10_000] * 1_000_000).log10_death_at_most[-1].round(3))
    -3004.3
    """
    layers = layer_widths(widths, width, depth)
    bias = check_flag("bias", bias)
    nonnegative_inputs = check_flag("nonnegative_inputs", nonnegative_inputs)
    if input_dim is not None:
        input_dim = check_count("input_dim", input_dim)
    elif nonnegative_inputs:
        raise invalid("input_dim", "be given when the inputs are non-negative", None, "pass input_dim=d")

    log_lower, log_death_at_most = _log_survival(-LN2 * layers.astype(np.float64))
    fan_in = np.concatenate([[input_dim or 1], layers[:-1]]).astype(np.float64)
    log_all_negative = -LN2 * layers * (fan_in + (1.0 if bias else 0.0))
    if not nonnegative_inputs:
        log_all_negative[0] = -math.inf  # inputs of both signs: layer 1 need not die when all its weights are negative
    log_upper, log_death_at_least = _log_survival(log_all_negative)
    return SurvivalBounds(
        widths=layers,
        input_dim=input_dim,
        bias=bias,
        nonnegative_inputs=nonnegative_inputs,
        log_lower=log_lower,
        log_upper=log_upper,
        log_death_at_most=log_death_at_most,
        log_death_at_least=log_death_at_least,
    )


def _log_survival(
    log_death: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compute log P(alive) and log P(dead) through every layer from log P(layer dies | alive before)."""
    log_alive = np.cumsum(np.log1p(-np.exp(log_death)))
    alive_before = np.concatenate([[0.0], log_alive[:-1]])
    # positive terms only: no 1 - product, which would lose every digit of a rare death; nor a sum near 1, which would
    # lose every digit of a rare survival
    log_dead = np.minimum(np.logaddexp.accumulate(log_death + alive_before), 0.0)
    with np.errstate(divide="ignore"):
        return log_alive, np.where(log_alive < -LN2, np.log1p(-np.exp(log_alive)), log_dead)

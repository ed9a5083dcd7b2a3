r"""Guarantees of residual streams and of batch normalisation at initialisation, each with its definition of alive.

Widths n_1..n_k; the law of the weights (and biases) is invariant under negating rows and has no atoms; every point is
nonzero, or biases are present. Sign flips, which change the draw itself, are in `remedies.sign_flip`.

- Residual x + relu(Wx + b) and dense concatenation: the stream never vanishes and, given it, the signs of a branch's
  pre-activations are independent fair coins: P(all k branches dead at x) = $2^{-\sum n_j}$ falls with depth. The form
  relu(x + Wx) has no such stream and can die.
- Skip connections over K blocks of plain layers: a block is dead at x when one of its layers is; the stream feeds every
  block, so all are dead with probability $(1 - \prod_j (1 - 2^{-n_j}))^K$.
- Batch normalisation before the ReLU (shift 0, scale nonzero, batch statistics, at least two distinct points): a unit's
  normalised pre-activations have mean zero and are not all equal, so some are positive and some are not; the layer's
  outputs again differ. No unit and no layer is dead on the whole batch. A single point's signs are still fair
  coins (none positive if the point equals the batch mean), so it is active in every layer with probability at most
  $\prod_l (1 - 2^{-n_l})$: no better than without batch normalisation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_widths
from neurondeath_theory.foundation.widths import Widths, layer_widths
from neurondeath_theory.survival.bounds import survival_bounds

__all__ = [
    "BatchNormStatement",
    "BranchSurvival",
    "batch_norm_statement",
    "dense_survival",
    "residual_survival",
    "skip_survival",
]

LN2 = math.log(2.0)
BRANCH_ALIVE = "some branch is active at the point; the stream itself passes signal and gradient with probability one"
BLOCK_ALIVE = "some block has all its layers active at the point; the stream itself always passes signal and gradient"
BATCH_ALIVE = "layer-wise: every layer has an active unit at some point of the batch, not the same point in each"


@dataclass(frozen=True, kw_only=True)
class BranchSurvival(Result):
    """Survival of a network with a stream past its branches; every array has one entry per branch.

    Attributes
    ----------
    architecture : str
        "residual", "dense" or "skip".
    log_all_dead : float array
        Natural logarithm of P(branches 1..l all dead at a point), exact.
    notion : str
        What being alive means here.
    """

    architecture: str
    log_all_dead: npt.NDArray[np.float64]
    notion: str

    @property
    def some_alive(self) -> npt.NDArray[np.float64]:
        """P(some of the branches 1..l is alive at a point), exact; rises with depth."""
        return -np.expm1(self.log_all_dead)

    @property
    def log10_all_dead(self) -> npt.NDArray[np.float64]:
        """Decimal logarithm of P(branches 1..l all dead at a point)."""
        return self.log_all_dead / math.log(10.0)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per branch."""
        depth = np.arange(1, len(self.log_all_dead) + 1)
        return {"branches": depth, "some_alive": self.some_alive, "log10_all_dead": self.log10_all_dead}

    def __str__(self) -> str:
        dead, n = format_number(self.log10_all_dead[-1]), len(self.log_all_dead)
        return f"{self.architecture}: P(all {n} branches dead at a point) = 10^{dead}; {self.notion}"


def residual_survival(width: int, depth: int) -> BranchSurvival:
    """Compute the probability that some branch of a residual network x + relu(Wx + b) is active at a nonzero point.

    Parameters
    ----------
    width : int
        Width n of the stream and of every branch, at least 1.
    depth : int
        Number of branches k, from 1 to 10 million.

    Returns
    -------
    BranchSurvival
        P(all of the first l branches dead) = 2^(-n l), l = 1..k.

    Raises
    ------
    InvalidArgumentError
        If an argument is not a whole number in its domain.

    Notes
    -----
    Exact for a nonzero point, without assumptions on other points. The stream itself never vanishes and its Jacobian is
    nonsingular, with probability one. Does not hold for the form relu(x + Wx). Source: rister2020 (arXiv 2007.06192),
    remedies.

    Examples
    --------
    >>> residual_survival(2, 3).some_alive.tolist()
    [0.75, 0.9375, 0.984375]
    """
    n = check_count("width", width)
    k = check_count("depth", depth, most=10_000_000)
    return _branches("residual", -LN2 * n * np.arange(1, k + 1, dtype=np.float64), BRANCH_ALIVE)


def dense_survival(
    widths: Widths | None = None, *, width: int | None = None, depth: int | None = None
) -> BranchSurvival:
    """Compute the probability that some layer of a dense (concatenating) network is active at a nonzero point.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Numbers of units that the layers add, each at least 1.
    width, depth : int, optional
        Number of units that every layer adds and number of layers, in place of `widths`.

    Returns
    -------
    BranchSurvival
        P(all of the first l layers dead) = 2^-(n_1 + ... + n_l).

    Raises
    ------
    InvalidArgumentError
        If a width is not a whole number of at least 1.

    Notes
    -----
    Exact for a nonzero point: the input is part of every layer's input. Source: rister2020 (arXiv 2007.06192),
    remedies.

    Examples
    --------
    >>> dense_survival([1, 2]).some_alive.tolist()
    [0.5, 0.875]
    """
    layers = layer_widths(widths, width, depth)
    return _branches("dense", -LN2 * np.cumsum(layers, dtype=np.float64), BRANCH_ALIVE)


def skip_survival(block_widths: Sequence[int] | npt.NDArray[np.integer[Any]], n_blocks: int) -> BranchSurvival:
    """Compute the probability that some block of a skip network x + block(x) is alive at a nonzero point.

    Parameters
    ----------
    block_widths : sequence of int, shape (s,)
        Widths of the s plain ReLU layers of a block, each at least 1; the last is the width of the stream.
    n_blocks : int
        Number of blocks K, from 1 to 10 million.

    Returns
    -------
    BranchSurvival
        P(all of the first l blocks dead) = (1 - prod_j (1 - 2^-n_j))^l, l = 1..K.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Notes
    -----
    Exact for a nonzero point: the stream feeds every block, whether the others are dead or alive. Source: rister2020
    (arXiv 2007.06192), remedies.

    Examples
    --------
    >>> skip_survival([1, 1], 2).some_alive.round(12).tolist()
    [0.25, 0.4375]
    """
    block = check_widths("block_widths", block_widths)
    n = check_count("n_blocks", n_blocks, most=10_000_000)
    log_dead = float(survival_bounds(block).log_death_at_most[-1])
    return _branches("skip", log_dead * np.arange(1, n + 1, dtype=np.float64), BLOCK_ALIVE)


def _branches(architecture: str, log_all_dead: npt.NDArray[np.float64], notion: str) -> BranchSurvival:
    return BranchSurvival(architecture=architecture, log_all_dead=log_all_dead, notion=notion)


@dataclass(frozen=True, kw_only=True)
class BatchNormStatement(Result):
    """What batch normalisation before the ReLU guarantees, and what it does not; the array has shape (k,).

    Attributes
    ----------
    widths : int array
        Widths of the hidden layers.
    n_points : int
        Distinct points of the batch.
    layer_alive : float
        P(every layer alive on the batch), in the layer-wise sense of `notion`: one.
    point_alive_at_most : float array
        P(a given point is active in every layer 1..l) at most; attained unless the point is the batch mean.
    notion : str
        What being alive means for `layer_alive`.
    """

    widths: npt.NDArray[np.int64]
    n_points: int
    layer_alive: float
    point_alive_at_most: npt.NDArray[np.float64]
    notion: str

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        depth = np.arange(1, len(self.widths) + 1)
        return {"depth": depth, "width": self.widths, "point_alive_at_most": self.point_alive_at_most}

    def __str__(self) -> str:
        point = format_number(self.point_alive_at_most[-1])
        guarantee = "no unit and no layer is dead on the whole batch, with probability one"
        limit = f"a given point is active in all {len(self.widths)} layers with probability at most {point}"
        return f"batch norm: {guarantee}; {limit}"


def batch_norm_statement(
    widths: Widths | None = None, n_points: int | None = None, *, width: int | None = None, depth: int | None = None
) -> BatchNormStatement:
    """State what batch normalisation before the ReLU guarantees for a batch of distinct points.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each at least 1.
    n_points : int
        Number of distinct points in the batch, at least 2; always needed.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    BatchNormStatement
        The layer-wise guarantee, and the bound on a single point's survival.

    Raises
    ------
    InvalidArgumentError
        If an argument is not a whole number of at least 1.
    AssumptionError
        If the batch holds fewer than two distinct points.

    Notes
    -----
    Shift 0, scale nonzero, statistics of the batch itself (not running averages); a regularising constant in the
    denominator changes no sign and does not matter. Source: rister2020 (arXiv 2007.06192), remedies, for the layers;
    the bound on points is proved in the module docstring.

    Examples
    --------
    >>> statement = batch_norm_statement([2] * 10, n_points=32)
    >>> statement.layer_alive, round(float(statement.point_alive_at_most[-1]), 6)
    (1.0, 0.056314)
    """
    layers = layer_widths(widths, width, depth)
    n = check_count("n_points", n_points)
    if n < 2:
        raise AssumptionError(
            "`n_points` is 1: batch normalisation turns a batch of one point into zeros, so no unit is active; "
            "give at least 2 distinct points"
        )
    return BatchNormStatement(
        widths=layers,
        n_points=n,
        layer_alive=1.0,
        point_alive_at_most=survival_bounds(layers).lower,
        notion=BATCH_ALIVE,
    )

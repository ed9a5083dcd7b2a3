"""How likely the variance of a finite network is to leave the fixed point q* of a design.

Leaving q* is an event of positive probability: that q exceeds the next unstable fixed point above q*, or, without one,
ten times q*. The networks are those of `variance_chain`, exact in law.

Source: derived here; price2024 (arXiv 2402.16184) observed the escapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.intervals import exact_interval
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.gaussian_limit.variance_chain import variance_chain

__all__ = ["Escape", "escape_probability"]

Array = npt.NDArray[np.float64]

ESCAPE_FACTOR = 10.0  # of q*, where no unstable fixed point marks the edge of its basin


@dataclass(frozen=True, kw_only=True)
class Escape(Result):
    """Probability that q has left q* at each layer; arrays of shape (depth,).

    Attributes
    ----------
    threshold : float
        The variance above which q counts as having left q*.
    width, n_paths : int
        Size of the sample.
    counts : int array
        Networks with q above the threshold at each layer.
    low, high : float array
        Exact 95 % confidence limits.
    """

    threshold: float
    width: int
    n_paths: int
    counts: npt.NDArray[np.int64]
    low: Array
    high: Array

    @property
    def probability(self) -> Array:
        """Estimated probability of being beyond the threshold at each layer."""
        return np.asarray(self.counts / self.n_paths)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        layers = np.arange(1, len(self.counts) + 1)
        return {"depth": layers, "probability": self.probability, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        value, low, high = (format_number(x[-1], 3) for x in (self.probability, self.low, self.high))
        return f"P(q > {format_number(self.threshold)} at layer {len(self.counts)}) = {value} (95 %: {low} to {high})"


def escape_probability(design: EdgeOfChaos, width: int, depth: int, *, n_paths: int = 1000, seed: int = 0) -> Escape:
    """Estimate the probability that q has left the design's q* at each layer.

    Parameters
    ----------
    design : EdgeOfChaos
        The design; the first layer starts at q*.
    width, depth : int
        Units of every hidden layer and number of layers.
    n_paths, seed : int
        Independent networks, at least 2, and seed of the draws.

    Returns
    -------
    Escape
        Share of networks beyond the next unstable fixed point above q*, or beyond 10 q* without one.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> stable = escape_probability(sparse_design("clipped-shifted-relu", 0.85, v_prime=0.5), 100, 20, n_paths=200)
    >>> int(stable.counts[-1])
    0
    """
    check_design(design)
    edge = next((p.q for p in design.fixed_points.points if p.q > design.q and not p.stable), None)
    threshold = edge if edge is not None else ESCAPE_FACTOR * design.q
    chain = variance_chain(
        design.activation,
        design.sigma_w2,
        design.sigma_b2,
        width=width,
        depth=depth,
        initial_q=design.q,
        n_paths=n_paths,
        seed=seed,
    )
    counts = (chain.paths > threshold).sum(axis=0)
    low, high = exact_interval(counts, chain.n_paths)
    return Escape(threshold=threshold, width=chain.width, n_paths=chain.n_paths, counts=counts, low=low, high=high)

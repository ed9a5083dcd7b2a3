r"""Shares of units that a batch of inputs needs in every layer: those that are active at one of them at least.

Model: the pre-activations of a unit at B inputs are jointly normal, of variance q* and one common correlation $\rho$:
$u_b = \sqrt{q^*} (\sqrt\rho\, t + \sqrt{1 - \rho}\, e_b)$ with independent standard normal t, e_b. With Q the set on
which $\phi$ is 0, the unit is not needed when all u_b lie in Q, and

$$P(\text{needed}) = 1 - E_t\, P(\sqrt{q^*}(\sqrt\rho\, t + \sqrt{1 - \rho}\, e) \in Q \mid t)^B .$$

B = 1 or $\rho = 1$ gives 1 - s, $\rho = 0$ gives $1 - s^B$, s the sparsity of the design. Along the layers of a
critical residual stream with a^2 = D / L, $\rho \to (1 - a^2) \rho + a^2 R(\rho)$ with the correlation map R; D = L is
the plain network. Exact at infinite width for inputs with one common correlation, both of variance q*.

The expectation is an integral over t by Gauss-Legendre panels that narrow where the probability given t changes; error
below 1e-10. Source: derived here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_reals, check_widths, invalid
from neurondeath_theory.gaussian_limit.correlation import correlation_map
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.networks.network_bounds import quiet_set
from neurondeath_theory.trainability.critical_residual import check_effective_depth

__all__ = ["NeededUnits", "needed_share", "needed_units"]

Array = npt.NDArray[np.float64]

FARTHEST = 9.5  # |t| beyond which the normal density is below 1e-19
RULE = np.polynomial.legendre.leggauss(16)
CLOSE = np.concatenate([np.arange(0.0, 12.5, 0.5), 2.0 ** np.arange(4, 24)])  # panels beside an edge, in its widths


@dataclass(frozen=True, kw_only=True)
class NeededUnits(Result):
    """Shares of units that batches need, layer by layer.

    Attributes
    ----------
    sparsity : float
        Share of units that are zero at one input.
    batches : tuple of int
        Batch sizes.
    correlations : tuple of float
        Correlation of the pre-activations of two inputs, one entry per layer.
    shares : tuple of tuple of float
        Share of the units of a layer that are active at one input of a batch at least: per layer, per batch size.
    """

    sparsity: float
    batches: tuple[int, ...]
    correlations: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]

    @property
    def mean_shares(self) -> tuple[float, ...]:
        """Mean over the layers, one entry per batch size."""
        return tuple(np.mean(self.shares, axis=0).tolist())

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table, one row per layer and batch size."""
        depth, n_batches = len(self.correlations), len(self.batches)
        return {
            "layer": [layer + 1 for layer in range(depth) for _ in range(n_batches)],
            "batch": list(self.batches) * depth,
            "correlation": [correlation for correlation in self.correlations for _ in range(n_batches)],
            "needed": [share for shares in self.shares for share in shares],
        }

    def __str__(self) -> str:
        shown = [
            f"{format_number(100.0 * share, 3)} % for {batch}"
            for batch, share in zip(self.batches, self.mean_shares, strict=True)
        ]
        return f"units needed by a batch of inputs at sparsity {format_number(self.sparsity)}: {', '.join(shown)}"


def needed_share(design: EdgeOfChaos, batch: npt.ArrayLike, correlation: npt.ArrayLike = 0.0) -> Array:
    """Compute P(a unit is active at one input of a batch at least).

    Parameters
    ----------
    design : EdgeOfChaos
        The design; its activation is zero on an interval.
    batch : array_like
        Numbers of inputs B, at least 1.
    correlation : array_like
        Correlation of the pre-activations of any two of them, in [0, 1]; the shapes are broadcast.

    Returns
    -------
    float array
        The probability, of the common shape.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or the activation is zero on no interval.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> needed_share(design, [1, 8, 8, 8], [0.5, 0.0, 0.5, 1.0]).round(4).tolist()
    [0.15, 0.7275, 0.4821, 0.15]
    """
    check_design(design)
    quiet = [(low / math.sqrt(design.q), high / math.sqrt(design.q)) for low, high in quiet_set(design.activation)]
    if not quiet:
        raise invalid("design", "have an activation that is zero on an interval", str(design.activation))
    batches = check_reals("batch", batch, low=1.0)
    if (batches != np.floor(batches)).any():
        raise invalid("batch", "hold whole numbers of at least 1", batch)
    rho = check_reals("correlation", correlation, low=0.0, high=1.0)
    batches, rho = np.broadcast_arrays(batches, rho)
    result = np.empty(rho.shape)
    for value in np.unique(rho):
        of_value = rho == value
        result[of_value] = _needed(quiet, float(value), batches[of_value])
    return result


def needed_units(
    design: EdgeOfChaos,
    batch: int | Sequence[int],
    *,
    depth: int = 1,
    correlation: float = 0.0,
    effective_depth: float | None = None,
) -> NeededUnits:
    """Compute which share of the units of each layer a batch of inputs needs.

    Parameters
    ----------
    design : EdgeOfChaos
        The design of all layers; its activation is zero on an interval.
    batch : int or sequence of int
        Numbers of inputs.
    depth : int
        Number of layers L.
    correlation : float
        Correlation of the first layer's pre-activations at any two inputs, in [0, 1]; 0 for independent inputs.
    effective_depth : float, optional
        D of a critical residual stream, in (0, L]; by default the network is plain, D = L.

    Returns
    -------
    NeededUnits
        Correlations and shares, layer by layer.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or the activation is zero on no interval.

    Notes
    -----
    Exact at infinite width for inputs of mean square q* with one common correlation.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> print(needed_units(design, [1, 8, 64], depth=100, effective_depth=1.0))
    units needed by a batch of inputs at sparsity 0.85: 15 % for 1, 60.3 % for 8, 93.5 % for 64
    """
    check_design(design)
    sizes = check_widths("batch", [batch] if isinstance(batch, (int, np.integer)) else batch).tolist()
    layers = check_count("depth", depth)
    rho = float(check_reals("correlation", correlation, low=0.0, high=1.0))
    _, length = check_effective_depth(layers, float(layers) if effective_depth is None else effective_depth)
    share = length / layers
    correlations = []
    for _ in range(layers):
        correlations.append(rho)
        image = float(correlation_map(design.activation, rho, design.q, design.sigma_w2, design.sigma_b2))
        rho = min(max((1.0 - share) * rho + share * image, 0.0), 1.0)
    shares = needed_share(design, sizes, np.array(correlations)[:, None])
    return NeededUnits(
        sparsity=design.sparsity,
        batches=tuple(sizes),
        correlations=tuple(correlations),
        shares=tuple(tuple(row) for row in shares.tolist()),
    )


def _needed(quiet: Sequence[tuple[float, float]], rho: float, batches: Array) -> Array:
    """1 - E P(quiet | t)^B for one correlation; intervals in standard deviations."""
    from scipy.special import ndtr

    def active(shift: Array, scale: float) -> Array:
        """P(not quiet | t), from tails, so that small probabilities keep their digits."""
        edges = [(low - shift) / scale for low, _ in quiet], [(high - shift) / scale for _, high in quiet]
        total = ndtr(edges[0][0]) + ndtr(-edges[1][-1])
        for high, low in zip(edges[1], edges[0][1:], strict=False):
            total = total + ndtr(low) - ndtr(high)
        return np.asarray(np.clip(total, 0.0, 1.0))

    def by_batch(probability: Array) -> Array:
        """1 - (1 - p)^B, shape (n_batches, n_probabilities)."""
        with np.errstate(divide="ignore"):
            return np.asarray(-np.expm1(batches[:, None] * np.log1p(-probability)))

    if rho == 0.0:
        return by_batch(active(np.zeros(1), 1.0))[:, 0]
    if rho == 1.0:
        return np.full(batches.shape, float(active(np.zeros(1), 1.0)[0]))
    root, rest = math.sqrt(rho), math.sqrt(1.0 - rho)
    edges = [edge / root for interval in quiet for edge in interval if math.isfinite(edge)]
    steps = np.concatenate([-CLOSE, CLOSE]) * rest / root
    knots = np.concatenate([np.linspace(-FARTHEST, FARTHEST, 39), *(edge + steps for edge in edges)])
    knots = np.unique(np.clip(knots, -FARTHEST, FARTHEST))
    half = 0.5 * np.diff(knots)[:, None]
    t = ((knots[:-1] + knots[1:])[:, None] * 0.5 + half * RULE[0]).ravel()
    weights = (half * RULE[1]).ravel() * np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
    return np.asarray(by_batch(active(root * t, rest)) @ weights)

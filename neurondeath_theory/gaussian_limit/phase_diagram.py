r"""Phase diagram of a wide random network over weight and bias standard deviations: ordered, chaotic, edge of chaos.

Model: V and $\chi_1$ as in `variance`. From a starting variance q0 the map drifts up where V(q0) > q0 and down
otherwise; for an activation whose $|\phi|$ grows away from 0 V increases, so that it ends at the next fixed point q*
in that direction. There the network is ordered ($\chi_1 < 1$: inputs become alike, gradients vanish) or chaotic
($\chi_1 > 1$); without a fixed point above, the variance is unbounded. The edge of chaos is the curve

$$\sigma_w^2(q) = 1/E\phi'(\sqrt q z)^2, \qquad \sigma_b^2(q) = q - \sigma_w^2 E\phi(\sqrt q z)^2 \ge 0,\quad q > 0 .$$

All fixed points of every cell come from `fixed_points`, so none is missed. Source: price2024 (arXiv 2402.16184).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_real, check_reals, invalid
from neurondeath_theory.gaussian_limit.fixed_points import all_fixed_points
from neurondeath_theory.gaussian_limit.moments import second_moment, second_moment_derivative, slope_second_moment
from neurondeath_theory.gaussian_limit.variance import check_activation
from neurondeath_theory.networks.activations import ActivationLike
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["PHASES", "PhaseDiagram", "phase_diagram"]

Array = npt.NDArray[np.float64]

PHASES = ("ordered", "critical", "chaotic", "unbounded")
CRITICAL = 1e-9  # distance from 1 up to which chi_1 counts as 1
LINE_POINTS = 400


@dataclass(frozen=True, kw_only=True)
class PhaseDiagram(Result):
    """Phases over a grid; arrays of shape (n_sigma_w, n_sigma_b), NaN where q* does not exist.

    Attributes
    ----------
    activation : PiecewiseLinear
        The activation.
    sigma_w, sigma_b : float array
        Grid of standard deviations.
    q, chi1, v_prime : float array
        Limit variance q* of the drift from `initial_q`, and chi_1 and V' there.
    phase : str array
        "ordered", "critical", "chaotic" or "unbounded".
    n_fixed_points : int array
        Number of fixed points of the cell's map (0 where every q is one).
    edge : float array, shape (n_edge, 4)
        Points of the edge of chaos inside the grid: sigma_w, sigma_b, q, V'(q); V' > 1 where q is not attracting.
    """

    activation: PiecewiseLinear
    sigma_w: Array
    sigma_b: Array
    q: Array
    chi1: Array
    v_prime: Array
    phase: npt.NDArray[np.str_]
    n_fixed_points: npt.NDArray[np.int64]
    edge: Array

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per grid cell."""
        weight, bias = np.meshgrid(self.sigma_w, self.sigma_b, indexing="ij")
        return {
            "sigma_w": weight.ravel(),
            "sigma_b": bias.ravel(),
            "q": self.q.ravel(),
            "chi1": self.chi1.ravel(),
            "v_prime": self.v_prime.ravel(),
            "phase": self.phase.ravel(),
            "n_fixed_points": self.n_fixed_points.ravel(),
        }

    def __str__(self) -> str:
        shares = ", ".join(f"{int((self.phase == name).sum())} {name}" for name in PHASES)
        return f"phases of {self.activation} on {self.phase.size} cells: {shares}"


def phase_diagram(
    activation: ActivationLike, sigma_w: npt.ArrayLike, sigma_b: npt.ArrayLike, *, initial_q: float = 1.0
) -> PhaseDiagram:
    """Map the phases of wide networks over weight and bias standard deviations.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    sigma_w, sigma_b : array_like, shape (n_sigma_w,), (n_sigma_b,)
        Standard deviations, `sigma_w` above 0, `sigma_b` at least 0.
    initial_q : float
        Variance from which the drift starts, above 0.

    Returns
    -------
    PhaseDiagram
        Limit variance, chi_1, V' and phase of every cell, and the edge of chaos inside the grid.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain or a grid is not one-dimensional.

    Notes
    -----
    Where |phi| does not grow away from 0, V can fall, and the next fixed point need not attract: check `v_prime`.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import hard_tanh
    >>> phase_diagram(hard_tanh(1.0), [0.5, 3.0], [0.1]).phase[:, 0].tolist()
    ['ordered', 'chaotic']
    """
    phi = check_activation(activation)
    weights = check_reals("sigma_w", sigma_w, low=0.0, low_open=True)
    biases = check_reals("sigma_b", sigma_b, low=0.0)
    for name, grid in (("sigma_w", weights), ("sigma_b", biases)):
        if grid.ndim != 1 or grid.size == 0:
            raise invalid(name, "be a non-empty one-dimensional grid", f"shape {grid.shape}")
    start = check_real("initial_q", initial_q, low=0.0, low_open=True)
    shape = (weights.size, biases.size)
    weight2 = np.repeat(weights**2, biases.size)
    bias2 = np.tile(biases**2, weights.size)
    roots, _, _, continuum = all_fixed_points(phi, weight2, bias2)
    drift = weight2 * second_moment(phi, np.full(weight2.shape, start)) + bias2 - start
    above = np.where(roots >= start, roots, np.inf).min(axis=0)
    below = np.where(roots <= start, roots, -np.inf).max(axis=0)
    q = np.where(drift > 0.0, above, np.where(drift < 0.0, below, start))
    q = np.where(continuum, start, q)
    unbounded = ~np.isfinite(q)
    inside = np.where(unbounded, 1.0, q)
    gain = np.where(unbounded, np.nan, weight2 * slope_second_moment(phi, inside))
    positive = np.where(inside > 0.0, inside, 1.0)
    slope = np.where(unbounded | (inside <= 0.0), np.nan, weight2 * second_moment_derivative(phi, positive))
    slope = np.where(~unbounded & (inside <= 0.0), gain, slope)  # q* = 0 needs phi(0) = 0, where both limits agree
    phase = np.select(
        [unbounded, np.abs(gain - 1.0) <= CRITICAL, gain < 1.0], ["unbounded", "critical", "ordered"], "chaotic"
    )
    return PhaseDiagram(
        activation=phi,
        sigma_w=weights,
        sigma_b=biases,
        q=np.where(unbounded, np.nan, q).reshape(shape),
        chi1=gain.reshape(shape),
        v_prime=slope.reshape(shape),
        phase=phase.reshape(shape),
        n_fixed_points=np.isfinite(roots).sum(axis=0).reshape(shape),
        edge=_edge(phi, weights, biases),
    )


def _edge(activation: PiecewiseLinear, sigma_w: Array, sigma_b: Array) -> Array:
    """Trace the edge of chaos inside the grid's rectangle, densely in log q."""
    reach = max(1.0, float(sigma_b.max()) ** 2, *(kink * kink for kink in activation.kinks))
    q = np.geomspace(1e-4, 1e4, LINE_POINTS) * reach
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weight2 = 1.0 / slope_second_moment(activation, q)
        bias2 = q - weight2 * second_moment(activation, q)
        bias2 = np.where(np.abs(bias2) <= 1e-12 * q, 0.0, bias2)
        slope = weight2 * second_moment_derivative(activation, q)
        line = np.stack([np.sqrt(weight2), np.sqrt(np.where(bias2 >= 0.0, bias2, np.nan)), q, slope], axis=1)
        within = (
            np.isfinite(line).all(axis=1)
            & (line[:, 0] >= sigma_w.min())
            & (line[:, 0] <= sigma_w.max())
            & (line[:, 1] >= sigma_b.min())
            & (line[:, 1] <= sigma_b.max())
        )
    return np.asarray(line[within])

r"""The leaky slope that lets correlations grow by a chosen amount in a given number of layers.

Model: wide plain network of leaky ReLUs, x for x > 0 and $\alpha x$ below, no biases, weights of variance
$\sigma_w^2 = 2/(1 + \alpha^2)$ over fan-in, which keep the size. With $\theta = \arccos\rho$

$$R_\alpha(\rho) = \rho + \frac{(1-\alpha)^2}{1+\alpha^2}\, \frac{\sin\theta - \theta\cos\theta}{\pi}$$

(write the activation as $\tfrac{1+\alpha}2 x + \tfrac{1-\alpha}2 |x|$; ReLU at $\alpha = 0$, the identity at 1). The
correlation after L layers from $\rho_0$ decreases continuously in $\alpha$ from the ReLU's value to $\rho_0$ on [0, 1],
since each step does and $R_\alpha$ increases in rho; so every target between has exactly one slope.

zhang2022 chooses it so that 0 becomes 0.9. As L grows, $1 - \alpha$ falls like $L^{-1/2}$. It is an
infinite-width statement: at width n every layer shrinks sin^2 of a small angle further, in the mean logarithm by about
2/n for ReLU and 1/n for the identity, and the size spreads, less than in ReLU networks (`log_sizes`).

Source: zhang2022 (arXiv 2203.08120), tailored activation transformations, leaky ReLU.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real, check_reals, invalid
from neurondeath_theory.networks.activations import leaky_relu
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["TailoredSlope", "leaky_correlation", "tailored_slope"]

Array = npt.NDArray[np.float64]

SERIES_BELOW = 0.05  # angle below which sin - theta cos is summed as a series


@dataclass(frozen=True, kw_only=True)
class TailoredSlope(Result):
    """A leaky slope made for a depth.

    Attributes
    ----------
    depth : int
        Number of layers L.
    start, target : float
        Correlation before the first layer and after the last.
    negative_slope : float
        The slope alpha for x < 0.
    sigma_w2 : float
        Weight variance times fan-in, 2 / (1 + alpha^2).
    correlations : float array, shape (depth + 1,)
        Correlation before layer 1 and after every layer.
    """

    depth: int
    start: float
    target: float
    negative_slope: float
    sigma_w2: float
    correlations: Array

    @property
    def activation(self) -> PiecewiseLinear:
        """The leaky ReLU of this slope."""
        return leaky_relu(self.negative_slope)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer boundary."""
        return {"layers": np.arange(self.depth + 1), "correlation": self.correlations}

    def __str__(self) -> str:
        slope, weight = format_number(self.negative_slope), format_number(self.sigma_w2)
        return (
            f"leaky slope {slope} with sigma_w2 = {weight}: a correlation of {self.start:g} becomes {self.target:g} in "
            f"{self.depth} layers"
        )


def leaky_correlation(correlation: npt.ArrayLike, negative_slope: float) -> Array:
    """Correlation map of leaky ReLUs at their critical weight variance, shape of `correlation`.

    Raises
    ------
    InvalidArgumentError
        If a correlation lies outside [-1, 1] or the slope is not finite.

    Notes
    -----
    Absolute error below 1e-15. Source: the module docstring.

    Examples
    --------
    >>> leaky_correlation([0.0, 1.0], 0.0).round(12).tolist()
    [0.318309886184, 1.0]
    """
    rho = check_reals("correlation", correlation, low=-1.0, high=1.0)
    slope = check_real("negative_slope", negative_slope)
    theta = np.arccos(rho)
    squared = theta * theta
    series = theta**3 * (1.0 / 3.0 - squared / 30.0 * (1.0 - squared / 28.0))
    excess = np.where(theta < SERIES_BELOW, series, np.sin(theta) - theta * rho)
    return np.minimum(rho + (1.0 - slope) ** 2 / (1.0 + slope**2) * excess / math.pi, 1.0)


def tailored_slope(depth: int, target: float = 0.9, *, start: float = 0.0) -> TailoredSlope:
    """Find the leaky slope with which a correlation grows from `start` to `target` in `depth` layers.

    Parameters
    ----------
    depth : int
        Number of layers L, from 1 to a million.
    target : float
        Correlation after the last layer, above `start` and at most what ReLUs reach.
    start : float
        Correlation before the first layer, in [-1, 1).

    Returns
    -------
    TailoredSlope
        Slope, weight variance and the path of the correlation.

    Raises
    ------
    InvalidArgumentError
        If no slope from 0 to 1 reaches the target.

    Notes
    -----
    Slope to 1e-12. Source: zhang2022 (arXiv 2203.08120) for the target 0.9.

    Examples
    --------
    >>> [round(tailored_slope(depth).negative_slope, 3) for depth in (20, 60, 100, 150)]
    [0.181, 0.471, 0.57, 0.638]
    """
    from scipy.optimize import brentq

    layers = check_count("depth", depth, most=10**6)
    first = check_real("start", start, low=-1.0, high=1.0, high_open=True)
    last = check_real("target", target, low=first, high=1.0, low_open=True, high_open=True)

    def path(slope: float) -> Array:
        values = np.empty(layers + 1)
        values[0] = first
        strength = (1.0 - slope) ** 2 / (1.0 + slope**2) / math.pi
        rho = first
        for layer in range(1, layers + 1):
            theta = math.acos(rho)
            rho = min(rho + strength * (math.sin(theta) - theta * rho), 1.0)
            values[layer] = rho
        return values

    reached = float(path(0.0)[-1])
    if last > reached:
        rule = f"be at most {reached:.6g}, what ReLUs reach at depth {layers}"
        raise invalid("target", rule, last, "a network this shallow needs no slope: use relu")
    slope = float(brentq(lambda value: path(value)[-1] - last, 0.0, 1.0, xtol=1e-13)) if last < reached else 0.0
    return TailoredSlope(
        depth=layers,
        start=first,
        target=last,
        negative_slope=slope,
        sigma_w2=2.0 / (1.0 + slope**2),
        correlations=path(slope),
    )

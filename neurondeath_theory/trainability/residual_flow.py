r"""The critical residual with many branches: variance and correlation as flows in effective depth.

Model: `critical_residual` with L branches at a^2 = D/L, L to infinity: $dq/dt = V(q) - q$, and at q*
$d\rho/dt = R(\rho) - \rho$, t from 0 to D. L branches deviate from the flow by O(D/L).

Solved by Runge-Kutta steps of fourth order; error below 2e-8 (compared with steps an eighth as long).
Source: derived here.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import check_real, check_reals
from neurondeath_theory.gaussian_limit.correlation import correlation_map
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.gaussian_limit.moments import second_moment

__all__ = ["correlation_flow", "variance_flow"]

Array = npt.NDArray[np.float64]

STEPS_PER_DEPTH = 16  # per unit of effective depth, and as many at least


def variance_flow(design: EdgeOfChaos, q: npt.ArrayLike, effective_depth: float) -> Array:
    """Solve dq/dt = V(q) - q up to t = D, the limit of many branches; shape of `q`, variances above 0.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> float(variance_flow(design, 4.0, 1.0).round(4))
    2.8653
    """
    check_design(design)
    start = check_reals("q", q, low=0.0, low_open=True)

    def rate(variance: Array) -> Array:
        return design.sigma_w2 * second_moment(design.activation, variance) + design.sigma_b2 - variance

    return _runge_kutta(rate, start, check_real("effective_depth", effective_depth, low=0.0))


def correlation_flow(design: EdgeOfChaos, correlation: npt.ArrayLike, effective_depth: float) -> Array:
    """Solve d rho/dt = R(rho) - rho at q* up to t = D, the limit of many branches; shape of `correlation`.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> float(correlation_flow(design, 0.3, 1.0).round(4))
    0.5767
    """
    check_design(design)
    start = check_reals("correlation", correlation, low=-1.0, high=1.0)

    def rate(rho: Array) -> Array:
        inside = np.clip(rho, -1.0, 1.0)
        return correlation_map(design.activation, inside, design.q, design.sigma_w2, design.sigma_b2) - inside

    return np.clip(_runge_kutta(rate, start, check_real("effective_depth", effective_depth, low=0.0)), -1.0, 1.0)


def _runge_kutta(rate: Callable[[Array], Array], start: Array, end: float) -> Array:
    steps = max(STEPS_PER_DEPTH, math.ceil(STEPS_PER_DEPTH * end))
    size, value = end / steps, start
    for _ in range(steps):
        first = rate(value)
        second = rate(value + 0.5 * size * first)
        third = rate(value + 0.5 * size * second)
        last = rate(value + size * third)
        value = value + size / 6.0 * (first + 2.0 * second + 2.0 * third + last)
    return np.asarray(value)

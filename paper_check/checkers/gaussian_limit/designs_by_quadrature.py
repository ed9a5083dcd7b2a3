"""Designs at q* = 1 and their moments by quadrature between the kinks, in doubles, for scans and root finding."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from neurondeath.paper_check.checkers.gaussian_limit.gaussian_quadrature import sides

__all__ = ["design_numbers", "second_moment", "slope_gain"]

Array = npt.NDArray[np.float64]

RULE = np.polynomial.legendre.leggauss(96)
REACH = 12.0  # standard deviations past the threshold; beyond, the density is negligible in double precision


@lru_cache(maxsize=256)
def design_numbers(kind: str, sparsity: float, v_prime: float | None) -> tuple[float, float]:
    """Find tau of a sparsity and m of a slope V'(q*) at q* = 1, by quadrature and bisection; m = 0 if not clipped."""
    tail = (1.0 - sparsity) / sides(kind)
    tau = -float(ndtri(tail)) + 0.0
    if v_prime is None:
        return tau, 0.0
    one = np.array([1.0])

    def excess(m: float) -> float:
        step = 1e-4  # fourth-order difference: error below 1e-14
        values = second_moment(kind, np.array([1 - 2 * step, 1 - step, 1 + step, 1 + 2 * step]), tau, m)
        slope = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * step)
        return float(slope / slope_gain(kind, one, tau, m)[0]) - v_prime

    return tau, float(brentq(excess, 1e-3, 40.0, xtol=1e-14))


def second_moment(kind: str, q: Array, tau: float, m: float) -> Array:
    """Compute E phi^2 by Gauss-Legendre quadrature between the kinks, in doubles, for tau of at least 0."""
    root = np.sqrt(q)
    a = tau / root
    b = np.minimum((tau + m) / root, a + REACH) if "clipped" in kind else a + REACH
    z, weights = _nodes(a, b)
    inside = np.sum(weights * (root * z - tau) ** 2 * np.exp(-0.5 * z * z), axis=0) / np.sqrt(2 * np.pi)
    beyond = m * m * ndtr(-(tau + m) / root) if "clipped" in kind else 0.0
    return np.asarray(sides(kind) * (inside + beyond))


def slope_gain(kind: str, q: Array, tau: float, m: float) -> Array:
    """Compute E phi'^2 in the same way."""
    root = np.sqrt(q)
    a = tau / root
    b = np.minimum((tau + m) / root, a + REACH) if "clipped" in kind else a + REACH
    z, weights = _nodes(a, b)
    return np.asarray(sides(kind) * np.sum(weights * np.exp(-0.5 * z * z), axis=0) / np.sqrt(2 * np.pi))


def _nodes(a: Array, b: Array) -> tuple[Array, Array]:
    half = 0.5 * (b - a)
    return a + half * (1.0 + RULE[0][:, None]), half * RULE[1][:, None]

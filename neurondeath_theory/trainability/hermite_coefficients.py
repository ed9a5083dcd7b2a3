r"""Hermite coefficients of the squares of a piecewise-linear activation and of its slope.

Model: $u = \sqrt q\, z$, z standard normal, $h_k = \mathrm{He}_k/\sqrt{k!}$. Wanted are the coefficients, k >= 1,

$$g_k = \frac{\sigma_w^2}{q} E[\phi(u)^2 h_k(z)],\qquad \chi_k = \sigma_w^2 E[\phi'(u)^2 h_k(z)].$$

$E[f(u) \mathrm{He}_k(z)] = q^{j/2} E[f^{(j)}(u) \mathrm{He}_{k-j}(z)]$. The first derivative of $\phi'^2$ and the third
of $\phi^2$ are point masses at the kinks (slopes s, jumps J): $\sum_i (s_i^2 - s_{i-1}^2)\, \delta_{k_i}$ and
$\sum_i 2 (s_i^2 - s_{i-1}^2)\, \delta_{k_i} + 2 \phi(k_i) J_i\, \delta'_{k_i}$, so coefficients of order three and
more are values of Hermite polynomials at the kinks. $g_1$ is a sum over pieces and $g_2 = \sqrt 2 V'(q)$.

They fall like k^(-7/4) (k^(-5/4) with clips) and k^(-3/4). Sums are cut at N_MODES; what Parseval's identity finds
missing is put into the last coefficient. Source: derived here.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos
from neurondeath_theory.gaussian_limit.moments import density
from neurondeath_theory.gaussian_limit.variance import step_variance
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["N_MODES", "hermite_coefficients"]

Array = npt.NDArray[np.float64]

N_MODES = 300


def hermite_coefficients(design: EdgeOfChaos) -> tuple[Array, Array]:
    """Coefficients g and chi at the fixed point of a design, each of shape (N_MODES,), from order 1."""
    phi, q = design.activation, design.q
    root, weight = math.sqrt(q), design.sigma_w2
    signal, slope = np.zeros(N_MODES + 1), np.zeros(N_MODES + 1)
    order = np.arange(N_MODES + 1, dtype=np.float64)
    for kink, value, before, after in zip(phi.kinks, phi.kink_values, phi.slopes, phi.slopes[1:], strict=False):
        z = kink / root
        hermite = _normalised_hermite(z, N_MODES)
        mass = float(density(np.array(z)))
        bend, turn = after**2 - before**2, value * (after - before) / root
        slope[1:] += weight * bend * mass * hermite[:-1] / np.sqrt(order[1:])
        signal[2:] += 2.0 * weight * turn * mass * hermite[:-2] / np.sqrt(order[2:] * (order[2:] - 1.0))
        falling = np.sqrt(order[3:] * (order[3:] - 1.0) * (order[3:] - 2.0))
        signal[3:] += 2.0 * weight * bend * mass * hermite[:-3] / falling
    signal[1] = 2.0 * weight * _mean_product_with_slope(phi, q) / root
    signal[2] = math.sqrt(2.0) * design.v_prime
    total_signal = float(step_variance(phi, q, weight)) / q**2
    total_slope = weight**2 * _mean_fourth_slope(phi, q) - 1.0
    for series, total in ((signal, total_signal), (slope, total_slope)):
        series[-1] = math.sqrt(max(series[-1] ** 2 + total - float(np.sum(series[1:] ** 2)), 0.0))
    return signal[1:], slope[1:]


def _normalised_hermite(z: float, n: int) -> Array:
    """He_k(z) / sqrt(k!), k = 0..n."""
    values = np.ones(n + 1)
    values[1] = z
    for k in range(1, n):
        values[k + 1] = (z * values[k] - math.sqrt(k) * values[k - 1]) / math.sqrt(k + 1.0)
    return values


def _masses(phi: PiecewiseLinear, q: float) -> tuple[Array, Array]:
    """P(u in a piece) and E[u; u in a piece] for u ~ N(0, q)."""
    edges = np.array([-np.inf, *phi.kinks, np.inf]) / math.sqrt(q)
    middle = np.where(edges[:-1] > 0.0, -1.0, 1.0)  # the side on which both terms are small
    mass = middle * (ndtr(middle * edges[1:]) - ndtr(middle * edges[:-1]))
    return np.abs(mass), math.sqrt(q) * (density(edges[:-1]) - density(edges[1:]))


def _mean_product_with_slope(phi: PiecewiseLinear, q: float) -> float:
    """E phi(u) phi'(u), u ~ N(0, q)."""
    mass, first = _masses(phi, q)
    at, value = phi.anchors
    slopes = np.array(phi.slopes)
    return float(np.sum(slopes * ((value - slopes * at) * mass + slopes * first)))


def _mean_fourth_slope(phi: PiecewiseLinear, q: float) -> float:
    """E phi'(u)^4, u ~ N(0, q)."""
    return float(np.sum(np.array(phi.slopes) ** 4 * _masses(phi, q)[0]))

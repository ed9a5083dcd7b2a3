r"""The variance map of wide random networks and its derivatives.

Model: pre-activations of a layer are Gaussian of variance q, weights have variance $\sigma_w^2/\text{fan-in}$, biases
$\sigma_b^2$. The next layer's variance is $V(q) = \sigma_w^2 E\phi(u)^2 + \sigma_b^2$, u ~ N(0, q); gradients are
multiplied in mean square by $\chi_1(q) = \sigma_w^2 E\phi'(u)^2$ per layer. For a function with slope jumps $J_i$ at
kinks $k_i$

$$V'(q) = \chi_1(q) + \sigma_w^2 \sum_i J_i\, \phi(k_i)\, p(k_i/\sqrt q)/\sqrt q,$$

so V' and $\chi_1$ agree exactly when $\phi$ vanishes at all its kinks (ReLU, shifted ReLU, soft threshold) and V' is
the smaller where the activation is clipped. All moments come from `moments`, free of cancellation.

Sources: price2024 (arXiv 2402.16184), the maps V, V', V'' and chi_1 of the clipped activations.
"""

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import check_real, check_reals
from neurondeath_theory.gaussian_limit.moments import (
    fourth_moment,
    inactive_probability,
    second_moment,
    second_moment_derivative,
    slope_second_moment,
    slope_second_moment_derivative,
)
from neurondeath_theory.networks.activations import ActivationLike, as_activation
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = [
    "activation_sparsity",
    "check_activation",
    "chi1",
    "chi1_slope",
    "step_variance",
    "variance_curvature",
    "variance_map",
    "variance_slope",
]

Array = npt.NDArray[np.float64]


def check_activation(activation: ActivationLike) -> PiecewiseLinear:
    """Accept a piecewise-linear activation or its name."""
    return as_activation("activation", activation)


def variance_map(
    activation: ActivationLike, q: npt.ArrayLike, sigma_w2: npt.ArrayLike = 1.0, sigma_b2: npt.ArrayLike = 0.0
) -> Array:
    r"""Variance of the next layer's pre-activations, $V(q) = \sigma_w^2 E\phi(\sqrt q z)^2 + \sigma_b^2$.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    q : array_like
        Variances, at least 0.
    sigma_w2, sigma_b2 : array_like
        Weight variance times fan-in and bias variance, at least 0; all three broadcast against each other.

    Returns
    -------
    float array
        V(q), of the broadcast shape.

    Raises
    ------
    InvalidArgumentError
        If a variance is negative or not finite, or the activation is not piecewise linear.

    Notes
    -----
    Relative error below 1e-12. Source: price2024, equation of the variance map.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import clipped_shifted_relu, relu
    >>> variance_map(relu(), [0.5, 1.0, 3.0], sigma_w2=2.0).round(12).tolist()
    [0.5, 1.0, 3.0]
    >>> float(variance_map(clipped_shifted_relu(1.0, 1.0), 1.0).round(12))
    0.052589651396
    """
    phi = check_activation(activation)
    variance = check_reals("q", q, low=0.0)
    weight, bias = check_reals("sigma_w2", sigma_w2, low=0.0), check_reals("sigma_b2", sigma_b2, low=0.0)
    return np.asarray(weight * second_moment(phi, variance) + bias)


def variance_slope(activation: ActivationLike, q: npt.ArrayLike, sigma_w2: npt.ArrayLike = 1.0) -> Array:
    r"""First derivative V'(q) of the variance map, for q > 0; shapes as in `variance_map`.

    Raises
    ------
    InvalidArgumentError
        If q is not positive, sigma_w2 negative, or a number not finite.

    Notes
    -----
    Relative error below 1e-12 where $|\phi|$ grows away from 0. Source: price2024.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import hard_tanh
    >>> float(variance_slope(hard_tanh(1.0), 1.0).round(12))
    0.198748043099
    """
    phi = check_activation(activation)
    variance, weight = check_reals("q", q, low=0.0, low_open=True), check_reals("sigma_w2", sigma_w2, low=0.0)
    return np.asarray(weight * second_moment_derivative(phi, variance))


def variance_curvature(activation: ActivationLike, q: npt.ArrayLike, sigma_w2: npt.ArrayLike = 1.0) -> Array:
    """Second derivative V''(q) of the variance map, for q > 0; shapes as in `variance_map`.

    Raises
    ------
    InvalidArgumentError
        If q is not positive, sigma_w2 negative, or a number not finite.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu, shifted_relu
    >>> float(variance_curvature(relu(), 1.0, 2.0)), bool(variance_curvature(shifted_relu(1.0), 1.0) > 0)
    (0.0, True)
    """
    phi = check_activation(activation)
    variance, weight = check_reals("q", q, low=0.0, low_open=True), check_reals("sigma_w2", sigma_w2, low=0.0)
    return np.asarray(weight * second_moment_derivative(phi, variance, 2))


def chi1(activation: ActivationLike, q: npt.ArrayLike, sigma_w2: npt.ArrayLike = 1.0) -> Array:
    r"""Mean-square gain of a gradient, $\chi_1(q) = \sigma_w^2 E\phi'(\sqrt q z)^2$, for q > 0.

    Shapes as in `variance_map`.

    Raises
    ------
    InvalidArgumentError
        If q is not positive, sigma_w2 negative, or a number not finite.

    Notes
    -----
    Relative error below 1e-12. Plain Gauss-Hermite quadrature is off by up to 44 % here, because of the kinks.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> float(chi1(relu(), 7.0, sigma_w2=2.0))
    1.0
    """
    phi = check_activation(activation)
    variance, weight = check_reals("q", q, low=0.0, low_open=True), check_reals("sigma_w2", sigma_w2, low=0.0)
    return np.asarray(weight * slope_second_moment(phi, variance))


def chi1_slope(activation: ActivationLike, q: npt.ArrayLike, sigma_w2: npt.ArrayLike = 1.0) -> Array:
    """Differentiate chi_1 with respect to q, for q > 0; shapes as in `variance_map`.

    Raises
    ------
    InvalidArgumentError
        If q is not positive, sigma_w2 negative, or a number not finite.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> float(chi1_slope(relu(), 1.0))
    0.0
    """
    phi = check_activation(activation)
    variance, weight = check_reals("q", q, low=0.0, low_open=True), check_reals("sigma_w2", sigma_w2, low=0.0)
    return np.asarray(weight * slope_second_moment_derivative(phi, variance))


def activation_sparsity(activation: ActivationLike, q: npt.ArrayLike) -> Array:
    """Share of units whose activation is exactly zero, P(phi(sqrt(q) z) = 0), for q > 0.

    Raises
    ------
    InvalidArgumentError
        If q is not positive or not finite.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import leaky_relu, relu
    >>> float(activation_sparsity(relu(), 3.0)), float(activation_sparsity(leaky_relu(), 3.0))
    (0.5, 0.0)
    """
    return inactive_probability(check_activation(activation), check_reals("q", q, low=0.0, low_open=True))


def step_variance(activation: ActivationLike, q: npt.ArrayLike, sigma_w2: npt.ArrayLike = 1.0) -> Array:
    r"""Variance of one unit's term $\sigma_w^2 \phi(\sqrt q z)^2$; over the width, the variance of one step of q.

    Raises
    ------
    InvalidArgumentError
        If q is not positive, sigma_w2 negative, or a number not finite.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> float(step_variance(relu(), 1.0, sigma_w2=2.0))
    5.0
    """
    phi = check_activation(activation)
    variance, weight = check_reals("q", q, low=0.0, low_open=True), check_reals("sigma_w2", sigma_w2, low=0.0)
    return np.asarray(weight**2 * (fourth_moment(phi, variance) - second_moment(phi, variance) ** 2))


def check_variances(sigma_w2: float, sigma_b2: float) -> tuple[float, float]:
    """Accept one weight variance above 0 and one bias variance of at least 0."""
    return check_real("sigma_w2", sigma_w2, low=0.0, low_open=True), check_real("sigma_b2", sigma_b2, low=0.0)

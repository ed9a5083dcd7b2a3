r"""Correlation and covariance maps of wide fully connected networks, and how fast correlations approach their limit.

Model: two inputs whose pre-activations have variances q1, q2 and correlation $\rho$; the next layer's covariance is
$\sigma_w^2 E\phi(u_1)\phi(u_2) + \sigma_b^2$. With equal variances the correlation map is
$R(\rho) = (\sigma_w^2 C(\rho) + \sigma_b^2) / V(q)$; in Hermite polynomials $R = \sum_k a_k^2 \rho^k$ + constant, so
R is convex and increasing on [0, 1], R(1) = 1, and at a fixed point of V, $R'(1) = \chi_1$. Hence $\rho = 1$ is the
only fixed point in [0, 1] when $\chi_1 \le 1$ (unless R is the identity), and there is exactly one more when $\chi_1
> 1$.

At the edge of chaos, near $\rho = 1$, kinks give a power 3/2: $R'' \to A / (2\sqrt{1-\rho})$ with
$A = (\sigma_w^2/\sqrt\pi) \sum_i J_i^2\, p(k_i/\sqrt{q^*})$, so
$1 - R(\rho) = (1-\rho) - \tfrac23 A (1-\rho)^{3/2} + O((1-\rho)^2)$; $(1-\rho_l)^{-1/2}$ grows by A/3 per layer and
$1 - \rho_l \sim 9/(A^2 l^2)$ (wide He ReLU: $9\pi^2/(2 l^2)$). Off the edge the approach is geometric,
$\rho_l - \rho^* \sim e^{-l/\xi}$.

Source: price2024 (arXiv 2402.16184) for the maps; the rate is derived here.
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
from neurondeath_theory.gaussian_limit.bivariate_moments import (
    ROWS_PER_PASS,
    arc_cosine_products,
    mean_product,
    mean_slope_product,
)
from neurondeath_theory.gaussian_limit.moments import (
    density,
    second_moment,
    second_moment_derivative,
    slope_second_moment,
)
from neurondeath_theory.gaussian_limit.variance import check_activation, check_variances
from neurondeath_theory.networks.activations import ActivationLike
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = [
    "DepthScales",
    "correlation_map",
    "correlation_rate",
    "correlation_slope",
    "correlation_trajectory",
    "covariance_map",
    "depth_scales",
]

Array = npt.NDArray[np.float64]

OFF_EDGE = 1e-9  # distance of chi_1 from 1 below which the depth scale is infinite
SYMMETRY = 1e-9  # relative error that a covariance matrix may carry


def correlation_map(
    activation: ActivationLike,
    correlation: npt.ArrayLike,
    q: float = 1.0,
    sigma_w2: float = 1.0,
    sigma_b2: float = 0.0,
) -> Array:
    r"""Correlation of the next layer, $R(\rho) = (\sigma_w^2 E\phi(u_1)\phi(u_2) + \sigma_b^2) / V(q)$.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    correlation : array_like
        Correlations in [-1, 1], any shape.
    q : float
        Variance of both pre-activations, above 0.
    sigma_w2, sigma_b2 : float
        Weight variance times fan-in, above 0, and bias variance, at least 0.

    Returns
    -------
    float array
        R, of the shape of `correlation`; NaN where V(q) = 0.

    Raises
    ------
    InvalidArgumentError
        If a correlation lies outside [-1, 1] or another argument leaves its domain.

    Notes
    -----
    Absolute error below 1e-12. Source: price2024, correlation map.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> correlation_map(relu(), [0.0, 1.0], sigma_w2=2.0).round(12).tolist()  # 1/pi at independence
    [0.318309886184, 1.0]
    """
    phi, rho, variance, weight, bias = _checked(activation, correlation, q, sigma_w2, sigma_b2)
    norm = weight * float(second_moment(phi, variance)) + bias
    with np.errstate(invalid="ignore"):
        return np.asarray((weight * mean_product(phi, variance, variance, rho) + bias) / np.float64(norm))


def correlation_slope(
    activation: ActivationLike,
    correlation: npt.ArrayLike,
    q: float = 1.0,
    sigma_w2: float = 1.0,
    sigma_b2: float = 0.0,
) -> Array:
    r"""Slope $R'(\rho) = \sigma_w^2 q\, E\phi'(u_1)\phi'(u_2) / V(q)$; arguments as in `correlation_map`.

    Raises
    ------
    InvalidArgumentError
        If a correlation lies outside [-1, 1] or another argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> correlation_slope(relu(), [-1.0, 0.0, 1.0], sigma_w2=2.0).round(12).tolist()
    [0.0, 0.5, 1.0]
    """
    phi, rho, variance, weight, bias = _checked(activation, correlation, q, sigma_w2, sigma_b2)
    norm = weight * float(second_moment(phi, variance)) + bias
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weight * variance * mean_slope_product(phi, variance, variance, rho) / np.float64(norm))


def correlation_rate(activation: ActivationLike, q: float, sigma_w2: float) -> float:
    r"""Rate A of the approach of correlations to 1 at the edge of chaos, where $1-\rho_l \sim 9/(A l)^2$.

    Near $\rho = 1$, $1 - R(\rho) = (1-\rho) - \tfrac23 A (1-\rho)^{3/2}$ to leading orders.

    Raises
    ------
    InvalidArgumentError
        If q or sigma_w2 is not positive.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> round(9 / correlation_rate(relu(), 1.0, 2.0) ** 2, 6)  # 9 pi^2 / 2
    44.41322
    """
    phi = check_activation(activation)
    variance, weight = (
        check_real("q", q, low=0.0, low_open=True),
        check_real("sigma_w2", sigma_w2, low=0.0, low_open=True),
    )
    kinks, jumps = np.array(phi.kinks), np.array(phi.jumps)
    return float(weight / math.sqrt(math.pi) * np.sum(jumps**2 * density(kinks / math.sqrt(variance))))


def correlation_trajectory(
    activation: ActivationLike,
    correlation: npt.ArrayLike,
    depth: int,
    q: float = 1.0,
    sigma_w2: float = 1.0,
    sigma_b2: float = 0.0,
) -> Array:
    """Correlations through `depth` layers at a fixed variance, shape (depth + 1, *shape of `correlation`).

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> correlation_trajectory(relu(), 0.0, 3, sigma_w2=2.0).round(4).tolist()
    [0.0, 0.3183, 0.4937, 0.6048]
    """
    layers = check_count("depth", depth, least=0)
    rho = check_reals("correlation", correlation, low=-1.0, high=1.0)
    path = [rho]
    for _ in range(layers):
        path.append(np.clip(correlation_map(activation, path[-1], q, sigma_w2, sigma_b2), -1.0, 1.0))
    return np.array(path)


@dataclass(frozen=True, kw_only=True)
class DepthScales(Result):
    """Depths over which signals and gradients change in a wide network.

    Attributes
    ----------
    q, chi1, v_prime : float
        The fixed point, and the gradient gain and the slope of V there.
    correlation : float
        The stable fixed point of the correlation map in [0, 1].
    variance_scale, correlation_scale, gradient_scale : float
        Layers in which a deviation of q, one of the correlation, and a gradient's mean square change by a factor e; inf
        where the change is slower than geometric.
    """

    q: float
    chi1: float
    v_prime: float
    correlation: float
    variance_scale: float
    correlation_scale: float
    gradient_scale: float

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row."""
        return {name: [value] for name, value in self.__dict__.items()}

    def __str__(self) -> str:
        return (
            f"chi_1 = {format_number(self.chi1)}: correlations tend to {format_number(self.correlation)} over "
            f"{format_number(self.correlation_scale)} layers, variances over {format_number(self.variance_scale)}"
        )


def depth_scales(activation: ActivationLike, q: float, sigma_w2: float, sigma_b2: float) -> DepthScales:
    """Compute the depth scales of variance, correlation and gradients at a fixed point q of the variance map.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    q : float
        A fixed point of the variance map, above 0.
    sigma_w2, sigma_b2 : float
        Weight variance times fan-in, above 0, and bias variance, at least 0.

    Returns
    -------
    DepthScales
        -1/log|V'|, -1/log R'(rho*) and 1/|log chi_1|.

    Raises
    ------
    InvalidArgumentError
        If q is not a fixed point (relative 1e-6) or an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> depth_scales(relu(), 1.0, 1.0, 0.5).gradient_scale.__round__(6)
    1.442695
    """
    phi = check_activation(activation)
    variance = check_real("q", q, low=0.0, low_open=True)
    weight, bias = check_variances(sigma_w2, sigma_b2)
    image = weight * float(second_moment(phi, variance)) + bias
    if abs(image - variance) > 1e-6 * variance:
        raise invalid(
            "q", f"be a fixed point of the variance map, but V(q) = {image:.6g}", variance, "see fixed_points"
        )
    gain = weight * float(slope_second_moment(phi, variance))
    slope = weight * float(second_moment_derivative(phi, variance))
    limit, decay = 1.0, gain
    if gain > 1.0 + OFF_EDGE:
        limit = _interior_fixed_point(phi, variance, weight, bias)
        decay = float(correlation_slope(phi, limit, variance, weight, bias))
    return DepthScales(
        q=variance,
        chi1=gain,
        v_prime=slope,
        correlation=limit,
        variance_scale=_scale(slope),
        correlation_scale=_scale(decay),
        gradient_scale=_scale(gain),
    )


def covariance_map(
    activation: ActivationLike, covariance: npt.ArrayLike, sigma_w2: float = 1.0, sigma_b2: float = 0.0
) -> Array:
    """Covariance matrix of the next layer's pre-activations over a set of inputs, fully connected.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    covariance : array_like, shape (n_points, n_points)
        Symmetric positive semidefinite covariance of this layer's pre-activations.
    sigma_w2, sigma_b2 : float
        Weight variance times fan-in, above 0, and bias variance, at least 0.

    Returns
    -------
    float array, shape (n_points, n_points)
        sigma_w2 E phi(u_a) phi(u_b) + sigma_b2.

    Raises
    ------
    InvalidArgumentError
        If the matrix is not square, symmetric and finite, or a correlation exceeds 1.

    Notes
    -----
    Error below 1e-12 of the geometric mean of both variances. Source: price2024, covariance recursion.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> covariance_map(relu(), [[1.0, 0.0], [0.0, 4.0]], sigma_w2=2.0).round(9).tolist()
    [[1.0, 0.636619772], [0.636619772, 4.0]]
    """
    phi = check_activation(activation)
    weight, bias = check_variances(sigma_w2, sigma_b2)
    return weight * activation_products(phi, check_covariance("covariance", covariance)) + bias


def check_covariance(name: str, covariance: npt.ArrayLike) -> Array:
    """Accept a covariance matrix that is symmetric up to rounding; return it exactly symmetric."""
    matrix = check_reals(name, covariance)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise invalid(name, "be a square matrix", f"shape {matrix.shape}")
    variance = np.diag(matrix)
    if (variance < 0.0).any():
        raise invalid(name, "have variances of at least 0 on its diagonal", float(variance.min()))
    root, symmetric = np.sqrt(variance), np.empty(matrix.shape)
    for start in range(0, len(matrix), ROWS_PER_PASS):
        rows = slice(start, start + ROWS_PER_PASS)
        half, mirrored, size = matrix[rows], matrix[:, rows].T, root[rows, None] * root
        if (np.abs(half - mirrored) > SYMMETRY * size).any():
            raise invalid(name, "be symmetric", f"largest difference {np.abs(matrix - matrix.T).max():.3g}")
        if (np.abs(half) > (1.0 + SYMMETRY) * size).any():
            raise invalid(name, "hold no correlation beyond 1", "a larger one", "repair the matrix")
        np.multiply(0.5, half + mirrored, out=symmetric[rows])
    return symmetric


def activation_products(activation: PiecewiseLinear, covariance: Array) -> Array:
    """E phi(u_a) phi(u_b) for jointly Gaussian u of a checked covariance matrix."""
    variance = np.diag(covariance)
    if all(kink == 0.0 for kink in activation.kinks):
        products = arc_cosine_products(activation, covariance)
        np.fill_diagonal(products, second_moment(activation, variance))
        return products
    rows, columns = np.triu_indices(len(variance), 1)
    size = np.sqrt(variance[rows]) * np.sqrt(variance[columns])
    safe = np.where(size > 0.0, size, 1.0)
    rho = np.clip(np.where(size > 0.0, covariance[rows, columns] / safe, 0.0), -1.0, 1.0)
    products = np.diag(second_moment(activation, variance))
    products[rows, columns] = mean_product(activation, variance[rows], variance[columns], rho)
    products[columns, rows] = products[rows, columns]
    return products


def _checked(
    activation: ActivationLike, correlation: npt.ArrayLike, q: float, sigma_w2: float, sigma_b2: float
) -> tuple[PiecewiseLinear, Array, float, float, float]:
    phi = check_activation(activation)
    rho = check_reals("correlation", correlation, low=-1.0, high=1.0)
    variance = check_real("q", q, low=0.0, low_open=True)
    return phi, rho, variance, *check_variances(sigma_w2, sigma_b2)


def _interior_fixed_point(activation: PiecewiseLinear, q: float, sigma_w2: float, sigma_b2: float) -> float:
    """Solve R(rho) = rho in [0, 1) where R'(1) > 1; R is convex, so the solution is unique."""
    from scipy.optimize import brentq

    def excess(distance: float) -> float:
        return float(correlation_map(activation, 1.0 - distance, q, sigma_w2, sigma_b2)) - (1.0 - distance)

    near = 1e-3
    while excess(near) >= 0.0 and near > 1e-14:
        near *= 0.1
    if near <= 1e-14:
        return 1.0
    if excess(1.0) <= 0.0:
        return 0.0
    return float(1.0 - brentq(excess, near, 1.0, xtol=1e-15))


def _scale(factor: float) -> float:
    size = abs(factor)
    if size == 0.0:
        return 0.0
    return math.inf if abs(size - 1.0) <= OFF_EDGE else 1.0 / abs(math.log(size))

r"""Gaussian vectors on which linearly independent points are inactive, drawn one coordinate after the other.

For unit vectors $y_1 .. y_r$ that are linearly independent, and g standard normal, $q = P(Y g \le 0) = P(Y g \ge 0)$.
With $Y = L Q$, L lower triangular with a positive diagonal, and $z = Q g$, $Y g \ge 0$ iff for every k

$$z_k \ge -\sum_{j<k} A_{kj} z_j, \qquad A = \mathrm{diag}(L)^{-1} L - I.$$

$z_k$ is drawn from $N(\mu_k, 1)$ above its limit, one k after the other, and the draw has the weight

$$\exp \psi(z, \mu), \qquad \psi = \sum_k \tfrac12 \mu_k^2 - \mu_k z_k + \ln \Phi(-a_k), \qquad
a_k = -(A z)_k - \mu_k,$$

whose mean is q for every mu. The minimax tilt is the saddle point of psi, concave in z and convex in mu; there
$\mu = A^T h$ and $z = \mu + h$ with the hazards $h_k = \varphi(a_k) / \Phi(-a_k)$, and $\exp \psi$ bounds every weight.
Orthogonal points have $\mu = 0$ and constant weights. If there are more points than dimensions, r of them are chosen,
greedily: next the one that is least likely to be inactive, given the expected values of those before.

Sources: Botev, Journal of the Royal Statistical Society B 79, 125 (2017), with the minimax tilt; Genz, Journal of
Computational and Graphical Statistics 1, 141 (1992), with the draws; Gibson, Glasbey, Elston, Advances in Numerical
Methods and Applications, 120 (1994), with the order.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TiltedOrthant", "draw_tilted", "tilted_orthant"]

Matrix = npt.NDArray[np.float64]

NEWTON_STEPS = 200
HALVINGS = 60
BISECTIONS = 60
RISE = 1e-9  # of the minimum of psi in a step of Newton's method, below which it has converged
LEAST_VARIANCE = 0.7  # of a point given those before, relative to the largest, if there is a choice
FAR_OUT = 1e4  # from here on h(a) - a has a series
TINY = 1e-300
SQRT_HALF = math.sqrt(0.5)


@dataclass(frozen=True, eq=False)
class TiltedOrthant:
    """How to draw vectors on which r points are inactive.

    Attributes
    ----------
    chosen : int array, shape (r,)
        The points, in the order of their coordinates.
    coefficients : float array, shape (r, r)
        A, strictly lower triangular.
    basis : float array, shape (r, r)
        Q, its rows the directions of the coordinates.
    tilt : float array, shape (r,)
        mu.
    """

    chosen: npt.NDArray[np.intp]
    coefficients: Matrix
    basis: Matrix
    tilt: Matrix


def tilted_orthant(y: Matrix, normal: Matrix) -> TiltedOrthant:
    """Choose r of the points and their order, and find the minimax tilt.

    Parameters
    ----------
    y : float array, shape (n_points, r)
        Unit vectors of rank r, one per row.
    normal : float array, shape (r,)
        A unit vector that has a positive product with all of them.
    """
    chosen = _choose(y)
    # from the points, not from their products, so that nearly parallel ones keep their digits
    orthogonal, upper = np.linalg.qr(y[chosen].T)
    diagonal = np.diagonal(upper)
    signs = np.where(diagonal < 0.0, -1.0, 1.0)
    coefficients = np.tril(upper.T * signs / np.abs(diagonal)[:, None], -1)
    basis = (orthogonal * signs).T
    tilt = _saddle_point(coefficients, basis @ normal * math.sqrt(len(chosen)))
    return TiltedOrthant(chosen, coefficients, basis, tilt)


def draw_tilted(orthant: TiltedOrthant, uniforms: Matrix) -> tuple[Matrix, Matrix]:
    """Draw vectors on which the chosen points are inactive.

    Parameters
    ----------
    orthant : TiltedOrthant
        The law.
    uniforms : float array, shape (n_vectors, r)
        Numbers in (0, 1).

    Returns
    -------
    vectors : float array, shape (n_vectors, r)
        The vectors g.
    log_weights : float array, shape (n_vectors,)
        Logarithms of their weights, with which they represent standard normal vectors there; their mean is q.
    """
    from scipy.special import log_ndtr, ndtri_exp

    z = np.empty(uniforms.shape[::-1])
    total = np.zeros(len(uniforms))
    log_uniforms = np.log(uniforms.T)
    for k, (row, mean) in enumerate(zip(orthant.coefficients, orthant.tilt, strict=True)):
        limits = -(row[:k] @ z[:k])
        a = limits - mean
        beyond = np.maximum(-ndtri_exp(log_uniforms[k] + log_ndtr(-a)) - a, 0.0)
        z[k] = limits + beyond
        total += _log_factors(limits, mean, beyond)
    return -z.T @ orthant.basis, total


def _choose(y: Matrix) -> npt.NDArray[np.intp]:
    """Choose as many points as there are dimensions, in a good order."""
    count, size = y.shape
    chosen = np.empty(size, dtype=np.intp)
    factor, variances, means = np.zeros((count, size)), np.ones(count), np.zeros(count)
    for k in range(size):
        independent = variances >= LEAST_VARIANCE * variances.max()
        limits = np.where(independent, -means / np.sqrt(np.where(independent, variances, 1.0)), -np.inf)
        best = chosen[k] = int(np.argmax(limits))
        covariances = y @ y[best] - factor[:, :k] @ factor[best, :k]
        factor[:, k] = covariances / math.sqrt(variances[best])
        means += factor[:, k] * float(_hazards(limits[best]))
        variances = np.maximum(variances - factor[:, k] ** 2, TINY)
        variances[chosen[: k + 1]] = 0.0
    return chosen


def _hazards(limits: npt.ArrayLike) -> Matrix:
    """Return the density of a standard normal over its tail probability."""
    from scipy.special import erfcx

    return np.asarray(math.sqrt(2.0 / math.pi) / erfcx(np.asarray(limits, dtype=np.float64) * SQRT_HALF))


def _saddle_point(coefficients: Matrix, inside: Matrix) -> Matrix:
    """Find the minimax tilt from coordinates inside the orthant; any tilt gives unbiased estimates.

    For given z > -A z the minimum of psi is at a_k with h(a_k) - a_k = z_k + (A z)_k. The minimum is concave in z and
    falls to minus infinity at the edge: Newton's method finds its maximum.
    """
    z, (value, gradient, hessian, tilt) = inside, _smallest(coefficients, inside)
    for _ in range(NEWTON_STEPS):
        step = -np.linalg.lstsq(hessian, gradient)[0]
        rise = float(gradient @ step)
        if not rise > RISE:
            break
        for halving in range(HALVINGS):
            new_z = z + 0.5**halving * step
            if (new_z + coefficients @ new_z > 0.0).all():
                new = _smallest(coefficients, new_z)
                if new[0] >= value + 0.1 * 0.5**halving * rise:
                    break
        else:
            break
        z, (value, gradient, hessian, tilt) = new_z, new
    return tilt


def _smallest(coefficients: Matrix, z: Matrix) -> tuple[float, Matrix, Matrix, Matrix]:
    """Return the minimum of psi over mu for given z, its gradient and second derivatives, and mu."""
    limits = -(coefficients @ z)
    beyond = z - limits
    low, high = -beyond, 1.0 / beyond  # 0 < h(a) - a < 1 / a
    for _ in range(BISECTIONS):
        a = 0.5 * (low + high)
        short = _hazards(a) - a > beyond
        low, high = np.where(short, a, low), np.where(short, high, a)
    a = np.where(high > FAR_OUT, 1.0 / beyond - 2.0 * beyond, 0.5 * (low + high))  # h(a) - a = 1/a - 2/a^3 + ..
    hazards, tilt = a + beyond, limits - a
    inverse = 1.0 / np.maximum(a, 1.0)
    curvatures = np.where(a > FAR_OUT, inverse * inverse, 1.0 - hazards * beyond)  # of psi in mu
    slopes = 1.0 - curvatures
    value = float(_log_factors(limits, tilt, beyond).sum())
    mixed = np.eye(len(z)) + slopes[:, None] * coefficients
    hessian = -(coefficients.T * slopes) @ coefficients - (mixed.T / curvatures) @ mixed
    return value, coefficients.T @ hazards - tilt, hessian, tilt


def _log_factors(limits: Matrix, tilt: Matrix | float, beyond: Matrix) -> Matrix:
    """Return the terms of psi for z at a distance beyond its limits; no large squares are subtracted."""
    from scipy.special import erfcx, log_ndtr

    a = limits - tilt
    far = a > 0.0
    log_scaled = np.log(0.5 * erfcx(np.where(far, a, 0.0) * SQRT_HALF)) - 0.5 * limits * limits
    near = np.where(far, 0.0, a)
    log_near = log_ndtr(-near) - tilt * (0.5 * tilt + near)
    return np.asarray(np.where(far, log_scaled, log_near) - tilt * beyond)

r"""The random factor by which one zero-bias layer of finite width multiplies the size of a signal.

Model: n units $\phi(\sqrt q z_i)$, z iid standard normal, $\phi$ linear on each side of 0 with slopes $s_-, s_+$ (ReLU,
leaky ReLU, absolute value, identity). By homogeneity $\sum_i \phi(\sqrt q z_i)^2 = q n F$ with

$$n F = s_+^2 \chi^2_K + s_-^2 \chi^2_{n-K},\qquad K \sim \mathrm{Bin}(n, 1/2),$$

independent of q. If one slope is 0, F is taken given F > 0 (the layer lives). Three cases:

- one slope 0: $E \log\chi^2_K = \psi(K/2) + \log 2$, $\mathrm{Var} \log\chi^2_K = \psi'(K/2)$, averaged over K >= 1;
- equal slopes: the same with K = n;
- otherwise from the Laplace transform $M(t) = E e^{-tF}$, the n-th power of that of one unit. For X > 0
  $\log X = \int_0^\infty (e^{-t} - e^{-tX})\, dt/t$ and
  $(\log X)^2 = -2 \int_0^\infty (e^{-t} - e^{-tX})(\log t + \gamma)\, dt/t$ (differentiate in X: both sides vanish at
  X = 1), so the two moments are integrals of $e^{-t} - M(t)$. In $u = \log t$ trapezoidal sums converge exponentially.

Mellin transform $E F^{i\omega}$: with one slope $\Gamma(K/2 + i\omega)/\Gamma(K/2)$ averaged over K. With two,
$\chi^2_K + \chi^2_{n-K} = S$ is independent of the share $P = \chi^2_K / S$, a Beta(K/2, (n-K)/2), and
$E F^{i\omega} = E (S/n)^{i\omega}\, E(s_-^2 + (s_+^2 - s_-^2) P)^{i\omega}$, the latter a trapezoidal sum in
$w = \log\sqrt{P/(1-P)}$.

Sources: hanin2018 (arXiv 1812.05994) for products of such factors; the exact moments are derived here.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, loggamma, polygamma, psi

from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["factor_moments", "factor_transform", "mean_factor", "relative_variance", "slopes_at_zero"]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

BINOMIAL_REACH = 14.0  # standard deviations of K; beyond it the mass is below 1e-40
LOG_STEP = 0.05  # step of the sums in log t; the integrands are analytic for |Im| < pi / 2
LOG_LOWEST, LOG_HIGHEST = -45.0, 80.0  # the integrands fall like t and like t^(-1/2) towards the ends
SHARE_STEP, SHARE_REACH = 0.02, 40.0  # step and range of w


def slopes_at_zero(activation: PiecewiseLinear) -> tuple[float, float]:
    """Return the slopes left and right of 0 of an activation that is linear on each side of 0."""
    if any(kink != 0.0 for kink in activation.kinks) or activation.value_at_zero != 0.0:
        rule = "be linear on each side of 0 (relu, leaky-relu, absolute-value, identity), so that size is a product"
        raise invalid("activation", rule, str(activation), "see variance_chain for one whose kinks lie elsewhere")
    slopes = (activation.slopes[0], activation.slopes[-1])
    if slopes == (0.0, 0.0):
        raise invalid("activation", "be nonzero somewhere", str(activation))
    return slopes


def mean_factor(slopes: tuple[float, float]) -> float:
    """E F, dead layers included: the mean square slope."""
    return 0.5 * (slopes[0] ** 2 + slopes[1] ** 2)


def relative_variance(slopes: tuple[float, float]) -> float:
    """Return n Var F / (E F)^2, dead layers included; 5 for ReLU, 2 for the identity."""
    low, high = slopes[0] ** 2, slopes[1] ** 2
    return 6.0 * (low**2 + high**2) / (low + high) ** 2 - 1.0


@lru_cache(maxsize=4096)
def factor_moments(width: int, slopes: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of log F given F > 0."""
    low, high = sorted((abs(slopes[0]), abs(slopes[1])))
    if low == high:
        return float(psi(width / 2) + math.log(2.0 / width)) + 2.0 * math.log(high), float(polygamma(1, width / 2))
    if low == 0.0:
        count, weight = _active_units(width)
        centre = psi(count / 2)
        mean = float(weight @ centre)
        variance = float(weight @ (centre - mean) ** 2 + weight @ polygamma(1, count / 2))
        return mean + math.log(2.0 / width) + 2.0 * math.log(high), variance
    scale = mean_factor(slopes)  # F is measured in units of its mean, so that exp(-t) and M(t) are close
    u = np.arange(LOG_LOWEST, LOG_HIGHEST, LOG_STEP)
    t = np.exp(u) / (scale * width)
    # by expm1 and log1p, so that the difference keeps its digits in wide layers, where it is of order 1 / width
    one_unit = 0.5 * sum(np.expm1(-0.5 * np.log1p(2.0 * slope**2 * t)) for slope in (low, high))
    direct = 0.5 / np.sqrt(1.0 + 2.0 * high**2 * t) + 0.5 / np.sqrt(1.0 + 2.0 * low**2 * t)
    near = one_unit > -0.5
    log_transform = width * np.where(near, np.log1p(np.where(near, one_unit, 0.0)), np.log(direct))
    limit, small = np.exp(-np.exp(u)), u < 3.0
    exact = -limit * np.expm1(np.where(small, log_transform + np.exp(np.minimum(u, 3.0)), 0.0))
    difference = np.where(small, exact, limit - np.exp(log_transform))
    mean = LOG_STEP * float(difference.sum())
    square = -2.0 * LOG_STEP * float(difference @ (u + np.euler_gamma))
    return mean + math.log(scale), square - mean**2


def factor_transform(width: int, slopes: tuple[float, float], frequency: Array) -> Complex:
    """E F^(i omega) given F > 0, shape of `frequency`."""
    low, high = sorted((abs(slopes[0]), abs(slopes[1])))
    power = np.asarray(1j * frequency, dtype=np.complex128)
    unit = np.exp(power * math.log(2.0 / width))
    if low == 0.0:
        count, weight = _active_units(width)
        return np.asarray(unit * np.exp(2.0 * power * math.log(high)) * (weight @ _gamma_ratio(count, power)))
    whole = unit * _gamma_ratio(np.array([float(width)]), power)[0]
    if low == high:
        return np.asarray(whole * np.exp(2.0 * power * math.log(high)))
    return np.asarray(whole * _share_transform(width, low, high, frequency))


def _active_units(width: int) -> tuple[Array, Array]:
    """Numbers K of active units of a living layer, and their probabilities."""
    spread = BINOMIAL_REACH * math.sqrt(width) / 2 + 1.0
    count = np.arange(
        max(1, math.floor(width / 2 - spread)), min(width, math.ceil(width / 2 + spread)) + 1, dtype=float
    )
    log_weight = gammaln(width + 1.0) - gammaln(count + 1.0) - gammaln(width - count + 1.0)
    weight = np.exp(log_weight - log_weight.max())
    return count, weight / weight.sum()


def _gamma_ratio(degrees: Array, power: Complex) -> Complex:
    """E (chi^2/2)^power for every number of degrees of freedom, shape (n_degrees, n_powers)."""
    half = degrees[:, None] / 2
    return np.asarray(np.exp(loggamma(half + power) - gammaln(half)))


def _share_transform(width: int, low: float, high: float, frequency: Array) -> Complex:
    """E (low^2 + (high^2 - low^2) P)^(i omega) over K and P."""
    w = np.arange(-SHARE_REACH, SHARE_REACH + SHARE_STEP / 2, SHARE_STEP)
    log_share, log_rest = -np.logaddexp(0.0, -2.0 * w), -np.logaddexp(0.0, 2.0 * w)
    density = np.zeros_like(w)
    count, weight = _active_units(width)
    inner = (count > 0) & (count < width)
    for k, p in zip(count[inner], weight[inner], strict=True):
        log_beta = gammaln(k / 2) + gammaln((width - k) / 2) - gammaln(width / 2)
        density += p * np.exp(0.5 * k * log_share + 0.5 * (width - k) * log_rest - log_beta)
    living = -math.expm1(-width * math.log(2.0))  # weights are given K >= 1; K = 0 is the atom below
    density *= 2.0 * living * SHARE_STEP
    size = np.logaddexp(2.0 * math.log(low) + log_rest, 2.0 * math.log(high) + log_share)
    used = density > 1e-18 * density.max() if width > 1 else np.zeros(w.size, dtype=bool)
    smooth = np.exp(1j * np.multiply.outer(frequency, size[used])) @ density[used]
    atom = 2.0**-width
    ends = np.exp(2j * frequency * math.log(low)) + np.exp(2j * frequency * math.log(high))
    return np.asarray(smooth + atom * ends)

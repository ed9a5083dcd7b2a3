r"""Laws of the logarithms of signal size and gradient norm in plain networks of finite width.

Model: plain network, no biases, Gaussian weights of variance $\sigma_w^2$/fan-in, activation linear on each side of 0.
With $q_0 = \sigma_w^2 |x|^2 / n_0$ the variance of the first pre-activations and $q_l = \sigma_w^2 |x_l|^2 / n_l$,

$$\log q_l = \log q_0 + \sum_{j \le l} \log(\sigma_w^2 F_j),$$

with independent factors F_j (`layer_factors`): given x_{j-1} the pre-activations are iid N(0, q_{j-1}). So mean and
variance of $\log q_l$ given that the point is alive are sums over layers, exactly, for any widths; the law itself is
the inverse of a product of Mellin transforms. He ReLU: -5/(2n) - 49/(12 n^2) and 5/n + 37/(2 n^2) per layer, up to
terms of order n^-3.

**Gradients have the same law.** For a fixed direction u of the input and $J_l$ the Jacobian of x_l: in $|D W v|^2$ the
rows of W with flipped sign are as likely, flip D, and leave $(w \cdot v)^2$ alone; so the slopes are fair coins
independent of the squares and $\sigma_w^2 |J_l u|^2 / n_l$ is multiplied by a factor with the law of F_j, with the same
K_j as the signal. The same holds for $|J^T v|^2$ with a Gaussian read-out v, from the last layer down, with the widths
of fan-out in place of fan-in.

**It is a spread between networks.** The network is homogeneous, so the back-propagated vector g_l and x_l have one
inner product, the output y, in every layer: the weight gradients of one network have
$\log(|g_l|^2 |x_l|^2) = \log y^2 - \log\cos^2(g_l, x_l)$, whose variance over the layers stays bounded at any depth, by
about $\psi'(1/2) = 4.93$ (20 x 100: 2.9 within a network, 27 between networks).

**First-order limit** (hanin2018, arXiv 1812.05994, widths and depth growing together): normal with mean
$\log g_l - v b / 2$ and variance $v b$, $b = \sum 1/n_j$, $g$ the mean factor, v = 5 for ReLU, 2 for the identity.

**The mean of q is carried by rare networks**: $\log E q_l$ exceeds $E \log q_l$ by about half the variance; the share
of networks above the mean falls to 0 with depth. Report log q.

Where it stops: kinks away from 0 or biases make the factor depend on q; see `variance_chain` (exact, sampled) and
`variance_fluctuation` (first order about a fixed point).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_real, check_reals
from neurondeath_theory.foundation.widths import Widths, layer_widths, short_widths
from neurondeath_theory.networks.activations import ActivationLike, as_activation
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.trainability.layer_factors import (
    factor_moments,
    factor_transform,
    mean_factor,
    relative_variance,
    slopes_at_zero,
)

__all__ = ["LogSizes", "log_sizes"]

Array = npt.NDArray[np.float64]

SMALLEST_TRANSFORM = 1e-13  # the inversion stops where the transform has fallen below
MOST_FREQUENCIES = 400_000
VALID_WITHIN = 0.05  # relative gap in variance up to which the first-order limit is called valid


@dataclass(frozen=True, kw_only=True)
class LogSizes(Result):
    """Law of log(q_l / q_0), and of the log squared gradient norm, given that the point is alive, l = 1..k.

    Attributes
    ----------
    widths : int array, shape (k,)
        Widths of the hidden layers.
    activation : PiecewiseLinear
        The activation.
    sigma_w2 : float
        Weight variance times fan-in.
    mean, variance : float array, shape (k,)
        Exact mean and variance of log(q_l / q_0).
    normal_mean, normal_variance : float array, shape (k,)
        The same in the first-order limit.
    log_mean_size : float array, shape (k,)
        log E(q_l / q_0), exact, given that the point is alive; `mean` is smaller.
    """

    widths: npt.NDArray[np.int64]
    activation: PiecewiseLinear
    sigma_w2: float
    mean: Array
    variance: Array
    normal_mean: Array
    normal_variance: Array
    log_mean_size: Array

    @property
    def sd(self) -> Array:
        """Standard deviation of log(q_l / q_0), shape (k,)."""
        return np.sqrt(self.variance)

    @property
    def normal_is_valid(self) -> bool:
        """Whether the first-order limit has the variance of the last layer to 5 %."""
        return bool(abs(self.normal_variance[-1] / self.variance[-1] - 1.0) <= VALID_WITHIN)

    @property
    def median(self) -> float:
        """Median of log(q_k / q_0) at the last layer."""
        return self.quantile(0.5)

    @property
    def share_above_mean(self) -> float:
        """Share of living networks whose q_k exceeds the mean of q_k: how rare the networks are that carry it."""
        return 1.0 - float(self.probability_below(self.log_mean_size[-1]))

    def probability_below(self, log_size: npt.ArrayLike) -> Array:
        """Compute P(log(q_k / q_0) <= log_size) at the last layer, any shape; absolute error below 1e-9."""
        at = check_reals("log_size", log_size)
        frequency, transform = self._transform
        deviation = at.ravel() - self.mean[-1]
        kernel = np.exp(-1j * np.multiply.outer(deviation, frequency)) * transform
        below = 0.5 - (kernel.imag / frequency).sum(axis=1) * (frequency[0] * 2.0 / math.pi)
        period = math.pi / frequency[0]  # the sum repeats beyond half of it
        below = np.where(deviation > 0.45 * period, 1.0, np.where(deviation < -0.45 * period, 0.0, below))
        return np.asarray(np.clip(below, 0.0, 1.0).reshape(at.shape))

    def quantile(self, probability: float) -> float:
        """Return the log(q_k / q_0) that a share `probability` in [1e-6, 1 - 1e-6] of living networks stays below."""
        from scipy.optimize import brentq

        share = check_real("probability", probability, low=1e-6, high=1.0 - 1e-6)
        mean, reach = float(self.mean[-1]), 0.4 * math.pi / float(self._transform[0][0])
        return float(
            brentq(lambda at: float(self.probability_below(at)) - share, mean - reach, mean + reach, xtol=1e-9)
        )

    @cached_property
    def _transform(self) -> tuple[Array, npt.NDArray[np.complex128]]:
        """Frequencies (j + 1/2) step and E exp(i omega (log q - mean)) there, as far as it is not negligible."""
        slopes = slopes_at_zero(self.activation)
        distinct, counts = np.unique(self.widths, return_counts=True)
        spread = math.sqrt(self.variance[-1])
        step = 2.0 * math.pi / (32.0 * spread + 160.0)  # the period holds the exponential left tail of one active unit
        last = 8.0 / spread
        while True:
            frequency = np.arange(0.5, min(math.ceil(last / step), MOST_FREQUENCIES), dtype=np.float64) * step
            total = np.ones(frequency.size, dtype=np.complex128)
            for width, count in zip(distinct.tolist(), counts.tolist(), strict=True):
                centre = factor_moments(width, slopes)[0]
                total *= (factor_transform(width, slopes, frequency) * np.exp(-1j * frequency * centre)) ** count
            if abs(total[-1]) < SMALLEST_TRANSFORM or frequency.size == MOST_FREQUENCIES:
                return frequency, total
            last *= 2.0

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": np.arange(1, len(self.widths) + 1),
            "width": self.widths,
            "mean": self.mean,
            "sd": self.sd,
            "normal_mean": self.normal_mean,
            "normal_sd": np.sqrt(self.normal_variance),
            "log_mean_size": self.log_mean_size,
        }

    def __str__(self) -> str:
        mean, spread = format_number(self.mean[-1]), format_number(self.sd[-1])
        carried = format_number(self.log_mean_size[-1])
        return (
            f"{self.activation} {short_widths(self.widths)}: log q changes by {mean} with standard deviation {spread} "
            f"between living networks; log of the mean q: {carried}"
        )


def log_sizes(
    widths: Widths | None = None,
    activation: ActivationLike = "relu",
    sigma_w2: float | None = None,
    *,
    width: int | None = None,
    depth: int | None = None,
) -> LogSizes:
    r"""Compute the law of the log size of signal and gradient through a plain zero-bias network.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each at least 1.
    activation : PiecewiseLinear or str
        Linear on each side of 0: relu, leaky-relu, absolute-value, identity.
    sigma_w2 : float, optional
        Weight variance times fan-in, above 0; by default critical, 2 / (sum of the squared slopes) (He: 2).
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.

    Returns
    -------
    LogSizes
        Mean, variance, median, quantiles, the first-order limit and the mean of q.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or the activation has a kink away from 0.

    Notes
    -----
    Exact for Gaussian weights: mean and variance to 1e-12 per layer (relative 1e-7 of the variance up to width 10^9),
    probabilities to 1e-9. Source: derived here; first-order limit hanin2018 (arXiv 1812.05994).

    Examples
    --------
    >>> law = log_sizes(width=10, depth=60)
    >>> round(float(law.mean[-1]), 3), round(float(law.variance[-1]), 3), round(law.median, 3)
    (-18.448, 52.004, -18.177)
    >>> law.normal_is_valid, round(float(law.log_mean_size[-1]), 3)
    (False, 0.059)
    """
    layers = layer_widths(widths, width, depth)
    phi = as_activation("activation", activation)
    slopes = slopes_at_zero(phi)
    gain = mean_factor(slopes)
    weight = 1.0 / gain if sigma_w2 is None else check_real("sigma_w2", sigma_w2, low=0.0, low_open=True)
    distinct, place = np.unique(layers, return_inverse=True)
    moments = np.array([factor_moments(n, slopes) for n in distinct.tolist()])
    dies = 0.0 in slopes
    log_alive = np.log1p(-np.exp2(-layers.astype(np.float64))) if dies else np.zeros(len(layers))
    inverse = np.cumsum(relative_variance(slopes) / layers)
    log_gain = math.log(weight * gain) * np.arange(1, len(layers) + 1)
    return LogSizes(
        widths=layers,
        activation=phi,
        sigma_w2=weight,
        mean=np.cumsum(moments[place, 0] + math.log(weight)),
        variance=np.cumsum(moments[place, 1]),
        normal_mean=log_gain - 0.5 * inverse,
        normal_variance=inverse,
        log_mean_size=log_gain - np.cumsum(log_alive),
    )

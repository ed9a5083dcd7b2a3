r"""The variance of one input's signal in networks of finite width: an exact chain and its fluctuations.

Model: Gaussian weights and biases, one input. Given the layer's input, its n pre-activations are independent
N(0, q); hence, exactly at every width,

$$q^{l+1} = \frac{\sigma_w^2}{n} \sum_{i=1}^n \phi\big(\sqrt{q^l}\, z_i\big)^2 + \sigma_b^2,\qquad z_i \text{ iid }
N(0, 1),$$

a chain of cost O(n) per layer, and O(1) when all kinks lie at 0: then the sum is $q\,(s_+^2 \chi^2_K + s_-^2
\chi^2_{n-K})$ with K binomial. Linearised at q* its fluctuations have variance $\mathrm{step}\,(1 - V'^{2l})/(1 -
V'^2)$ after l steps with $\mathrm{step} = \sigma_w^4\, \mathrm{Var}\,\phi(\sqrt{q^*} z)^2 / n$: bounded when |V'| <
1, growing like l when V' = 1.

The mean of q is carried by ever rarer networks as depth grows: a sample mean of q in a deep network is worthless, so
$\log q$ of the networks that are alive ($q > 0$) is reported, and the exact mean beside it where the variance map is
affine (all kinks at 0): there $E q^{l+1} = V(E q^l)$. Paths are kept as logarithms, which neither under- nor overflow.

Source: the chain and its use are derived here. `escapes` asks how likely q is to leave q*.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.gaussian_limit.moments import fourth_moment, second_moment
from neurondeath_theory.gaussian_limit.variance import check_activation, check_variances
from neurondeath_theory.networks.activations import ActivationLike
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = [
    "VarianceChain",
    "next_variance",
    "variance_chain",
    "variance_fluctuation",
]

Array = npt.NDArray[np.float64]

LARGEST = 1e280  # exploding variances are capped here
DEVIATES_PER_BLOCK = 2**20


@dataclass(frozen=True, kw_only=True)
class VarianceChain(Result):
    """Sampled variances q of the layers 1..depth of independent networks.

    Attributes
    ----------
    width, depth, n_paths, seed : int
        Size and seed of the sample.
    log_paths : float array, shape (n_paths, depth)
        log q of every layer, -inf where the network is dead; the first layer has the initial q.
    exact_mean : float array, shape (depth,), or None
        Mean of q over all networks, exactly; None where no closed form is known.
    """

    width: int
    depth: int
    n_paths: int
    seed: int
    log_paths: Array
    exact_mean: Array | None

    @property
    def paths(self) -> Array:
        """Variances q of every layer, shape (n_paths, depth), at most 1e280."""
        with np.errstate(under="ignore"):
            return np.exp(np.minimum(self.log_paths, math.log(LARGEST)))

    @property
    def alive(self) -> Array:
        """Share of networks with q > 0, shape (depth,)."""
        return np.asarray((self.log_paths > -np.inf).mean(axis=0))

    @property
    def log_mean(self) -> Array:
        """Mean of log q of the networks alive, shape (depth,); NaN if none is."""
        return self._of_logs(lambda logs: float(logs.mean()), 1)

    @property
    def log_mean_error(self) -> Array:
        """Standard error of `log_mean`, shape (depth,); NaN if fewer than two networks are alive."""
        return self._of_logs(lambda logs: float(logs.std(ddof=1)) / math.sqrt(logs.size), 2)

    @property
    def log_sd(self) -> Array:
        """Standard deviation of log q of the networks alive, shape (depth,); NaN if fewer than two are."""
        return self._of_logs(lambda logs: float(logs.std(ddof=1)), 2)

    @property
    def log_sd_error(self) -> Array:
        """Standard error of `log_sd`, from the fourth central moment, shape (depth,)."""
        return self._of_logs(_sd_error, 2)

    def _of_logs(self, statistic: Callable[[Array], float], least: int) -> Array:
        alive = [logs[logs > -np.inf] for logs in self.log_paths.T]
        return np.array([statistic(logs) if logs.size >= least else math.nan for logs in alive])

    @property
    def mean(self) -> Array:
        """Sample mean of q, shape (depth,); far below the exact mean in deep networks."""
        return np.asarray(self.paths.mean(axis=0))

    @property
    def mean_error(self) -> Array:
        """Standard error of the sample mean, shape (depth,)."""
        return np.asarray(self.paths.std(axis=0, ddof=1) / math.sqrt(self.n_paths))

    @property
    def variance(self) -> Array:
        """Variance of q across networks, shape (depth,)."""
        return np.asarray(self.paths.var(axis=0, ddof=1))

    @property
    def variance_error(self) -> Array:
        """Standard error of `variance`, from the fourth central moment, shape (depth,)."""
        centred = self.paths - self.mean
        spread = (centred**4).mean(axis=0) - (centred**2).mean(axis=0) ** 2
        return np.asarray(np.sqrt(np.maximum(spread, 0.0) / self.n_paths))

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        low, middle, high = np.quantile(self.paths, [0.05, 0.5, 0.95], axis=0)
        return {
            "depth": np.arange(1, self.depth + 1),
            "log_mean": self.log_mean,
            "log_mean_error": self.log_mean_error,
            "log_sd": self.log_sd,
            "log_sd_error": self.log_sd_error,
            "alive": self.alive,
            "exact_mean": [None] * self.depth if self.exact_mean is None else self.exact_mean,
            "mean": self.mean,
            "mean_error": self.mean_error,
            "variance": self.variance,
            "variance_error": self.variance_error,
            "quantile_05": low,
            "median": middle,
            "quantile_95": high,
        }

    def __str__(self) -> str:
        values = (self.log_mean[-1], self.log_mean_error[-1], self.log_sd[-1], self.log_sd_error[-1])
        mean, error, sd, sd_error = (format_number(value, 2 + 2 * (i % 2 == 0)) for i, value in enumerate(values))
        networks = f"{self.n_paths} networks of width {self.width}, {self.alive[-1]:.4g} of them alive"
        exact = "" if self.exact_mean is None else f", exact mean of q {format_number(self.exact_mean[-1])}"
        return f"log q at layer {self.depth}: mean {mean} ± {error}, sd {sd} ± {sd_error}{exact} ({networks})"


def _sd_error(logs: Array) -> float:
    centred = logs - logs.mean()
    second, fourth = float((centred**2).mean()), float((centred**4).mean())
    return math.sqrt(max(fourth - second**2, 0.0) / logs.size) / (2.0 * math.sqrt(second)) if second > 0.0 else 0.0


def variance_chain(
    activation: ActivationLike,
    sigma_w2: float,
    sigma_b2: float,
    *,
    width: int,
    depth: int,
    initial_q: float = 1.0,
    n_paths: int = 1000,
    seed: int = 0,
) -> VarianceChain:
    """Sample the exact law of the pre-activation variances of one input through a finite network.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    sigma_w2, sigma_b2 : float
        Weight variance times fan-in, above 0, and bias variance, at least 0.
    width, depth : int
        Units of every hidden layer and number of layers.
    initial_q : float
        Variance of the first layer's pre-activations given the input, above 0.
    n_paths : int
        Independent networks, at least 2.
    seed : int
        Seed of the draws, at least 0.

    Returns
    -------
    VarianceChain
        All paths, with log q of the networks alive, means, variances and their standard errors. Variances that explode
        are capped at 1e280 where the activation has kinks away from 0.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> chain = variance_chain(relu(), 2.0, 0.0, width=10**6, depth=1000, n_paths=100)
    >>> bool(abs(chain.mean[-1] - 1.0) < 5 * chain.mean_error[-1])
    True
    """
    phi = check_activation(activation)
    weight, bias = check_variances(sigma_w2, sigma_b2)
    units, layers = check_count("width", width), check_count("depth", depth)
    paths, start = check_count("n_paths", n_paths, least=2), check_count("seed", seed, least=0)
    first = check_real("initial_q", initial_q, low=0.0, low_open=True)
    rng = np.random.default_rng(start)
    log_q = np.empty((layers, paths))
    log_q[0] = math.log(first)
    for layer in range(1, layers):
        log_q[layer] = _next_log_variance(phi, weight, bias, log_q[layer - 1], units, rng)
    mean = None
    if _is_affine(phi):
        factor = weight * float(second_moment(phi, 1.0))
        mean = np.array(list(accumulate(range(1, layers), lambda q, _: min(factor * q + bias, LARGEST), initial=first)))
    return VarianceChain(
        width=units,
        depth=layers,
        n_paths=paths,
        seed=start,
        log_paths=np.ascontiguousarray(log_q.T),
        exact_mean=mean,
    )


def _is_affine(activation: PiecewiseLinear) -> bool:
    """Whether the variance map is affine: phi is positively homogeneous."""
    return all(kink == 0.0 for kink in activation.kinks) and activation.value_at_zero == 0.0


def _next_log_variance(
    activation: PiecewiseLinear, sigma_w2: float, sigma_b2: float, log_q: Array, width: int, rng: np.random.Generator
) -> Array:
    """Draw log q of the next layer for every entry."""
    with np.errstate(divide="ignore", under="ignore"):
        log_bias = math.log(sigma_b2) if sigma_b2 > 0.0 else -math.inf
        if _is_affine(activation):
            return np.logaddexp(
                np.log(next_variance(activation, sigma_w2, 0.0, np.ones_like(log_q), width, rng)) + log_q, log_bias
            )
        return np.log(next_variance(activation, sigma_w2, sigma_b2, np.exp(log_q), width, rng))


def next_variance(
    activation: PiecewiseLinear, sigma_w2: float, sigma_b2: float, q: Array, width: int, rng: np.random.Generator
) -> Array:
    """Draw the next layer's variance for every entry of q."""
    if _is_affine(activation):
        positive = rng.binomial(width, 0.5, size=q.shape)
        total = activation.slopes[-1] ** 2 * chi_square(positive, rng)
        if activation.slopes[0] != 0.0:
            total += activation.slopes[0] ** 2 * chi_square(width - positive, rng)
        return np.minimum(sigma_w2 * (total / width) * q + sigma_b2, LARGEST)
    sums = np.zeros_like(q)
    roots = np.sqrt(q)
    for start in range(0, width, chunk := max(1, DEVIATES_PER_BLOCK // q.size)):
        z = rng.standard_normal((min(chunk, width - start), q.size))
        sums += np.square(activation(z * roots)).sum(axis=0)
    return np.minimum(sigma_w2 * (sums / width) + sigma_b2, LARGEST)


def chi_square(degrees: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    """Draw chi-square variates; 0 for zero degrees of freedom."""
    return np.where(degrees > 0, rng.chisquare(np.maximum(degrees, 1)), 0.0)


def variance_fluctuation(design: EdgeOfChaos, width: int, depth: int | None = None) -> float:
    """Compute the standard deviation of q about q* at a layer or at large depth, to first order in 1/width.

    Parameters
    ----------
    design : EdgeOfChaos
        The design.
    width : int
        Units of every layer.
    depth : int, optional
        The layer, the first having q = q* exactly; the limit of large depth when left out.

    Returns
    -------
    float
        sqrt(step (1 - V'^(2(depth - 1))) / (1 - V'^2)); inf in the limit when |V'| >= 1.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> round(variance_fluctuation(sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7), 300), 4)
    0.1282
    >>> variance_fluctuation(sparse_design("shifted-relu", 0.85), 300)
    inf
    """
    check_design(design)
    units = check_count("width", width)
    q = design.q
    moments = float(fourth_moment(design.activation, q)) - float(second_moment(design.activation, q)) ** 2
    step = design.sigma_w2**2 * moments / units
    rate = design.v_prime**2
    if depth is None:
        return math.sqrt(step / (1.0 - rate)) if rate < 1.0 - 1e-12 else math.inf
    steps = check_count("depth", depth) - 1
    if abs(rate - 1.0) <= 1e-12:
        return math.sqrt(step * steps)
    growth = steps * math.log(rate) if rate > 0.0 else -math.inf if steps else 0.0
    return math.sqrt(step * (math.expm1(growth) / (rate - 1.0))) if growth < 700.0 else math.inf

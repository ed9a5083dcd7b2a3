r"""Survival of one input through finite sparsely activated networks: signals and gradients.

Model: as in `variance_chain`; layer l is dead at the input when all its n activations are 0, of probability $s(q^l)^n$
with $s(q) = P(\phi(\sqrt q z) = 0)$ (not activated). Hence

$$P(\text{alive through layer } L) = E \prod_{l \le L} \big(1 - s(q^l)^n\big)$$

with the chain q *conditioned, at every layer, on at least one active unit*. Proof: P(alive through L) is the product of
P(alive at l | alive before); conditioning on the past each factor is $1 - s(q^l)^n$ and the next variance is drawn
from the units given that one of them is active. Along the unconditioned chain the expression is wrong: a dead layer
resets q to sigma_b2. For gradients the same holds with $\phi'(u) \ne 0$ (active and unclipped) in place of $\phi(u)
\ne 0$: a layer all of whose slopes are 0 passes no gradient back.

Sampling: given that at least one of n units is in a set of probability p, the first one in it is the j-th with
probability proportional to $(1-p)^{j-1} p$; those before are outside, it is inside, those after are free. Exact, no
rejection.

Source: derived here; combines rister2020's one-point survival with the variance map of price2024.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.gaussian_limit.escapes import escape_probability
from neurondeath_theory.gaussian_limit.moments import interval_probability
from neurondeath_theory.gaussian_limit.variance_chain import DEVIATES_PER_BLOCK, LARGEST, chi_square
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["SafeWidth", "SparseSurvival", "safe_width", "sparse_survival"]

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]

MOST_UNIT_DRAWS = 8_000_000  # for the default number of paths
WIDEST = 2**15  # the search for a safe width ends here


@dataclass(frozen=True, kw_only=True)
class SparseSurvival(Result):
    """Survival of a signal and of a gradient at one input; arrays of shape (depth,).

    Attributes
    ----------
    width, depth, n_paths, seed : int
        Size and seed of the sample.
    survival, error : float array
        P(every layer 1..l has an active unit) and its standard error.
    gradient_survival, gradient_error : float array
        P(every layer 1..l has a unit of nonzero slope) and its standard error.
    at_fixed_variance : float array
        (1 - s^n)^l, what `survival` would be if q stayed at q*.
    """

    width: int
    depth: int
    n_paths: int
    seed: int
    survival: Array
    error: Array
    gradient_survival: Array
    gradient_error: Array
    at_fixed_variance: Array

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "depth": np.arange(1, self.depth + 1),
            "survival": self.survival,
            "error": self.error,
            "gradient_survival": self.gradient_survival,
            "gradient_error": self.gradient_error,
            "at_fixed_variance": self.at_fixed_variance,
        }

    def __str__(self) -> str:
        signal = f"{format_number(self.survival[-1], 4)} ± {format_number(self.error[-1], 2)}"
        gradient = f"{format_number(self.gradient_survival[-1], 4)} ± {format_number(self.gradient_error[-1], 2)}"
        layers = f"{self.depth} layer" + ("s" if self.depth > 1 else "")
        return f"P(alive through {layers} of width {self.width}) = {signal}, of the gradient {gradient}"


def sparse_survival(
    design: EdgeOfChaos, width: int, depth: int, *, n_paths: int | None = None, seed: int = 0
) -> SparseSurvival:
    """Estimate the probability that one input's signal, and its gradient, survive a finite network.

    Parameters
    ----------
    design : EdgeOfChaos
        The design; the first layer starts at q*.
    width, depth : int
        Units of every hidden layer and number of layers.
    n_paths : int, optional
        Independent chains, at least 2; by default as many as about 8e6 unit draws allow.
    seed : int
        Seed of the draws, at least 0.

    Returns
    -------
    SparseSurvival
        Unbiased estimates with standard errors, layer by layer.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Notes
    -----
    Source: the conditioned chain of the module docstring. The cost per layer and path is O(width), and O(1) when all
    kinks lie at 0.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> result = sparse_survival(sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7), 10, 5, n_paths=20000)
    >>> bool(abs(result.survival[-1] - 0.304) < 0.004)
    True
    """
    check_design(design)
    units, layers = check_count("width", width), check_count("depth", depth)
    start = check_count("seed", seed, least=0)
    if n_paths is None:
        paths = min(max(MOST_UNIT_DRAWS // (units * layers), 200), 20_000)
    else:
        paths = check_count("n_paths", n_paths, least=2)
    rng = np.random.default_rng(start)
    signal = _conditioned_chain(design, units, layers, paths, rng, _active_set(design.activation, gradient=False))
    gradient = _conditioned_chain(design, units, layers, paths, rng, _active_set(design.activation, gradient=True))
    at_fixed = np.exp(np.arange(1, layers + 1) * _log_one_alive(np.array(1.0 - design.sparsity), units))
    return SparseSurvival(
        width=units,
        depth=layers,
        n_paths=paths,
        seed=start,
        survival=signal[0],
        error=signal[1],
        gradient_survival=gradient[0],
        gradient_error=gradient[1],
        at_fixed_variance=at_fixed,
    )


@dataclass(frozen=True, kw_only=True)
class SafeWidth(Result):
    """The smallest width found at which a design is safe through a depth.

    Attributes
    ----------
    width : int or None
        The width; None when none up to 32768 is safe.
    depth : int
        Number of layers.
    target : float
        Required probability.
    survival, gradient_survival, escape : float or None
        At that width: both survivals at the last layer and the probability of having left q*.
    reason : str
        Why narrower networks are not safe, or why no width is.
    """

    width: int | None
    depth: int
    target: float
    survival: float | None
    gradient_survival: float | None
    escape: float | None
    reason: str

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row."""
        return {name: [value] for name, value in self.__dict__.items()}

    def __str__(self) -> str:
        if self.width is None:
            return f"no width up to {WIDEST} is safe at depth {self.depth}: {self.reason}"
        return f"width {self.width} is safe at depth {self.depth} with probability {self.target:g}: {self.reason}"


def safe_width(design: EdgeOfChaos, depth: int, *, survival: float = 0.99, seed: int = 0) -> SafeWidth:
    """Find the width at which signal and gradient survive and q stays at q* through `depth` layers.

    Parameters
    ----------
    design : EdgeOfChaos
        The design.
    depth : int
        Number of hidden layers.
    survival : float
        Probability in (0, 1) that each of both survivals and of staying at q* must reach.
    seed : int
        Seed of the draws.

    Returns
    -------
    SafeWidth
        The width, decided by estimates from 200 and 1000 paths: accurate to a few per cent.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> 30 < safe_width(sparse_design("clipped-shifted-relu", 0.85, v_prime=0.5), 10).width < 150
    True
    """
    check_design(design)
    layers = check_count("depth", depth)
    target = check_real("survival", survival, low=0.0, high=1.0, low_open=True, high_open=True)

    def estimate(width: int) -> tuple[bool, float, float, float]:
        escape = escape_probability(design, width, layers, n_paths=1000, seed=seed)
        alive = sparse_survival(design, width, layers, n_paths=200, seed=seed)  # a product of smooth factors
        numbers = float(alive.survival[-1]), float(alive.gradient_survival[-1]), float(escape.probability[-1])
        return min(numbers[0], numbers[1], 1.0 - numbers[2]) >= target, *numbers

    share = sum(
        float(interval_probability(left, right, design.q))
        for left, right in _active_set(design.activation, gradient=True)
    )
    needed = math.log(-math.expm1(math.log(target) / layers)) / math.log1p(-min(share, 1.0 - 1e-15))
    low, high = 0, max(1, min(math.ceil(needed), WIDEST))  # nearly enough if q stayed at q*
    while not (outcome := estimate(high))[0]:
        low, high = high, 2 * high
        if high > WIDEST:
            worst = "q leaves q*" if 1.0 - outcome[3] < min(outcome[1:3]) else "layers die"
            return SafeWidth(
                width=None,
                depth=layers,
                target=target,
                survival=None,
                gradient_survival=None,
                escape=None,
                reason=worst,
            )
    best, limit = outcome, (0.0, 1.0, 1.0, 0.0)
    while high - low > max(1, high // 32):
        middle = (low + high) // 2
        outcome = estimate(middle)
        if outcome[0]:
            high, best = middle, outcome
        else:
            low, limit = middle, outcome
    staying = 1.0 - limit[3] < min(limit[1:3])
    reason = "a narrower network leaves q* too often" if staying else "layers of a narrower network die too often"
    return SafeWidth(
        width=high,
        depth=layers,
        target=target,
        survival=best[1],
        gradient_survival=best[2],
        escape=best[3],
        reason=reason if low else "every width suffices",
    )


def _active_set(activation: PiecewiseLinear, *, gradient: bool) -> list[Interval]:
    """Intervals on which phi, or with `gradient` phi', is not zero; cut at 0."""
    edges = [-math.inf, *activation.kinks, math.inf]
    values = activation.kink_values
    found: list[Interval] = []
    for index, (left, right, slope) in enumerate(zip(edges, edges[1:], activation.slopes, strict=False)):
        level = values[min(index, len(values) - 1)] if values else activation.value_at_zero
        if slope != 0.0 or (level != 0.0 and not gradient):
            found += [(left, 0.0), (0.0, right)] if left < 0.0 < right else [(left, right)]
    return found


def _log_one_alive(share: Array, width: int) -> Array:
    """Logarithm of 1 - (1 - share)^width."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(-np.expm1(width * np.log1p(-np.minimum(share, 1.0)))))


def _conditioned_chain(
    design: EdgeOfChaos, width: int, depth: int, paths: int, rng: np.random.Generator, active: list[Interval]
) -> tuple[Array, Array]:
    """Mean and standard error, layer by layer, of the product of P(some unit is in `active`)."""
    q = np.full(paths, design.q)
    log_product = np.zeros(paths)
    survival, error = np.zeros(depth), np.zeros(depth)
    for layer in range(depth):
        masses = np.array([interval_probability(left, right, q) for left, right in active])
        share = np.minimum(masses.sum(axis=0), 1.0)
        log_product += _log_one_alive(share, width)
        weights = np.exp(log_product)
        survival[layer] = weights.mean()
        error[layer] = weights.std(ddof=1) / math.sqrt(paths)
        if layer < depth - 1:
            q = _next_alive_variance(design, q, width, rng, active, masses, share)
    return survival, error


def _next_alive_variance(
    design: EdgeOfChaos,
    q: Array,
    width: int,
    rng: np.random.Generator,
    active: list[Interval],
    masses: Array,
    share: Array,
) -> Array:
    """Draw the next variance given that some unit lies in the active set."""
    phi = design.activation
    first = _first_active(share, width, rng)
    if phi.slopes[0] == 0.0 and phi.kinks == (0.0,) and phi.value_at_zero == 0.0:  # ReLU
        others = rng.binomial(width - 1 - first, 0.5)  # active units after the first, which are unconstrained
        sums = phi.slopes[1] ** 2 * q * chi_square(1 + others, rng)
    else:
        roots = np.sqrt(q)
        silent = active == _active_set(phi, gradient=False)  # units outside it add nothing to the variance
        sums = np.square(phi(_draw_active(q, rng, active, masses)))
        for start in range(0, width, chunk := max(1, DEVIATES_PER_BLOCK // q.size)):
            index = np.arange(start, min(start + chunk, width))[:, None]
            z = rng.standard_normal((index.size, q.size)) * roots
            before = index < first
            if silent:
                values = np.where(index <= first, 0.0, np.square(phi(z)))
            else:
                z[before] = _draw_outside(q, rng, active, np.nonzero(before)[1])
                values = np.where(index == first, 0.0, np.square(phi(z)))
            sums += values.sum(axis=0)
    return np.minimum(design.sigma_w2 * (sums / width) + design.sigma_b2, LARGEST)


def _first_active(share: Array, width: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Index from 0 of the first unit in the active set, given that there is one among `width`."""
    uniform = rng.random(share.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_outside = np.log1p(-share)
        index = np.floor(np.log1p(uniform * np.expm1(width * log_outside)) / log_outside)
    return np.clip(np.where(np.isfinite(index), index, 0.0), 0, width - 1).astype(np.int64)


def _draw_active(q: Array, rng: np.random.Generator, active: list[Interval], masses: Array) -> Array:
    """Draw one u ~ N(0, q) inside the active set for every q, by inversion on the side of 0 where it is exact."""
    level = rng.random(q.shape) * masses.sum(axis=0)
    chosen = np.minimum((level >= np.cumsum(masses, axis=0)).sum(axis=0), len(active) - 1)
    inner = np.array([min(abs(left), abs(right)) for left, right in active])[chosen]
    outer = np.array([max(abs(left), abs(right)) for left, right in active])[chosen]
    side = np.array([1.0 if right > 0.0 else -1.0 for _, right in active])[chosen]
    roots = np.sqrt(q)
    near, far = ndtr(-inner / roots), ndtr(-outer / roots)
    magnitude = -ndtri(far + rng.random(q.shape) * (near - far)) * roots
    return np.asarray(side * np.clip(magnitude, inner, outer))


def _draw_outside(q: Array, rng: np.random.Generator, active: list[Interval], paths: npt.NDArray[np.int64]) -> Array:
    """Draw one u ~ N(0, q) outside the active set for every listed path."""
    cuts = sorted({edge for interval in active for edge in interval} | {-math.inf, 0.0, math.inf})
    outside = [
        (left, right)
        for left, right in itertools.pairwise(cuts)
        if not any(low <= left and right <= high for low, high in active)
    ]
    masses = np.array([interval_probability(left, right, q) for left, right in outside])
    return _draw_active(q[paths], rng, outside, masses[:, paths])

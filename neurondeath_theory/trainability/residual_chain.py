r"""Signal and gradient of one input in critical residual networks of finite width, drawn from their exact law.

Model: `critical_residual`, Gaussian weights, one input, stream width n. Given the stream h and a tangent v = J u, the
branch outputs of the n units, (W phi(h) + b, W phi'(h) v), are independent Gaussian pairs with covariance

$$\begin{pmatrix} s & t \\ t & r \end{pmatrix},\quad s = \sigma_w^2 \overline{\phi(h)^2} + \sigma_b^2,\quad
t = \sigma_w^2 \overline{\phi(h) \phi'(h) v},\quad r = \sigma_w^2 \overline{\phi'(h)^2 v^2},$$

(means over units), so a network costs O(n L) without any matrix: exactly the law of the full network, at every width.

What it shows beyond `residual_fluctuations`: escapes of unclipped designs (V'' > 0: large deviations upwards
grow), the sparsity $E\,\Phi(\tau/\sqrt q)$ averaged over the spread of q, and the tails of the gradient.

Source: derived here; the chain of the plain network is `variance_chain`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.intervals import exact_interval
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_flag, check_real
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.trainability.critical_residual import check_effective_depth

__all__ = ["ResidualChain", "residual_chain"]

Array = npt.NDArray[np.float64]

LARGEST = 1e280  # exploding variances are capped here
VALUES_PER_BLOCK = 2**21  # stream values of the networks sampled together


@dataclass(frozen=True, kw_only=True)
class ResidualChain(Result):
    """Sampled critical residual networks; arrays have shape (n_paths, depth + 1), the first column before branch 1.

    Attributes
    ----------
    design : EdgeOfChaos
        The design.
    width, n_paths, seed : int
        Size and seed of the sample.
    effective_depth : float
        D.
    q : float array
        Mean square of the stream.
    sparsity : float array
        Share of units whose activation is exactly zero.
    gradient : float array
        Mean square of J u for a fixed direction u of the stream, 1 before branch 1.
    """

    design: EdgeOfChaos
    width: int
    n_paths: int
    seed: int
    effective_depth: float
    q: Array
    sparsity: Array
    gradient: Array

    @property
    def log_q_sd(self) -> Array:
        """Standard deviation of log q between networks, shape (depth + 1,)."""
        return np.asarray(np.log(self.q).std(axis=0, ddof=1))

    @property
    def log_gradient_sd(self) -> Array:
        """Standard deviation of log |J u|^2 between networks, shape (depth + 1,); NaN once a gradient is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(self.gradient).std(axis=0, ddof=1))

    def escaped(self, factor: float = 10.0) -> tuple[Array, Array, Array]:
        """Share of networks with q above `factor` times q*, and its exact 95 % limits, each of shape (depth + 1,)."""
        threshold = check_real("factor", factor, low=0.0, low_open=True) * self.design.q
        counts = (self.q > threshold).sum(axis=0)
        low, high = exact_interval(counts, self.n_paths)
        return counts / self.n_paths, low, high

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per point of the stream."""
        probability, low, high = self.escaped()
        return {
            "branches": np.arange(self.q.shape[1]),
            "median_q": np.median(self.q, axis=0),
            "log_q_sd": self.log_q_sd,
            "sparsity": self.sparsity.mean(axis=0),
            "log_gradient_sd": self.log_gradient_sd,
            "escaped": probability,
            "escaped_low": low,
            "escaped_high": high,
        }

    def __str__(self) -> str:
        median, spread = format_number(float(np.median(self.q[:, -1]))), format_number(float(self.log_q_sd[-1]), 3)
        zeros, gradient = format_number(float(self.sparsity[:, -1].mean())), format_number(self.log_gradient_sd[-1], 3)
        return (
            f"{self.n_paths} networks of width {self.width}, effective depth {self.effective_depth:g}: median q "
            f"{median}, standard deviation of log q {spread} and of the log squared gradient {gradient}, zeros {zeros}"
        )


def residual_chain(
    design: EdgeOfChaos,
    *,
    width: int,
    depth: int,
    effective_depth: float = 1.0,
    q: float | None = None,
    random_start: bool = True,
    n_paths: int = 200,
    seed: int = 0,
) -> ResidualChain:
    """Sample the exact law of signal and gradient of one input in critical residual networks of finite width.

    Parameters
    ----------
    design : EdgeOfChaos
        The design.
    width, depth : int
        Units of the stream and number of branches.
    effective_depth : float
        D, in (0, depth].
    q : float, optional
        Variance of h_0, above 0; q* by default.
    random_start : bool
        Whether h_0 is Gaussian, as from a random first layer, or scaled to the length sqrt(n q) exactly.
    n_paths, seed : int
        Independent networks, at least 2, and seed of the draws.

    Returns
    -------
    ResidualChain
        Paths of mean square, sparsity and squared gradient.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> sample = residual_chain(sparse_design("shifted-relu", 0.85), width=300, depth=100, effective_depth=4.0)
    >>> float(sample.escaped()[0][-1])
    0.0
    """
    check_design(design)
    branches, reach = check_effective_depth(depth, effective_depth)
    units, paths = check_count("width", width), check_count("n_paths", n_paths, least=2)
    start = design.q if q is None else check_real("q", q, low=0.0, low_open=True)
    rng = np.random.default_rng(check_count("seed", seed, least=0))
    gaussian = check_flag("random_start", random_start)
    together = max(1, VALUES_PER_BLOCK // units)
    parts = [
        _sample(design, units, branches, reach, start, gaussian, min(together, paths - first), rng)
        for first in range(0, paths, together)
    ]
    values = np.concatenate(parts, axis=1)
    return ResidualChain(
        design=design,
        width=units,
        n_paths=paths,
        seed=int(seed),
        effective_depth=reach,
        q=values[0],
        sparsity=values[1],
        gradient=values[2],
    )


def _sample(
    design: EdgeOfChaos,
    width: int,
    depth: int,
    effective_depth: float,
    start: float,
    gaussian: bool,
    n_paths: int,
    rng: np.random.Generator,
) -> Array:
    """Mean square, sparsity and squared gradient, shape (3, n_paths, depth + 1)."""
    keep, add = math.sqrt(1.0 - effective_depth / depth), math.sqrt(effective_depth / depth)
    phi, weight = design.activation, design.sigma_w2
    h = math.sqrt(start) * rng.standard_normal((n_paths, width))
    v = rng.standard_normal((n_paths, width))
    v /= np.sqrt(np.mean(v * v, axis=1, keepdims=True))
    if not gaussian:
        h *= np.sqrt(start / np.mean(h * h, axis=1, keepdims=True))
    result = np.empty((3, n_paths, depth + 1))
    for branch in range(depth + 1):
        active, slope = phi(h), phi.derivative(h)
        result[0, :, branch] = np.minimum(np.mean(h * h, axis=1), LARGEST)
        result[1, :, branch] = np.mean(active == 0.0, axis=1)
        result[2, :, branch] = np.mean(v * v, axis=1)
        if branch == depth:
            break
        passed = slope * v
        s = weight * np.mean(active * active, axis=1) + design.sigma_b2
        t = weight * np.mean(active * passed, axis=1)
        r = weight * np.mean(passed * passed, axis=1)
        root = np.sqrt(s)
        share = np.divide(t, root, out=np.zeros_like(t), where=root > 0.0)
        rest = np.sqrt(np.maximum(r - share**2, 0.0))
        first = rng.standard_normal((n_paths, width))
        second = rng.standard_normal((n_paths, width))
        h = keep * h + add * root[:, None] * first
        v = keep * v + add * (share[:, None] * first + rest[:, None] * second)
    return result

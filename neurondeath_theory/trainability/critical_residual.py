r"""The critical residual: an edge-of-chaos design in a stream of constant variance, at infinite width.

Model: h_0 Gaussian of variance q* at every input (inputs of one length, a first linear layer), then for l = 1..L

$$h_l = \sqrt{1 - a^2}\, h_{l-1} + a\,(W_l \phi(h_{l-1}) + b_l),\qquad a^2 = D / L,$$

W and b independent per branch, of the variances $(\sigma_w^2/n, \sigma_b^2)$ of a design: V(q*) = q*, chi_1(q*) = 1.
D is the **effective depth**; D = L is the plain network. Given h_{l-1} both terms are uncorrelated, so

- variance $q \to V_a(q) = (1 - a^2) q + a^2 V(q)$: the fixed points are those of V for every a, wanted or not, with
  $V_a' = 1 - a^2 (1 - V')$, stable where V' < 1. At q* the activation sparsity P(phi = 0) of the design is kept;
- gradients: $|J u|^2$ is multiplied in the mean by $1 + a^2 (\chi_1(q) - 1)$, by 1 at q*;
- correlation at q*: $\rho \to R_a(\rho) = (1 - a^2) \rho + a^2 R(\rho)$.

Continuous limit, L to infinity at fixed D: $dq/dt = V(q) - q$, $d\rho/dt = R(\rho) - \rho$, $d \ln E|J u|^2/dt =
\chi_1(q) - 1$ for t from 0 to D (`residual_flow`). So a start away from q* is forgotten only like $e^{-(1 - V') D}$
(not at all for unclipped designs, V' = 1), and points keep a distance that the plain network loses: near 1, $1 - \rho
\sim 9/(A t)^2$ in t, not in layers (`correlation_rate`).

Normalised layers: where phi reads the stream brought to mean 0 and to q*, for every input over its units (`residual_`
and `CriticalResidual` with normalise="layers"), all of this holds at q* as it stands, since the stream has mean 0 and
variance q* there already; a deviation of q, at finite width or from training, no longer reaches the zeros.

Sources: the variance-preserving sum is known (Shao et al. 2020; Martens et al. 2021, arXiv 2110.01765; branches of size
L^(-1/2): hayou2021, arXiv 2010.12859); the design price2024 (arXiv 2402.16184). Maps and flow derived here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_theory.gaussian_limit.bivariate_moments import mean_product
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.gaussian_limit.fixed_points import FixedPoint
from neurondeath_theory.gaussian_limit.moments import inactive_probability, second_moment, slope_second_moment

__all__ = ["ResidualPaths", "check_effective_depth", "critical_residual"]

Array = npt.NDArray[np.float64]

LARGEST = 1e280  # exploding variances are capped here, as in `variance_chain`


@dataclass(frozen=True, kw_only=True)
class ResidualPaths(Result):
    """A critical residual network at infinite width; arrays have shape (depth + 1,), the first entry before branch 1.

    Attributes
    ----------
    design : EdgeOfChaos
        Activation, variances and q*.
    depth : int
        Number of branches L.
    effective_depth : float
        D.
    q : float array
        Variance of the stream.
    sparsity : float array
        Share of activations at exactly zero.
    log_gradient : float array
        Logarithm of E|J u|^2 of a fixed direction u.
    correlation : float array
        Correlation of two points of that variance.
    """

    design: EdgeOfChaos
    depth: int
    effective_depth: float
    q: Array
    sparsity: Array
    log_gradient: Array
    correlation: Array

    @property
    def branch_scale(self) -> float:
        """Factor a of every branch."""
        return math.sqrt(self.effective_depth / self.depth)

    @property
    def stream_scale(self) -> float:
        """Factor sqrt(1 - a^2) of the stream."""
        return math.sqrt(1.0 - self.effective_depth / self.depth)

    @property
    def v_prime(self) -> float:
        """Slope of V_a at q*: the factor by which a small deviation of q changes per branch."""
        return 1.0 - self.effective_depth / self.depth * (1.0 - self.design.v_prime)

    @property
    def kept_deviation(self) -> float:
        """Share of a small deviation of q from q* that is left after all branches, about exp(-(1 - V') D)."""
        return self.v_prime**self.depth

    @property
    def fixed_points(self) -> tuple[FixedPoint, ...]:
        """Fixed points of V_a: those of the design, with the slopes and gains of a branch."""
        share = self.effective_depth / self.depth
        found = []
        for point in self.design.fixed_points.points:
            slope = 1.0 - share * (1.0 - point.v_prime)
            # a branch turns a slope beyond -1, an oscillation, into a stable one; the side of 1 stays what it is
            turned = "stable" if slope > -1.0 else "unstable"
            stability = point.stability if point.v_prime > -1.0 else turned
            gain = 1.0 - share * (1.0 - point.chi1)
            found.append(FixedPoint(q=point.q, v_prime=slope, chi1=gain, stability=stability))
        return tuple(found)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per point of the stream."""
        return {
            "branches": np.arange(self.depth + 1),
            "q": self.q,
            "sparsity": self.sparsity,
            "log_gradient": self.log_gradient,
            "correlation": self.correlation,
        }

    def __str__(self) -> str:
        q, zeros, rho = (format_number(x[-1]) for x in (self.q, self.sparsity, self.correlation))
        return (
            f"critical residual {self.design.activation}, {self.depth} branches, effective depth "
            f"{self.effective_depth:g}: q ends at {q}, zeros at {zeros}, a correlation of "
            f"{format_number(self.correlation[0])} at {rho}"
        )


def critical_residual(
    design: EdgeOfChaos,
    depth: int,
    effective_depth: float = 1.0,
    *,
    q: float | None = None,
    correlation: float = 0.0,
) -> ResidualPaths:
    """Follow variance, sparsity, gradient and correlation through a critical residual network of infinite width.

    Parameters
    ----------
    design : EdgeOfChaos
        The design, from `edge_of_chaos` or `sparse_design`; any piecewise-linear activation, ReLU included.
    depth : int
        Number of branches L.
    effective_depth : float
        D, in (0, depth]; a^2 = D / L.
    q : float, optional
        Variance of h_0, above 0; q* by default.
    correlation : float
        Correlation of two points in h_0, in [-1, 1].

    Returns
    -------
    ResidualPaths
        All paths, with scales, slopes and fixed points.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Notes
    -----
    Exact at infinite width; the maps are good to 1e-12, so the paths to about 1e-12 times max(1, D). Derived here.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> print(critical_residual(design, 50, 1.0, correlation=0.3))
    critical residual clipped_shifted_relu(tau=1.03643, m=1.17037), 50 branches, effective depth 1: q ends at 1, \
zeros at 0.85, a correlation of 0.3 at 0.57809
    """
    check_design(design)
    branches, reach = check_effective_depth(depth, effective_depth)
    variance = design.q if q is None else check_real("q", q, low=0.0, low_open=True)
    rho = check_real("correlation", correlation, low=-1.0, high=1.0)
    share, phi = reach / branches, design.activation
    path = np.empty((3, branches + 1))
    path[:, 0] = variance, 0.0, rho
    for layer in range(1, branches + 1):
        product = design.sigma_w2 * float(mean_product(phi, variance, variance, np.array(rho))) + design.sigma_b2
        inner = (1.0 - share) * rho * variance + share * product
        gain = design.sigma_w2 * float(slope_second_moment(phi, variance))
        variance = min((1.0 - share) * variance + share * _image(design, variance), LARGEST)
        rho = min(max(inner / variance, -1.0), 1.0) if variance > 0.0 else math.nan
        path[:, layer] = variance, path[1, layer - 1] + math.log1p(share * (gain - 1.0)), rho
    return ResidualPaths(
        design=design,
        depth=branches,
        effective_depth=reach,
        q=path[0],
        sparsity=np.asarray(inactive_probability(phi, path[0])),
        log_gradient=path[1],
        correlation=path[2],
    )


def check_effective_depth(depth: int, effective_depth: float) -> tuple[int, float]:
    """Accept a number of branches and an effective depth of at most that number."""
    branches = check_count("depth", depth, most=10**6)
    reach = check_real("effective_depth", effective_depth, low=0.0, low_open=True)
    if reach > branches:
        raise invalid("effective_depth", f"be at most the depth, {branches}", reach, "D = L is the plain network")
    return branches, reach


def _image(design: EdgeOfChaos, q: float) -> float:
    """V(q)."""
    return design.sigma_w2 * float(second_moment(design.activation, q)) + design.sigma_b2

r"""Effect of a larger fixed point q* on a sparse design.

Model: the designs of `edge_of_chaos` at sparsity s. Because $\phi_{c\tau, cm}(c x) = c\, \phi_{\tau, m}(x)$, replacing
$(\tau, m, q)$ by $(c\tau, cm, c^2 q)$ turns V(q) into $c^2 V(q)$ with $\sigma_b^2$ scaled by c^2: sigma_w2, V',
chi_1, q V'', the relative fluctuations of q and the survival of signals and gradients stay exactly the same. So the
value of q* alone has no effect; only $m/\sqrt{q^*}$ has. A fixed sparsity fixes $\tau/\sqrt{q^*}$. Then

- with m scaled like sqrt(q*), only the scale changes;
- with m fixed, $m/\sqrt{q^*}$ falls and with it V'(q*), from below 1 towards 0: the design is more stable for the
  same reason, and to the same degree, as one clipped lower at q* = 1, and fewer units carry a gradient.

Source: the question is from dent2026 (arXiv 2602.05779), whose experiments vary q*; the answer is derived here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_real, check_reals, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import CLIPPED, EdgeOfChaos, check_scale, sparse_design
from neurondeath_theory.gaussian_limit.moments import inactive_probability
from neurondeath_theory.gaussian_limit.variance import step_variance

__all__ = ["GrowingVariance", "growing_variance"]


@dataclass(frozen=True, kw_only=True)
class GrowingVariance(Result):
    """Designs of one sparsity at several q*.

    Attributes
    ----------
    hold : str
        "m" (clipping height fixed) or "ratio" (m / sqrt(q*) fixed).
    designs : tuple of EdgeOfChaos
        One design for each q*.
    """

    hold: str
    designs: tuple[EdgeOfChaos, ...]

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per q*; the columns from `clip` on do not depend on the scale."""
        designs = self.designs
        return {
            "q": np.array([d.q for d in designs]),
            "tau": np.array([d.tau for d in designs], dtype=np.float64),
            "m": np.array([d.m for d in designs], dtype=np.float64),
            "sigma_b2": np.array([d.sigma_b2 for d in designs]),
            "clip": np.array([(d.m or 0.0) / math.sqrt(d.q) for d in designs]),
            "sigma_w2": np.array([d.sigma_w2 for d in designs]),
            "bias_share": np.array([d.sigma_b2 / d.q for d in designs]),
            "v_prime": np.array([d.v_prime for d in designs]),
            "curvature": np.array([d.q * d.v_second for d in designs]),
            "fluctuation": np.array([_fluctuation(d) for d in designs]),
            "gradient_share": np.array(
                [1.0 - float(inactive_probability(d.activation, d.q, gradient=True)) for d in designs]
            ),
            "n_fixed_points": np.array([len(d.fixed_points.points) for d in designs]),
        }

    @property
    def finding(self) -> str:
        """One sentence on what changes and what does not."""
        if self.hold == "ratio":
            return (
                "with m scaled like sqrt(q*) only the scale changes: sigma_w2, V'(q*), q V''(q*), relative "
                "fluctuations and survival are the same at every q*"
            )
        first, last = self.designs[0], self.designs[-1]
        slopes = [format_number(design.v_prime) for design in (first, last)]
        clips = [format_number((design.m or 0.0) / math.sqrt(design.q)) for design in (first, last)]
        return (
            f"with m fixed V'(q*) goes from {slopes[0]} to {slopes[1]} because m/sqrt(q*) goes from {clips[0]} to "
            f"{clips[1]}; the same clip at q* = 1 has the same effect, q* itself has none"
        )

    def __str__(self) -> str:
        return self.finding


def growing_variance(
    kind: str, sparsity: float, *, m: float, q: npt.ArrayLike = (1.0, 2.0, 4.0, 8.0), hold: str = "m"
) -> GrowingVariance:
    """Compare designs of one sparsity over a range of q*, with the clipping height fixed or scaled.

    Parameters
    ----------
    kind : str
        clipped-shifted-relu or clipped-soft-threshold.
    sparsity : float
        Share of units at zero, in (0, 1).
    m : float
        Clipping height at the first q*, above 0.
    q : array_like, shape (n,)
        Values of q*, above 0.
    hold : str
        "m" keeps m, "ratio" keeps m / sqrt(q*).

    Returns
    -------
    GrowingVariance
        The designs; its columns `fluctuation` (standard deviation of one step of q at width 1, over q*) and
        `gradient_share` (share of units of nonzero slope) describe their effect in a finite network.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> fixed = growing_variance("clipped-shifted-relu", 0.85, m=1.17, q=[1.0, 4.0])
    >>> fixed.columns()["v_prime"].round(3).tolist()
    [0.7, 0.357]
    >>> scaled = growing_variance("clipped-shifted-relu", 0.85, m=1.17, q=[1.0, 4.0], hold="ratio")
    >>> scaled.columns()["v_prime"].round(3).tolist()
    [0.7, 0.7]
    """
    kind = check_choice("kind", kind, CLIPPED)
    hold = check_choice("hold", hold, ("m", "ratio"))
    height = check_real("m", m, low=0.0, low_open=True)
    values = check_reals("q", q, low=0.0, low_open=True)
    if values.ndim != 1 or values.size == 0:
        raise invalid("q", "be a non-empty one-dimensional list", f"shape {values.shape}")
    for value in values.tolist():
        check_scale("q", value)
    scales = np.sqrt(values / values[0]) if hold == "ratio" else np.ones(values.size)
    designs = tuple(
        sparse_design(kind, sparsity, m=height * float(scale), q=float(value))
        for value, scale in zip(values, scales, strict=True)
    )
    return GrowingVariance(hold=hold, designs=designs)


def _fluctuation(design: EdgeOfChaos) -> float:
    return math.sqrt(float(step_variance(design.activation, design.q, design.sigma_w2))) / design.q

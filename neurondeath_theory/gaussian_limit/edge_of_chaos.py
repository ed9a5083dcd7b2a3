r"""Edge-of-chaos designs: variances at which signals and gradients keep their size, and whether they stay there.

Model: V and $\chi_1$ as in `variance`. At the edge of chaos $q^* = V(q^*)$ and $\chi_1(q^*) = 1$, which fixes

$$\sigma_w^2 = 1 / E\phi'(\sqrt{q^*} z)^2, \qquad \sigma_b^2 = q^* - \sigma_w^2 E\phi(\sqrt{q^*} z)^2 .$$

V' and V'' decide whether a deep network stays there. For ReLU_tau and ST_tau $V' = \chi_1$, so V'(q*) = 1 and,
for tau > 0, V'' > 0: V(q) >= q everywhere, and a deviation upwards grows without bound. Clipping at height m makes
$V'(q^*) = 1 - (m/\sqrt{q^*})\, p(b) / (\Phi(b) - \Phi(a))$, a = tau/sqrt(q*), b = (tau + m)/sqrt(q*). Where positive
this increases strictly with m: with h = b - a, $\frac{d}{dh} \log(1 - V') = (1 - b h - (1 - V'))/h = (V' - bh)/h <
0$, since $V' = E[(z - a) z \mid a < z < b] < b h$. So a target V'(q*) in (0, 1) belongs to exactly one m.

Feasible means $\sigma_b^2 \ge 0$: always for odd activations (Poincare's inequality $E\phi^2 \le q E\phi'^2$), for
(C)ReLU_tau with tau >= 0, not when the mean of phi is too large.

Source: price2024 (arXiv 2402.16184), sections on the edge of chaos and on clipping.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_instance, check_real, invalid
from neurondeath_theory.gaussian_limit.fixed_points import FixedPoint, FixedPoints, describe_fixed_point, fixed_points
from neurondeath_theory.gaussian_limit.moments import (
    inactive_probability,
    second_moment,
    second_moment_derivative,
    slope_second_moment,
)
from neurondeath_theory.gaussian_limit.variance import check_activation
from neurondeath_theory.networks.activations import (
    ActivationLike,
    clipped_shifted_relu,
    clipped_soft_threshold,
    relu,
    shifted_relu,
    soft_threshold,
)
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["KINDS", "EdgeOfChaos", "check_design", "check_scale", "edge_of_chaos", "sparse_design"]

KINDS = ("relu", "shifted-relu", "soft-threshold", "clipped-shifted-relu", "clipped-soft-threshold")
CLIPPED = ("clipped-shifted-relu", "clipped-soft-threshold")
SMALLEST_SCALE = 1e-60  # of variances and heights; the largest is its inverse
LEAST_SPARSITY = 1e-15  # below it 1 - s rounds to 1
BIAS_ROUNDING_ERROR = 1e-13  # relative to q; a bias variance closer to zero is zero
FIXED_POINT_TOLERANCE = 1e-6  # relative; a numerical fixed point closer to q* is q* itself


@dataclass(frozen=True, kw_only=True)
class EdgeOfChaos(Result):
    """An edge-of-chaos design.

    Attributes
    ----------
    activation : PiecewiseLinear
        The activation.
    tau, m : float or None
        Threshold and clipping height where the activation has them.
    q : float
        The fixed point q* the design is made for.
    sigma_w2, sigma_b2 : float
        Weight variance times fan-in and bias variance.
    sparsity : float
        Share of units at exactly zero, at q*.
    v_prime, v_second : float
        V'(q*) and V''(q*).
    fixed_points : FixedPoints
        All fixed points of the variance map.
    """

    activation: PiecewiseLinear
    tau: float | None
    m: float | None
    q: float
    sigma_w2: float
    sigma_b2: float
    sparsity: float
    v_prime: float
    v_second: float
    fixed_points: FixedPoints

    @property
    def above(self) -> FixedPoint | None:
        """Next fixed point above q*; where unstable, it bounds the basin of q*."""
        return next((point for point in self.fixed_points.points if point.q > self.q), None)

    @property
    def stable(self) -> bool:
        """Whether small deviations of either sign from q* die out in the infinitely wide network."""
        return any(point.q == self.q and point.stable for point in self.fixed_points.points)

    @property
    def verdict(self) -> str:
        """One sentence on whether a deep network stays at q*, and why."""
        q, slope = format_number(self.q), format_number(self.v_prime)
        if self.fixed_points.continuum:
            return (
                f"marginal: V(q) = q for every q, so nothing pulls a deviation back to q* = {q}; in a finite network q "
                "drifts like a random walk but has no threshold to cross"
            )
        if not self.stable:
            return self._unstable_verdict(q, slope)
        others = [point for point in self.fixed_points.points if point.q != self.q and point.stable]
        above = self.above
        if others:
            other = others[-1]
            regime = "chaotic" if other.chi1 > 1.0 else "ordered"
            edge = f"crosses q = {format_number(above.q)}" if above and other.q > self.q else "falls below its basin"
            return (
                f"only locally stable: V'(q*) = {slope} < 1 at q* = {q}, but q = {format_number(other.q)} is a second "
                f"stable fixed point, {regime} with chi_1 = {format_number(other.chi1)}; a finite network that {edge} "
                "goes there"
            )
        if above is not None or self.fixed_points.unbounded:
            edge = f"q = {format_number(above.q)}" if above else "q*"
            return (
                f"only locally stable: V'(q*) = {slope} < 1 at q* = {q}, but above {edge} the variance grows without "
                "bound"
            )
        return f"stable: q* = {q} attracts every variance around it and V'(q*) = {slope} < 1"

    def _unstable_verdict(self, q: str, slope: str) -> str:
        if abs(self.v_prime - 1.0) > 1e-9:
            return f"unstable: V'(q*) = {slope} exceeds 1 in size, so deviations from q* = {q} grow"
        if self.v_second < 0.0:
            return (
                f"semi-stable: V'(q*) = 1 and V''(q*) = {format_number(self.v_second)} < 0, so any downward deviation "
                f"from q* = {q} grows"
            )
        growth = "without bound" if self.above is None else f"up to q = {format_number(self.above.q)}"
        return (
            f"semi-stable: V'(q*) = 1 and V''(q*) = {format_number(self.v_second)} > 0, so any upward deviation from "
            f"q* = {q} grows {growth}; clip the activation to bring V'(q*) below 1"
        )

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row."""
        return {
            "tau": [self.tau],
            "m": [self.m],
            "sigma_w2": [self.sigma_w2],
            "sigma_b2": [self.sigma_b2],
            "q": [self.q],
            "sparsity": [self.sparsity],
            "v_prime": [self.v_prime],
            "v_second": [self.v_second],
        }

    def __str__(self) -> str:
        weight, bias = format_number(self.sigma_w2), format_number(self.sigma_b2)
        return f"{self.activation}: sigma_w2 = {weight}, sigma_b2 = {bias}; {self.verdict}"


def edge_of_chaos(activation: ActivationLike, q: float = 1.0) -> EdgeOfChaos:
    """Choose the weight and bias variances that put a network on the edge of chaos at variance q.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    q : float
        Variance q* of the pre-activations, above 0.

    Returns
    -------
    EdgeOfChaos
        Variances, sparsity, V', V'', all fixed points and a verdict.

    Raises
    ------
    InvalidArgumentError
        If q is not positive, the activation is flat on all values that the pre-activations take, or the bias variance
        would have to be negative.

    Notes
    -----
    Relative accuracy 1e-12 (of q for `sigma_b2`). Source: price2024, edge-of-chaos variances.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import hard_tanh, relu
    >>> design = edge_of_chaos(relu())
    >>> design.sigma_w2, design.sigma_b2, design.sparsity
    (2.0, 0.0, 0.5)
    >>> print(edge_of_chaos(hard_tanh(1.0)))
    hard_tanh(1): sigma_w2 = 1.4648, sigma_b2 = 0.24408; stable: q* = 1 attracts every variance around it and V'(q*) = \
0.29113 < 1
    """
    phi = check_activation(activation)
    variance = check_scale("q", q)
    gain = float(slope_second_moment(phi, variance))
    with np.errstate(over="ignore"):
        weight = float(np.divide(1.0, gain)) if gain > 0.0 else math.inf
    if not math.isfinite(weight):
        rule = "have a nonzero slope on the values that the pre-activations take"
        raise invalid("activation", rule, str(phi), f"at q = {variance:g} no weight variance gives chi_1 = 1")
    bias = variance - weight * float(second_moment(phi, variance))
    if bias < -BIAS_ROUNDING_ERROR * variance:
        raise invalid(
            "activation",
            f"leave a bias variance of at least 0 at the edge of chaos, not {bias:.5g}",
            str(phi),
            "raise its threshold (sparsity), centre it, or clip it lower",
        )
    bias = max(bias, 0.0) if bias > BIAS_ROUNDING_ERROR * variance else 0.0
    return EdgeOfChaos(
        activation=phi,
        tau=phi.tau,
        m=phi.m,
        q=variance,
        sigma_w2=weight,
        sigma_b2=bias,
        sparsity=float(inactive_probability(phi, variance)),
        v_prime=weight * float(second_moment_derivative(phi, variance)),
        v_second=weight * float(second_moment_derivative(phi, variance, 2)),
        fixed_points=_with_known_point(fixed_points(phi, weight, bias), variance),
    )


def sparse_design(
    kind: str, sparsity: float, *, v_prime: float | None = None, m: float | None = None, q: float = 1.0
) -> EdgeOfChaos:
    """Design an activation of given sparsity and its edge-of-chaos variances.

    Parameters
    ----------
    kind : str
        One of relu, shifted-relu, soft-threshold, clipped-shifted-relu, clipped-soft-threshold.
    sparsity : float
        Share of units at exactly zero, from 1e-15 to below 1; 0.5 for relu.
    v_prime : float, optional
        Target V'(q*) in (0, 1), for clipped kinds; the smaller, the more stable.
    m : float, optional
        Clipping height, from 1e-60 to 1e60, instead of `v_prime`.
    q : float
        Variance q* of the pre-activations, from 1e-60 to 1e60.

    Returns
    -------
    EdgeOfChaos
        The design with tau, m, variances, all fixed points and a verdict.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, a clipped kind is not given exactly one of `v_prime` and `m`, another kind is
        given one of them, or no bias variance of at least 0 fits (sparsity below 1/2).

    Notes
    -----
    tau = sqrt(q) Phi^-1(s), for soft thresholds sqrt(q) Phi^-1((1 + s)/2). Source: price2024.

    Examples
    --------
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> [round(x, 4) for x in (design.tau, design.m, design.sigma_w2, design.sigma_b2)]
    [1.0364, 1.1704, 7.3348, 0.5953]
    >>> sparse_design("shifted-relu", 0.85).stable
    False
    """
    kind = check_choice("kind", kind, KINDS)
    share = check_real("sparsity", sparsity, low=0.0, high=1.0, low_open=True, high_open=True)
    if share < LEAST_SPARSITY:
        raise invalid("sparsity", f"be at least {LEAST_SPARSITY:g}", sparsity)
    variance = check_scale("q", q)
    if kind not in CLIPPED:
        for name, value in (("v_prime", v_prime), ("m", m)):
            if value is not None:
                raise invalid(name, f"be left out for {kind}, which is not clipped and has V'(q*) = 1", value)
    elif (v_prime is None) == (m is None):
        given = {"v_prime": v_prime, "m": m}
        raise invalid("v_prime", "be given for a clipped kind, or `m`, but not both", given, "0.7 is a good start")
    if kind == "relu":
        if share != 0.5:
            rule = "be 0.5 for relu, half of whose units are off at any variance"
            raise invalid("sparsity", rule, sparsity, "use shifted-relu to choose it")
        return edge_of_chaos(relu(), variance)
    tau = math.sqrt(variance) * _threshold(kind, share)
    if kind == "shifted-relu":
        return _named_infeasibility(shifted_relu(tau), variance, share)
    if kind == "soft-threshold":
        return edge_of_chaos(soft_threshold(tau), variance)
    if m is None:
        target = check_real("v_prime", v_prime, low=0.0, high=1.0, low_open=True, high_open=True)
        height = math.sqrt(variance) * _clip_for_slope(tau / math.sqrt(variance), target)
    else:
        height = check_scale("m", m)
    if tau + height == tau:
        raise invalid("m", f"be large enough to change tau + m from tau = {tau:g}", height, "raise m or v_prime")
    if kind == "clipped-shifted-relu":
        return _named_infeasibility(clipped_shifted_relu(tau, height), variance, share)
    return edge_of_chaos(clipped_soft_threshold(tau, height), variance)


def check_scale(name: str, value: float | None) -> float:
    """Accept a positive number whose fourth power neither overflows nor vanishes."""
    number = check_real(name, value, low=0.0, low_open=True)
    if not SMALLEST_SCALE <= number <= 1.0 / SMALLEST_SCALE:
        raise invalid(name, f"lie in [{SMALLEST_SCALE:g}, {1.0 / SMALLEST_SCALE:g}]", value)
    return number


def _threshold(kind: str, sparsity: float) -> float:
    """Standardised threshold tau / sqrt(q*) for a sparsity."""
    from scipy.special import ndtri

    # upper tails: 1 - s is exact for s of at least 1/2
    tail = 0.5 * (1.0 - sparsity) if "soft-threshold" in kind else 1.0 - sparsity
    return -float(ndtri(tail)) + 0.0


def _clip_for_slope(threshold: float, v_prime: float) -> float:
    """Standardised clipping height m / sqrt(q*) at which V'(q*) equals its target; unique, see the module docstring."""
    from scipy.optimize import brentq

    def excess(log_height: float) -> float:
        phi = clipped_shifted_relu(threshold, math.exp(log_height))
        return float(second_moment_derivative(phi, 1.0) / slope_second_moment(phi, 1.0)) - v_prime

    low, high = math.log(1e-9 * max(1.0, abs(threshold))), math.log(40.0 + abs(threshold))
    if excess(low) >= 0.0 or excess(high) <= 0.0:
        rule = "lie farther from 0 and 1, so that a clipping height reaches it"
        raise invalid("v_prime", rule, v_prime, "give m instead")
    return math.exp(brentq(excess, low, high, xtol=1e-15, rtol=1e-14))


def _named_infeasibility(activation: PiecewiseLinear, q: float, sparsity: float) -> EdgeOfChaos:
    """Design for `sparsity`, with errors about the sparsity, which the caller chose, not about the activation."""
    from neurondeath_theory.foundation.errors import InvalidArgumentError

    try:
        return edge_of_chaos(activation, q)
    except InvalidArgumentError:
        if sparsity >= 0.5:
            raise
        rule = "be at least 0.5 here: below it the bias variance at the edge of chaos would have to be negative"
        raise invalid("sparsity", rule, sparsity, "raise the sparsity, clip lower, or use a soft threshold") from None


def _with_known_point(found: FixedPoints, q: float) -> FixedPoints:
    """Replace the numerical q* by the analytic one, which rounding may hide where it is a double root."""
    if found.continuum:
        return found
    tolerance = FIXED_POINT_TOLERANCE * q
    touching = any(abs(point.q - q) <= tolerance and point.stability == "semi-stable" for point in found.points)
    known = describe_fixed_point(found.activation, q, found.sigma_w2, touching=touching)
    others = [point for point in found.points if abs(point.q - q) > tolerance]
    return replace(found, points=tuple(sorted([*others, known], key=lambda point: point.q)))


def check_design(design: EdgeOfChaos) -> EdgeOfChaos:
    """Accept an edge-of-chaos design."""
    return check_instance(
        "design", design, EdgeOfChaos, "an edge-of-chaos design", "make one with edge_of_chaos or sparse_design"
    )

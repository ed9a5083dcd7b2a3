r"""Gaussian moments of the sparse activations straight from their definitions, by quadrature in high precision.

With $p_q$ the density of N(0, q): $E f(u) = \int f p_q$, and since only the density depends on q, derivatives in q are
$\int f\, \partial_q p_q$ and $\int f\, \partial_q^2 p_q$ with $\partial_q \log p_q = x^2/(2q^2) - 1/(2q)$: no
derivative of the activation, no closed form. Intervals are split at every kink, so that each integrand is smooth, and
each is short enough for 48 Gauss-Legendre nodes to give more than 35 digits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
from mpmath import mp, mpf

from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.networks.activations import (
    clipped_shifted_relu,
    clipped_soft_threshold,
    shifted_relu,
    soft_threshold,
)
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["DIGITS", "KINDS", "Moments", "activation_value", "check_kinds", "library_activation", "moments", "sides"]

DIGITS = 45  # of the arithmetic; results have about 35
CUT = 15  # standard deviations beyond which the density is below 1e-49
DEGREE = 5  # of mpmath's Gauss-Legendre rule: 48 nodes

KINDS = ("shifted-relu", "soft-threshold", "clipped-shifted-relu", "clipped-soft-threshold")


@dataclass(frozen=True)
class Moments:
    """E phi^2 with two derivatives in q, P(phi' = 1), and P(phi = 0), for u ~ N(0, q)."""

    moment: Any
    slope: Any
    curvature: Any
    gain: Any
    sparsity: Any


def check_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Check names of sparse activations."""
    return tuple(check_choice(f"kinds[{i}]", kind, KINDS) for i, kind in enumerate(kinds))


def sides(kind: str) -> int:
    """Count the half-lines on which an activation is not zero: c in the papers' formulas."""
    return 2 if "soft" in kind else 1


def activation_value(kind: str, x: Any, tau: Any, m: Any) -> Any:
    """Evaluate an activation by its definition; `m` is ignored where nothing is clipped."""
    size = abs(x) if "soft" in kind else x
    height = max(size - tau, 0)
    if "clipped" in kind:
        height = min(height, m)
    return -height if "soft" in kind and x < 0 else height


def library_activation(kind: str, tau: float, m: float) -> PiecewiseLinear:
    """Build the same activation with the library."""
    if "clipped" in kind:
        build: Callable[[float, float], PiecewiseLinear] = (
            clipped_soft_threshold if "soft" in kind else clipped_shifted_relu
        )
        return build(tau, m)
    return soft_threshold(tau) if "soft" in kind else shifted_relu(tau)


@lru_cache(maxsize=4096)
def moments(kind: str, q: str, tau: str, m: str) -> Moments:
    """Compute moments of an activation, from numbers as texts, which are the same in any precision.

    Examples
    --------
    >>> half = moments("shifted-relu", "3", "0", "0")
    >>> mpmath.nstr(half.moment, 20), mpmath.nstr(half.slope, 20), mpmath.nstr(half.sparsity, 20)
    ('1.5', '0.5', '0.5')
    """
    with mp.workdps(DIGITS):
        return _moments(kind, mpf(q), mpf(tau), mpf(m))


def _moments(kind: str, q: Any, tau: Any, m: Any) -> Moments:
    root = mp.sqrt(q)
    kinks = [tau, tau + m] if "clipped" in kind else [tau]
    if "soft" in kind:
        kinks += [-kink for kink in kinks]
    standard = [mpf(cut) for cut in range(-CUT, CUT + 1)]
    cuts = sorted({cut * root for cut in standard} | {kink for kink in kinks if abs(kink) < CUT * root})
    totals = [mpf(0)] * 5
    norm = 1 / (root * mp.sqrt(2 * mp.pi))
    for left, right in pairwise(cuts):
        half, middle = (right - left) / 2, (right + left) / 2
        ends = [activation_value(kind, end, tau, m) for end in (left, right)]
        centre = activation_value(kind, middle, tau, m)
        sloped = centre not in ends  # linear between kinks: flat, or strictly monotone
        silent = centre == 0
        for node, weight in _rule():
            x = middle + half * node
            square = x * x / q
            mass = weight * half * norm * mp.exp(-square / 2)
            if silent:
                totals[4] += mass
                continue
            value = mass * activation_value(kind, x, tau, m) ** 2
            first = (square - 1) / (2 * q)
            totals[0] += value
            totals[1] += value * first
            totals[2] += value * (first * first + (mpf(1) / 2 - square) / (q * q))
            if sloped:
                totals[3] += mass
    if "soft" not in kind:
        totals[4] += mp.erfc(CUT / mp.sqrt(2)) / 2  # the part beyond the cut, below 1e-50, on the inactive side
    return Moments(*totals)


@lru_cache(maxsize=1)
def _rule() -> list[tuple[Any, Any]]:
    """Return nodes and weights on [-1, 1]."""
    rule = mpmath.calculus.quadrature.GaussLegendre(mp)
    return list(rule.get_nodes(-1, 1, DEGREE, mp.prec))

r"""Continuous piecewise-linear activations, all described by their kinks and slopes.

An activation is $\phi(x) = \phi(0) + \int_0^x s(t)\,dt$ with a step function $s$: slope $s_0$ left of the first kink,
$s_i$ between kinks $k_i$ and $k_{i+1}$, $s_n$ right of the last. Its jumps are $J_i = s_i - s_{i-1}$. Everything the
theory needs (values, derivatives, Gaussian moments) follows from these numbers, so one engine serves all activations.

Sources: shifted ReLU, soft threshold and their clipped forms after `price2024` (arXiv 2402.16184), section 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory._validation import check_real, invalid

__all__ = [
    "PiecewiseLinear",
    "absolute_value",
    "clipped_shifted_relu",
    "clipped_soft_threshold",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "relu",
    "shifted_relu",
    "soft_threshold",
]

ROUNDING = 8 * np.finfo(np.float64).eps  # relative size of a sum that is 0 but for rounding


@dataclass(frozen=True)
class PiecewiseLinear:
    """A continuous piecewise-linear function of one variable.

    Parameters
    ----------
    kinks : sequence of float
        Places where the slope changes, finite, strictly increasing; may be empty.
    slopes : sequence of float
        Slopes between the kinks, one more than there are kinks, finite.
    value_at_zero : float
        The function's value at 0.
    name : str
        How the activation is shown; not part of its identity.

    Raises
    ------
    InvalidArgumentError
        If the kinks do not increase, the numbers of kinks and slopes do not fit, or a number is not finite.

    Examples
    --------
    >>> phi = PiecewiseLinear(kinks=[0.0], slopes=[0.1, 1.0])
    >>> phi(np.array([-2.0, 0.0, 3.0])).tolist()
    [-0.2, 0.0, 3.0]
    """

    kinks: tuple[float, ...]
    slopes: tuple[float, ...]
    value_at_zero: float = 0.0
    name: str = ""

    def __init__(
        self, kinks: Sequence[float], slopes: Sequence[float], value_at_zero: float = 0.0, name: str = ""
    ) -> None:
        knots = tuple(check_real(f"kinks[{i}]", kink) for i, kink in enumerate(kinks))
        steps = tuple(check_real(f"slopes[{i}]", slope) for i, slope in enumerate(slopes))
        if any(right <= left for left, right in pairwise(knots)):
            raise invalid("kinks", "increase strictly", knots)
        if len(steps) != len(knots) + 1:
            raise invalid("slopes", f"number one more than the kinks, {len(knots) + 1}", steps)
        object.__setattr__(self, "kinks", knots)
        object.__setattr__(self, "slopes", steps)
        object.__setattr__(self, "value_at_zero", check_real("value_at_zero", value_at_zero))
        object.__setattr__(self, "name", name or f"piecewise linear, kinks {knots}, slopes {steps}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PiecewiseLinear) and self.description() == other.description()

    def __hash__(self) -> int:
        return hash((self.kinks, self.slopes, self.value_at_zero))

    def __str__(self) -> str:
        return self.name

    def description(self) -> dict[str, Any]:
        """Give the numbers that define the function, for hashing and storing."""
        return {"kinks": list(self.kinks), "slopes": list(self.slopes), "value_at_zero": self.value_at_zero}

    @property
    def jumps(self) -> tuple[float, ...]:
        """Changes of slope at the kinks."""
        return tuple(right - left for left, right in zip(self.slopes, self.slopes[1:], strict=False))

    @cached_property
    def kink_values(self) -> tuple[float, ...]:
        """Values of the function at its kinks, summed outwards from 0; what cancels but for rounding is exactly 0."""
        values = dict.fromkeys(self.kinks, 0.0)
        for side in (1.0, -1.0):
            at, value = 0.0, self.value_at_zero
            for kink in sorted((kink for kink in self.kinks if side * kink >= 0.0), key=abs):
                slope = float(self.derivative(0.5 * (at + kink))) if kink != at else 0.0
                total = value + slope * (kink - at)
                nothing = abs(total) <= ROUNDING * (abs(value) + abs(slope * kink))
                at, value = kink, 0.0 if nothing else total
                values[kink] = value
        return tuple(values[kink] for kink in self.kinks)

    def __call__(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Evaluate the function at every entry of `x`, any shape."""
        x = np.asarray(x, dtype=np.float64)
        at, value = self._anchors
        piece = np.searchsorted(np.asarray(self.kinks), x, side="left")
        slope = np.asarray(self.slopes)[piece]
        return np.asarray(
            value[piece] + np.where(slope == 0.0, 0.0, slope) * np.where(slope == 0.0, 0.0, x - at[piece])
        )

    @cached_property
    def _anchors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """A point of every piece and the value there: 0 for the piece around it, else the kink next to 0."""
        edges = [-math.inf, *self.kinks, math.inf]
        values = dict(zip(self.kinks, self.kink_values, strict=True))
        at = [min(max(0.0, left), right) for left, right in pairwise(edges)]
        return np.array(at), np.array([values.get(point, self.value_at_zero) for point in at])

    def derivative(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Evaluate the slope at every entry of `x`; at a kink the slope on its left, so relu'(0) = 0."""
        pieces = np.searchsorted(np.asarray(self.kinks), np.asarray(x, dtype=np.float64), side="left")
        return np.asarray(self.slopes)[pieces]


def relu() -> PiecewiseLinear:
    """Rectifier max(x, 0)."""
    return PiecewiseLinear([0.0], [0.0, 1.0], name="relu")


def identity() -> PiecewiseLinear:
    """Linear unit x."""
    return PiecewiseLinear([], [1.0], name="identity")


def leaky_relu(negative_slope: float = 0.01) -> PiecewiseLinear:
    """Leaky rectifier: x for x > 0, `negative_slope` * x below."""
    slope = check_real("negative_slope", negative_slope)
    return PiecewiseLinear([0.0], [slope, 1.0], name=f"leaky_relu({slope:g})")


def absolute_value() -> PiecewiseLinear:
    """Absolute value |x|."""
    return PiecewiseLinear([0.0], [-1.0, 1.0], name="absolute_value")


def hard_tanh(limit: float = 1.0) -> PiecewiseLinear:
    """Identity cut at -limit and +limit."""
    edge = check_real("limit", limit, low=0.0, low_open=True)
    return PiecewiseLinear([-edge, edge], [0.0, 1.0, 0.0], name=f"hard_tanh({edge:g})")


def shifted_relu(tau: float) -> PiecewiseLinear:
    """Shifted rectifier max(x - tau, 0) [price2024]; any finite tau."""
    shift = check_real("tau", tau)
    return PiecewiseLinear([shift], [0.0, 1.0], value_at_zero=max(-shift, 0.0), name=f"shifted_relu(tau={shift:g})")


def soft_threshold(tau: float) -> PiecewiseLinear:
    """Soft threshold sign(x) max(|x| - tau, 0) [price2024]; tau of at least 0."""
    shift = check_real("tau", tau, low=0.0)
    name = f"soft_threshold(tau={shift:g})"
    if shift == 0.0:
        return PiecewiseLinear([], [1.0], name=name)
    return PiecewiseLinear([-shift, shift], [1.0, 0.0, 1.0], name=name)


def clipped_shifted_relu(tau: float, m: float) -> PiecewiseLinear:
    """Shifted rectifier cut at height m, min(max(x - tau, 0), m) [price2024]; any finite tau, m above 0."""
    shift, height = check_real("tau", tau), check_real("m", m, low=0.0, low_open=True)
    return PiecewiseLinear(
        [shift, shift + height],
        [0.0, 1.0, 0.0],
        value_at_zero=min(max(-shift, 0.0), height),
        name=f"clipped_shifted_relu(tau={shift:g}, m={height:g})",
    )


def clipped_soft_threshold(tau: float, m: float) -> PiecewiseLinear:
    """Soft threshold cut at height m, sign(x) min(max(|x| - tau, 0), m) [price2024]; tau at least 0, m above 0."""
    shift, height = check_real("tau", tau, low=0.0), check_real("m", m, low=0.0, low_open=True)
    name = f"clipped_soft_threshold(tau={shift:g}, m={height:g})"
    if shift == 0.0:
        return PiecewiseLinear([-height, height], [0.0, 1.0, 0.0], name=name)
    return PiecewiseLinear([-shift - height, -shift, shift, shift + height], [0.0, 1.0, 0.0, 1.0, 0.0], name=name)

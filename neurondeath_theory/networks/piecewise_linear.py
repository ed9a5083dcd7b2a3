r"""Continuous piecewise-linear functions of one variable, described by their kinks and slopes.

A function is $\phi(x) = \phi(0) + \int_0^x s(t)\,dt$ with a step function $s$: slope $s_0$ left of the first kink,
$s_i$ between kinks $k_i$ and $k_{i+1}$, $s_n$ right of the last. Its jumps are $J_i = s_i - s_{i-1}$. Everything the
theory needs (values, derivatives, Gaussian moments) follows from these numbers, so one engine serves all activations.

A function of a named family (`activations.FAMILIES`) carries the name and the parameters of the family, even when it
was built from its numbers alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import check_real, invalid

__all__ = ["SUM_ROUNDING_ERROR", "PiecewiseLinear"]

SUM_ROUNDING_ERROR = 8 * np.finfo(np.float64).eps  # relative to the absolute terms; a smaller sum counts as 0


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
        How the activation is printed; by default the call that builds it, or its numbers.
    family : str
        Which of `FAMILIES` it belongs to, "" for none; found from the numbers unless given.
    parameters : mapping of str to float
        The arguments with which the family builds it.

    Equality is of the functions: name, family and parameters are not part of it.

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
    family: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __init__(
        self,
        kinks: Sequence[float],
        slopes: Sequence[float],
        value_at_zero: float = 0.0,
        name: str = "",
        *,
        family: str = "",
        parameters: Mapping[str, float] | None = None,
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
        known = (family, dict(parameters or {})) if family else _recognise(knots, steps, self.value_at_zero)
        object.__setattr__(self, "family", known[0])
        object.__setattr__(self, "parameters", known[1])
        shown = _call(*known) if known[0] else f"piecewise linear, kinks {knots}, slopes {steps}"
        object.__setattr__(self, "name", name or shown)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PiecewiseLinear) and self.description() == other.description()

    def __hash__(self) -> int:
        return hash((self.kinks, self.slopes, self.value_at_zero))

    def __str__(self) -> str:
        return self.name

    def description(self) -> dict[str, Any]:
        """Return the numbers that define the function, for hashing and storing."""
        return {"kinks": list(self.kinks), "slopes": list(self.slopes), "value_at_zero": self.value_at_zero}

    @property
    def tau(self) -> float | None:
        """Threshold; None where the activation has none."""
        return self.parameters.get("tau", 0.0 if self.family in ("relu", "hard-tanh") else None)

    @property
    def m(self) -> float | None:
        """Clipping height; None where the activation has none."""
        return self.parameters.get("m", self.parameters.get("limit"))

    @property
    def jumps(self) -> tuple[float, ...]:
        """Changes of slope at the kinks."""
        return tuple(right - left for left, right in zip(self.slopes, self.slopes[1:], strict=False))

    @cached_property
    def kink_values(self) -> tuple[float, ...]:
        """Values of the function at its kinks, summed outwards from 0; a sum that is 0 up to rounding is set to 0."""
        values = dict.fromkeys(self.kinks, 0.0)
        for side in (1.0, -1.0):
            at, value = 0.0, self.value_at_zero
            for kink in sorted((kink for kink in self.kinks if side * kink >= 0.0), key=abs):
                slope = float(self.derivative(0.5 * (at + kink))) if kink != at else 0.0
                total = value + slope * (kink - at)
                cancelled = abs(total) <= SUM_ROUNDING_ERROR * (abs(value) + abs(slope * kink))
                at, value = kink, 0.0 if cancelled else total
                values[kink] = value
        return tuple(values[kink] for kink in self.kinks)

    def __call__(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Evaluate the function at every entry of `x`, any shape."""
        x = np.asarray(x, dtype=np.float64)
        at, value = self.anchors
        piece = np.searchsorted(np.asarray(self.kinks), x, side="left")
        slope = np.asarray(self.slopes)[piece]
        return np.asarray(
            value[piece] + np.where(slope == 0.0, 0.0, slope) * np.where(slope == 0.0, 0.0, x - at[piece])
        )

    @cached_property
    def anchors(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """One point of every piece and the value there: 0 for the piece that holds it, else the kink nearest to 0."""
        edges = [-math.inf, *self.kinks, math.inf]
        values = dict(zip(self.kinks, self.kink_values, strict=True))
        at = [min(max(0.0, left), right) for left, right in pairwise(edges)]
        return np.array(at), np.array([values.get(point, self.value_at_zero) for point in at])

    def derivative(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Evaluate the slope at every entry of `x`; at a kink the slope on its left, so relu'(0) = 0."""
        pieces = np.searchsorted(np.asarray(self.kinks), np.asarray(x, dtype=np.float64), side="left")
        return np.asarray(self.slopes)[pieces]


def _call(family: str, parameters: Mapping[str, float]) -> str:
    """Format the call that builds an activation of a family."""
    arguments = [
        f"{value:g}" if family in ("leaky-relu", "hard-tanh") else f"{name}={value:g}"
        for name, value in parameters.items()
    ]
    return family.replace("-", "_") + (f"({', '.join(arguments)})" if arguments else "")


def _recognise(
    kinks: tuple[float, ...], slopes: tuple[float, ...], value_at_zero: float
) -> tuple[str, dict[str, float]]:
    """Find the family and the parameters of a function given by its numbers; "" if it is in no named family."""
    symmetric = kinks == tuple(-kink for kink in reversed(kinks))
    if slopes == (0.0, 1.0) and value_at_zero == max(-kinks[0], 0.0):
        return ("shifted-relu", {"tau": kinks[0]}) if kinks[0] else ("relu", {})
    if slopes == (0.0, 1.0, 0.0):
        height = _height(*kinks)
        if abs(value_at_zero - min(max(-kinks[0], 0.0), height)) <= 1e-12 * height:
            return "clipped-shifted-relu", {"tau": kinks[0], "m": height}
    if value_at_zero != 0.0:
        return "", {}
    if slopes == (1.0,):
        return "identity", {}
    if kinks == (0.0,) and slopes[1] == 1.0:
        return ("absolute-value", {}) if slopes[0] == -1.0 else ("leaky-relu", {"negative_slope": slopes[0]})
    if symmetric and slopes == (1.0, 0.0, 1.0):
        return "soft-threshold", {"tau": kinks[1]}
    if symmetric and slopes == (0.0, 1.0, 0.0):
        return "hard-tanh", {"limit": kinks[1]}
    if symmetric and slopes == (0.0, 1.0, 0.0, 1.0, 0.0):
        return "clipped-soft-threshold", {"tau": kinks[2], "m": _height(*kinks[2:])}
    return "", {}


def _height(low: float, high: float) -> float:
    """Return the number with the fewest digits that, added to `low`, gives `high`."""
    shorter = (float(f"{high - low:.{digits}g}") for digits in range(1, 18))
    return next((height for height in shorter if low + height == high), high - low)

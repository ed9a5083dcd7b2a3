r"""Schedules of the strength of a penalty or noise during training, as a factor between 0 and 1.

One cycle: the factor rises from peak/25 along half a cosine to its peak at 30 % of the span and falls along half a
cosine to 1e-4 of the start [dufort2024]; after the span the factor is 0. Multiply it by the peak of the penalty, or of
the noise.
"""

import math
from dataclasses import dataclass

from neurondeath_theory.foundation.validation import check_count, check_flag, check_real

__all__ = ["Constant", "OneCycle", "Schedule"]


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The factor 1 at each of `span` steps, or at every step if there is no span.

    Examples
    --------
    >>> Constant(span=10)(9), Constant(span=10)(10), Constant()(10**9)
    (1.0, 0.0, 1.0)
    """

    span: int | None = None

    def __post_init__(self) -> None:
        if self.span is not None:
            check_count("span", self.span)

    def __call__(self, step: int) -> float:
        """Return the factor at a step, counted from 0."""
        return 1.0 if self.span is None or step < self.span else 0.0


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """A rise to the peak and a fall to about zero, both along half a cosine.

    Parameters
    ----------
    span : int
        Steps from the start to the end of the cycle; choose it shorter than the training.
    rise : float
        Share of the span during which the factor rises, in (0, 1).
    start : float
        Factor at step 0, in [0, 1].
    end : float
        Factor at the last step of the span, in [0, 1].
    whole_steps : bool
        Whether the rise takes a whole number of steps, `round(rise * span)`, so that one step has the factor 1; then,
        where `rise * span` is whole, these are the factors of PyTorch's `OneCycleLR`. If not, the peak lies between two
        steps.

    Examples
    --------
    >>> cycle = OneCycle(span=101)
    >>> [round(cycle(step), 4) for step in (0, 15, 30, 65, 100, 101)]
    [0.04, 0.52, 1.0, 0.5, 0.0, 0.0]
    >>> whole = OneCycle(span=10, whole_steps=True)
    >>> [round(whole(step), 2) for step in range(4)]
    [0.04, 0.52, 1.0, 0.95]
    """

    span: int
    rise: float = 0.3
    start: float = 1 / 25
    end: float = 4e-6
    whole_steps: bool = False

    def __post_init__(self) -> None:
        check_count("span", self.span)
        check_real("rise", self.rise, low=0.0, high=1.0, low_open=True, high_open=True)
        check_real("start", self.start, low=0.0, high=1.0)
        check_real("end", self.end, low=0.0, high=1.0)
        check_flag("whole_steps", self.whole_steps)

    def __call__(self, step: int) -> float:
        """Return the factor at a step, counted from 0."""
        if step >= self.span:
            return 0.0
        last = max(self.span - 1, 1)
        peak = max(round(self.rise * self.span) - 1, 0) if self.whole_steps else self.rise * last
        if step <= peak and peak > 0:
            low, progress = self.start, 1.0 - step / peak
        else:
            low, progress = self.end, (step - peak) / (last - peak)
        return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * progress))


Schedule = OneCycle | Constant

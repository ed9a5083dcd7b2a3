"""The verdict of `neurondeath lint`, and how it is written; imports nothing heavy, so that widths take no time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurondeath_theory.foundation.width_text import short_widths
from neurondeath_theory.survival.born_dead_range import born_dead_range, opposite_rays_born_dead, passing_width

__all__ = ["DeadRange", "LintVerdict", "judge_range", "percent", "width_range"]

COLLAPSE_UNKNOWN = "whether points stay distinguishable is not judged from widths; give --inputs"
LEAST_SHOWN = 1e-12  # of a probability that is a difference of larger ones
NEED_WIDTH = 1e-15  # least allowed probability for which a passing width is looked for


@dataclass(frozen=True, kw_only=True)
class DeadRange:
    """P(born dead) of a network, and for which inputs.

    Attributes
    ----------
    low, high : float
        Ends of the range; equal where the probability is known.
    of : str
        Inputs and method.
    """

    low: float
    high: float
    of: str

    @property
    def known(self) -> bool:
        """Whether both ends are one number in the digits that are shown."""
        return percent(self.low) == percent(self.high)

    def __str__(self) -> str:
        if self.high <= LEAST_SHOWN:
            return f"below {percent(max(self.high, LEAST_SHOWN))}"
        if self.known:
            return percent(self.high)
        return f"{percent(self.low)} to {percent(self.high)}"


@dataclass(frozen=True, kw_only=True)
class LintVerdict:
    """What `neurondeath lint` found.

    Attributes
    ----------
    network : str
        Its widths, or how the model was named.
    dead_low, dead_high : float
        P(born dead) lies between them.
    max_dead : float
        How much is allowed.
    collapsed, max_collapsed : float or None
        Share of networks whose points are not distinguishable, and how much is allowed; None if not judged.
    networks : int or None
        Networks drawn; None for a result of the theory.
    summary : str
        The verdict in one line.
    reasons : tuple of str
        Why, one line each.
    """

    network: str
    dead_low: float
    dead_high: float
    max_dead: float
    collapsed: float | None = None
    max_collapsed: float | None = None
    networks: int | None = None
    summary: str
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the network is born dead and collapsed no more often than allowed."""
        collapsed = self.collapsed is not None and self.max_collapsed is not None
        return self.dead_high <= self.max_dead and not (collapsed and self.collapsed > self.max_collapsed)  # type: ignore[operator]

    def lines(self) -> list[str]:
        """Return the verdict, then the reasons."""
        return [f"{'passed' if self.passed else 'failed'}: {self.summary}", *(f"  {reason}" for reason in self.reasons)]

    def document(self) -> dict[str, Any]:
        """Return plain data."""
        return {"passed": self.passed, **{**vars(self), "reasons": list(self.reasons)}}


def width_range(widths: Sequence[int], input_dim: int) -> DeadRange:
    """Return the range of P(born dead) from the widths alone, within microseconds per layer."""
    if input_dim == 1:
        low, high = opposite_rays_born_dead(widths)
        return DeadRange(low=low, high=high, of="one-dimensional inputs, Gaussian weights, no biases")
    low, high = born_dead_range(widths)
    return DeadRange(low=low, high=high, of=f"any inputs of dimension {input_dim}, Gaussian weights, no biases")


def judge_range(widths: Sequence[int], found: DeadRange, max_dead: float, *, opposite: bool) -> LintVerdict:
    """Judge a network by the range of its P(born dead)."""
    network = short_widths(widths)
    narrowest = min(widths)
    layer = list(widths).index(narrowest) + 1
    reasons = [f"for {found.of}"]
    if opposite:
        reasons.append(f"for inputs on one side, such as a single point: {percent(born_dead_range(widths)[1])}")
    units = f"{narrowest} unit{'s' * (narrowest > 1)}"
    reasons.append(f"layer {layer}, the narrowest, has {units}: off at a point with probability 2^-{narrowest}")
    if found.high > max_dead >= NEED_WIDTH:
        least = passing_width(len(widths), max_dead, opposite=opposite)
        layers = f"in all {len(widths)} layers" if len(widths) > 1 else "in its layer"
        reasons.append(f"a width of {least} {layers} would pass")
    reasons.append(COLLAPSE_UNKNOWN)
    return LintVerdict(
        network=network,
        dead_low=found.low,
        dead_high=found.high,
        max_dead=max_dead,
        summary=f"{network} is born dead with probability {found}, {percent(max_dead)} allowed",
        reasons=tuple(reasons),
    )


def percent(share: float) -> str:
    """Write a share as a percentage.

    Examples
    --------
    >>> percent(0.375), percent(4.5657e-05), percent(1e-12)
    ('37.5 %', '0.00457 %', '1e-10 %')
    """
    return f"{100.0 * share:.3g} %"

"""Result of a checker: evidence of one route for or against a claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from neurondeath_theory.foundation.visible_text import visible

__all__ = ["ROUTES", "Evidence", "Setting", "Verdict", "sound_evidence"]

ROUTES = ("symbolic", "high precision", "enumeration", "Monte Carlo", "training")


class Verdict(StrEnum):
    """Verdict on a claim, and on each route of its evidence."""

    CONFIRMED = "CONFIRMED"
    REFUTED = "REFUTED"
    BOUNDED = "BOUNDED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_TESTED = "NOT TESTED"
    ERROR = "ERROR"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a check is run; the claim defines what is checked.

    Attributes
    ----------
    full : bool
        More points and trials.
    seed : int
        Of all random numbers; numbers of trials are fixed before the first is drawn.
    false_alarm : float
        Probability with which this one check may refute a true claim; statistical checkers share it among their
        comparisons (Bonferroni).
    workers : int, optional
        Threads of a simulation; all cores by default.
    store : path, optional
        Results store of the simulations.
    studies : path, optional
        Folder with tables of studies of trainings; by default those that come with the project.
    """

    full: bool = False
    seed: int = 0
    false_alarm: float = 1e-6
    workers: int | None = None
    store: Path | None = None
    studies: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one route found.

    Attributes
    ----------
    route : str
        One of `ROUTES`.
    verdict : Verdict
        Verdict of this route alone.
    summary : str
        One sentence with the numbers that decide: what was compared, the worst deviation, the margin.
    points : int
        Effective comparisons; evidence with none is an ERROR, whatever its verdict.
    numbers : mapping of str to sequence
        The comparisons as named columns of one length.
    effects : tuple of (float, float)
        Limits of the effects that the claim is about, 0 for none, of a checker that measures effects; a claim with a
        `bound` needs them (`effect_bounds`).
    """

    route: str
    verdict: Verdict
    summary: str
    points: int
    numbers: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    effects: tuple[tuple[float, float], ...] = ()


def sound_evidence(found: Any) -> Evidence:
    r"""Check what a checker returned, and make its texts printable: it may be anyone's.

    Raises
    ------
    TypeError, ValueError
        If it is not evidence, or a field has another type, its columns differ in length or its effects are no pairs.

    Examples
    --------
    >>> found = Evidence(route="symbolic", verdict=Verdict.CONFIRMED, summary="two\nlines", points=1)
    >>> sound_evidence(found).summary
    'two lines'
    """
    if not isinstance(found, Evidence):
        raise TypeError(f"the checker returned {type(found).__name__}, not Evidence")
    kinds = {"route": str, "verdict": Verdict, "summary": str, "points": (int, np.integer), "numbers": Mapping}
    for name, kind in kinds.items():
        if not isinstance(getattr(found, name), kind):  # type: ignore[arg-type]
            raise TypeError(f"the checker returned evidence whose {name} is a {type(getattr(found, name)).__name__}")
    columns = {visible(str(name)): [_sound(value) for value in values] for name, values in found.numbers.items()}
    if len({len(values) for values in columns.values()}) > 1:
        raise ValueError("the checker returned columns of different lengths")
    return replace(
        found,
        route=visible(found.route),
        summary=visible(" ".join(found.summary.split())),
        points=int(found.points),
        numbers=columns,
        effects=tuple((float(low), float(high)) for low, high in found.effects),
    )


def _sound(value: Any) -> Any:
    """Return a number or a text as it is shown: numbers of sympy, mpmath and fractions as doubles."""
    if isinstance(value, str):
        return visible(value)
    return value if isinstance(value, (int, float, np.generic, type(None))) else float(value)

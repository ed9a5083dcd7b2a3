r"""Advice on remedies for a given network: every remedy of the theory with its numbers, ranked.

The given network is a plain ReLU net of k layers of width n, Gaussian weights, no biases; the numbers and their
theorems are those of `remedies.guaranteed_remedies`. What they promise is not what will happen: P(alive) of a remedy
without a theorem may be 1, and bounds may be far below. `neurondeath.advise` simulates every remedy and ranks by that.

Ranking: plain first where it reaches the goal, since then nothing needs changing. Next the other remedies that
guarantee P(alive) >= goal, by the share of points alive (guaranteed, or exact in the mean), then by P(alive); next the
layer-wise guarantee; next the remedies that miss the goal, by P(alive); last those without a guarantee.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.probability_text import probability_range
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_points, check_real
from neurondeath_theory.remedies.guaranteed_remedies import STANDINGS, Remedy, guaranteed_remedies
from neurondeath_theory.survival.bounds import survival_bounds

__all__ = ["COLUMNS", "Advice", "advise"]

DEEPEST = 1_000_000
COLUMNS = ("rank", "remedy", "guaranteed", *(field.name for field in fields(Remedy) if field.name != "name"))


@dataclass(frozen=True, kw_only=True)
class Advice(Result):
    """Remedies for a network, best first.

    Attributes
    ----------
    width, depth : int
        Width of every hidden layer, number of hidden layers.
    survival : float
        The goal: probability of being alive.
    log10_death_at_most : float
        Decimal logarithm of the largest possible P(dead) of the plain network, whatever its inputs.
    n_points, n_zero : int or None
        Input points, and those at zero, which are dead from layer 1; None without inputs.
    remedies : tuple of Remedy
        All remedies, ranked.
    simulated_inputs : str or None
        Specification of the points of the simulation; None without one.
    trials : int or None
        Simulated networks per remedy.
    seed : int or None
        Seed of these networks.
    not_simulated : str
        Why nothing was simulated, where that was asked for.
    """

    priority: ClassVar[tuple[str, ...]] = (
        *("rank", "remedy", "standing", "guaranteed", "simulated", "simulated_living_ratio", "living_ratio"),
        *("call", "statement"),
    )

    width: int
    depth: int
    survival: float
    log10_death_at_most: float
    n_points: int | None
    n_zero: int | None
    remedies: tuple[Remedy, ...]
    simulated_inputs: str | None = None
    trials: int | None = None
    seed: int | None = None
    not_simulated: str = ""

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per remedy."""
        own: dict[str, list[Any]] = {
            "rank": list(range(1, len(self.remedies) + 1)),
            "remedy": [one.name for one in self.remedies],
        }
        return {name: own.get(name) or [getattr(one, name) for one in self.remedies] for name in COLUMNS}

    def __str__(self) -> str:
        best = self.remedies[0]
        advice = "nothing needs changing" if best.name == "plain" else f"first choice: {best.name}"
        bounds = survival_bounds([self.width] * self.depth)
        known = probability_range(
            "",
            log_lower=float(bounds.log_lower[-1]),
            log_upper=0.0,
            log_death_at_most=float(bounds.log_death_at_most[-1]),
            log_death_at_least=-math.inf,
        )
        risk = f"as it is {known} for any inputs"
        plain = next(remedy for remedy in self.remedies if remedy.name == "plain")
        if plain.simulated is not None:
            advice = "no remedy does better" if best.name == "plain" else f"first choice: {best.name}, {_seen(best)}"
            risk += f", {_seen(plain)} in {self.trials} simulated networks on {self.simulated_inputs}"
        return f"width {self.width}, depth {self.depth}: {risk}; {advice}"


def advise(width: int, depth: int, inputs: npt.ArrayLike | None = None, *, survival: float = 0.99) -> Advice:
    """Rank the remedies against neuron death for a network of this width and depth by what theorems guarantee.

    Parameters
    ----------
    width : int
        Width n of every hidden layer, at least 1.
    depth : int
        Number of hidden layers k, from 1 to a million.
    inputs : array, shape (n_points, dimension), optional
        Input points; with them the plain net gets data-aware bounds (from up to 1000 points, spread evenly) and the
        sign flips the exact counts they guarantee.
    survival : float
        Goal for P(alive), in (0, 1).

    Returns
    -------
    Advice
        All remedies, ranked, each with its numbers and its definition of alive.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.
    AssumptionError
        If every input is zero: without biases such a network is dead on them with every remedy.

    Notes
    -----
    Nothing is simulated; `neurondeath.advise` adds what happens in simulated networks, and ranks by that. Gaussian
    weights, no biases. Every number comes from the theorem named in its module: `survival.bounds`,
    `survival.data_aware`, `survival.safe_sizes`, `remedies.streams_and_batch_norm`, `remedies.sign_flip`. Sources:
    rister2020, lu2019.

    Examples
    --------
    >>> advice = advise(width=4, depth=100)
    >>> print(advice)
    width 4, depth 100: as it is P(alive) >= 0.0015744 for any inputs; first choice: looks-linear
    >>> [remedy.name for remedy in advice.remedies][:4]
    ['looks-linear', 'residual', 'wider', 'neuron sign flip']
    >>> print(advise(width=32, depth=20))
    width 32, depth 20: as it is P(dead) <= 4.6566e-09 for any inputs; nothing needs changing
    """
    n = check_count("width", width)
    k = check_count("depth", depth, most=DEEPEST)
    goal = check_real("survival", survival, low=0, high=1, low_open=True, high_open=True)
    points = None if inputs is None else check_points("inputs", inputs)
    n_zero = 0 if points is None else int((~points.any(axis=1)).sum())
    if points is not None and n_zero == len(points):
        raise AssumptionError(
            "`inputs` holds zero points only: without biases the network is dead on them from layer 1, with certainty"
        )
    found = guaranteed_remedies(n, k, goal, points)
    return Advice(
        width=n,
        depth=k,
        survival=goal,
        log10_death_at_most=float(survival_bounds([n] * k).log10_death_at_most[-1]),
        n_points=None if points is None else len(points),
        n_zero=None if points is None else n_zero,
        remedies=tuple(sorted(found, key=_rank)),  # a stable sort: simpler changes come first
    )


def _seen(remedy: Remedy) -> str:
    """Write what the simulation of a remedy saw."""
    rank = "" if remedy.effective_rank is None else f" with effective rank {format_number(remedy.effective_rank, 3)}"
    return f"P(alive) = {format_number(remedy.simulated, 3)}{rank}"


def _rank(remedy: Remedy) -> tuple[float, ...]:
    tier = STANDINGS.index(remedy.standing)
    alive, ratio = remedy.alive_at_least or 0.0, remedy.living_ratio or 0.0
    if tier == 0:
        return tier, float(remedy.name != "plain"), -ratio, -alive
    return tier, 0.0, -alive, -ratio

r"""Advice on remedies for a given network: every remedy of the theory with its numbers, ranked.

The given network is a plain ReLU net of k layers of width n, Gaussian weights, no biases. Each remedy comes with the
number that its theorem computes, in its own definition of alive, or without a number where there is no theorem:

- plain: lower bound on P(alive) and exact mean living ratio; with inputs also the data-aware bounds;
- wider: the least width whose lower bound reaches the goal;
- residual: exact P(some branch alive at a point); neuron and layer sign flip: shares kept with probability one;
- batch norm: layer-wise guarantee only; RAI: no bound is known.

Ranking: plain first where it reaches the goal, since then nothing needs changing. Next the other remedies that
guarantee P(alive) >= goal, by the share of points alive (guaranteed, or exact in the mean), then by P(alive); next the
layer-wise guarantee; next the remedies that miss the goal, by P(alive); last those without a guarantee.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.probability_text import number_from_log, probability_range
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_points, check_real
from neurondeath_theory.networks.rai import rai_constant
from neurondeath_theory.remedies.sign_flip import POINT_ALIVE, sign_flip_guarantee
from neurondeath_theory.remedies.streams_and_batch_norm import BATCH_ALIVE, batch_norm_statement, residual_survival
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.safe_sizes import min_width

__all__ = ["Advice", "Remedy", "advise"]

DEEPEST = 1_000_000
PAIRED_POINTS = 1000  # points that the data-aware bounds use; a bound for some points holds for all
STANDINGS = ("meets the goal", "layer-wise only", "misses the goal", "no guarantee")


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """One remedy and what is known about it; a number that no theorem gives is None.

    Attributes
    ----------
    name : str
        "plain", "wider", "residual", "layer sign flip", "neuron sign flip", "batch norm" or "RAI".
    standing : str
        "meets the goal", "layer-wise only", "misses the goal" or "no guarantee".
    alive_at_least : float or None
        Lower bound on P(alive) in the sense of `notion`.
    living_ratio : float or None
        Share of points alive, in the sense of `living_ratio_kind`.
    living_ratio_kind : str or None
        "mean, exact", "guaranteed" or "mean, at most".
    notion : str
        What being alive means for this remedy.
    statement : str
        What to do, and what it achieves.
    """

    name: str
    standing: str
    alive_at_least: float | None
    living_ratio: float | None
    living_ratio_kind: str | None
    notion: str
    statement: str


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
    """

    width: int
    depth: int
    survival: float
    log10_death_at_most: float
    n_points: int | None
    n_zero: int | None
    remedies: tuple[Remedy, ...]

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per remedy."""
        return {
            "rank": list(range(1, len(self.remedies) + 1)),
            "remedy": [remedy.name for remedy in self.remedies],
            "standing": [remedy.standing for remedy in self.remedies],
            "alive_at_least": [remedy.alive_at_least for remedy in self.remedies],
            "living_ratio": [remedy.living_ratio for remedy in self.remedies],
            "living_ratio_kind": [remedy.living_ratio_kind for remedy in self.remedies],
            "statement": [remedy.statement for remedy in self.remedies],
            "notion": [remedy.notion for remedy in self.remedies],
        }

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
        return f"width {self.width}, depth {self.depth}: {risk}; {advice}"


def advise(width: int, depth: int, inputs: npt.ArrayLike | None = None, *, survival: float = 0.99) -> Advice:
    """Rank the remedies against neuron death for a network of this width and depth.

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
    Gaussian weights, no biases. Every number comes from the theorem named in its module: `survival.bounds`,
    `survival.data_aware`, `survival.safe_sizes`, `remedies.streams_and_batch_norm`, `remedies.sign_flip`. Sources:
    rister2020, lu2019.

    Examples
    --------
    >>> advice = advise(width=4, depth=100)
    >>> print(advice)
    width 4, depth 100: as it is P(alive) >= 0.0015744 for any inputs; first choice: residual
    >>> [remedy.name for remedy in advice.remedies][:4]
    ['residual', 'wider', 'neuron sign flip', 'layer sign flip']
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
    share = 1.0 if points is None else 1.0 - n_zero / len(points)  # of the points that are not at zero
    found = [
        _plain(n, k, goal, points, share),
        _wider(n, k, goal, share),
        _flip(n, k, goal, points, n_zero, "neuron"),
        _flip(n, k, goal, points, n_zero, "layer"),
        _residual(n, k, goal, share),
        _batch_norm(n, k, points),
        _rai(),
    ]
    return Advice(
        width=n,
        depth=k,
        survival=goal,
        log10_death_at_most=float(survival_bounds([n] * k).log10_death_at_most[-1]),
        n_points=None if points is None else len(points),
        n_zero=None if points is None else n_zero,
        remedies=tuple(sorted(found, key=_rank)),  # a stable sort: simpler changes come first
    )


def _rank(remedy: Remedy) -> tuple[float, ...]:
    tier = STANDINGS.index(remedy.standing)
    alive, ratio = remedy.alive_at_least or 0.0, remedy.living_ratio or 0.0
    if tier == 0:
        return tier, float(remedy.name != "plain"), -ratio, -alive
    return tier, 0.0, -alive, -ratio


def _standing(alive: float, goal: float) -> str:
    return STANDINGS[0] if alive >= goal else STANDINGS[2]


def _plain(n: int, k: int, goal: float, points: npt.NDArray[np.float64] | None, share: float) -> Remedy:
    orthant = points is not None and bool((points >= 0).all())
    dimension = None if points is None else points.shape[1]
    bounds = survival_bounds([n] * k, input_dim=dimension, bias=False, nonnegative_inputs=orthant)
    alive = float(bounds.lower[-1])
    known = probability_range(
        "",
        log_lower=float(bounds.log_lower[-1]),
        log_upper=float(bounds.log_upper[-1]),
        log_death_at_most=float(bounds.log_death_at_most[-1]),
        log_death_at_least=float(bounds.log_death_at_least[-1]),
    )
    if points is not None:
        from neurondeath_theory.survival.data_aware import data_aware_bounds

        nonzero = points[points.any(axis=1)]
        picked = nonzero[np.linspace(0, len(nonzero) - 1, min(len(nonzero), PAIRED_POINTS)).astype(int)]
        aware = data_aware_bounds(picked, [n] * k)
        alive = aware.gallot if aware.exact is None else aware.exact
        some = "" if len(picked) == len(nonzero) else f", from {len(picked)} of {len(nonzero)} points"
        if aware.exact is None:
            known += f"; on these inputs at least {format_number(alive)} (Gallot{some})"
        else:
            known += f"; on these inputs exactly {format_number(alive)}"
    death = f"a point dies with probability {number_from_log(float(bounds.log_death_at_most[-1]))}"
    return Remedy(
        name="plain",
        standing=_standing(alive, goal),
        alive_at_least=alive,
        living_ratio=share * float(bounds.lower[-1]),
        living_ratio_kind="mean, exact",
        notion=POINT_ALIVE,
        statement=f"the network as it is: {known}; {death}",
    )


def _wider(n: int, k: int, goal: float, share: float) -> Remedy:
    least = min_width(k, goal)
    alive = float(survival_bounds([max(n, least)] * k).lower[-1])
    if least > n:
        statement = f"width {least} instead of {n} is the least whose lower bound reaches {goal:g}, for any inputs"
    else:
        statement = f"not needed: width {least} is the least whose lower bound reaches {goal:g}, for any inputs"
    return Remedy(
        name="wider",
        standing=STANDINGS[0],
        alive_at_least=max(alive, goal),
        living_ratio=share * alive,
        living_ratio_kind="mean, exact",
        notion=POINT_ALIVE,
        statement=statement,
    )


def _flip(n: int, k: int, goal: float, points: npt.NDArray[np.float64] | None, n_zero: int, mode: str) -> Remedy:
    finite = None if points is None else len(points) - n_zero
    guarantee = sign_flip_guarantee([n] * k, finite, mode)
    ratio = float(guarantee.living_ratio[-1])
    what = "negate a layer" if mode == "layer" else "negate a unit"
    when = (
        "when fewer than half of the points alive stay alive"
        if mode == "layer"
        else ("when it is active on fewer than half of the living points that no earlier unit of its layer covers")
    )
    kept = f"a finite set never dies; at least a share {format_number(ratio)} of its points stays alive"
    if guarantee.living_points is not None and points is not None and finite is not None:
        kept = f"at least {guarantee.living_points[-1]} of {len(points)} points stay alive"
        ratio *= finite / len(points)
    return Remedy(
        name=f"{mode} sign flip",
        standing=_standing(1.0, goal),
        alive_at_least=1.0,
        living_ratio=ratio,
        living_ratio_kind="guaranteed",
        notion=POINT_ALIVE,
        statement=f"{what} {when}, layer by layer on the data: {kept}, with probability one",
    )


def _residual(n: int, k: int, goal: float, share: float) -> Remedy:
    survival = residual_survival(n, k)
    alive = float(survival.some_alive[-1])
    dead = number_from_log(float(survival.log10_all_dead[-1]) * math.log(10.0))
    return Remedy(
        name="residual",
        standing=_standing(alive, goal),
        alive_at_least=alive,
        living_ratio=share * alive,
        living_ratio_kind="mean, exact",
        notion=survival.notion,
        statement=f"x + relu(Wx + b) in every layer: all branches dead at a point with probability {dead}; "
        "the stream never vanishes",
    )


def _batch_norm(n: int, k: int, points: npt.NDArray[np.float64] | None) -> Remedy:
    unsupported = Remedy(
        name="batch norm",
        standing=STANDINGS[3],
        alive_at_least=None,
        living_ratio=None,
        living_ratio_kind=None,
        notion=BATCH_ALIVE,
        statement="no guarantee: batch normalisation needs at least two distinct points",
    )
    n_distinct = 2 if points is None else len(np.unique(points, axis=0))
    if n_distinct < 2:
        return unsupported
    guarantee = batch_norm_statement([n] * k, n_distinct)
    ratio = float(guarantee.point_alive_at_most[-1])
    return replace(
        unsupported,
        standing=STANDINGS[1],
        alive_at_least=guarantee.layer_alive,
        living_ratio=ratio,
        living_ratio_kind="mean, at most",
        statement="before the ReLU, on a batch of distinct points: no unit and no layer is dead on the whole batch, "
        f"with probability one; but a point is active in all layers with probability at most {format_number(ratio)}",
    )


def _rai() -> Remedy:
    return Remedy(
        name="RAI",
        standing=STANDINGS[3],
        alive_at_least=None,
        living_ratio=None,
        living_ratio_kind=None,
        notion=POINT_ALIVE,
        statement="no guarantee: its law has no sign symmetry and no bound on its survival is known, so simulate it; "
        f"normal entries of scale {format_number(rai_constant())} and one Beta(2, 1) entry per row keep the mean "
        "square of the signal, biases included, from growing",
    )

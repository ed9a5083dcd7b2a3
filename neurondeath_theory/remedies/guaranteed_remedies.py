r"""The remedies for a plain ReLU net of k layers of width n, each with the number that its theorem computes.

Gaussian weights, no biases. A number that no theorem gives is None:

- plain: lower bound on P(alive) and exact mean living ratio; with inputs also the data-aware bounds;
- wider: the least width whose lower bound reaches the goal;
- residual: exact P(some branch alive at a point); neuron and layer sign flip: shares kept with probability one;
- looks-linear (even widths only): one unit of every pair is active at every nonzero point;
- batch norm: layer-wise guarantee only; critical residual, RAI: no bound is known.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.probability_text import number_from_log, probability_range
from neurondeath_theory.networks.rai import rai_constant
from neurondeath_theory.remedies.sign_flip import POINT_ALIVE, sign_flip_guarantee
from neurondeath_theory.remedies.streams_and_batch_norm import (
    BATCH_ALIVE,
    BRANCH_ALIVE,
    batch_norm_statement,
    residual_survival,
)
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.safe_sizes import min_width

__all__ = ["STANDINGS", "Remedy", "guaranteed_remedies"]

PAIRED_POINTS = 1000  # points that the data-aware bounds use; a bound for some points holds for all
STANDINGS = ("meets the goal", "layer-wise only", "misses the goal", "no guarantee")

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """One remedy and what is known about it; a number that no theorem gives, or that was not simulated, is None.

    Attributes
    ----------
    name : str
        "plain", "wider", "residual", "critical residual", "layer sign flip", "neuron sign flip", "looks-linear",
        "batch norm" or "RAI".
    standing : str
        "meets the goal", "layer-wise only", "misses the goal" or "no guarantee", by the theorem.
    alive_at_least : float or None
        Lower bound on P(alive) in the sense of `notion`; `guaranteed` is the same.
    living_ratio : float or None
        Share of points alive, in the sense of `living_ratio_kind`.
    living_ratio_kind : str or None
        "mean, exact", "guaranteed" or "mean, at most".
    notion : str
        What being alive means in the guarantee.
    statement : str
        What to do, and what it achieves.
    call : str
        How to apply it: to a PyTorch model whose layers are `model`, or as a `Network` where there is no such call.
    simulated, simulated_stderr : float or None
        Share of simulated networks that are alive, some point being alive through all layers, and its standard error (0
        where all networks agree).
    simulated_living_ratio, simulated_living_ratio_stderr : float or None
        Mean share of points alive, and its standard error.
    effective_rank, effective_rank_stderr : float or None
        Mean entropy rank of the features of the last layer, over networks where some feature is not 0, and its standard
        error: near 1 or below, a network is alive but cannot tell points apart.
    """

    name: str
    standing: str
    alive_at_least: float | None
    living_ratio: float | None
    living_ratio_kind: str | None
    notion: str
    statement: str
    call: str
    simulated: float | None = None
    simulated_stderr: float | None = None
    simulated_living_ratio: float | None = None
    simulated_living_ratio_stderr: float | None = None
    effective_rank: float | None = None
    effective_rank_stderr: float | None = None

    @property
    def guaranteed(self) -> float | None:
        """What the theorem of this remedy guarantees for P(alive), in the sense of `notion`; None without a theorem."""
        return self.alive_at_least


def guaranteed_remedies(width: int, depth: int, goal: float, points: Points | None) -> list[Remedy]:
    """List the remedies for a network of this width and depth, simpler changes first, not yet ranked.

    Parameters
    ----------
    width, depth : int
        Width of every hidden layer, number of hidden layers.
    goal : float
        P(alive) to reach, in (0, 1).
    points : float array, shape (n_points, dimension), optional
        Input points, not all zero.
    """
    n_zero = 0 if points is None else int((~points.any(axis=1)).sum())
    share = 1.0 if points is None else 1.0 - n_zero / len(points)  # of the points that are not at zero
    found = [
        _plain(width, depth, goal, points, share),
        _wider(width, depth, goal, share),
        _flip(width, depth, points, n_zero, "neuron"),
        _flip(width, depth, points, n_zero, "layer"),
    ]
    if width % 2 == 0:
        found.append(_looks_linear(share))
    found.append(_residual(width, depth, goal, share))
    return [*found, _batch_norm(width, depth, points), _critical_residual(), _rai()]


def _standing(alive: float, goal: float) -> str:
    return STANDINGS[0] if alive >= goal else STANDINGS[2]


def _plain(n: int, k: int, goal: float, points: Points | None, share: float) -> Remedy:
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
        call="he_(model)",
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
        call=f"Network(width={max(n, least)}, depth={k})",
    )


def _flip(n: int, k: int, points: Points | None, n_zero: int, mode: str) -> Remedy:
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
        standing=STANDINGS[0],
        alive_at_least=1.0,
        living_ratio=ratio,
        living_ratio_kind="guaranteed",
        notion=POINT_ALIVE,
        statement=f"{what} {when}, layer by layer on the data: {kept}, with probability one",
        call=f"sign_flip_(model, inputs, mode={mode!r})",
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
        call=f'Network(width={n}, depth={k}, architecture="residual")',
    )


def _critical_residual() -> Remedy:
    return Remedy(
        name="critical residual",
        standing=STANDINGS[3],
        alive_at_least=None,
        living_ratio=None,
        living_ratio_kind=None,
        notion=BRANCH_ALIVE,
        statement="no guarantee: units of this stream keep signs from layer to layer and no bound is known, so "
        "simulate it; branches of effective depth 1 in a stream of constant variance keep points apart",
        call="residual_(model, 1.0)",
    )


def _looks_linear(share: float) -> Remedy:
    return Remedy(
        name="looks-linear",
        standing=STANDINGS[0],
        alive_at_least=1.0,
        living_ratio=share,
        living_ratio_kind="guaranteed",
        notion=POINT_ALIVE,
        statement="mirrored weights of orthogonal blocks: of a finite set every nonzero point is alive, half of the "
        "units active at it, with probability one; the network is a linear map at birth",
        call="looks_linear_(model)",
    )


def _batch_norm(n: int, k: int, points: Points | None) -> Remedy:
    unsupported = Remedy(
        name="batch norm",
        standing=STANDINGS[3],
        alive_at_least=None,
        living_ratio=None,
        living_ratio_kind=None,
        notion=BATCH_ALIVE,
        statement="no guarantee: batch normalisation needs at least two distinct points",
        call=f'Network(width={n}, depth={k}, architecture="batch_norm")',
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
        call="rai_(model)",
    )

r"""What the theory predicts for a task: only statements that are valid for its network and its inputs.

P(layer j dead) is at most $D_j = 2^{-n_j}$ at a point, and at least $D'_j = 2^{-n_j (f_j + 1)}$ (without biases
$2^{-n_j f_j}$) on a set whose layer inputs are non-negative, f_j being the number of inputs of the layer that are not
certainly zero.

- Plain: P(alive through l) between the products of $1 - D_j$ and $1 - D'_j$.
- Residual and skip: a block of layers is dead at a point with probability $1 - \prod (1 - D_j)$ over its layers, given
  that all before it are; so P(some block alive) >= 1 - the product over blocks. On a set the same
  formula with $D'_j$ is an upper bound: a block is dead when one of its layers is dead on the whole set.
- Dense: the blocks are the layers; while all layers are dead their features are zero, so $f_j = n_0$.

A layer that reads points outside the non-negative orthant counts with $D'_j = 0$.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.network_bounds import (
    HoldingBounds,
    bounds_that_hold,
    may_vanish,
    silences_half_the_line,
)
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee
from neurondeath_theory.survival.bounds import survival_bounds

__all__ = ["Expectation", "expected"]

Floats = npt.NDArray[np.float64]
LN2 = float(np.log(2.0))
FLIP_OF_ZERO = "a sign flip cannot activate a unit whose pre-activation is exactly 0, which this law does not exclude"


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Theory for one task; arrays have shape (k,), None where no statement is valid.

    Attributes
    ----------
    lower, upper : float array or None
        Bounds on P(alive through layer l).
    living_ratio : float array or None
        Exact mean living ratio.
    living_ratio_at_least : float array or None
        Lower bound on the mean living ratio; with sign flips, on the ratio of every single trial.
    layerwise_alive : float array or None
        P(layer-wise alive), if it is known.
    log_death_at_most, log_death_at_least : float array
        Natural logarithms of the same bounds as bounds on P(dead through layer l), 0 and -inf where there are none;
        they keep the digits of rare death.
    reasons : mapping of str to str
        Why a statement is None, by its name.
    """

    lower: Floats | None = None
    upper: Floats | None = None
    living_ratio: Floats | None = None
    living_ratio_at_least: Floats | None = None
    layerwise_alive: Floats | None = None
    log_death_at_most: Floats = field(default_factory=lambda: np.array(0.0))
    log_death_at_least: Floats = field(default_factory=lambda: np.array(-np.inf))
    reasons: Mapping[str, str] = field(default_factory=dict)


def expected(network: Network, inputs: Mapping[str, Any]) -> Expectation:
    """Compute bounds on P(alive) and the mean living ratio, where they are valid.

    Parameters
    ----------
    network : Network
        The law of the networks.
    inputs : mapping
        Description of the input set (`InputSet.description()`): `n_points`, `n_nonzero`, `nonnegative`, and
        optionally `several_points` (not all points are the same) and `infinite`.

    Returns
    -------
    Expectation
        The valid statements, and the reasons why others are missing.

    Examples
    --------
    >>> plain = {"n_points": 4, "n_nonzero": 4, "nonnegative": True}
    >>> expected(Network([2, 2]), plain).living_ratio.tolist()
    [0.75, 0.5625]
    >>> expected(Network([2, 2], init="orthogonal"), plain).reasons["upper"]
    'the signs of the entries of an orthogonal matrix are not independent'
    """
    if network.sign_flip != "none":
        return _with_sign_flip(network, inputs)
    holds = bounds_that_hold(network)
    reasons = {"lower": holds.lower, "upper": holds.upper, "living_ratio": holds.living_ratio}
    at_point, on_set = _log_alive(network, nonnegative=bool(inputs["nonnegative"]))
    if holds.always_active:
        at_point = on_set = np.zeros(network.depth)
    share = 1.0
    if not network.has_bias and network.activation.value_at_zero == 0.0:
        share = inputs["n_nonzero"] / inputs["n_points"]  # a point at zero is dead from the first layer
    ratio = None if holds.lower else np.exp(at_point) * share
    if inputs.get("infinite"):
        ratio = None
        reasons["living_ratio"] = "the orthant is infinite: it has no living ratio"
    some = float(share > 0.0)
    return Expectation(
        lower=None if holds.lower else np.exp(at_point) * some,
        upper=None if holds.upper else np.exp(on_set) * some,
        living_ratio=None if holds.living_ratio else ratio,
        living_ratio_at_least=ratio,
        layerwise_alive=_layerwise(network, inputs),
        **_log_death(network, inputs, holds) if some else {},
        reasons={name: reason for name, reason in reasons.items() if reason},
    )


def _with_sign_flip(network: Network, inputs: Mapping[str, Any]) -> Expectation:
    """Bounds from the guarantee, which holds in every trial; without biases a point at zero is always dead."""
    if may_vanish(network):
        return Expectation(reasons=dict.fromkeys(("lower", "upper", "living_ratio"), FLIP_OF_ZERO))
    can_live = inputs["n_points"] if network.has_bias else inputs["n_nonzero"]
    reasons = {"living_ratio": "sign flips guarantee a living ratio; its mean is not known"}
    if can_live == 0:
        zero = np.zeros(network.depth)
        return Expectation(lower=zero, upper=zero, living_ratio=zero, living_ratio_at_least=zero)
    living = sign_flip_guarantee(network.widths, can_live, network.sign_flip).living_points
    assert living is not None
    return Expectation(
        lower=np.ones(network.depth),
        upper=np.ones(network.depth),
        living_ratio_at_least=living / inputs["n_points"],
        reasons=reasons,
    )


def _layerwise(network: Network, inputs: Mapping[str, Any]) -> Floats | None:
    """P(layer-wise alive) with batch norm: with two distinct points every unit is active at some points, not at all."""
    if network.architecture != "batch_norm" or not silences_half_the_line(network.activation) or may_vanish(network):
        return None
    distinct = inputs.get("several_points")
    return None if distinct is None else np.full(network.depth, float(distinct))


def _log_death(network: Network, inputs: Mapping[str, Any], holds: HoldingBounds) -> dict[str, Floats]:
    """Return the logarithms of the valid bounds on P(dead), for plain networks only."""
    if network.architecture != "plain" or holds.always_active:
        return {}
    bounds = survival_bounds(
        network.widths,
        input_dim=network.input_dim,
        bias=network.has_bias,
        nonnegative_inputs=bool(inputs["nonnegative"]),
    )
    none = np.zeros(network.depth)
    return {
        "log_death_at_most": none if holds.lower else bounds.log_death_at_most,
        "log_death_at_least": none - np.inf if holds.upper else bounds.log_death_at_least,
    }


def _log_alive(network: Network, *, nonnegative: bool) -> tuple[Floats, Floats]:
    """Return log P(alive at a point through layer l), and the log of an upper bound on P(alive on the set)."""
    if network.architecture in ("plain", "batch_norm"):
        bounds = survival_bounds(
            network.widths, input_dim=network.input_dim, bias=network.has_bias, nonnegative_inputs=nonnegative
        )
        return bounds.log_lower, bounds.log_upper
    widths, fan_ins = np.array(network.widths, dtype=np.float64), np.array(network.fan_ins, dtype=np.float64)
    if network.architecture == "dense":
        fan_ins[:] = network.input_dim
    log_dead_at_point = -LN2 * widths
    log_dead_on_set = -LN2 * widths * (fan_ins + network.has_bias)
    if not nonnegative:
        log_dead_on_set[:: network.block_depth] = -np.inf  # these layers read the stream
    depth = network.block_depth
    return _log_some_block_alive(log_dead_at_point, depth), _log_some_block_alive(log_dead_on_set, depth)


def _log_some_block_alive(log_dead: Floats, block_depth: int) -> Floats:
    """Return log P(some block so far alive) through every layer, from log P(layer dead) of independent layers."""
    log_layer_alive = np.log1p(-np.exp(log_dead)).reshape(-1, block_depth)
    with np.errstate(divide="ignore"):
        # a block that has not ended counts by its layers so far
        log_block_dead = np.log(-np.expm1(np.cumsum(log_layer_alive, axis=1)))
        before = np.concatenate([[0.0], np.cumsum(log_block_dead[:-1, -1])])
        return np.asarray(np.log(-np.expm1(before[:, None] + log_block_dead)).reshape(-1))

"""Survival of plain networks: P(alive) and the mean living ratio, counted over sign patterns and sampled.

A claim states the relation and its right-hand side, a formula in n[0] (the input dimension), n[1], n[2], .. (the
widths), k (the layer of the comparison), b (1 with biases, 0 without) and first (1 where all inputs lie in the
non-negative orthant, 2 otherwise: the first layer whose inputs are certain to).
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.checkers.findings import (
    Counted,
    Sampled,
    claimed_exactly,
    counted_evidence,
    layers_to_check,
    names_at,
    sample,
    sampled_evidence,
)
from neurondeath.paper_check.checkers.survival.sign_patterns import every_sign, number_of_signs
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath.paper_check.formulas import evaluate
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.networks.network import INITS, Network

__all__ = ["INPUTS", "MEASURES", "survival_by_enumeration", "survival_by_sampling"]

Shares = dict[str, list[Fraction]]  # of each measure, layer by layer

MEASURES = ("alive", "living ratio")
INPUTS = ("any", "one point", "the orthant")
KINDS = ("one point", "orthant point", "opposite points", "both signs", "orthant", "corners")
OFTEN = 1 / 20  # above about this share of dead points its mean over the trials is nearly normal
FAR = 10**6  # coordinate of a point on an axis: its products exceed every bias, whose magnitude is at most 300

TINY = (
    Network([4], input_dim=3),
    Network([2, 2]),
    Network([3, 2], input_dim=2),
    Network([2, 2, 2]),
    Network([1, 2, 3], input_dim=2),
    Network([1, 1, 1, 1], input_dim=1),
    Network([3], bias_variance=1.0),
    Network([2, 2], input_dim=1, bias_variance=1.0),
    Network([2, 1, 2], input_dim=2, bias_variance=1.0),
    Network([1, 1, 1], input_dim=1, bias_variance=1.0),
)
LARGER = (Network([3, 3], input_dim=3), Network([3, 3], input_dim=1, bias_variance=1.0), Network([2, 3, 2]))
ONE_LAYER = (
    Network([1]),
    Network([2], input_dim=1),
    Network([3], input_dim=2),
    Network([5], input_dim=3),
    Network([1], bias_variance=1.0),
    Network([2], input_dim=1, bias_variance=1.0),
    Network([3], input_dim=2, bias_variance=1.0),
    Network([4], input_dim=3, bias_variance=1.0),
)

# (network, input sets) that are sampled; widths 1 to 8, depths up to 200
ANY_SAMPLED = (
    (Network([1], bias_variance=1.0), ("orthant",)),
    (Network([2], input_dim=1), ("orthant",)),
    (Network([1] * 4, input_dim=3), ("gaussian:32", "point")),
    (Network([2] * 10), ("gaussian:64", "orthant:64", "rays of a line")),
    (Network([3] * 20, input_dim=10, bias_variance=0.1), ("cube:64",)),
    (Network([4] * 30, init="uniform"), ("orthant:32", "point")),
    (Network([3, 8, 2, 5, 4], input_dim=4, bias_variance=1.0), ("gaussian:32", "orthant:32")),
    (Network([6] * 100, input_dim=64), ("digits:32",)),
    (Network([8] * 200, input_dim=8), ("gaussian:32",)),
)
ONE_POINT_SAMPLED = (
    (Network([1] * 4), ("point",)),
    (Network([2] * 10, input_dim=5, init="uniform"), ("point",)),
    (Network([3] * 20, bias_variance=0.5), ("point", "origin")),
    (Network([4] * 20, init="orthogonal"), ("point",)),
    (Network([6] * 100), ("point",)),
    (Network([8] * 200), ("point",)),
)
ORTHANT_SAMPLED = tuple(
    (Network([width], input_dim=dimension, **law), ("orthant",))
    for width, dimension in ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1))
    for law in ({"init": "uniform"}, {"bias_variance": 1.0})
)


def survival_by_enumeration(*, setting: Setting, measure: str, inputs: str, relation: str, right: str) -> Evidence:
    """Count P(alive) or the mean living ratio of tiny networks exactly and compare it with a formula.

    Parameters
    ----------
    setting : Setting
        Its seed draws magnitudes and points; `full` adds networks and draws.
    measure : {"alive", "living ratio"}
        The left-hand side: P(alive on the inputs through layer k), or the mean share of points alive.
    inputs : {"any", "one point", "the orthant"}
        Sets of points of every kind, without the origin unless there are biases; single points; or one layer on the
        whole non-negative orthant, which the origin and the far ends of the axes decide (with b <= 0 and all weights
        negative a unit is inactive everywhere on it, and otherwise active at one of these).
    relation, right : str
        The claim: the measure, the relation, this formula.

    Returns
    -------
    Evidence
        REFUTED if any fraction violates the relation, at any layer and draw of the magnitudes.
    """
    check_choice("measure", measure, MEASURES)
    check_choice("inputs", inputs, INPUTS)
    rows, patterns = [], 0
    for network in ONE_LAYER if inputs == "the orthant" else TINY + LARGER * setting.full:
        for kind, draws in _tiny_shares(network, inputs, setting):
            patterns += len(draws) * 2 ** number_of_signs(network)
            for layer in range(1, network.depth + 1):
                shares = [draw[measure][layer - 1] for draw in draws]
                names = names_at(network, layer, first=1 if kind in ("orthant", "corners") else 2)
                rows.append(
                    Counted(
                        network=_label(network),
                        inputs=kind,
                        layer=layer,
                        least=min(shares),
                        most=max(shares),
                        claimed=claimed_exactly(right, names),
                    )
                )
    return counted_evidence(rows, relation, f"{measure}, {inputs}", patterns)


def survival_by_sampling(
    *, setting: Setting, measure: str, inputs: str, relation: str, right: str, init: str = ""
) -> Evidence:
    """Sample P(alive) or the mean living ratio by multiplying networks out, and compare it with a formula.

    Parameters
    ----------
    setting : Setting
        Its seed draws networks; `full` takes ten times as many.
    measure : {"alive", "living ratio"}
        As for `survival_by_enumeration`.
    inputs : {"any", "one point", "the orthant"}
        The same, here with digits, Gaussian points, cubes and depths up to 200.
    relation, right : str
        The claim.
    init : str
        Law of the weights of all networks, with variance 2 / fan_in; by default each has its own, one that the papers
        assume. Networks that the law does not allow, such as those with biases, are left out.

    Returns
    -------
    Evidence
        By exact limits for P(alive) and normal ones for the mean living ratio, in layers where points often die.
    """
    check_choice("measure", measure, MEASURES)
    check_choice("inputs", inputs, INPUTS)
    if init:
        check_choice("init", init, INITS)
    cases = {"any": ANY_SAMPLED, "one point": ONE_POINT_SAMPLED, "the orthant": ORTHANT_SAMPLED}[inputs]
    alive = measure == "alive"
    trials = (20_000 if inputs == "any" else 50_000) * (10 if setting.full else 1)
    rows = []
    for own, kinds in cases:
        network = _with_init(own, init)
        if network is None:
            continue
        for kind in kinds:
            if kind == "orthant" and not alive:
                continue  # an infinite set has no share to count
            spec = _points_of(kind, network)
            result = sample(setting, network, spec, trials=trials, engine="dense")
            # a set that lies in the non-negative orthant, even by chance, obeys the sharper bound as well
            first = 1 if result.inputs["nonnegative"] else 2
            for layer in layers_to_check(network.depth):
                at = layer - 1
                if not alive and layer * 2.0 ** -min(network.widths[:layer]) < OFTEN:
                    continue
                rows.append(
                    Sampled(
                        network=str(network),
                        inputs=kind,
                        layer=layer,
                        claimed=float(evaluate(right, names_at(network, layer, first=first))),
                        trials=trials,
                        hits=round(result.alive[at] * trials) if alive else None,
                        mean=float(result.living_ratio[at]),
                        stderr=float(result.living_ratio_stderr[at]),
                    )
                )
    return sampled_evidence(rows, relation, f"{measure}, {inputs}", setting)


def _with_init(network: Network, init: str) -> Network | None:
    """Return the network with another law of its weights, unless it is empty; None if the two do not fit together."""
    if not init:
        return network
    try:
        return Network.from_description({**network.description(), "init": init})
    except InvalidArgumentError:
        return None


def _points_of(kind: str, network: Network) -> str | npt.NDArray[np.float64]:
    """Return a specification, or the points of a kind that has none."""
    if kind == "point":
        return input_set("gaussian:1", dimension=network.input_dim, seed=2).points
    if kind == "origin":
        return np.zeros((1, network.input_dim))
    if kind == "rays of a line":
        point = input_set("gaussian:1", dimension=network.input_dim, seed=2).points
        return np.vstack([point, -point])
    return kind


def _tiny_shares(network: Network, inputs: str, setting: Setting) -> Iterator[tuple[str, list[Shares]]]:
    """Run a tiny network under every sign, on each kind of input set and for several draws of the magnitudes."""
    kinds = {
        "any": ("one point", "opposite points", "both signs", "orthant", "corners"),
        "one point": ("one point", "orthant point"),
        "the orthant": ("corners",),
    }[inputs]
    for kind in kinds:
        yield kind, [_shares(network, kind, setting.seed, draw) for draw in range(10 if setting.full else 3)]


@lru_cache(maxsize=4096)
def _shares(network: Network, kind: str, seed: int, draw: int) -> Shares:
    """Return both measures after every layer; cached, as a claim and its mutations share them."""
    rng = np.random.default_rng([seed, draw, number_of_signs(network), KINDS.index(kind)])
    d = network.input_dim
    if kind == "corners":
        points = FAR * np.eye(d, dtype=np.int64)
        points = np.vstack([points, np.zeros((int(network.has_bias), d), dtype=np.int64)])
    elif kind in ("orthant", "orthant point"):
        points = rng.integers(1, 50, size=(1 if kind == "orthant point" else 4, d))
    else:
        n_points = 4 if kind == "both signs" else 1
        points = rng.integers(1, 50, size=(n_points, d)) * rng.choice([-1, 1], size=(n_points, d))
        if kind == "opposite points":
            points = np.vstack([points, -points])
    alive = every_sign(network, points, rng).alive
    n_patterns, _, n_points = alive.shape
    return {
        "alive": [Fraction(int(count), n_patterns) for count in alive.any(axis=2).sum(axis=0)],
        "living ratio": [Fraction(int(count), n_patterns * n_points) for count in alive.sum(axis=(0, 2))],
    }


def _label(network: Network) -> str:
    shape = " -> ".join(str(width) for width in (network.input_dim, *network.widths))
    return shape + (", biases" if network.has_bias else "")

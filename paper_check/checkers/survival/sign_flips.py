"""Sign flips at initialisation: the least number of living points, for all sign patterns and all sampled networks.

A claim states the least number of living points, a formula in M (the number of points), n[0], n[1], .. (input dimension
and widths), k (the layer) and m (the least width). Guarantees hold with probability one: a single network that
violates one refutes it.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.checkers.findings import (
    Counted,
    claimed_exactly,
    counted_evidence,
    layers_to_check,
    names_at,
)
from neurondeath.paper_check.checkers.survival.sign_patterns import every_sign
from neurondeath.paper_check.comparisons import holds
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.validation import check_choice, invalid
from neurondeath_theory.networks.network import Network

__all__ = ["sign_flip_by_enumeration", "sign_flip_by_sampling"]

MODES = ("layer", "neuron")
TINY = (([1, 1, 1], 1, 0.0), ([2, 2, 2], 2, 0.0), ([2, 3], 2, 0.0), ([3, 2], 2, 0.0), ([2, 2], 1, 1.0), ([3], 3, 1.0))
SIZES = (1, 3, 4, 6)
MOST_POINTS = 10_000
SAMPLED = (
    ([1] * 10, 4, 0.0, "gaussian:20"),
    ([2] * 30, 8, 0.0, "gaussian:50"),
    ([2] * 10, 3, 1.0, "cube:16"),
    ([3] * 50, 64, 0.0, "digits:100"),
    ([4, 8, 3, 5], 6, 0.1, "orthant:64"),
)
DEEP = (([2] * 100, 3, 0.0), ([3] * 100, 3, 0.0), ([4] * 50, 4, 0.5), ([5] * 100, 64, 0.0))


def sign_flip_by_enumeration(
    *, setting: Setting, mode: str, living: str, relation: str = ">=", points: str = ""
) -> Evidence:
    """Count living points of tiny networks under every sign pattern, each corrected by the flip.

    Parameters
    ----------
    setting : Setting
        Its seed draws magnitudes and points; `full` takes more draws.
    mode : {"layer", "neuron"}
        Whole layers or single units are negated.
    living, relation : str
        The claim: the living points after layer k, the relation, this formula.
    points : str, optional
        Formula in m for the number of points M; several numbers by default.

    Returns
    -------
    Evidence
        REFUTED if any pattern of any draw violates the relation.
    """
    check_choice("mode", mode, MODES)
    rows, n_patterns = [], 0
    for widths, dimension, bias_variance in TINY:
        network = Network(widths, input_dim=dimension, bias_variance=bias_variance, sign_flip=mode)
        sizes = SIZES if not points else (_size(points, network),)
        for size in sizes:
            counts = [_least_and_most(network, size, setting.seed, draw) for draw in range(20 if setting.full else 5)]
            n_patterns += sum(patterns for *_, patterns in counts)
            for layer in range(1, network.depth + 1):
                rows.append(
                    Counted(
                        network=" -> ".join(str(width) for width in (dimension, *widths)),
                        inputs=f"{size} points",
                        layer=layer,
                        least=Fraction(min(int(least[layer - 1]) for least, _, _ in counts)),
                        most=Fraction(max(int(most[layer - 1]) for _, most, _ in counts)),
                        claimed=claimed_exactly(living, names_at(network, layer, M=size, m=min(widths))),
                    )
                )
    return counted_evidence(rows, relation, f"living points after a {mode} flip", n_patterns)


def sign_flip_by_sampling(
    *, setting: Setting, mode: str, living: str, relation: str = ">=", points: str = ""
) -> Evidence:
    """Count living points of sampled networks, one by one, each corrected by the flip, up to 100 layers.

    Parameters
    ----------
    setting, mode, living, relation, points
        As for `sign_flip_by_enumeration`; where `points` is given, the sets have that many Gaussian points.

    Returns
    -------
    Evidence
        REFUTED if any network violates the relation at any layer; else CONFIRMED: violations are rarer than the stated
        probability.
    """
    check_choice("mode", mode, MODES)
    trials = 3000 if setting.full else 300
    cases: list[tuple[Network, str]] = []
    for widths, dimension, bias_variance, *spec in DEEP if points else SAMPLED:
        network = Network(widths, input_dim=dimension, bias_variance=bias_variance, sign_flip=mode)
        cases.append((network, str(spec[0]) if spec else f"gaussian:{_size(points, network)}"))
    names = ("network", "inputs", "layer", "least", "mean", "claimed", "networks that break it")
    rows = []
    for network, inputs in cases:
        counts, size = _living_points(network, inputs, setting.seed, trials)
        for layer in layers_to_check(network.depth):
            claimed = float(evaluate(living, names_at(network, layer, M=size, m=min(network.widths))))
            at = counts[:, layer - 1]
            broken = sum(not holds(count, relation, claimed) for count in at.tolist())
            rows.append((str(network), inputs, layer, int(at.min()), float(at.mean()), claimed, broken))
    refuted = [row for row in rows if row[6]]
    rare = -np.log(setting.false_alarm) / trials
    summary = f"living points after a {mode} flip, {len(rows)} comparisons of {trials} networks each: "
    if refuted:
        row = max(refuted, key=lambda row: row[6])
        summary += (
            f"{len(refuted)} violated, mostly at layer {row[2]} of {row[0]}, {row[1]}: by {row[6]} networks, with "
            f"{row[3]} living points instead of {relation} {row[5]:g}"
        )
    else:
        summary += f"none violates it; violations in more than {rare:.2g} of all networks would have been found"
    return Evidence(
        route="Monte Carlo",
        verdict=Verdict.REFUTED if refuted else Verdict.CONFIRMED,
        summary=summary,
        points=len(rows),
        numbers={name: [row[i] for row in rows] for i, name in enumerate(names)},
    )


def _size(points: str, network: Network) -> int:
    size = float(evaluate(points, {"m": min(network.widths)}))
    if not abs(size) <= MOST_POINTS:  # also NaN
        raise invalid("points", f"be at most {MOST_POINTS}", points)
    return max(1, round(size))


@lru_cache(maxsize=4096)
def _least_and_most(
    network: Network, size: int, seed: int, draw: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Return the least and the most living points over all sign patterns, layer by layer."""
    rng = np.random.default_rng([seed, draw, size, *network.widths])
    points = rng.integers(1, 50, size=(size, network.input_dim)) * rng.choice([-1, 1], size=(size, network.input_dim))
    living = every_sign(network, points, rng).alive.sum(axis=2)
    return living.min(axis=0), living.max(axis=0), len(living)


@lru_cache(maxsize=64)
def _living_points(network: Network, spec: str, seed: int, trials: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return the living points of every single network, shape (trials, depth), and the number of points."""
    inputs = input_set(spec, dimension=network.input_dim)
    task = Task(network, inputs, dtype="float64")
    shards = (run_shard(task, seed, trial, trial + 1) for trial in range(trials))
    return np.array([shard.statistics["living"] for shard in shards]), inputs.n_points

"""Residual, dense and skip networks: P(some branch is active at a point), counted over sign patterns and sampled.

Formulas may name n[0], n[1], .. (input dimension and widths), k (the layer, an end of a block), s (layers of a block,
1 but for skip) and b.
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np

from neurondeath.paper_check.checkers.findings import (
    Counted,
    Sampled,
    claimed_exactly,
    counted_evidence,
    names_at,
    sample,
    sampled_evidence,
)
from neurondeath.paper_check.checkers.survival.sign_patterns import every_sign
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.foundation.validation import check_choice
from neurondeath_theory.networks.network import Network

__all__ = ["branches_by_enumeration", "branches_by_sampling", "branches_with_depth"]

ARCHITECTURES = ("residual", "dense", "skip")


def _networks(architecture: str, shapes: tuple[tuple[list[int], int, int, float], ...]) -> tuple[Network, ...]:
    return tuple(
        Network(
            widths,
            input_dim=dimension,
            architecture=architecture,
            block_depth=block if architecture == "skip" else None,
            bias_variance=bias_variance,
        )
        for widths, dimension, block, bias_variance in shapes
    )


TINY = {
    "residual": _networks(
        "residual",
        (([1] * 5, 1, 1, 0.0), ([2] * 3, 2, 1, 0.0), ([3], 3, 1, 0.0), ([1] * 4, 1, 1, 1.0), ([2] * 2, 2, 1, 1.0)),
    ),
    "dense": _networks(
        "dense",
        (([1, 2, 1], 2, 1, 0.0), ([1, 1, 1], 1, 1, 0.0), ([3, 1], 2, 1, 0.0), ([2, 1], 1, 1, 1.0), ([1, 1], 2, 1, 1.0)),
    ),
    "skip": _networks(
        "skip",
        (
            ([1] * 6, 1, 2, 0.0),
            ([1] * 6, 1, 3, 0.0),
            ([2] * 4, 2, 2, 0.0),
            ([2, 1, 2, 1], 1, 2, 0.0),
            ([1] * 4, 1, 2, 1.0),
        ),
    ),
}
SAMPLED = {
    "residual": _networks(
        "residual", (([1] * 10, 1, 1, 0.0), ([2] * 20, 2, 1, 0.0), ([3] * 5, 3, 1, 1.0), ([4] * 8, 4, 1, 0.0))
    ),
    "dense": _networks("dense", (([1] * 6, 3, 1, 0.0), ([2, 1, 3, 1], 2, 1, 0.5), ([4] * 10, 8, 1, 0.0))),
    "skip": _networks(
        "skip", (([1] * 12, 1, 3, 0.0), ([2] * 20, 2, 4, 0.0), ([3, 5, 4, 3, 5, 4], 4, 3, 1.0), ([3] * 40, 3, 10, 0.0))
    ),
}


def branches_by_enumeration(*, setting: Setting, architecture: str, relation: str, right: str) -> Evidence:
    """Count P(some branch active at a nonzero point) of tiny networks exactly and compare it with a formula.

    Parameters
    ----------
    setting : Setting
        Its seed draws magnitudes and points; `full` takes more draws.
    architecture : {"residual", "dense", "skip"}
        How layers are joined.
    relation, right : str
        The claim, at the end of every block.

    Returns
    -------
    Evidence
        REFUTED if any fraction violates the relation.
    """
    rows, n_patterns = [], 0
    for network, layer, shares, patterns in _shares(architecture, setting):
        n_patterns += patterns
        rows.append(
            Counted(
                network=_label(network),
                inputs="one point",
                layer=layer,
                least=min(shares),
                most=max(shares),
                claimed=claimed_exactly(right, names_at(network, layer, s=network.block_depth)),
            )
        )
    return counted_evidence(rows, relation, f"P(some branch active at a point), {architecture}", n_patterns)


def branches_with_depth(*, setting: Setting, architecture: str, trend: str) -> Evidence:
    """Count how P(some branch active at a point) changes from each block of tiny networks to the next.

    Parameters
    ----------
    setting, architecture
        As for `branches_by_enumeration`.
    trend : {">", "<", ">=", "<=", "=="}
        The claim: relation of the deeper network's probability to that of the shallower one.

    Returns
    -------
    Evidence
        REFUTED if any step violates it.
    """
    rows, n_patterns, before = [], 0, Fraction(0)
    for network, layer, shares, patterns in _shares(architecture, setting):
        n_patterns += patterns
        if layer > network.block_depth:
            rows.append(
                Counted(
                    network=_label(network),
                    inputs="one point",
                    layer=layer,
                    least=min(shares),
                    most=max(shares),
                    claimed=before,
                )
            )
        before = max(shares) if trend.startswith(">") else min(shares)
    what = f"P(some branch active at a point), {architecture}, compared with one block fewer"
    return counted_evidence(rows, trend, what, n_patterns)


def branches_by_sampling(*, setting: Setting, architecture: str, relation: str, right: str) -> Evidence:
    """Sample P(some branch active at a point), up to 40 layers.

    Parameters
    ----------
    setting, architecture, relation, right
        As for `branches_by_enumeration`.

    Returns
    -------
    Evidence
        By exact limits.
    """
    check_choice("architecture", architecture, ARCHITECTURES)
    trials = 400_000 if setting.full else 40_000
    rows = []
    for network in SAMPLED[architecture]:
        result = sample(setting, network, "gaussian:1", trials=trials)
        rows += [
            Sampled(
                network=str(network),
                inputs="a point",
                layer=layer,
                claimed=float(evaluate(right, names_at(network, layer, s=network.block_depth))),
                trials=trials,
                hits=round(result.alive[layer - 1] * trials),
            )
            for layer in range(network.block_depth, network.depth + 1, network.block_depth)
        ]
    return sampled_evidence(rows, relation, f"P(some branch active at a point), {architecture}", setting)


def _shares(architecture: str, setting: Setting) -> list[tuple[Network, int, list[Fraction], int]]:
    """Return exact probabilities at the end of every block, one per draw of the magnitudes, and the pattern count."""
    check_choice("architecture", architecture, ARCHITECTURES)
    found = []
    for network in TINY[architecture]:
        draws = [_counts(network, setting.seed, draw) for draw in range(10 if setting.full else 3)]
        for layer in range(network.block_depth, network.depth + 1, network.block_depth):
            shares = [Fraction(counts[layer - 1], patterns) for counts, patterns in draws]
            found.append((network, layer, shares, sum(patterns for _, patterns in draws) * (layer == network.depth)))
    return found


@lru_cache(maxsize=1024)
def _counts(network: Network, seed: int, draw: int) -> tuple[list[int], int]:
    rng = np.random.default_rng([seed, draw, *network.fan_ins])
    point = rng.integers(1, 50, size=(1, network.input_dim)) * rng.choice([-1, 1], size=(1, network.input_dim))
    alive = every_sign(network, point, rng).alive[:, :, 0]
    return [int(count) for count in alive.sum(axis=0)], len(alive)


def _label(network: Network) -> str:
    blocks = f", blocks of {network.block_depth}" if network.block_depth > 1 else ""
    shape = " -> ".join(str(width) for width in (network.input_dim, *network.widths))
    return shape + blocks + (", biases" if network.has_bias else "")

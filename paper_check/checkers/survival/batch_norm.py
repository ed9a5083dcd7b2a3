"""Batch normalisation before the ReLU: survival on the whole batch, and death at single points.

Formulas may name n[0], n[1], .. (input dimension and widths), k (the layer) and M (points of the batch).
"""

from fractions import Fraction
from functools import lru_cache

import numpy as np

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
from neurondeath.paper_check.checkers.survival.sign_patterns import EverySign, every_sign
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath.paper_check.formulas import evaluate
from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath_theory.networks.network import Network

__all__ = [
    "batch_by_enumeration",
    "batch_by_sampling",
    "points_by_enumeration",
    "points_by_sampling",
    "whole_paths_by_sampling",
]

TINY = ((([1, 1, 1], 1)), ([2, 2, 2], 2), ([3, 2], 2), ([1, 2, 3], 2), ([4], 3))
BATCHES = (2, 3, 5)
LARGEST = 10**6  # coordinate of a point: on so fine a grid no coincidence occurs by chance
OFTEN = 1 / 20  # above about this share of dead points its mean over the trials is nearly normal
SAMPLED = (
    ([1] * 5, 3, "gaussian:2", "he"),
    ([2] * 10, 2, "gaussian:32", "he"),
    ([3] * 20, 64, "digits:32", "he"),
    ([5, 2, 4, 3], 4, "cube:8", "uniform"),
    ([4] * 30, 4, "orthant:16", "orthogonal"),
)
NARROW_AND_DEEP = (([1] * 20, 4), ([2] * 50, 4), ([3] * 100, 8))


def batch_by_enumeration(*, setting: Setting, layerwise: str, dead_units: str) -> Evidence:
    """Count, under every sign pattern of tiny networks, layers and units that are dead on the whole batch.

    Parameters
    ----------
    setting : Setting
        Its seed draws magnitudes and batches; `full` takes more draws.
    layerwise : str
        The claim: P(every layer up to k has a unit active at some point of the batch).
    dead_units : str
        The claim: dead units of layer k, in every network.

    Returns
    -------
    Evidence
        REFUTED if any number differs.
    """
    rows, n_patterns = [], 0
    for network, size, runs in _runs(setting):
        n_patterns += sum(len(run.alive) for run in runs)
        for layer in range(1, network.depth + 1):
            names = names_at(network, layer, M=size)
            whole = [np.all(run.dead_units[:, :layer] < network.widths[:layer], axis=1) for run in runs]
            shares = [Fraction(int(alive.sum()), alive.size) for alive in whole]
            dead = [run.dead_units[:, layer - 1] for run in runs]
            least = min(int(counts.min()) for counts in dead)
            most = max(int(counts.max()) for counts in dead)
            for inputs, low, high, claim in (
                (f"{size} points, P(layer-wise alive)", min(shares), max(shares), layerwise),
                (f"{size} points, dead units", Fraction(least), Fraction(most), dead_units),
            ):
                rows.append(
                    Counted(
                        network=_label(network),
                        inputs=inputs,
                        layer=layer,
                        least=low,
                        most=high,
                        claimed=claimed_exactly(claim, names),
                    )
                )
    return counted_evidence(rows, "==", "layers and units dead on the whole batch", n_patterns)


def batch_by_sampling(*, setting: Setting, layerwise: str, dead_units: str) -> Evidence:
    """Sample the same: P(layer-wise alive), and the share of networks without a dead unit in layer k.

    Parameters
    ----------
    setting, layerwise, dead_units
        As for `batch_by_enumeration`; the claim on units is about their mean number.

    Returns
    -------
    Evidence
        By exact limits.
    """
    rows = []
    for network, spec, result in _sampled(setting):
        for layer in layers_to_check(network.depth):
            at, names = layer - 1, names_at(network, layer, M=result.inputs["n_points"])
            share = float(result.outputs["layerwise_alive"][0][at])
            mean, stderr = (float(values[at]) for values in result.outputs["dead_unit_share"])
            width = network.widths[at]
            # with no dead unit at all, the count of networks without any is more informative than a spread of 0
            units = {"hits": 0} if mean == 0.0 else {"mean": mean, "stderr": stderr}
            row = {"network": str(network), "layer": layer, "trials": result.trials}
            hits = round(share * result.trials)
            claimed = float(evaluate(layerwise, names))
            rows.append(Sampled(**row, inputs=f"{spec}, P(layer-wise alive)", claimed=claimed, hits=hits))  # type: ignore[arg-type]
            claimed = float(evaluate(dead_units, names)) / width
            rows.append(Sampled(**row, inputs=f"{spec}, share of dead units", claimed=claimed, **units))  # type: ignore[arg-type]
    return sampled_evidence(rows, "==", "layers and units dead on the whole batch", setting)


def points_by_enumeration(*, setting: Setting, living: str) -> Evidence:
    """Count the mean share of points that are active in every layer up to k, under every sign pattern.

    Parameters
    ----------
    setting : Setting
        As for `batch_by_enumeration`.
    living : str
        The claim: this share, for batches none of whose points is the mean of the others.

    Returns
    -------
    Evidence
        REFUTED if any share differs.
    """
    rows, n_patterns = [], 0
    for network, size, runs in _runs(setting):
        n_patterns += sum(len(run.alive) for run in runs)
        for layer in range(1, network.depth + 1):
            shares = [Fraction(int(run.alive[:, layer - 1].sum()), run.alive[:, 0].size) for run in runs]
            rows.append(
                Counted(
                    network=_label(network),
                    inputs=f"{size} points",
                    layer=layer,
                    least=min(shares),
                    most=max(shares),
                    claimed=claimed_exactly(living, names_at(network, layer, M=size)),
                )
            )
    return counted_evidence(rows, "==", "mean living ratio with batch norm", n_patterns)


def points_by_sampling(*, setting: Setting, living: str) -> Evidence:
    """Sample the mean share of points active in every layer up to k.

    Parameters
    ----------
    setting, living
        As for `points_by_enumeration`.

    Returns
    -------
    Evidence
        By normal limits, in layers where points often die.
    """
    rows = []
    for network, spec, result in _sampled(setting):
        for layer in layers_to_check(network.depth):
            if layer * 2.0 ** -min(network.widths[:layer]) < OFTEN:
                continue
            rows.append(
                Sampled(
                    network=str(network),
                    inputs=spec,
                    layer=layer,
                    claimed=float(evaluate(living, names_at(network, layer, M=result.inputs["n_points"]))),
                    trials=result.trials,
                    mean=float(result.living_ratio[layer - 1]),
                    stderr=float(result.living_ratio_stderr[layer - 1]),
                )
            )
    return sampled_evidence(rows, "==", "mean living ratio with batch norm", setting)


def whole_paths_by_sampling(*, setting: Setting, relation: str, alive: str) -> Evidence:
    """Sample P(some point is active in every layer) for narrow and deep networks with batch norm, on 32 points.

    Parameters
    ----------
    setting : Setting
        Its seed draws networks.
    relation, alive : str
        The claim about this probability.

    Returns
    -------
    Evidence
        By exact limits.
    """
    trials = 40_000 if setting.full else 4_000
    rows = []
    for widths, dimension in NARROW_AND_DEEP:
        network = Network(widths, input_dim=dimension, architecture="batch_norm")
        result = sample(setting, network, "gaussian:32", trials=trials)
        rows.append(
            Sampled(
                network=str(network),
                inputs="gaussian:32",
                layer=network.depth,
                claimed=float(evaluate(alive, names_at(network, network.depth, M=32))),
                trials=trials,
                hits=round(result.alive[-1] * trials),
            )
        )
    return sampled_evidence(rows, relation, "P(some point active in every layer)", setting)


def _runs(setting: Setting) -> list[tuple[Network, int, list[EverySign]]]:
    draws = range(10 if setting.full else 3)
    networks = [Network(widths, input_dim=dimension, architecture="batch_norm") for widths, dimension in TINY]
    return [
        (network, size, [_run(network, size, setting.seed, draw) for draw in draws])
        for network in networks
        for size in BATCHES
    ]


@lru_cache(maxsize=1024)
def _run(network: Network, size: int, seed: int, draw: int) -> EverySign:
    """Run points none of which is their mean, here or in a deeper layer, where pre-activations would have no sign."""
    rng = np.random.default_rng([seed, draw, size, *network.widths])
    return every_sign(network, rng.integers(-LARGEST, LARGEST, size=(size, network.input_dim)), rng)


def _sampled(setting: Setting) -> list[tuple[Network, str, Simulation]]:
    trials = 200_000 if setting.full else 20_000
    found = []
    for widths, dimension, spec, init in SAMPLED:
        network = Network(widths, input_dim=dimension, architecture="batch_norm", init=init)
        result = sample(setting, network, spec, trials=trials, outputs=("layerwise_alive", "dead_units"))
        found.append((network, spec, result))
    return found


def _label(network: Network) -> str:
    return " -> ".join(str(width) for width in (network.input_dim, *network.widths))

r"""Mean cosine between two points in plain ReLU networks of finite width: operator, normal steps, whole networks.

Claimed are values [width, layer, mean cosine] for two orthogonal points, given that both are alive; exactly parallel
pairs count with cosine 1.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.checkers.findings import Sampled, sampled_evidence
from neurondeath.paper_check.comparisons import all_of
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath_theory.trainability.angle_propagation import propagate_by_normal_steps, propagate_exactly

__all__ = ["values_by_operator", "values_by_sampling"]

Floats = npt.NDArray[np.float64]
Value = Sequence[float]

PAIRS = {False: 6_000, True: 60_000}
OPERATOR = 1e-6  # accuracy of the coarse operator, measured by the fine one
NORMAL_STEPS = 0.03  # stated accuracy of the normal steps at width 10
START = math.pi / 2


def values_by_operator(*, setting: Setting, values: Sequence[Value], digits: int) -> Evidence:
    """Compare claimed values with the exact operator on the angle; normal steps must agree to their accuracy."""
    half = 0.5 * 10.0**-digits
    rows, verdicts = [], []
    far = 0.0
    for width, layer, claimed in values:
        exact, steps = _cosines(int(width), max(int(one[1]) for one in values), setting.full)
        found = float(exact[int(layer) - 1])
        far = max(far, abs(float(steps[int(layer) - 1]) - found))
        right = abs(found - claimed) <= half + OPERATOR
        verdicts.append(Verdict.CONFIRMED if right else Verdict.REFUTED)
        rows.append((width, layer, found, claimed))
    listed = ", ".join(f"{found:.5f} (claimed {claimed:g}) at {w:g} x {k:g}" for w, k, found, claimed in rows)
    return Evidence(
        route="high precision",
        verdict=all_of(verdicts) if far <= NORMAL_STEPS else Verdict.ERROR,
        summary=f"mean cosine by the operator: {listed}; by normal steps within {far:.3f} of it",
        points=len(rows),
        numbers=dict(zip(("width", "layer", "operator", "claimed"), map(list, zip(*rows, strict=True)), strict=True)),
    )


def values_by_sampling(*, setting: Setting, values: Sequence[Value], digits: int) -> Evidence:
    """Compare claimed values with whole networks."""
    rows = []
    for width, layer, claimed in values:
        cosines = _sampled(int(width), max(int(one[1]) for one in values), PAIRS[setting.full], setting.seed)
        found = cosines[int(layer) - 1]
        found = found[~np.isnan(found)]
        rows.append(
            Sampled(
                network=f"width {width:g}",
                inputs="mean cosine",
                layer=int(layer),
                claimed=claimed,
                trials=found.size,
                mean=float(found.mean()),
                stderr=float(found.std(ddof=1)) / math.sqrt(found.size),
                allowance=0.5 * 10.0**-digits,
            )
        )
    return sampled_evidence(rows, "==", "mean cosine of two points both alive", setting)


@lru_cache(maxsize=4)
def _cosines(width: int, depth: int, fine: bool) -> tuple[Floats, Floats]:
    """Mean cosine after every layer, by the operator and by normal steps."""
    layers = np.full(depth, width)
    exact = propagate_exactly(layers, START, coarse=not fine)
    edges, mass = propagate_by_normal_steps(layers, START)
    angles = 2.0 * np.arctan(np.exp(0.25 * (edges[1:] + edges[:-1])))
    steps = (1.0 - exact["parallel"]) * (mass @ np.cos(angles)) + exact["parallel"]
    return exact["cosine"], steps


@lru_cache(maxsize=4)
def _sampled(width: int, depth: int, pairs: int, seed: int) -> Floats:
    """Cosines of whole networks, shape (depth, pairs); NaN when a point is dead."""
    rng = np.random.default_rng([seed, 47, width])
    x = np.zeros((pairs, width, 2))
    x[:, 0, 0] = x[:, 1, 1] = 1.0
    found = np.empty((depth, pairs))
    for layer in range(depth):
        x = np.maximum(rng.standard_normal((pairs, width, width), dtype=np.float32) @ x.astype(np.float32), 0.0)
        sizes = np.sqrt(np.sum(x.astype(np.float64) ** 2, axis=1, keepdims=True))
        x = np.divide(x, sizes, out=np.zeros(x.shape), where=sizes > 0.0)
        alive = (sizes > 0.0).all(axis=(1, 2))
        found[layer] = np.where(alive, np.sum(x[:, :, 0] * x[:, :, 1], axis=1), np.nan)
    return found

"""Results of counting and sampling, compared with a claim and combined into evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check._arithmetics import magnitude
from neurondeath.paper_check.comparisons import RELATIONS, binomial_limits, compare, holds, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.network import Network

__all__ = [
    "ABSOLUTE",
    "PRECISION",
    "Counted",
    "Sampled",
    "claimed_exactly",
    "counted_evidence",
    "layers_to_check",
    "names_at",
    "sample",
    "sampled_evidence",
]

MOST_BITS = 10_000  # of a claimed number as a fraction
DIGITS = 80  # of claimed numbers that are compared with fractions: dyadic ones of up to 260 bits are exact
PRECISION, ABSOLUTE = 0.05, 0.01  # a half-width up to 5 % of the claimed value + 0.01 confirms


@dataclass(frozen=True, kw_only=True)
class Counted:
    """An exact share found by counting sign patterns: its minimum and maximum over the draws of the magnitudes."""

    network: str
    inputs: str
    layer: int
    least: Fraction
    most: Fraction
    claimed: Fraction


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """An estimate through one layer: hits of a number of trials, or a mean with its standard error.

    The limits are widened by `allowance`, the difference between the sampled case and the claimed limit.
    """

    network: str
    inputs: str
    layer: int
    claimed: float
    trials: int
    hits: int | None = None
    mean: float = 0.0
    stderr: float = 0.0
    allowance: float = 0.0


def names_at(network: Network, layer: int, **more: Any) -> dict[str, Any]:
    """Return the names for formulas at layer l: n (from n[0], the input dimension), k = l, b = 1 with biases."""
    return {"n": [network.input_dim, *network.widths], "k": layer, "b": int(network.has_bias), **more}


def layers_to_check(depth: int) -> list[int]:
    """Return the powers of two up to a depth, and the depth; neighbouring layers hardly differ."""
    return sorted({2**i for i in range(depth.bit_length())} | {depth})


def claimed_exactly(text: str, names: Mapping[str, Any]) -> Fraction:
    """Evaluate a formula to a fraction: exactly where the value is dyadic, else to 80 digits.

    Examples
    --------
    >>> claimed_exactly("(1 - 2**(-n))**k", {"n": 2, "k": 3})
    Fraction(27, 64)
    """
    from mpmath import isfinite, libmp

    value = evaluate(text, names, digits=DIGITS)
    if not isfinite(value) or abs(magnitude(value)) > MOST_BITS:
        raise invalid("formula", f"have a value between 2^-{MOST_BITS} and 2^{MOST_BITS}", text, reason=f"{value}")
    return Fraction(*libmp.to_rational(value._mpf_))


def sample(
    setting: Setting, network: Network, inputs: str | npt.NDArray[np.float64], *, trials: int, **options: Any
) -> Simulation:
    """Sample a network with a setting; the results in its store are reused."""
    return simulate(
        network,
        inputs,
        trials=trials,
        seed=setting.seed,
        workers=setting.workers,
        store=setting.store,
        **options,
    )


def counted_evidence(rows: Sequence[Counted], relation: str, what: str, n_patterns: int) -> Evidence:
    """Decide by exact fractions: the relation must hold for the minimum and maximum of every row."""
    wrong = [
        row for row in rows if not (holds(row.least, relation, row.claimed) and holds(row.most, relation, row.claimed))
    ]
    found = f"{what}, counted over {n_patterns} sign patterns, {len(rows)} exact comparisons"
    if wrong:
        row = max(wrong, key=lambda row: max(abs(row.least - row.claimed), abs(row.most - row.claimed)))
        value = row.least if not holds(row.least, relation, row.claimed) else row.most
        end = (
            f"{len(wrong)} violate it, the worst at layer {row.layer} of {row.network}, {row.inputs}: "
            f"{float(value):.8g} instead of {relation} {float(row.claimed):.8g}"
        )
    else:
        near = min(min(abs(row.least - row.claimed), abs(row.most - row.claimed)) for row in rows)
        end = f"{relation} holds in all" + (
            "" if relation == "==" else f", the nearest at a distance of {float(near):.3g}"
        )
    return Evidence(
        route="enumeration",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=f"{found}: {end}",
        points=len(rows),
        numbers={
            "network": [row.network for row in rows],
            "inputs": [row.inputs for row in rows],
            "layer": [row.layer for row in rows],
            "least": [float(row.least) for row in rows],
            "most": [float(row.most) for row in rows],
            "claimed": [float(row.claimed) for row in rows],
        },
    )


def sampled_evidence(
    rows: Sequence[Sampled],
    relation: str,
    what: str,
    setting: Setting,
    *,
    precision: float = PRECISION,
    absolute: float = ABSOLUTE,
) -> Evidence:
    """Decide by confidence limits at the checker's false-alarm probability, shared over all rows."""
    budget = {"false_alarm": setting.false_alarm, "comparisons": len(rows)}
    estimate, low, high = (np.empty(len(rows)) for _ in range(3))
    for i, row in enumerate(rows):
        if row.hits is None:
            estimate[i] = row.mean
            low[i], high[i] = normal_limits(row.mean, row.stderr, **budget)  # type: ignore[arg-type]
        else:
            estimate[i] = row.hits / row.trials
            low[i], high[i] = binomial_limits(row.hits, row.trials, **budget)  # type: ignore[arg-type]
    claimed, allowance = np.array([row.claimed for row in rows]), np.array([row.allowance for row in rows])
    low, high = low - allowance, high + allowance
    found = compare(estimate, low, high, relation, claimed, precision=precision, absolute=absolute)
    worst = rows[found.worst]
    n_refuted = int((~(RELATIONS[relation](low, claimed) | RELATIONS[relation](high, claimed))).sum())
    if relation == "==":
        n_refuted = int(((low > claimed) | (high < claimed)).sum())
    summary = (
        f"{what}, {len(rows)} comparisons of {min(row.trials for row in rows)} networks or more: "
        + (f"{n_refuted} refute it; " if n_refuted else "none refutes it; ")
        + f"the nearest to it, or farthest beyond, is layer {worst.layer} of {worst.network}, {worst.inputs}: "
        f"{estimate[found.worst]:.5g} in [{low[found.worst]:.5g}, {high[found.worst]:.5g}], "
        f"claimed {relation} {worst.claimed:.5g}"
    )
    return Evidence(
        route="Monte Carlo",
        verdict=found.verdict,
        summary=summary,
        points=len(rows),
        effects=tuple(zip((low - claimed).tolist(), (high - claimed).tolist(), strict=True)),
        numbers={
            "network": [row.network for row in rows],
            "inputs": [row.inputs for row in rows],
            "layer": [row.layer for row in rows],
            "estimate": estimate.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "claimed": claimed.tolist(),
            "trials": [row.trials for row in rows],
        },
    )

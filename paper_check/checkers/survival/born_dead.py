r"""Checkers of the probability that a network is born dead: dead on all its inputs at initialisation [lu2019].

The statements are formulas in a table `bounds` of relation -> formula, as { "<=" = "..." }, with P(dead) on the left.
They may name n (from n[0], the input dimension), k hidden layers, L = k + 1, and N, the width where all are equal.

Routes: exact counts over all sign patterns of tiny networks; for width 2 and two opposite rays a plain triple integral;
sampling, for rays with the conditional estimator, whose error is far below the gaps between the published bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from neurondeath.paper_check.checkers.findings import (
    Counted,
    Sampled,
    claimed_exactly,
    counted_evidence,
    layers_to_check,
    names_at,
    sampled_evidence,
)
from neurondeath.paper_check.checkers.survival.sign_patterns import every_sign, number_of_signs
from neurondeath.paper_check.checkers.survival.width_two import survival_over_single_point
from neurondeath.paper_check.comparisons import all_of, compare, independent_parts, normal_limits
from neurondeath.paper_check.evidence import Evidence, Setting
from neurondeath.paper_check.formulas import evaluate
from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.born_dead import one_dimensional_survival

__all__ = [
    "bounds_by_enumeration",
    "bounds_by_quadrature",
    "bounds_by_sampling",
    "depths_and_widths",
    "values_by_quadrature",
    "values_by_sampling",
]

Bounds = Mapping[str, str]

# input dimension, widths, points: single points, pairs and more, with and without biases
TINY: tuple[tuple[int, tuple[int, ...], tuple[tuple[int, ...], ...]], ...] = (
    (1, (2, 2), ((3,),)),
    (1, (2, 2, 2), ((7,), (-5,))),
    (2, (2, 3), ((3, 5),)),
    (2, (2, 2), ((3, 5), (-7, 2), (4, -9))),
    (1, (3, 3), ((5,), (-5,))),
)
# input dimension, width, depth, inputs
SAMPLED = ((1, 2, 20, "rays"), (1, 3, 20, "rays"), (2, 2, 20, "gaussian:16"), (8, 4, 30, "gaussian:1"))
RAY_WIDTHS, RAY_DEPTH = (2, 3, 5, 10), 20
TRIALS, FULL_TRIALS = 20_000, 200_000
RAY_TRIALS, FULL_RAY_TRIALS = 80_000, 1_000_000
QUADRATURE_DEPTH = 40
ABSOLUTE_ROUNDING_ERROR = 1e-9  # added to the error of the quadrature


def bounds_by_enumeration(*, setting: Setting, bounds: Bounds, rays: bool = False) -> Evidence:
    """Count the sign patterns with which tiny networks are dead; with `rays` on two opposite points, through L = 3.

    On rays the first layer's outputs are orthogonal and through L = 3 only signs matter, so that the count is the
    Gaussian probability; deeper networks depend on the law of the magnitudes.
    """
    rng = np.random.default_rng(setting.seed)
    cases: list[tuple[Network, tuple[tuple[int, ...], ...]]] = []
    if rays:
        widths = (1, 2, 3, 4) if setting.full else (1, 2, 3)
        cases = [(Network([width] * 2, input_dim=1), ((3,), (-3,))) for width in widths]
    else:
        for dimension, layers, points in TINY:
            cases += [
                (Network(layers, input_dim=dimension, bias_variance=bias), points)
                for bias in (0.0, 1.0)
                if number_of_signs(Network(layers, input_dim=dimension, bias_variance=bias)) <= 16
            ]
    shares: list[tuple[Network, str, int, Fraction, Fraction]] = []
    patterns = 0
    for network, points in cases:
        found: list[list[Fraction]] = [[] for _ in network.widths]
        for _ in range(20 if setting.full else 3):
            alive = every_sign(network, points, rng).alive
            patterns += len(alive)
            for layer in range(network.depth):
                dead = int((~alive[:, layer].any(axis=1)).sum())
                found[layer].append(Fraction(dead, len(alive)))
        label = f"{len(points)} point" + ("s" if len(points) > 1 else "")
        shares += [(network, label, at + 1, min(rows), max(rows)) for at, rows in enumerate(found)]
    parts = []
    for relation, formula in bounds.items():
        rows = [
            Counted(
                network=str(network),
                inputs=label,
                layer=layer,
                least=least,
                most=most,
                claimed=claimed_exactly(formula, _names(network, layer)),
            )
            for network, label, layer, least, most in shares
        ]
        parts.append(counted_evidence(rows, relation, "P(dead)", patterns))
    return _joined(parts, bounds)


def bounds_by_sampling(*, setting: Setting, bounds: Bounds, rays: bool = False) -> Evidence:
    """Sample networks and compare their share of the dead with the bounds; with `rays` for one-dimensional inputs."""
    each = replace(setting, false_alarm=setting.false_alarm / len(bounds))
    sampled: list[tuple[Simulation, list[int]]] = []
    if rays:
        # through L = 3 the lower bound is exact, which counting shows; the estimate then has no error but rounding
        layers = [layer for layer in layers_to_check(RAY_DEPTH) if layer > 2]
        sampled = [(_rays(width, setting), layers) for width in RAY_WIDTHS]
    else:
        for dimension, width, depth, inputs in SAMPLED:
            network = Network([width] * depth, input_dim=dimension)
            simulation = simulate(
                network,
                inputs,
                trials=FULL_TRIALS if setting.full else TRIALS,
                seed=setting.seed,
                workers=setting.workers,
                store=setting.store,
            )
            sampled.append((simulation, layers_to_check(depth)))
    parts = []
    for relation, formula in bounds.items():
        rows = [
            _row(simulation, layer, float(evaluate(formula, _names(simulation.network, layer))))
            for simulation, layers in sampled
            for layer in layers
        ]
        absolute = 0.0 if rays else 0.01
        parts.append(sampled_evidence(rows, relation, "P(dead)", each, precision=0.05, absolute=absolute))
    return _joined(parts, bounds)


def bounds_by_quadrature(*, setting: Setting, bounds: Bounds) -> Evidence:
    """Compute P(dead) of width 2 on two opposite rays by a plain triple integral and compare it with the bounds."""
    network, death, error = _width_two()
    parts = []
    for relation, formula in bounds.items():
        claimed = np.array([float(evaluate(formula, _names(network, at + 1))) for at in range(network.depth)])
        found = compare(death, death - error, death + error, relation, claimed, absolute=1e-3)
        at = found.worst
        parts.append(
            Evidence(
                route="high precision",
                verdict=found.verdict,
                summary=f"P(dead) {relation} bound for width 2, L = 2 to {network.depth + 1}; nearest to it, or "
                f"farthest beyond, at L = {at + 2}: {death[at]:.8g} ± {error[at]:.1g} against {claimed[at]:.8g}",
                points=found.points,
                numbers={
                    "L": list(range(2, network.depth + 2)),
                    "P(dead)": death.tolist(),
                    "error": error.tolist(),
                    "claimed": claimed.tolist(),
                },
            )
        )
    return _joined(parts, bounds)


def values_by_quadrature(*, setting: Setting, values: Sequence[Sequence[float]], digits: int) -> Evidence:
    """Compare claimed values [N, L, P(dead)] of width 2, and the library's, with the triple integral."""
    _, death, error = _width_two()
    library = one_dimensional_survival([2] * len(death))
    rows = [(f"claimed, L = {int(layers)}", int(layers), value, _half(digits)) for n, layers, value in values if n == 2]
    rows += [
        (f"library, L = {at + 2}", at + 2, float(library.born_dead[at]), float(library.error[at]))
        for at in range(len(death))
    ]
    at = np.array([layers - 2 for _, layers, _, _ in rows])
    return _values(
        "high precision",
        [row[0] for row in rows],
        death[at],
        error[at],
        [row[2] for row in rows],
        [row[3] for row in rows],
    )


def values_by_sampling(*, setting: Setting, values: Sequence[Sequence[float]], digits: int) -> Evidence:
    """Compare claimed values [N, L, P(dead)], and the library's, with sampled networks on two opposite rays."""
    names, death, stderr, claimed, slack = [], [], [], [], []
    parts = 0
    for width in RAY_WIDTHS:
        simulation = _rays(width, setting)
        parts = independent_parts(simulation)
        library = one_dimensional_survival([width] * RAY_DEPTH)
        rows = [(int(layers), value, _half(digits), "claimed") for n, layers, value in values if n == width]
        rows += [
            (layer + 1, float(library.born_dead[layer - 1]), float(library.error[layer - 1]), "library")
            for layer in layers_to_check(RAY_DEPTH)
            if layer > 2
        ]
        for layers, value, half, source in rows:
            names.append(f"{source}, N = {width}, L = {layers}")
            death.append(float(simulation.death[layers - 2]))
            stderr.append(float(simulation.alive_stderr[layers - 2]))
            claimed.append(value)
            slack.append(half)
    low, _ = normal_limits(death, stderr, false_alarm=setting.false_alarm, comparisons=len(names), parts=parts)
    found = np.array(death)
    return _values("Monte Carlo", names, found, found - low, claimed, slack, precision=0.1)


def depths_and_widths(
    *, setting: Setting, layers: int, widths: Sequence[int], at_least: Sequence[float], at_most: Sequence[float]
) -> Evidence:
    """Sample networks of L layers on two opposite rays: P(dead) of each width must lie in [at_least, at_most]."""
    simulations = [_rays(width, setting) for width in widths]
    death = np.array([simulation.death[layers - 2] for simulation in simulations])
    stderr = np.array([simulation.alive_stderr[layers - 2] for simulation in simulations])
    low, high = normal_limits(
        death,
        stderr,
        false_alarm=setting.false_alarm,
        comparisons=len(widths),
        parts=min(independent_parts(simulation) for simulation in simulations),
    )
    above = compare(death, low, high, ">", np.array(at_least, dtype=float))
    below = compare(death, low, high, "<", np.array(at_most, dtype=float))
    verdict = all_of([above.verdict, below.verdict])
    shown = ", ".join(
        f"width {width}: {value:.5f} in [{a:.5f}, {b:.5f}]"
        for width, value, a, b in zip(widths, death, low, high, strict=True)
    )
    return Evidence(
        route="Monte Carlo",
        verdict=verdict,
        summary=f"P(dead) of {layers} layers on one-dimensional inputs, {simulations[0].trials} networks each: {shown}",
        points=len(widths),
        numbers={
            "width": list(widths),
            "P(dead)": death.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "at least": list(at_least),
            "at most": list(at_most),
        },
    )


def _rays(width: int, setting: Setting) -> Simulation:
    return simulate(
        Network([width] * RAY_DEPTH, input_dim=1),
        "rays",
        trials=FULL_RAY_TRIALS if setting.full else RAY_TRIALS,
        seed=setting.seed,
        estimator="conditional",
        workers=setting.workers,
        store=setting.store,
    )


def _names(network: Network, layer: int) -> dict[str, Any]:
    return names_at(network, layer, N=network.widths[0], L=layer + 1)


def _row(simulation: Simulation, layer: int, claimed: float) -> Sampled:
    place = {"network": str(simulation.network), "inputs": simulation.inputs["spec"], "layer": layer}
    if simulation.estimator == "crude":
        hits = round(float(simulation.death[layer - 1]) * simulation.trials)
        return Sampled(**place, claimed=claimed, trials=simulation.trials, hits=hits)
    mean, stderr = float(simulation.death[layer - 1]), float(simulation.alive_stderr[layer - 1])
    return Sampled(**place, claimed=claimed, trials=simulation.trials, mean=mean, stderr=stderr)


def _width_two() -> tuple[Network, Any, Any]:
    """Return P(dead) on two opposite rays at width 2, layer by layer, and its error."""
    ratio, error = survival_over_single_point(np.pi, QUADRATURE_DEPTH)
    single = 0.75 ** np.arange(1, QUADRATURE_DEPTH + 1)
    return Network([2] * QUADRATURE_DEPTH, input_dim=1), 1.0 - single * ratio, single * error + ABSOLUTE_ROUNDING_ERROR


def _half(digits: int) -> float:
    """Return half a unit of the last digit plus the rounding error."""
    return 0.5 * 10.0**-digits + ABSOLUTE_ROUNDING_ERROR


def _values(
    route: str,
    names: Sequence[str],
    found: Any,
    error: Any,
    claimed: Sequence[float],
    slack: Sequence[float],
    precision: float = 0.0,
) -> Evidence:
    """Compare values with claimed ones that are themselves rounded by `slack`."""
    value, wide = np.asarray(claimed, dtype=float), error + np.asarray(slack)
    absolute = 0.0 if precision else 1e-3
    result = compare(found, found - wide, found + wide, "==", value, precision=precision, absolute=absolute)
    at = result.worst
    return Evidence(
        route=route,
        verdict=result.verdict,
        summary=f"{result.points} values of P(dead) on two opposite rays; worst {names[at]}: {value[at]:.8g}, "
        f"found {found[at]:.8g} ± {error[at]:.2g}",
        points=result.points,
        numbers={"value": list(names), "stated": value.tolist(), "found": found.tolist(), "error": list(error)},
    )


def _joined(parts: Sequence[Evidence], bounds: Bounds) -> Evidence:
    """Combine the evidence on several relations, all of which must hold."""
    if len(parts) == 1:
        return parts[0]
    numbers: dict[str, list[Any]] = {"relation": []}
    for part, relation in zip(parts, bounds, strict=True):
        for name, values in part.numbers.items():
            numbers.setdefault(name, []).extend(values)
        numbers["relation"] += [relation] * (len(next(iter(part.numbers.values()))))
    return Evidence(
        route=parts[0].route,
        verdict=all_of(part.verdict for part in parts),
        summary="; ".join(part.summary for part in parts),
        points=sum(part.points for part in parts),
        numbers=numbers,
    )

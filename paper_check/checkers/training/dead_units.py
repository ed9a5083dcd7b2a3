"""Checkers of claims on dead units: their gradients, and the network without them; in exact rational arithmetic.

Small ReLU networks with rational weights are drawn, and in each network one unit is made dead on all points of a data
set (or on all but one) by its bias. The loss is the squared error. As long as no sign of a pre-activation changes it
is a quadratic function of any single weight, so the central difference is its exact derivative: no autodiff, no
rounding.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from neurondeath.paper_check.comparisons import holds
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath.paper_check.formulas import evaluate
from neurondeath_theory.foundation.validation import check_choice

__all__ = ["gradients_by_algebra", "gradients_by_differences", "outputs_without"]

Vector = list[Fraction]
Layer = tuple[list[Vector], Vector]  # weights and biases

WIDTHS = (3, 4, 4, 2)  # inputs, two hidden layers, outputs
N_POINTS = 6
STEP = Fraction(1, 10**9)
UNITS = ("dead", "dead but for one point", "live")


def gradients_by_differences(*, setting: Setting, units: str, relation: str, right: str) -> Evidence:
    """Differentiate the loss with respect to the incoming weights, the bias and the outgoing weights of a unit.

    Parameters
    ----------
    setting : Setting
        10 networks, or 100 in a full check; in each, one unit of each hidden layer.
    units : {"dead", "dead but for one point", "live"}
        Which units the claim is about.
    relation, right : str
        The claim on each derivative: derivative relation number.
    """
    rng = np.random.default_rng(setting.seed)
    claimed = Fraction(str(evaluate(right, {}).item()))
    rows: list[tuple[int, str, Fraction]] = []
    for number in range(100 if setting.full else 10):
        points, targets = _numbers(rng, N_POINTS, WIDTHS[0]), _numbers(rng, N_POINTS, WIDTHS[-1])
        for layer in (0, 1):
            network = _network(rng, points, layer, units)
            for kind, place in _parameters(layer):
                rows.append((number, f"{kind} of layer {layer + 1}", _derivative(network, place, points, targets)))
    wrong = [row for row in rows if not holds(row[2], relation, claimed)]
    shown = (wrong or rows)[0]
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=f"exact derivatives of the loss at units that are {units}: {len(wrong)} of {len(rows)} are not "
        f"{relation} {right}; the {'first of them' if wrong else 'first'}, {shown[1]}, is {float(shown[2]):.6g}",
        points=len(rows),
        numbers={
            "network": [row[0] for row in rows],
            "parameter": [row[1] for row in rows],
            "derivative": [float(row[2]) for row in rows],
        },
    )


def gradients_by_algebra(*, setting: Setting, units: str, relation: str, right: str) -> Evidence:
    """Differentiate the loss of a unit on two points by computer algebra, for given signs of its pre-activations.

    Parameters
    ----------
    setting : Setting
        Not used.
    units, relation, right
        As for `gradients_by_differences`.
    """
    import sympy

    check_choice("units", units, UNITS)
    signs = {"dead": (-1, -1), "dead but for one point": (-1, 1), "live": (1, 1)}[units]
    w, b, v = sympy.symbols("w b v", real=True)
    loss = sum(
        (v * sympy.Max(0, w * x + b) + rest) ** 2
        for x, rest in (sympy.symbols(f"x{i} r{i}", real=True) for i in range(len(signs)))
    )
    steps = sympy.Wild("step")
    derivatives = []
    for name in (w, b, v):
        term = sympy.diff(loss, name)
        for i, sign in enumerate(signs):
            z = w * sympy.Symbol(f"x{i}", real=True) + b
            term = term.subs(sympy.Heaviside(z), (1 + sign) // 2).subs(sympy.Max(0, z), z if sign > 0 else 0)
        if term.has(sympy.Heaviside(steps), sympy.Max):
            raise ValueError(f"a sign is left open in {term}")
        derivatives.append(sympy.simplify(term))
    claimed = sympy.Rational(str(evaluate(right, {}).item()))
    # an expression with symbols left is not a number: it equals none identically
    wrong = [term for term in derivatives if not (term.is_number and holds(term, relation, claimed))]
    return Evidence(
        route="symbolic",
        verdict=Verdict.REFUTED if wrong else Verdict.CONFIRMED,
        summary=f"derivatives with respect to the weight in, the bias and the weight out of a unit that is {units}: "
        + ", ".join(str(term) for term in derivatives),
        points=len(derivatives),
    )


def outputs_without(*, setting: Setting, units: str, inputs: str) -> Evidence:
    """Remove a unit, with its incoming and outgoing weights, and compare the network's outputs exactly.

    Parameters
    ----------
    setting : Setting
        20 networks, or 200 in a full check.
    units : {"dead", "dead but for one point", "live"}
        Which units are removed.
    inputs : {"the data", "elsewhere"}
        Where the outputs are compared: at the points on which the unit is dead, or at others.
    """
    check_choice("inputs", inputs, ("the data", "elsewhere"))
    rng = np.random.default_rng(setting.seed)
    rows: list[tuple[int, int, Fraction]] = []
    for number in range(200 if setting.full else 20):
        points = _numbers(rng, N_POINTS, WIDTHS[0])
        for layer in (0, 1):
            network = _network(rng, points, layer, units)
            smaller = _without_first_unit(network, layer)
            shown = points if inputs == "the data" else [[-20 * entry for entry in point] for point in points]
            change = max(
                abs(a - b)
                for point in shown
                for a, b in zip(_forward(network, point)[-1], _forward(smaller, point)[-1], strict=True)
            )
            rows.append((number, layer + 1, change))
    changed = [row for row in rows if row[2] != 0]
    worst = max(rows, key=lambda row: row[2])
    return Evidence(
        route="high precision",
        verdict=Verdict.REFUTED if changed else Verdict.CONFIRMED,
        summary=f"units that are {units} removed, outputs compared on {inputs}: {len(changed)} of {len(rows)} networks "
        f"change; the greatest change is {float(worst[2]):.6g}",
        points=len(rows),
        numbers={
            "network": [row[0] for row in rows],
            "layer": [row[1] for row in rows],
            "change": [float(row[2]) for row in rows],
        },
    )


def _numbers(rng: np.random.Generator, rows: int, columns: int) -> list[Vector]:
    return [[Fraction(int(entry), 100) for entry in row] for row in rng.integers(-300, 301, size=(rows, columns))]


def _network(rng: np.random.Generator, points: Sequence[Vector], layer: int, units: str) -> list[Layer]:
    """Draw a network whose first unit of a hidden layer is dead on the points, or on all but one, or on none."""
    check_choice("units", units, UNITS)
    network = [(_numbers(rng, fan_out, fan_in), _numbers(rng, 1, fan_out)[0]) for fan_in, fan_out in pairwise(WIDTHS)]
    weights, biases = network[layer]
    reach = sorted(sum(a * b for a, b in zip(weights[0], _layer_input(network, layer, p), strict=True)) for p in points)
    if reach[-1] == reach[-2]:  # the unit cannot distinguish two points, as where the layer before is dead at both
        return _network(rng, points, layer, units)
    bias = {"dead": -reach[-1] - 1, "dead but for one point": -(reach[-1] + reach[-2]) / 2, "live": 1 - reach[0]}[units]
    network[layer] = (weights, [Fraction(bias), *biases[1:]])
    return network


def _layer_input(network: Sequence[Layer], layer: int, point: Vector) -> Vector:
    return [max(z, Fraction(0)) for z in _forward(network, point)[layer - 1]] if layer else point


def _forward(network: Sequence[Layer], point: Vector) -> list[Vector]:
    """Return the pre-activations of all layers."""
    found = []
    for weights, biases in network:
        z = [
            sum((a * b for a, b in zip(row, point, strict=True)), bias)
            for row, bias in zip(weights, biases, strict=True)
        ]
        found.append(z)
        point = [max(entry, Fraction(0)) for entry in z]
    return found


def _parameters(layer: int) -> list[tuple[str, tuple[int, int, int]]]:
    """List the parameters of a layer's first unit: (layer, row, column), column -1 for the bias."""
    into = [("weight in", (layer, 0, column)) for column in range(WIDTHS[layer])]
    out = [("weight out", (layer + 1, row, 0)) for row in range(WIDTHS[layer + 2])]
    return [*into, ("bias", (layer, 0, -1)), *out]


def _derivative(
    network: Sequence[Layer], place: tuple[int, int, int], points: Sequence[Vector], targets: Sequence[Vector]
) -> Fraction:
    moved = [_moved(network, place, step) for step in (-STEP, Fraction(0), STEP)]
    signs = [[[z > 0 for z in layer] for p in points for layer in _forward(one, p)[:-1]] for one in moved]
    if not signs[0] == signs[1] == signs[2]:
        raise ValueError("a sign changes within the difference: no derivative was computed")
    low, _, high = (_loss(one, points, targets) for one in moved)
    return (high - low) / (2 * STEP)


def _moved(network: Sequence[Layer], place: tuple[int, int, int], step: Fraction) -> list[Layer]:
    layer, row, column = place
    weights, biases = [list(entries) for entries in network[layer][0]], list(network[layer][1])
    if column < 0:
        biases[row] += step
    else:
        weights[row][column] += step
    return [*network[:layer], (weights, biases), *network[layer + 1 :]]


def _loss(network: Sequence[Layer], points: Sequence[Vector], targets: Sequence[Vector]) -> Fraction:
    return sum(
        (
            (output - wanted) ** 2
            for point, target in zip(points, targets, strict=True)
            for output, wanted in zip(_forward(network, point)[-1], target, strict=True)
        ),
        Fraction(0),
    )


def _without_first_unit(network: Sequence[Layer], layer: int) -> list[Layer]:
    weights, biases = network[layer]
    outgoing, outgoing_biases = network[layer + 1]
    smaller = [(weights[1:], biases[1:]), ([row[1:] for row in outgoing], outgoing_biases)]
    return [*network[:layer], *smaller, *network[layer + 2 :]]

"""Cloned units in training: the symmetry of the gradient by algebra, and trainings of small networks from clones.

Two units are clones if their incoming weights, biases and outgoing weights are the same. The networks here have two
hidden layers of ReLUs in which every unit has one clone; they learn random targets by full gradients, in plain NumPy.
What is measured is how far clones have moved apart: the largest distance between the incoming weights of two clones,
over the size of these weights.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from neurondeath.paper_check.comparisons import all_of, compare
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath_theory.foundation.validation import check_choice

__all__ = ["apart_after_training", "gradients_by_algebra"]

EQUAL = ("incoming", "outgoing")
INPUTS, WIDTH, OUTPUTS, POINTS = 6, 8, 3, 40  # WIDTH: of each half of a layer
STEPS = {False: 400, True: 4000}
NETWORKS = {False: 4, True: 20}
NOISES = ("none", "dropout", "noisy steps")
DROPPED, NOISE = 0.2, 1e-3

Floats = npt.NDArray[np.float64]
Parameters = list[Floats]
Update = Callable[[Parameters, Parameters, int], None]


def gradients_by_algebra(*, setting: Setting, equal: Sequence[str]) -> Evidence:
    """Compare the gradients of two units with equal incoming and, as claimed, outgoing weights.

    Parameters
    ----------
    setting : Setting
        Not used.
    equal : sequence of {"incoming", "outgoing"}
        Which weights of the two units are equal.
    """
    del setting
    import sympy

    for which in equal:
        check_choice("equal", which, EQUAL)
    phi = sympy.Function("phi")
    x, y, b, rest = sympy.symbols("x y b rest", real=True)
    w, v = sympy.symbols("w1 w2", real=True), sympy.symbols("v1 v2", real=True)
    loss = (sum(vi * phi(wi * x + b) for wi, vi in zip(w, v, strict=True)) + rest - y) ** 2 / 2
    same = [*([(w[1], w[0])] if "incoming" in equal else []), *([(v[1], v[0])] if "outgoing" in equal else [])]
    gaps = {
        which: sympy.simplify((sympy.diff(loss, pair[0]) - sympy.diff(loss, pair[1])).subs(same).doit())
        for which, pair in (("incoming", w), ("outgoing", v))
    }
    verdicts = [Verdict.CONFIRMED if gap == 0 else Verdict.REFUTED for gap in gaps.values()]
    return Evidence(
        route="symbolic",
        verdict=all_of(verdicts),
        summary=f"two units of any activation with equal {' and '.join(equal)} weights, squared error: "
        + ", ".join(f"gradients of {which} weights {'equal' if gap == 0 else 'differ'}" for which, gap in gaps.items()),
        points=len(gaps),
        numbers={"which": list(gaps), "gap": [str(gap) for gap in gaps.values()]},
    )


def apart_after_training(
    *, setting: Setting, optimisers: Sequence[str], noise: str, relation: str, right: float
) -> Evidence:
    """Train networks of clones and compare how far clones have moved apart with a number.

    Parameters
    ----------
    setting : Setting
        Seed and effort.
    optimisers : sequence of {"sgd", "momentum", "adam"}
        Each is run.
    noise : {"none", "dropout", "noisy steps"}
        Units dropped at random in every step, or Gaussian noise on every weight.
    relation : {"<=", ">="}
        How the distance is related to the number, in every network.
    right : float
        The number.
    """
    check_choice("noise", noise, NOISES)
    distances = {}
    for optimiser in optimisers:
        check_choice("optimiser", optimiser, list(UPDATES))
        found = [_train(optimiser, noise, [setting.seed, network], setting.full) for network in range(_n(setting))]
        distances[optimiser] = np.array(found)
    far = {name: float(each.max() if relation == "<=" else each.min()) for name, each in distances.items()}
    values = np.array(list(far.values()))
    found_all = compare(values, values, values, relation, right)
    worst = list(far)[found_all.worst]
    return Evidence(
        route="training",
        verdict=found_all.verdict,
        summary=f"distance of clones after {STEPS[setting.full]} steps, noise: {noise}, {relation} {right:g}: "
        f"{_n(setting)} networks for each of {', '.join(optimisers)}; decisive: {far[worst]:.2g} with {worst}",
        points=len(values) * _n(setting),
        numbers={
            "optimiser": [name for name, each in distances.items() for _ in each],
            "distance": [distance for each in distances.values() for distance in each.tolist()],
        },
    )


def _n(setting: Setting) -> int:
    return NETWORKS[setting.full]


def _train(optimiser: str, noise: str, seed: Sequence[int], full: bool) -> float:
    rng = np.random.default_rng([*seed, NOISES.index(noise)])
    x, y = rng.standard_normal((POINTS, INPUTS)), rng.standard_normal((POINTS, OUTPUTS))
    parameters = _network(rng)
    update = UPDATES[optimiser]()
    for step in range(1, STEPS[full] + 1):
        keep = [np.ones(2 * WIDTH)] * 2
        if noise == "dropout":
            keep = [(rng.random(2 * WIDTH) >= DROPPED) / (1.0 - DROPPED) for _ in range(2)]
        update(parameters, _gradients(parameters, x, y, keep), step)
        if noise == "noisy steps":
            for each in parameters:
                each += NOISE * rng.standard_normal(each.shape)
    return max(
        float(np.linalg.norm(w[:WIDTH] - w[WIDTH:], axis=1).max() / np.linalg.norm(w, axis=1).max())
        for w in (parameters[0], parameters[2])
    )


def _network(rng: np.random.Generator) -> Parameters:
    """Draw weights (n_out, n_in) and biases of a network in which units i and WIDTH + i are clones."""
    first = np.tile(rng.standard_normal((WIDTH, INPUTS)) * np.sqrt(2.0 / INPUTS), (2, 1))
    second = np.tile(rng.standard_normal((WIDTH, WIDTH)) * np.sqrt(2.0 / WIDTH), (2, 2)) / 2.0
    last = np.tile(rng.standard_normal((OUTPUTS, WIDTH)) / np.sqrt(WIDTH), (1, 2)) / 2.0
    biases = [np.tile(0.1 * rng.standard_normal(WIDTH), 2) for _ in range(2)]
    return [first, biases[0], second, biases[1], last]


def _gradients(parameters: Parameters, x: Floats, y: Floats, keep: Sequence[Floats]) -> Parameters:
    """Return the gradients of half the mean squared error; `keep` multiplies the units of the two layers."""
    first, c, second, d, last = parameters
    a = x @ first.T + c
    h = np.maximum(a, 0.0) * keep[0]
    b = h @ second.T + d
    g = np.maximum(b, 0.0) * keep[1]
    error = (g @ last.T - y) / len(x)
    at_b = (error @ last) * keep[1] * (b > 0.0)
    at_a = (at_b @ second) * keep[0] * (a > 0.0)
    return [at_a.T @ x, at_a.sum(axis=0), at_b.T @ h, at_b.sum(axis=0), error.T @ g]


def _sgd(rate: float = 0.1, momentum: float = 0.0) -> Update:
    velocity: dict[int, Floats] = {}

    def update(parameters: Parameters, gradients: Parameters, step: int) -> None:
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            velocity[i] = momentum * velocity.get(i, np.zeros_like(parameter)) + gradient
            parameter -= rate * velocity[i]

    return update


def _adam(rate: float = 1e-2) -> Update:
    first: dict[int, Floats] = {}
    second: dict[int, Floats] = {}

    def update(parameters: Parameters, gradients: Parameters, step: int) -> None:
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            first[i] = 0.9 * first.get(i, np.zeros_like(parameter)) + 0.1 * gradient
            second[i] = 0.999 * second.get(i, np.zeros_like(parameter)) + 0.001 * gradient**2
            mean, square = first[i] / (1.0 - 0.9**step), second[i] / (1.0 - 0.999**step)
            parameter -= rate * mean / (np.sqrt(square) + 1e-8)

    return update


UPDATES: dict[str, Callable[[], Update]] = {
    "sgd": _sgd,
    "momentum": lambda: _sgd(0.02, 0.9),
    "adam": _adam,
}

"""The enumeration of sign patterns compared with single networks, run one by one in plain Python."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from neurondeath.paper_check.checkers.survival.sign_patterns import every_sign, number_of_signs
from neurondeath_theory.networks.network import Network

LARGEST_MAGNITUDE = 300
CASES = {
    "plain": (Network([2, 1], input_dim=2), 3),
    "biases": (Network([1, 2], input_dim=1, bias_variance=1.0), 2),
    "residual": (Network([2, 2], input_dim=2, architecture="residual"), 2),
    "skip": (Network([2, 1, 1, 1], input_dim=1, architecture="skip", block_depth=2), 1),
    "dense": (Network([1, 2], input_dim=2, architecture="dense", bias_variance=1.0), 1),
    "layer flip": (Network([2, 2], input_dim=2, sign_flip="layer"), 5),
    "neuron flip": (Network([2, 2], input_dim=2, sign_flip="neuron"), 5),
    "batch norm": (Network([2, 2], input_dim=2, architecture="batch_norm"), 4),
}


def draw_points(network, n_points, seed=7):
    rng = np.random.default_rng(seed)
    return rng.integers(-40, 41, size=(n_points, network.input_dim)) * 2 + 1


def run_one(network, points, entries):
    """Run one network on all points, with lists of fractions (doubles for batch norm), no arrays."""
    values = [Fraction(int(entry)) for entry in entries]
    streams = [[Fraction(int(x)) for x in point] for point in points]
    inner = [list(stream) for stream in streams]
    here, ended = [True] * len(points), [False] * len(points)
    alive, dead_units = [], []
    for layer, (width, fan_in) in enumerate(zip(network.widths, network.fan_ins, strict=True)):
        weights = [[values.pop(0) for _ in range(fan_in)] for _ in range(width)]
        biases = [values.pop(0) if network.has_bias else 0 for _ in range(width)]
        blocks = network.architecture in ("residual", "skip")
        if blocks and layer % network.block_depth == 0:
            inner, here = [list(stream) for stream in streams], [True] * len(points)
        read = streams if network.architecture == "dense" else inner
        z = [
            [sum(w * x for w, x in zip(row, point, strict=True)) + b for row, b in zip(weights, biases, strict=True)]
            for point in read
        ]
        if network.architecture == "batch_norm":
            z = batch_normalised(z)
        z = corrected(network.sign_flip, z, here)
        active = [any(value > 0 for value in units) for units in z]
        outputs = [[max(value, 0) for value in units] for units in z]
        dead_units.append(sum(all(units[i] <= 0 for units in z) for i in range(width)))
        if network.architecture == "dense":
            ended = [was or now for was, now in zip(ended, active, strict=True)]
            streams = [old + new for old, new in zip(streams, outputs, strict=True)]
            alive.append(ended)
            continue
        here = [was and now for was, now in zip(here, active, strict=True)]
        inner = outputs
        alive.append([a or b for a, b in zip(here, ended, strict=True)])
        if blocks and (layer + 1) % network.block_depth == 0:
            ended = alive[-1]
            streams = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(streams, inner, strict=True)]
    return alive, dead_units


def batch_normalised(z):
    columns = []
    for unit in zip(*z, strict=True):
        numbers = [float(value) for value in unit]
        mean = sum(numbers) / len(numbers)
        spread = (sum((value - mean) ** 2 for value in numbers) / len(numbers)) ** 0.5
        columns.append([(value - mean) / spread for value in numbers])
    return [list(point) for point in zip(*columns, strict=True)]


def corrected(mode, z, alive):
    if mode == "layer":
        stay = sum(living and any(value > 0 for value in units) for units, living in zip(z, alive, strict=True))
        return [[-value for value in units] for units in z] if stay < sum(alive) / 2 else z
    if mode == "neuron":
        z = [list(units) for units in z]
        uncovered = {i for i, living in enumerate(alive) if living}
        for unit in range(len(z[0])):
            if uncovered and sum(z[i][unit] > 0 for i in uncovered) < len(uncovered) / 2:
                for units in z:
                    units[unit] = -units[unit]
            uncovered = {i for i in uncovered if z[i][unit] <= 0}
    return z


@pytest.mark.parametrize("case", CASES)
def test_every_pattern_is_run_as_a_network_of_its_own(case):
    network, n_points = CASES[case]
    points = draw_points(network, n_points)
    found = every_sign(network, points, np.random.default_rng(3))
    n_signs = number_of_signs(network)
    magnitudes = np.random.default_rng(3).integers(1, LARGEST_MAGNITUDE + 1, size=n_signs)
    assert found.alive.shape == (2**n_signs, network.depth, n_points)
    for number, signs in enumerate(product((1, -1), repeat=n_signs)):
        # the last factor of a product runs fastest, the first sign of a pattern is its lowest bit
        alive, dead_units = run_one(network, points, magnitudes * np.array(signs[::-1]))
        assert found.alive[number].tolist() == alive
        assert found.dead_units[number].tolist() == dead_units


def test_all_patterns_are_there_and_none_twice():
    alive = every_sign(Network([3]), [[1, 0, 0]], np.random.default_rng(0)).alive[:, 0, 0]
    assert (len(alive), int(alive.sum())) == (512, 448)  # 7/8 of all: three fair coins


def test_a_point_at_zero_is_dead_without_biases_and_counts_with_them():
    zero = np.zeros((1, 2), dtype=int)
    for architecture in ("plain", "residual", "dense"):
        dead = every_sign(Network([2], architecture=architecture), zero, np.random.default_rng(0))
        assert not dead.alive.any()
        with_biases = Network([2], architecture=architecture, bias_variance=1.0)
        assert every_sign(with_biases, zero, np.random.default_rng(0)).alive.mean() == 0.75


class OnesFirst:
    """A generator whose first draw is all ones, which ties on (1, 1)."""

    def __init__(self):
        self.draws = 0

    def integers(self, low, high, size):
        self.draws += 1
        return np.ones(size, dtype=np.int64) if self.draws == 1 else np.arange(2, size + 2) ** 2


def test_the_draw_after_a_tie_is_a_new_one():
    rng = OnesFirst()
    assert every_sign(Network([2]), [[1, 1]], rng).alive.mean() == 0.75
    assert rng.draws == 2


def test_what_cannot_be_enumerated_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="25 signs are more than the 20"):
        every_sign(Network([5]), np.ones((1, 5), dtype=int), rng)
    with pytest.raises(ValueError, match="exceed 64 bits"):
        every_sign(Network([1] * 9, input_dim=1), [[100]], rng)
    with pytest.raises(ValueError, match="every one of 1000 draws of the magnitudes has ties"):
        every_sign(Network([1], input_dim=1, architecture="batch_norm"), [[3]], rng)

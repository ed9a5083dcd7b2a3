"""The range of P(born dead) from widths in plain Python, against the exact operator, the bounds and drawn networks."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from neurondeath_theory.survival.born_dead import one_dimensional_survival
from neurondeath_theory.survival.born_dead_range import born_dead_range, opposite_rays_born_dead, passing_width
from neurondeath_theory.survival.bounds import survival_bounds
from tests.references.statistical import assert_agrees, assert_refutes, seeds

SMALL = [[2, 1], [8, 8], [1], [1, 1], [1, 4], [5, 3], [3], [20, 40]]
DEEP = [[3, 3, 3], [3] * 12]


def by_enumeration(widths):
    """P(dead) through two layers, exactly: signs of the first weights, then which of both rays are still alive."""
    dead = Fraction(0)
    for signs in itertools.product((True, False), repeat=widths[0]):
        rays = int(any(signs)) + int(not all(signs))  # alive behind layer 1
        one_off = Fraction(1, 2 ** widths[1]) if len(widths) > 1 else Fraction(0)
        dead += Fraction(1, 2 ** widths[0]) * one_off**rays  # disjoint rays die independently
    return dead


@pytest.mark.parametrize("widths", [widths for widths in SMALL if widths[0] < 10])
def test_two_layers_are_exact(widths):
    low, high = opposite_rays_born_dead(widths)
    exact = float(by_enumeration(widths))
    assert low <= exact <= high
    assert high - low <= 1e-14


def test_the_numbers_of_the_page():
    assert opposite_rays_born_dead([2, 1])[1] == pytest.approx(0.375, abs=1e-12)
    assert opposite_rays_born_dead([8, 8])[1] == pytest.approx(4.57e-5, abs=1e-7)


@pytest.mark.parametrize("widths", DEEP)
def test_the_exact_value_lies_in_the_range(widths):
    exact = one_dimensional_survival(widths)
    low, high = opposite_rays_born_dead(widths)
    dead = 1.0 - float(exact.exact[-1])
    assert low < dead < high
    assert high - low < 0.25
    assert born_dead_range(widths)[1] >= high


@seeds
def test_drawn_networks_lie_in_the_range(seed):
    rng = np.random.default_rng(seed)
    widths, trials = [3, 2, 2], 20_000
    alive = np.ones((trials, 2, 1))
    alive[:, 1] = -1.0
    for fan_in, width in itertools.pairwise([1, *widths]):
        weights = rng.standard_normal((trials, width, fan_in))
        alive = np.maximum(np.einsum("tij,tpj->tpi", weights, alive), 0.0)
    dead = float((~alive.any(axis=(1, 2))).mean())
    low, high = opposite_rays_born_dead(widths)
    error = math.sqrt(dead * (1.0 - dead) / trials)
    assert_agrees(dead, error, min(max(dead, low), high))
    assert_refutes(dead, error, born_dead_range(widths)[1])


@pytest.mark.parametrize("widths", [*SMALL, *DEEP, [1000, 2000, 1500]])
def test_the_range_for_any_inputs_is_that_of_the_bounds(widths):
    bounds = survival_bounds(widths, bias=False)
    low, high = born_dead_range(widths)
    assert high == pytest.approx(math.exp(float(bounds.log_death_at_most[-1])), rel=1e-12)
    assert low == pytest.approx(math.exp(float(bounds.log_death_at_least[-1])), rel=1e-12)


@pytest.mark.parametrize("opposite", [True, False])
@pytest.mark.parametrize(("depth", "most"), [(1, 0.3), (2, 0.01), (20, 0.05), (500, 1e-6)])
def test_a_passing_width_is_the_least(depth, most, opposite):
    bound = opposite_rays_born_dead if opposite else born_dead_range
    width = passing_width(depth, most, opposite=opposite)
    assert bound([width] * depth)[1] <= most
    assert width == 1 or bound([width - 1] * depth)[1] > most

import math
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival.bounds import survival_bounds

some_widths = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def exact_log_death(exponents: list[int]) -> float:
    """ln(1 - prod(1 - 2^-e)), with enough bits for the smallest factor."""
    if not exponents:
        return -math.inf
    with mpmath.workprec(2 * max(exponents) + 100):
        alive = mpmath.mpf(1)
        for exponent in exponents:
            alive *= 1 - mpmath.ldexp(1, -exponent)
        dead = 1 - alive
    return float(mpmath.log(dead))


@given(some_widths)
def test_lower_bound_is_the_product_in_exact_arithmetic(widths):
    exact = math.prod((Fraction(2**n - 1, 2**n) for n in widths), start=Fraction(1))
    assert survival_bounds(widths).lower[-1] == pytest.approx(float(exact), rel=1e-14)


@given(some_widths, st.booleans(), st.integers(1, 9))
def test_upper_bound_is_the_product_in_exact_arithmetic(widths, bias, input_dim):
    fan_ins = [input_dim, *widths[:-1]]
    factors = [1 - Fraction(1, 2 ** (n * (m + bias))) for n, m in zip(widths, fan_ins, strict=True)]
    nonnegative = survival_bounds(widths, input_dim=input_dim, bias=bias, nonnegative_inputs=True)
    assert nonnegative.upper[-1] == pytest.approx(float(math.prod(factors)), rel=1e-14)
    general = survival_bounds(widths, bias=bias)
    assert general.upper[-1] == pytest.approx(float(math.prod(factors[1:])), rel=1e-14)


@given(some_widths, st.booleans())
def test_bounds_are_ordered_and_fall_with_depth(widths, bias):
    bounds = survival_bounds(widths, input_dim=3, bias=bias, nonnegative_inputs=True)
    assert (bounds.lower <= bounds.upper).all()
    assert (np.diff(bounds.lower) <= 0).all()
    assert (np.diff(bounds.upper) <= 0).all()
    assert (bounds.mean_living_ratio == bounds.lower).all()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("widths", [[1], [2] * 5, [40] * 7, [300, 5, 300], [900] * 3])
def test_death_keeps_its_relative_precision(widths, bias):
    bounds = survival_bounds(widths, bias=bias)
    assert bounds.log_death_at_most[-1] == pytest.approx(exact_log_death(widths), rel=1e-13)
    exponents = [n * (m + bias) for n, m in zip(widths[1:], widths, strict=False)]
    assert bounds.log_death_at_least[-1] == pytest.approx(exact_log_death(exponents), rel=1e-13)


def test_a_million_layers_of_ten_thousand_units():
    bounds = survival_bounds([10_000] * 1_000_000)
    for values in (bounds.log_lower, bounds.log_upper, bounds.log_death_at_most):
        assert np.isfinite(values).all()
    assert bounds.log_death_at_most[-1] == pytest.approx(math.log(1e6) - 1e4 * math.log(2), rel=1e-12)


def test_deep_and_narrow_gives_zero_and_certain_death():
    bounds = survival_bounds([1] * 5000, bias=False)
    assert bounds.lower[-1] == 0.0
    assert bounds.log_lower[-1] == pytest.approx(5000 * math.log(0.5))
    assert bounds.log_death_at_most[-1] == 0.0


def test_one_layer_on_the_orthant_by_enumerating_signs():
    """With all entries of magnitude one, the layer is dead on the whole orthant iff every sign is negative."""
    n, d = 2, 3
    dead = sum(all(sign < 0 for sign in signs) for signs in product([-1, 1], repeat=n * (d + 1)))
    exact = 1 - dead / 2 ** (n * (d + 1))
    assert survival_bounds([n], input_dim=d, bias=True, nonnegative_inputs=True).upper[0] == exact


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"widths": []}, "widths"),
        ({"widths": [3, 0]}, "widths[1]"),
        ({"widths": [3, -2]}, "got -2"),
        ({"widths": [2.5]}, "whole numbers"),
        ({"widths": [float("nan")]}, "whole numbers"),
        ({"widths": 3}, "[W] * K"),
        ({"widths": "33"}, "sequence"),
        ({"widths": [[3, 3]]}, "sequence"),
        ({"widths": [[3], [3, 4]]}, "sequence"),
        ({"widths": [3], "nonnegative_inputs": True}, "input_dim"),
        ({"widths": [3], "input_dim": 0}, "input_dim"),
        ({"widths": [3], "bias": "yes"}, "bias"),
        ({"widths": [2**40]}, "widths[0]"),
        ({}, "width=W, depth=K"),
        ({"width": 3}, "`depth` must be given"),
        ({"depth": 3}, "`width` must be given"),
        ({"widths": [3], "depth": 3}, "`depth` must be left out where widths are given"),
        ({"width": 3, "depth": 10**9}, "`depth` must be at most 10000000"),
        ({"width": 0, "depth": 1}, "`width`"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, words):
    with pytest.raises(InvalidArgumentError) as caught:
        survival_bounds(**arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_biases_are_asked_for():
    assert (survival_bounds([3] * 4).upper == survival_bounds([3] * 4, bias=False).upper).all()
    assert (survival_bounds([3] * 4).upper < survival_bounds([3] * 4, bias=True).upper).any()


def test_width_and_depth_in_place_of_widths():
    assert (survival_bounds(width=3, depth=7).log_upper == survival_bounds([3] * 7).log_upper).all()


def test_result_can_be_shown():
    bounds = survival_bounds([4, 8])
    assert repr(bounds) == str(bounds)
    frame = bounds.to_dataframe()
    assert list(frame["width"]) == [4, 8]
    assert frame["lower"].iloc[-1] == bounds.lower[-1]
    assert "<table>" in bounds._repr_html_()
    assert "2 layers" in str(bounds)


def test_bounds_near_zero_and_one_are_stated_where_they_are_rare():
    for widths in ([64] * 100, [64], [2] * 3000, [1] * 10_000, [16] * 3000, [2] * 10, [10_000] * 3):
        text = str(survival_bounds(widths))
        assert not text.startswith(("1 <=", "0 <="))
        assert not text.endswith(("<= 1", "<= 0", ">= 1", ">= 0"))
    assert str(survival_bounds([64] * 100)) == "9.479e-1232 <= P(dead through 100 layers) <= 5.421e-18"
    assert str(survival_bounds([2] * 3000)) == "1.5268e-375 <= P(alive through 3000 layers) <= 8.747e-85"


def test_log_death_of_a_network_that_is_almost_surely_dead_has_its_digits():
    """P(dead) = 1 - P(alive) with P(alive) = (3/4)^k, against exact fractions, in logarithms."""
    for depth in (5, 50, 100, 300):
        alive = Fraction(3, 4) ** depth
        with mpmath.workprec(400):
            exact = mpmath.log10(1 - mpmath.mpf(alive.numerator) / alive.denominator)
        found = survival_bounds([2] * depth).log10_death_at_most[-1]
        assert abs(found / exact - 1) < 1e-12

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from neurondeath_theory.survival.born_dead import one_dimensional_survival, published_death_bounds


@pytest.mark.parametrize(("width", "hidden", "death"), [(2, 9, 0.880), (3, 4, 0.206), (3, 9, 0.579)])
def test_known_born_dead_probabilities(width, hidden, death):
    result = one_dimensional_survival([width] * hidden)
    assert result.born_dead[-1] == pytest.approx(death, abs=5e-4)
    assert result.exact[-1] == pytest.approx(1 - result.born_dead[-1], abs=1e-12)


@pytest.mark.parametrize("width", [1, 2, 3, 8, 30])
def test_the_left_bound_is_the_exact_value_for_three_layers(width):
    result = one_dimensional_survival([width] * 2)
    assert result.log_death_at_least[1] == pytest.approx(result.rays.log_none[1], abs=1e-11)
    assert result.log_death_at_least[0] == result.rays.log_none[0] == -math.inf


@pytest.mark.parametrize("width", [1, 2, 3, 5, 10, 24])
def test_exact_lies_between_the_published_bounds(width):
    result = one_dimensional_survival([width] * 120)
    slack = result.rays.none_relative_error + 1e-12
    assert (result.rays.log_none >= result.log_death_at_least - slack).all()
    assert (result.rays.log_none <= result.log_death_at_most + slack).all()
    assert (result.exact >= result.general_lower * (1 - 1e-12)).all()
    assert (result.error[1:] > 0).all()
    if width > 1:
        assert (result.lower[3:] < result.upper[3:]).all()


@pytest.mark.parametrize("width", [2, 7, 64])
def test_published_bounds_in_exact_arithmetic(width):
    one = Fraction(1)
    half = Fraction(1, 2**width)
    a1, a2 = one - half, one - 2 * half - (width - 1) * half**2
    factor = (one - 2 * half) * (one - half) / (one + (width - 1) * half)
    low, high = published_death_bounds(np.array([width] * 12))
    for layers in range(3, 14):
        exact_low = one - a1 ** (layers - 2) + factor * (a2 ** (layers - 2) - a1 ** (layers - 2))
        exact_high = one - a1 ** (layers - 2)
        assert low[layers - 2] == pytest.approx(
            math.log(exact_low.numerator) - math.log(exact_low.denominator), rel=1e-13
        )
        assert high[layers - 2] == pytest.approx(
            math.log(exact_high.numerator) - math.log(exact_high.denominator), rel=1e-13
        )


def test_published_networks_of_ten_layers():
    # 10 layers are 9 hidden ones: width 10 dies with probability below 1 %, width 5 above 10 %, width 3 about 60 %
    death = {width: one_dimensional_survival([width] * 9).born_dead[-1] for width in (10, 5, 3)}
    assert death[10] < 0.01
    assert death[5] > 0.1
    assert death[3] == pytest.approx(0.6, abs=0.03)


def test_unequal_widths_withhold_the_bounds_with_the_reason():
    result = one_dimensional_survival([3, 4, 3])
    assert result.lower is None
    assert result.upper is None
    assert "one width" in result.withheld
    assert "withheld" in str(result)
    assert result.general_lower[-1] == pytest.approx(7 / 8 * 15 / 16 * 7 / 8)
    assert result.columns()["upper"] == [None] * 3
    with pytest.raises(AssumptionError, match="one width"):
        published_death_bounds(np.array([2, 3]))


def test_layers_of_one_unit_are_known():
    result = one_dimensional_survival([1] * 6)
    assert result.exact == pytest.approx(0.5 ** np.arange(6), rel=1e-12)
    assert result.lower == pytest.approx(result.upper, rel=1e-12)


def test_result_shows_itself():
    result = one_dimensional_survival([4] * 3)
    assert result.depth == 3
    assert "published bounds" in str(result)
    assert result.to_dataframe()["exact"].tolist() == result.exact.tolist()


@pytest.mark.parametrize("widths", [[], [0], [2.5], "88", [200_000]])
def test_bad_widths_are_named(widths):
    with pytest.raises(InvalidArgumentError, match="`widths"):
        one_dimensional_survival(widths)


@pytest.mark.parametrize("width", [1, 2, 3, 10, 60, 100, 101, 400])
def test_published_bounds_keep_their_digits(width):
    """Compare with the published expression, a difference of nearly equal numbers, in decimals with extra digits."""
    at_least, at_most = published_death_bounds(np.array([width] * 30))
    with localcontext() as context:
        context.prec = 60 + width
        half = Decimal(2) ** -width
        a1, a2 = 1 - half, 1 - 2 * half - (width - 1) * half * half
        factor = (1 - 2 * half) * (1 - half) / (1 + (width - 1) * half)
        for layer in (1, 2, 5, 29):
            low = 1 - a1**layer + factor * (a2**layer - a1**layer)
            assert at_least[layer] == pytest.approx(float(low.ln()), rel=1e-14, abs=1e-13)
            assert at_most[layer] == pytest.approx(float((1 - a1**layer).ln()), rel=1e-14, abs=1e-13)

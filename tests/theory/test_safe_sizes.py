"""Least widths, greatest depths and the safe region against exact arithmetic."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.safe_sizes import max_depth, min_width, safe_region

PROBABILITIES = [5e-324, 1e-300, 1e-9, 0.1, 0.5, 0.5625, 0.875, 0.9, 0.99, 1 - 1e-9, 1 - 2**-53]


def reaches(n: int, k: int, p: float) -> bool:
    """Decide (1 - 2^-n)^k >= p with extra digits; ties by whole numbers."""
    if n * k <= 2000:
        return (Fraction(1) - Fraction(1, 2**n)) ** k >= Fraction(p)
    with mpmath.workdps(80 + n):
        return mpmath.log1p(-(mpmath.mpf(2) ** -n)) * k >= mpmath.log(mpmath.mpf(p))


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("k", [1, 2, 3, 7, 50, 1000, 10**6, 10**9, 2**31 - 1])
def test_min_width_is_the_least(k: int, p: float) -> None:
    n = min_width(k, p)
    assert n >= 1
    assert reaches(n, k, p)
    assert n == 1 or not reaches(n - 1, k, p)


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("n", [1, 2, 3, 10, 53, 60, 100, 1100])
def test_max_depth_is_the_greatest(n: int, p: float) -> None:
    k = max_depth(n, p)
    assert k == 0 or reaches(n, k, p)
    assert not reaches(n, k + 1, p)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 20), (2, 5), (3, 17), (5, 10), (10, 5), (26, 2), (53, 1), (1, 1074)])
def test_exact_ties_count_as_reached(n: int, k: int) -> None:
    p = float((Fraction(1) - Fraction(1, 2**n)) ** k)
    assert Fraction(p) == (Fraction(1) - Fraction(1, 2**n)) ** k, "not a double: no tie"
    assert (min_width(k, p), max_depth(n, p)) == (n, k)
    above = float(np.nextafter(p, 1.0))
    if above < 1.0:
        assert (min_width(k, above), max_depth(n, above)) == (n + 1, k - 1)


def test_near_ties_beyond_double_precision() -> None:
    """Doubles next to (1 - 2^-n)^k, which no double equals: a comparison of double logarithms cannot order them."""
    for n, k in [(30, 1000), (20, 10**6), (12, 10**5), (3, 140), (3, 251)]:
        with mpmath.workdps(60):
            exact = (1 - mpmath.mpf(2) ** -n) ** k
            nearest = float(exact)
            below = nearest if nearest <= exact else float(np.nextafter(nearest, 0.0))
            above = float(np.nextafter(below, 1.0))
            assert below < exact < above
        assert min_width(k, below) == n
        assert min_width(k, above) == n + 1
        assert max_depth(n, below) >= k > max_depth(n, above)


def test_width_inverts_depth() -> None:
    for n in (1, 2, 5, 12, 20):
        for p in (0.3, 0.9, 0.999):
            k = max_depth(n, p)
            if k:
                assert min_width(k, p) <= n < min_width(k + 1, p)


@pytest.mark.parametrize("call", [min_width, max_depth])
@pytest.mark.parametrize("survival", [0.0, 1.0, -0.1, 1.1, float("nan"), float("inf"), "0.5", None, True])
def test_refuses_what_is_no_probability(call, survival) -> None:
    with pytest.raises(InvalidArgumentError, match="`survival` must lie in"):
        call(3, survival)


@pytest.mark.parametrize("count", [0, -1, 1.5, float("nan"), "3", None, 2**40])
def test_refuses_what_is_no_count(count) -> None:
    with pytest.raises(InvalidArgumentError, match="`depth` must be"):
        min_width(count, 0.5)
    with pytest.raises(InvalidArgumentError, match="`width` must be"):
        max_depth(count, 0.5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("input_dim", [None, 3])
def test_safe_region_repeats_the_bounds(bias: bool, input_dim: int | None) -> None:
    widths, depths = [1, 2, 5, 40], [1, 3, 200]
    region = safe_region(
        widths, depths, survival=0.6, bias=bias, input_dim=input_dim, nonnegative_inputs=input_dim is not None
    )
    for i, n in enumerate(widths):
        for j, k in enumerate(depths):
            bounds = survival_bounds([n] * k, bias=bias, input_dim=input_dim, nonnegative_inputs=input_dim is not None)
            assert region.lower[i, j] == pytest.approx(bounds.lower[-1], rel=1e-12)
            assert region.upper[i, j] == pytest.approx(bounds.upper[-1], rel=1e-12)
            expected = "safe" if bounds.lower[-1] >= 0.6 else "doomed" if bounds.upper[-1] < 0.6 else "undecided"
            assert region.verdict[i, j] == expected
    assert {"safe", "undecided", "doomed"} == set(region.verdict.ravel())
    assert len(region.to_dataframe()) == 12


def test_safe_region_agrees_with_the_designs() -> None:
    region = safe_region(range(1, 30), [17], survival=0.9)
    assert int((region.verdict[:, 0] == "safe").argmax()) + 1 == min_width(17, 0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": []}, "`widths` must be a non-empty sequence"),
        ({"depths": [0]}, "`depths"),
        ({"depths": "12"}, "`depths` must be a non-empty sequence"),
        ({"survival": 1.0}, "`survival` must lie in"),
        ({"nonnegative_inputs": True}, "`input_dim` must be given"),
        ({"bias": 1}, "`bias` must be True or False"),
        ({"input_dim": 0}, "`input_dim` must be"),
    ],
)
def test_safe_region_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        safe_region(**{"widths": [2], "depths": [3], **arguments})

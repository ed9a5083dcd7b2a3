"""Widths that grow with depth: limits against mpmath."""

import mpmath
import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.width_schedules import growing_width_schedule, log_width_schedule


@pytest.mark.parametrize("c", [-2.5, 0.0, 1.0, 30.0])
def test_log_width_bound_in_high_precision(c: float) -> None:
    depths = [8, 100, 10**6, 10**9]
    schedule = log_width_schedule(depths, c)
    with mpmath.workdps(40):
        for k, value in zip(depths, schedule.survival, strict=True):
            exact = (1 - mpmath.mpf(2) ** (-mpmath.mpf(c)) / k) ** k
            assert float(abs(value / exact - 1)) < 1e-13 * max(1.0, float(-mpmath.log(exact)))
        assert schedule.limit == pytest.approx(float(mpmath.exp(-(mpmath.mpf(2) ** -mpmath.mpf(c)))), rel=1e-14)


def test_log_width_bound_rises_to_its_limit() -> None:
    schedule = log_width_schedule([2**j for j in range(1, 31)], c=0.0)
    assert (np.diff(schedule.survival) > 0).all()
    assert (schedule.survival < schedule.limit).all()
    assert schedule.limit - schedule.survival[-1] < 1e-9
    assert (schedule.survival_at_widths >= schedule.survival).all()
    assert schedule.survival_at_widths[5] == pytest.approx(survival_bounds([6] * 64).lower[-1], rel=1e-13)


@pytest.mark.parametrize(
    ("depth", "c"), [(1, 0.0), (8, -3.0), ([4, 16], -2.0), (10, float("nan")), (10, 1e6), (0, 1.0)]
)
def test_log_width_refuses(depth, c: float) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`c` must|`depth"):
        log_width_schedule(depth, c)


def test_infinite_product_known_in_closed_form() -> None:
    """prod_l (1 - z^2/l^2) = sin(pi z)/(pi z), with z^2 = 2^-c and epsilon = 1."""
    for c in (2.0, 0.5, 5.0, 1e-9):
        schedule = growing_width_schedule(3, 1.0, c)
        with mpmath.workdps(40):
            z = mpmath.sqrt(mpmath.mpf(2) ** -mpmath.mpf(c))
            exact = float(mpmath.log(mpmath.sin(mpmath.pi * z) / (mpmath.pi * z)))
        assert abs(schedule.log_limit - exact) <= schedule.log_limit_error


@pytest.mark.parametrize(("epsilon", "c"), [(0.01, 1.0), (0.3, 0.1), (2.0, 0.5), (0.5, 8.0)])
def test_infinite_product_by_summation(epsilon: float, c: float) -> None:
    with mpmath.workdps(30):
        a, s = mpmath.mpf(2) ** -mpmath.mpf(c), 1 + mpmath.mpf(epsilon)
        exact = mpmath.fsum(mpmath.log(1 - a * mpmath.mpf(i) ** -s) for i in range(1, 60))
        exact -= mpmath.fsum(a**m / m * mpmath.zeta(m * s, 60) for m in range(1, 25))
    schedule = growing_width_schedule(5, epsilon, c)
    assert abs(schedule.log_limit - float(exact)) <= schedule.log_limit_error + 1e-16


def test_growing_widths_live_at_any_depth() -> None:
    schedule = growing_width_schedule(200_000, 0.5, 1.0)
    layer = np.arange(1, 200_001)
    assert (schedule.widths >= schedule.exact_widths).all()
    assert (schedule.widths < 1.5 * np.log2(layer) + 2.0).all()
    assert (np.diff(schedule.survival) <= 0).all()
    assert (schedule.survival > schedule.limit).all()
    assert schedule.survival[-1] - schedule.limit < 1.01 * schedule.limit / np.sqrt(200_000)  # tail: 2 a / sqrt(L)
    assert (schedule.survival_at_widths >= schedule.survival).all()


@pytest.mark.parametrize(
    ("depth", "epsilon", "c"),
    [
        (0, 1.0, 1.0),
        (3, 0.0, 1.0),
        (3, -1.0, 1.0),
        (3, 1.0, 0.0),
        (3, float("inf"), 1.0),
        (10**9, 1.0, 1.0),
        (3, 1.0, 1e9),
    ],
)
def test_growing_widths_refuse(depth: int, epsilon: float, c: float) -> None:
    with pytest.raises(InvalidArgumentError, match="must"):
        growing_width_schedule(depth, epsilon, c)

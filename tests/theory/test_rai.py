"""The RAI constant against its closed form, its equation, and simulated layers."""

import math

import mpmath
import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.rai import beta_moments, rai_constant, rai_second_moment_bound
from tests.references.statistical import assert_agrees, assert_refutes, seeds


def test_constant_in_high_precision() -> None:
    with mpmath.workdps(40):
        exact = -2 * mpmath.sqrt(2) / (3 * mpmath.sqrt(mpmath.pi)) + mpmath.sqrt(1 + 8 / (9 * mpmath.pi))
        assert abs(rai_constant() - exact) < 2e-16


def test_moments_by_quadrature() -> None:
    for a, b in [(2.0, 1.0), (1.0, 1.0), (3.5, 0.5), (0.5, 2.0)]:
        with mpmath.workdps(25):
            density = [mpmath.betainc(a + k, b, 0, 1) / mpmath.beta(a, b) for k in (1, 2)]
        assert beta_moments(a, b) == pytest.approx([float(moment) for moment in density], rel=1e-14)


@pytest.mark.parametrize(("a", "b"), [(2.0, 1.0), (1.0, 3.0), (1e6, 1.0), (1.0, 1e6), (1e-6, 1e-6)])
def test_constant_solves_its_equation(a: float, b: float) -> None:
    sigma = rai_constant(a=a, b=b)
    assert sigma > 0
    assert rai_second_moment_bound(sigma, a=a, b=b) == pytest.approx(1.0, abs=1e-14)


def rai_outputs(x: np.ndarray, sigma: float, trials: int, rng: np.random.Generator) -> np.ndarray:
    """|x'|^2 of freshly drawn layers with as many units as inputs; units of a layer are independent."""
    n = len(x)
    rows = rng.standard_normal((trials, n, n + 1)) * sigma / math.sqrt(n)
    place = rng.integers(n + 1, size=(trials, n, 1))
    np.put_along_axis(rows, place, rng.beta(2.0, 1.0, (trials, n, 1)), axis=2)
    return (np.maximum(rows @ np.append(x, 1.0), 0.0) ** 2).sum(axis=1)


@seeds
@pytest.mark.parametrize("n", [2, 10, 64])
def test_second_moment_stays_below_its_bound(seed: int, n: int) -> None:
    rng = np.random.default_rng([seed, n])
    for x in (np.ones(n), np.eye(n)[0], np.abs(rng.standard_normal(n)), np.zeros(n)):
        square = rai_outputs(x, rai_constant(), 200_000 // n, rng)
        factor, stderr = square.mean() / (x @ x + 1), square.std() / math.sqrt(len(square)) / (x @ x + 1)
        assert factor + 5 * stderr < rai_second_moment_bound(rai_constant())
        assert factor > 0.25  # the bound is of the right order


@seeds
def test_one_unit_exactly(seed: int) -> None:
    """With sigma = 0 the output is the Beta entry times its input: E = mu2 (|x|^2 + 1) n/(n + 1)."""
    x = np.array([1.0, 2.0, 0.5])
    square = rai_outputs(x, 0.0, 100_000, np.random.default_rng([seed, 1]))
    stderr = square.std() / math.sqrt(len(square))
    assert_agrees(square.mean(), stderr, rai_second_moment_bound(0.0) * (x @ x + 1) * 3 / 4)
    assert_refutes(square.mean(), stderr, rai_second_moment_bound(0.0) * (x @ x + 1))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, 1e9, "2", None])
def test_refuses(value) -> None:
    with pytest.raises(InvalidArgumentError, match="`a` must"):
        rai_constant(a=value)
    with pytest.raises(InvalidArgumentError, match="`b` must"):
        beta_moments(1.0, value)
    if value != 0.0:
        with pytest.raises(InvalidArgumentError, match="`sigma` must"):
            rai_second_moment_bound(value)

"""Survival along the conditioned chain against networks that may die, known numbers and exact cases."""

import numpy as np
import pytest
from scipy.special import ndtr

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos, sparse_design
from neurondeath_theory.gaussian_limit.sparse_survival import safe_width, sparse_survival
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from tests.references.statistical import assert_agrees, assert_refutes, seeds

DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


def unconditioned(design, width, depth, n_networks, seed):
    """Chains that may die: share alive, share with a gradient, and the wrong product along the free chain."""
    rng = np.random.default_rng((seed, 7))
    q = np.full(n_networks, design.q)
    alive, gradient = np.ones(n_networks, dtype=bool), np.ones(n_networks, dtype=bool)
    product = np.ones(n_networks)
    shares = []
    for _ in range(depth):
        u = np.sqrt(q)[:, None] * rng.standard_normal((n_networks, width))
        alive &= (design.activation(u) != 0).any(axis=1)
        gradient &= (design.activation.derivative(u) != 0).any(axis=1)
        product *= 1 - ndtr(design.tau / np.sqrt(np.maximum(q, 1e-300))) ** width
        shares.append((alive.mean(), gradient.mean(), product.mean()))
        q = design.sigma_w2 * (design.activation(u) ** 2).mean(axis=1) + design.sigma_b2
    return np.array(shares).T


def test_known_survival():
    result = sparse_survival(DESIGN, 10, 20, n_paths=40_000, seed=1)
    assert result.survival[4] == pytest.approx(0.304, abs=0.0005 + 5 * result.error[4])
    assert result.survival[19] == pytest.approx(0.0107, abs=0.00005 + 5 * result.error[19])
    assert result.error[4] < 0.001
    free = unconditioned(DESIGN, 10, 20, 30_000, 1)[2]
    assert free[4] == pytest.approx(0.24, abs=0.008)
    assert free[19] == pytest.approx(0.003, abs=0.0006)


@seeds
@pytest.mark.parametrize(
    ("design", "width"),
    [(DESIGN, 8), (sparse_design("clipped-soft-threshold", 0.85, v_prime=0.7), 5), (sparse_design("relu", 0.5), 2)],
    ids=["clipped-shifted-relu", "clipped-soft-threshold", "relu"],
)
def test_against_networks_that_die(design, width, seed):
    n_networks = 100_000
    result = sparse_survival(design, width, 4, n_paths=40_000, seed=seed)
    alive, gradient, _ = unconditioned(design, width, 4, n_networks, seed)
    for got, error, share in (
        (result.survival, result.error, alive),
        (result.gradient_survival, result.gradient_error, gradient),
    ):
        spread = np.hypot(error, np.sqrt(share * (1 - share) / n_networks))
        assert_agrees(got, spread, share)
        assert_refutes(got, spread, 0.95 * share)


def test_first_layer_is_exact():
    result = sparse_survival(DESIGN, 10, 1, n_paths=10)
    assert result.survival[0] == pytest.approx(1 - 0.85**10, rel=1e-12)
    clipped = ndtr(DESIGN.tau + DESIGN.m) - ndtr(DESIGN.tau)
    assert result.gradient_survival[0] == pytest.approx(1 - (1 - clipped) ** 10, rel=1e-12)
    assert result.error[0] == pytest.approx(0.0, abs=1e-12)


def test_relu_is_the_rectifier_product():
    result = sparse_survival(sparse_design("relu", 0.5), 3, 6, n_paths=500)
    expected = (1 - 2.0**-3) ** np.arange(1, 7)
    np.testing.assert_allclose(result.survival, expected, rtol=1e-12)
    np.testing.assert_allclose(result.gradient_survival, expected, rtol=1e-12)
    np.testing.assert_allclose(result.at_fixed_variance, expected, rtol=1e-12)


def test_never_zero_activations_never_die():
    phi = PiecewiseLinear([-1.0, 1.0], [0.1, 1.0, 0.1], 0.1)
    design = edge_of_chaos(phi, 1.0)
    result = sparse_survival(design, 1, 5, n_paths=100)
    np.testing.assert_allclose(result.survival, 1.0, rtol=1e-14)


def test_wide_networks_follow_the_fixed_variance():
    design = sparse_design("clipped-shifted-relu", 0.99, v_prime=0.5)
    result = sparse_survival(design, 1500, 6, n_paths=60)
    np.testing.assert_allclose(result.survival, result.at_fixed_variance, rtol=1e-5)


def test_safe_width():
    design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.5)
    found = safe_width(design, 10, survival=0.95)
    enough = sparse_survival(design, found.width, 10, n_paths=2000, seed=9)
    narrow = sparse_survival(design, found.width // 2, 10, n_paths=2000, seed=9)
    assert min(enough.survival[-1], enough.gradient_survival[-1]) > 0.94
    assert min(narrow.survival[-1], narrow.gradient_survival[-1]) < 0.95
    assert "die too often" in str(found)
    unclipped = safe_width(sparse_design("shifted-relu", 0.85), 15, survival=0.9)
    assert "leaves q* too often" in str(unclipped)
    assert unclipped.width > found.width


def test_result_surface():
    result = sparse_survival(DESIGN, 10, 3, n_paths=100)
    assert list(result.to_dataframe().columns)[:3] == ["depth", "survival", "error"]
    assert str(result).startswith("P(alive through 3 layers of width 10) = ")


@pytest.mark.parametrize(("name", "value"), [("width", 0), ("depth", -1), ("n_paths", 1), ("seed", 0.5)])
def test_bad_arguments(name, value):
    arguments = {"width": 3, "depth": 2} | {name: value}
    with pytest.raises(InvalidArgumentError, match=f"`{name}` must"):
        sparse_survival(DESIGN, **arguments)
    with pytest.raises(InvalidArgumentError, match="`design` must be"):
        sparse_survival("design", 3, 2)

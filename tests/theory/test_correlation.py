"""Correlation and covariance maps against quadrature in high precision, exact identities and the rate at the edge."""

import math
from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit import bivariate_moments
from neurondeath_theory.gaussian_limit import moments as gaussian_moments
from neurondeath_theory.gaussian_limit.bivariate_moments import ROWS_PER_PASS, mean_product, mean_slope_product
from neurondeath_theory.gaussian_limit.correlation import (
    correlation_map,
    correlation_rate,
    correlation_slope,
    correlation_trajectory,
    covariance_map,
    depth_scales,
)
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos, sparse_design
from neurondeath_theory.gaussian_limit.fixed_points import fixed_points
from neurondeath_theory.networks.activations import (
    absolute_value,
    clipped_shifted_relu,
    clipped_soft_threshold,
    hard_tanh,
    identity,
    leaky_relu,
    relu,
    shifted_relu,
    soft_threshold,
)
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from tests.references.gaussian_reference import product_expectation
from tests.references.statistical import assert_agrees, assert_refutes, seeds

ZIGZAG = PiecewiseLinear([-1.0, 0.5, 2.0], [0.3, -1.0, 2.0, -0.2], 0.4)
ACTIVATIONS = [
    relu(),
    leaky_relu(),
    hard_tanh(),
    shifted_relu(1.0),
    soft_threshold(1.0),
    clipped_shifted_relu(1.0, 1.0),
    ZIGZAG,
]
DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
CASES = [
    (clipped_shifted_relu(1.0, 1.0), 1.0, 1.0, 0.3),
    (clipped_shifted_relu(1.0, 1.0), 1.0, 1.3, 0.9999),
    (clipped_shifted_relu(1.0, 1.0), 0.02, 0.02, 0.3),  # far in the tail: the integral
    (clipped_soft_threshold(1.0, 0.01), 1.0, 1.0, 0.95),  # narrow: the integral
    (clipped_soft_threshold(30.0, 0.01), 1e3, 1e3, 0.6),
    (clipped_shifted_relu(1.0, 0.001), 1e3, 1e3, -0.9999),
    (clipped_shifted_relu(1.0, 0.001), 1.0, 1.0, 1 - 1e-8),
    (ZIGZAG, 1.0, 2.0, -0.6),
    (ZIGZAG, 1.0, 1.0, 1 - 1e-8),
    (shifted_relu(-0.5), 1.0, 1.3, -0.95),
    (hard_tanh(), 1e3, 1e3, 0.9999),
]


@pytest.mark.parametrize(("activation", "q1", "q2", "rho"), CASES)
@pytest.mark.parametrize("slopes", [False, True])
def test_products_against_quadrature(activation, q1, q2, rho, slopes):
    with mp.workdps(26):
        exact = product_expectation(activation, q1, q2, rho, slopes=slopes)
    got = (bivariate_moments.mean_slope_product if slopes else bivariate_moments.mean_product)(activation, q1, q2, rho)
    moment = gaussian_moments.slope_second_moment if slopes else gaussian_moments.second_moment
    scale = np.sqrt(float(moment(activation, q1)) * float(moment(activation, q2)))
    assert abs(float(got) - float(exact)) < 1e-12 * scale


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_both_routes_agree(activation, monkeypatch):
    """The closed form with Owen's T and the integral of Plackett's kind share no formula."""
    rho = np.array([-1.0, -0.97, -0.3, 0.0, 0.2, 0.9, 0.999, 1.0 - 1e-9])
    for product in (bivariate_moments.mean_product, bivariate_moments.mean_slope_product):
        for q1, q2 in ((1.0, 1.0), (0.7, 1.9)):
            closed = product(activation, q1, q2, rho)
            with monkeypatch.context() as patch:
                patch.setattr(bivariate_moments, "LARGEST_LOSS", -1.0)
                integral = product(activation, q1, q2, rho)
            np.testing.assert_allclose(closed, integral, atol=2e-12, rtol=0)


def test_relu_is_the_arc_cosine_kernel():
    theta = np.linspace(0.0, np.pi, 41)
    expected = (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi
    np.testing.assert_allclose(correlation_map(relu(), np.cos(theta), 1.0, 2.0), expected, atol=1e-14)
    np.testing.assert_allclose(correlation_slope(relu(), np.cos(theta), 1.0, 2.0), (np.pi - theta) / np.pi, atol=1e-14)


def test_identity_and_absolute_value():
    rho = np.linspace(-1.0, 1.0, 21)
    np.testing.assert_allclose(correlation_map(identity(), rho), rho, atol=1e-15)
    expected = 2 / np.pi * (np.sqrt(1 - rho**2) + rho * np.arcsin(rho))
    np.testing.assert_allclose(correlation_map(absolute_value(), rho), expected, atol=1e-14)


@pytest.mark.parametrize("activation", [*ACTIVATIONS, clipped_soft_threshold(1.0, 0.01)], ids=str)
def test_ends_of_the_map(activation):
    assert correlation_map(activation, 1.0, 1.3, 2.0, 0.1) == pytest.approx(1.0, abs=1e-13)
    assert correlation_slope(activation, 1.0, 1.3, 2.0, 0.0) == pytest.approx(
        float(
            1.3
            * gaussian_moments.slope_second_moment(activation, 1.3)
            / gaussian_moments.second_moment(activation, 1.3)
        ),
        rel=1e-12,
    )
    flat = float(gaussian_moments.mean(activation, 1.3)) ** 2
    assert bivariate_moments.mean_product(activation, 1.3, 1.3, 0.0) == pytest.approx(flat, abs=1e-14)


def test_price_theorem():
    rho, h = np.array([-0.5, 0.3, 0.8]), 1e-5
    for activation in (ZIGZAG, clipped_shifted_relu(0.5, 1.0)):
        up, down = (bivariate_moments.mean_product(activation, 1.2, 0.8, rho + s * h) for s in (1, -1))
        slope = np.sqrt(1.2 * 0.8) * bivariate_moments.mean_slope_product(activation, 1.2, 0.8, rho)
        np.testing.assert_allclose((up - down) / (2 * h), slope, atol=1e-9)
        up, down = (bivariate_moments.mean_slope_product(activation, 1.2, 0.8, rho + s * h) for s in (1, -1))
        bend = bivariate_moments.slope_product_derivative(activation, 1.2, 0.8, rho)
        np.testing.assert_allclose((up - down) / (2 * h), bend, atol=1e-9)


def test_expansion_near_one_and_rate():
    """The remainder of the expansion is of second order; 1 - rho_l l^2 tends to 9 / A^2."""
    a = correlation_rate(DESIGN.activation, DESIGN.q, DESIGN.sigma_w2)
    parameters = (DESIGN.q, DESIGN.sigma_w2, DESIGN.sigma_b2)
    x = np.array([1e-3, 1e-4, 1e-5])
    remainder = 1 - correlation_map(DESIGN.activation, 1 - x, *parameters) - x + 2 / 3 * a * x**1.5
    assert (np.abs(remainder) < 5 * x**2).all()
    assert (2 / 3 * a * x**1.5 > 10 * np.abs(remainder)).all()
    path = correlation_trajectory(DESIGN.activation, 0.0, 1000, *parameters)
    scaled = (1 - path[-1]) * 1000**2 * a**2 / 9
    assert scaled == pytest.approx(1.0, abs=0.04)
    assert abs(scaled - 1) < abs((1 - path[300]) * 300**2 * a**2 / 9 - 1)


@pytest.mark.parametrize("activation", [ZIGZAG, absolute_value(), clipped_shifted_relu(1.0, 1.0)], ids=str)
def test_rate_is_the_limit_of_the_curvature(activation):
    """R'' -> A / (2 sqrt(1 - rho)); the next term is smaller by sqrt(1 - rho)."""
    design = edge_of_chaos(activation, 1.2)
    x = 1e-10
    bend = design.sigma_w2 * float(bivariate_moments.slope_product_derivative(activation, 1.2, 1.2, 1 - x))
    assert 2 * np.sqrt(x) * bend == pytest.approx(correlation_rate(activation, 1.2, design.sigma_w2), rel=1e-6)


def test_relu_rate():
    path = correlation_trajectory(relu(), 0.0, 2000, 1.0, 2.0)
    assert (1 - path[-1]) * 2000**2 == pytest.approx(9 * np.pi**2 / 2, rel=0.03)


def test_geometric_approach_off_the_edge():
    phi = hard_tanh(1.0)
    for weight in (0.8, 4.0):  # ordered, chaotic
        q = fixed_points(phi, weight, 0.05).points[-1].q
        scales = depth_scales(phi, q, weight, 0.05)
        path = correlation_trajectory(phi, 0.3, 60, q, weight, 0.05)
        gaps = np.abs(path - scales.correlation)
        layer = int(np.flatnonzero(gaps > 1e-8)[-1])
        assert np.log(gaps[layer - 1] / gaps[layer]) == pytest.approx(1 / scales.correlation_scale, rel=1e-3)
    assert scales.chi1 > 1.0 > scales.correlation


@seeds
def test_fully_connected_covariance_by_sampling(seed):
    covariance = np.array([[1.0, 0.4, -0.6], [0.4, 2.0, 0.1], [-0.6, 0.1, 0.7]])
    u = np.linalg.cholesky(covariance) @ np.random.default_rng(seed).standard_normal((3, 1_000_000))
    values = DESIGN.activation(u)
    rows, columns = np.triu_indices(3)
    products = DESIGN.sigma_w2 * values[rows] * values[columns] + DESIGN.sigma_b2
    got = covariance_map(DESIGN.activation, covariance, DESIGN.sigma_w2, DESIGN.sigma_b2)[rows, columns]
    error = products.std(axis=1) / np.sqrt(products.shape[1])
    assert_agrees(products.mean(axis=1), error, got)
    assert_refutes(products.mean(axis=1), error, covariance[rows, columns])


@pytest.mark.parametrize("phi", [relu(), leaky_relu(0.3), absolute_value(), PiecewiseLinear([0.0], [0.2, 1.5], 0.4)])
@pytest.mark.parametrize("n", [1, ROWS_PER_PASS - 1, ROWS_PER_PASS, 2 * ROWS_PER_PASS + 1])
def test_covariances_by_blocks_of_rows(phi, n):
    """The matrix, computed by blocks of its upper half, is that of its entries, and exactly symmetric."""
    points = np.random.default_rng(n).standard_normal((n, 7)) * 10.0 ** np.linspace(-100, 100, n)[:, None]
    points[n // 2] = 0.0
    covariance = points @ points.T
    got = covariance_map(phi, covariance, 1.5, 0.1)
    q, size = np.diag(covariance), np.linalg.norm(points, axis=1)
    scale = np.outer(size, size)
    rho = np.clip(np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0.0), -1.0, 1.0)
    expected = 1.5 * mean_product(phi, q[:, None], q, rho) + 0.1
    off = ~np.eye(n, dtype=bool)
    np.testing.assert_allclose(got[off], expected[off], rtol=1e-12, atol=0.0)
    assert np.array_equal(got, got.T)
    spoilt = covariance.copy()
    spoilt[0, -1] += 1e-3 * scale.max()
    if n > 1:
        with pytest.raises(InvalidArgumentError, match=r"symmetric|beyond 1"):
            covariance_map(phi, spoilt)


def test_covariance_of_coinciding_and_zero_points():
    got = covariance_map(relu(), [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], 2.0, 0.5)
    np.testing.assert_allclose(got, [[1.5, 1.5, 0.5], [1.5, 1.5, 0.5], [0.5, 0.5, 0.5]], atol=1e-14)


@pytest.mark.parametrize(
    ("matrix", "rule"),
    [
        ([[1.0, 0.2]], "square"),
        ([[1.0, 0.2], [0.3, 1.0]], "symmetric"),
        ([[1.0, 1.2], [1.2, 1.0]], "no correlation beyond 1"),
        ([[-1.0]], "diagonal"),
        ([[np.nan]], "finite"),
        ([], "square"),
    ],
)
def test_bad_covariances(matrix, rule):
    with pytest.raises(InvalidArgumentError, match=rule):
        covariance_map(relu(), matrix)


def test_bad_correlations():
    for bad in (1.5, np.nan, "x"):
        with pytest.raises(InvalidArgumentError, match="`correlation`"):
            correlation_map(relu(), bad)
    with pytest.raises(InvalidArgumentError, match="fixed point"):
        depth_scales(hard_tanh(), 1.0, 4.0, 0.05)


@pytest.mark.parametrize(("left", "right", "offset"), [(0, 1, 0), (0.2, 1, 0), (-1, 1, 0.3), (2, -0.5, -1)])
@pytest.mark.parametrize("rho", [-1.0, -0.999, -0.3, 0.0, 0.7, 0.999999, 1.0])
def test_a_single_kink_at_zero_has_arc_cosine_kernels(left, right, offset, rho):
    """Compare with one integral over u1, whose integrand is the mean over u2 given u1."""
    phi = PiecewiseLinear(kinks=(0.0,), slopes=(left, right), value_at_zero=offset)
    first, second, rest = 1.5, 0.4, math.sqrt(1.0 - rho * rho)

    def integrand(z):
        u, mean = first * z, second * rho * z
        spread = second * rest
        above = mean * ndtr(mean / spread) + spread * norm.pdf(mean / spread) if spread else max(mean, 0.0)
        value = offset + left * mean + (right - left) * above
        return norm.pdf(z) * (offset + (right if u > 0 else left) * u) * value

    edges = [-12.0, -0.01, 0.0, 0.01, 12.0]  # for correlations near 1 the mean over u2 bends sharply at 0
    exact = sum(quad(integrand, low, high, epsabs=1e-15)[0] for low, high in pairwise(edges))
    assert mean_product(phi, first**2, second**2, rho) == pytest.approx(exact, rel=1e-12, abs=1e-14)
    step = 1e-6
    if abs(rho) < 0.9:
        ahead, behind = (float(mean_product(phi, first**2, second**2, rho + side)) for side in (step, -step))
        slope = (ahead - behind) / (2 * step * first * second)
        assert mean_slope_product(phi, first**2, second**2, rho) == pytest.approx(slope, abs=1e-8)

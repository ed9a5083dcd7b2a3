"""Moments of piecewise-linear activations against split quadrature in high precision, and against each other."""

import time

import numpy as np
import pytest
from mpmath import mp, mpf

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit import moments
from neurondeath_theory.gaussian_limit.variance import (
    activation_sparsity,
    chi1,
    chi1_slope,
    step_variance,
    variance_curvature,
    variance_map,
    variance_slope,
)
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
from tests.references.gaussian_reference import expectation
from tests.references.statistical import assert_agrees, assert_refutes, seeds

ZIGZAG = PiecewiseLinear([-1.0, 0.5, 2.0], [0.3, -1.0, 2.0, -0.2], 0.4)  # changes sign, not monotone, phi(0) != 0
ACTIVATIONS = [
    relu(),
    leaky_relu(),
    absolute_value(),
    hard_tanh(),
    shifted_relu(1.0),
    shifted_relu(-0.5),
    soft_threshold(1.0),
    clipped_shifted_relu(1.0, 1.0),
    clipped_shifted_relu(30.0, 0.01),
    clipped_shifted_relu(-0.3, 0.01),
    clipped_soft_threshold(30.0, 0.01),
    ZIGZAG,
]
VARIANCES = [1e-2, 2.3, 1e3]


@pytest.fixture(autouse=True)
def precision():
    with mp.workdps(24):
        yield


def relative(got, exact, size):
    return float(abs(mpf(float(got)) - exact) / size)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("q", VARIANCES)
def test_value_moments(activation, q):
    for got, power in ((moments.second_moment, 2), (moments.fourth_moment, 4)):
        exact = expectation(activation, q, lambda value, slope, z, power=power: value**power)
        if exact > 1e-280:
            assert relative(got(activation, q), exact, exact) < 1e-12


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("q", [1e3])
def test_mean_and_slope_moments(activation, q):
    for got, function in (
        (moments.mean, lambda value, slope, z: value),
        (moments.mean_slope, lambda value, slope, z: slope),
        (moments.slope_second_moment, lambda value, slope, z: slope**2),
    ):
        exact = expectation(activation, q, function)
        size = expectation(activation, q, lambda value, slope, z, function=function: abs(function(value, slope, z)))
        assert relative(got(activation, q), exact, size) < 1e-12


@pytest.mark.parametrize("activation", [shifted_relu(1.0), clipped_soft_threshold(0.8, 0.9)], ids=str)
def test_derivatives_of_quadrature(activation):
    """Numerical differentiation of the quadrature in q, which does not use Hermite polynomials."""
    q = 1.3
    for order in (1, 2):
        value = mp.diff(lambda v: expectation(activation, v, lambda f, s, z: f * f), q, order, h=mpf(10) ** -8)
        slope = mp.diff(lambda v: expectation(activation, v, lambda f, s, z: s * s), q, order, h=mpf(10) ** -8)
        assert relative(moments.second_moment_derivative(activation, q, order), value, 1) < 1e-10
        assert relative(moments.slope_second_moment_derivative(activation, q, order), slope, 1) < 1e-10


def test_textbook_forms_of_clipped_units():
    """Closed forms of V', V'', chi_1' of (C)ReLU and (C)ST, with c = 1 and 2."""
    tau, m, q = 0.7, 1.1, 1.7
    a, b = tau / np.sqrt(q), (tau + m) / np.sqrt(q)
    from scipy.stats import norm

    for c, phi in ((1, clipped_shifted_relu(tau, m)), (2, clipped_soft_threshold(tau, m))):
        mass = norm.cdf(b) - norm.cdf(a)
        np.testing.assert_allclose(chi1(phi, q), c * mass, rtol=1e-14)
        np.testing.assert_allclose(variance_slope(phi, q), c * (mass - m / np.sqrt(q) * norm.pdf(b)), rtol=1e-13)
        bend = tau * norm.pdf(a) - (tau + m * (tau + m) ** 2 / q) * norm.pdf(b)
        np.testing.assert_allclose(variance_curvature(phi, q), c * bend / (2 * q**1.5), rtol=1e-12)
        bend = tau * norm.pdf(a) - (tau + m) * norm.pdf(b)
        np.testing.assert_allclose(chi1_slope(phi, q), c * bend / (2 * q**1.5), rtol=1e-12)
        sparsity = norm.cdf(a) if c == 1 else 2 * norm.cdf(a) - 1
        np.testing.assert_allclose(activation_sparsity(phi, q), sparsity, rtol=1e-13)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_slope_differs_from_gain_by_the_kinks(activation):
    q = np.geomspace(0.1, 1e4, 7)
    kinks, jumps, values = (np.array(x) for x in (activation.kinks, activation.jumps, activation.kink_values))
    density = np.exp(-(kinks**2) / (2 * q[:, None])) / np.sqrt(2 * np.pi * q[:, None])
    difference = (jumps * values * density).sum(axis=1)
    got = variance_slope(activation, q) - chi1(activation, q)
    np.testing.assert_allclose(got, difference, rtol=1e-9, atol=1e-13)


def test_limits():
    q = np.array([1e-120, 1e-5, 1.0, 3.0, 1e5, 1e120])
    np.testing.assert_allclose(moments.second_moment(shifted_relu(1e-140), q), q / 2, rtol=1e-14)
    np.testing.assert_allclose(moments.second_moment(identity(), q), q, rtol=1e-14)
    far = clipped_shifted_relu(1.0, 1e9)
    np.testing.assert_allclose(moments.second_moment(far, q[1:5]), moments.second_moment(shifted_relu(1.0), q[1:5]))
    assert variance_map(ZIGZAG, 0.0, 1.0, 0.0) == pytest.approx(0.16, rel=1e-14)
    assert variance_map(relu(), 0.0) == 0.0


def test_pieces_describe_the_function():
    for activation in ACTIVATIONS:
        for piece in moments.pieces(activation):
            assert piece.value * piece.slope >= 0.0
            assert piece.left >= 0.0 or piece.right <= 0.0
            x = piece.left + 0.3 * min(piece.right - piece.left, 1.0) if np.isfinite(piece.left) else piece.right - 1.0
            here = float(activation(piece.direction * x))
            assert here == pytest.approx(piece.value + piece.slope * (x - piece.left), rel=1e-12, abs=1e-14)


def test_plain_gauss_hermite_is_no_reference():
    """Kinks spoil Gauss-Hermite: double-digit percent errors of chi_1 at q = tau = m = 1, even at degree 200."""
    phi = clipped_shifted_relu(1.0, 1.0)
    exact = float(chi1(phi, 1.0))
    errors = []
    for degree in (25, 50, 100, 200):
        nodes, weights = np.polynomial.hermite_e.hermegauss(degree)
        errors.append(abs(np.sum(weights * phi.derivative(nodes) ** 2) / np.sqrt(2 * np.pi) / exact - 1))
    np.testing.assert_allclose(errors, [0.16, 0.28, 0.05, 0.19], atol=0.006)


@seeds
def test_step_variance_by_sampling(seed):
    phi, n = clipped_shifted_relu(1.0, 1.0), 2_000_000
    squares = phi(np.random.default_rng(seed).standard_normal(n)) ** 2
    centred = (squares - squares.mean()) ** 2
    error = centred.std() / np.sqrt(n)
    assert_agrees(centred.mean(), error, step_variance(phi, 1.0))
    assert_refutes(centred.mean(), error, moments.fourth_moment(phi, 1.0))


def test_million_evaluations_take_less_than_a_second():
    q = np.geomspace(1e-3, 1e4, 10**6)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        variance_map(clipped_soft_threshold(1.0, 1.0), q, 2.0, 0.1)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.0


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "1", [1.0, -2.0], True])
def test_bad_variances_are_named(bad):
    with pytest.raises(InvalidArgumentError, match=r"`q` must"):
        variance_map(relu(), bad)
    with pytest.raises(InvalidArgumentError, match=r"`sigma_w2` must"):
        variance_map(relu(), 1.0, bad)


def test_bad_activation_is_named():
    with pytest.raises(InvalidArgumentError, match=r"`activation` must be a PiecewiseLinear"):
        variance_map(np.tanh, 1.0)
    with pytest.raises(InvalidArgumentError, match="above 0"):
        variance_slope(relu(), 0.0)

"""The parts of a layer: scaling by powers of two is exact, and constants are scaled with it."""

import numpy as np
import pytest

from neurondeath.simulations.kernels.batch_normalisation import centre, normalise
from neurondeath.simulations.kernels.layers import activate, add_branch, products, rescale, set_constants
from neurondeath.simulations.kernels.packed_arguments import Activation, Columns, Parameters
from neurondeath_theory.networks.activations import clipped_soft_threshold
from neurondeath_theory.networks.network_bounds import activation_table

SIZES = np.array([0.0, 1.0, 2.0**-40, 2.0**40, 2.0**-10, 2.0**-100])


@pytest.mark.parametrize("constant", [0.0, 1.0])
@pytest.mark.parametrize("exponent", [0, 7])
def test_rescale(constant, exponent):
    x = np.vstack([SIZES, -SIZES / 4])
    exponents = np.full(6, exponent)
    of_points, constants = np.full(6, constant), np.zeros(6)
    set_constants(constants, of_points, exponents)
    assert (constants == constant * 2.0**-exponent).all()
    before = np.ldexp(x, exponents)
    peak = SIZES.copy()
    rescale(Columns(x, exponents, constants, peak), of_points, 2)
    np.testing.assert_array_equal(np.ldexp(x, exponents), before)
    np.testing.assert_array_equal(constants, np.ldexp(of_points, -exponents))
    np.testing.assert_array_equal(peak, np.abs(x).max(axis=0))
    assert exponents[0] == 0  # a column of zeros is not scaled
    assert exponents[1] == exponent
    assert 0.5 <= abs(x[0, 3]) < 1
    assert constants.max() <= 1  # never scaled up beyond a constant of 1
    assert (exponents[2] == exponent) if constant else (0.5 <= abs(x[0, 2]) < 1)


def test_add_branch():
    rng = np.random.default_rng(0)
    x, branch = rng.standard_normal((3, 6)), rng.standard_normal((3, 6))
    x[:, 1] = branch[:, 2] = x[:, 3] = branch[:, 3] = 0
    exponents, branch_exponents = np.array([0, 5, -900, 3, 40, -7]), np.array([0, -800, 0, -2, 37, 2])
    truth = [x[:, p] * 2.0 ** exponents[p] + branch[:, p] * 2.0 ** branch_exponents[p] for p in range(6)]
    peak, branch_peak, scratch = np.abs(x).max(axis=0), np.abs(branch).max(axis=0), np.zeros((3, 6))
    stream = Columns(x, exponents, scratch[0], peak)
    add_branch(stream, Columns(branch, branch_exponents, scratch[0], branch_peak), scratch[1], scratch[2], 3)
    np.testing.assert_allclose(np.ldexp(x, exponents).T, truth, rtol=1e-15)
    np.testing.assert_array_equal(peak, np.abs(x).max(axis=0))
    assert np.abs(x[:, [0, 1, 2, 4, 5]]).max(axis=0).min() > 1e-3  # no overflow or underflow


@pytest.mark.parametrize("fan_in", [1, 3, 4, 5, 11])
def test_products(fan_in):
    rng = np.random.default_rng(fan_in)
    weights, biases, x, constants = (rng.standard_normal(n) for n in (2 * fan_in, 2, fan_in * 9, 9))
    z = np.full((4, 9), np.nan)
    products(z, x.reshape(fan_in, 9), constants, Parameters(weights, biases), 2, fan_in)
    truth = weights.reshape(2, fan_in) @ x.reshape(fan_in, 9) + np.outer(biases, constants)
    np.testing.assert_allclose(z[:2], truth, rtol=1e-13, atol=1e-13)
    assert np.isnan(z[2:]).all()


def test_the_activation_carries_the_scale_of_its_column():
    phi = clipped_soft_threshold(0.5, 1.0)
    z = np.tile(np.linspace(-3, 3, 41), (1, 1)).T * np.ones(3)
    scales = np.array([1.0, 2.0**-20, 2.0**-3])
    y, active, peak = np.empty_like(z), np.zeros(3, dtype=np.int64), np.zeros(3)
    activation = Activation(*(np.array(numbers) for numbers in activation_table(phi)))
    activate(y, z * scales, active, peak, scales, activation, 41)
    np.testing.assert_allclose(y, phi(z) * scales, atol=1e-15)
    assert active.tolist() == (phi(z) != 0).sum(axis=0).tolist()
    np.testing.assert_allclose(peak, scales)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_statistics(dtype):
    rng = np.random.default_rng(0)
    rows = np.array([np.full(7, 0.1), rng.standard_normal(7), [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3], np.zeros(7)])
    x = rows.astype(dtype)
    centre(x, 4)
    assert not x[0].any()  # constant, though 0.1 * 7 / 7 need not be 0.1
    np.testing.assert_allclose(x, rows - rows.mean(axis=1, keepdims=True), atol=1e-6 if dtype == "float32" else 1e-15)
    normalise(x, 4)
    np.testing.assert_allclose((x.astype(float) ** 2).mean(axis=1), [0, 1, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(x[2, 6], np.sqrt(6), rtol=1e-6)
    # a small spread on a large offset keeps its digits, and a point at the mean becomes exactly zero
    far = (2.0**20 + np.array([[0.0, 0.5, 1.0, 0.5, 0.125, 0.875]])).astype(dtype)
    centre(far, 1)
    assert far.tolist() == [[-0.5, 0.0, 0.5, 0.0, -0.375, 0.375]]
    thirds = np.array([[-0.3, 0.1, 0.5], [0.7, 0.1, -0.5]], dtype=dtype)
    centre(thirds, 2)
    assert not thirds[:, 1].any()
    assert thirds[:, [0, 2]].all()

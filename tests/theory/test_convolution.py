"""Convolution covariance maps against a plain double loop and against sampled finite networks."""

import itertools

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.bivariate_moments import mean_product
from neurondeath_theory.gaussian_limit.convolution import convolution_covariance_map, convolution_input_covariance
from neurondeath_theory.gaussian_limit.correlation import covariance_map
from neurondeath_theory.networks.activations import clipped_shifted_relu, clipped_soft_threshold, relu
from tests.references.statistical import assert_agrees, assert_refutes, seeds

PHI = clipped_shifted_relu(0.5, 1.0)
RNG = np.random.default_rng(5)


def random_covariance(*shape):
    size = int(np.prod(shape))
    factor = RNG.standard_normal((size, size + 2))
    return (factor @ factor.T / size).reshape(shape + shape)


def neighbours(place, beta, grid, padding):
    moved = tuple(p + b for p, b in zip(place, beta, strict=True))
    if padding == "circular":
        return tuple(p % n for p, n in zip(moved, grid, strict=True))
    return moved if all(0 <= p < n for p, n in zip(moved, grid, strict=True)) else None


@pytest.mark.parametrize("padding", ["circular", "zero"])
@pytest.mark.parametrize(("grid", "kernel"), [((5,), (3,)), ((4,), (2,)), ((3, 4), (3, 2)), ((2, 2), (5, 1))])
def test_against_the_definition(grid, kernel, padding):
    covariance = random_covariance(*grid)
    got = convolution_covariance_map(PHI, covariance, kernel, 3.0, 0.2, padding=padding)
    offsets = list(itertools.product(*(range(-((k - 1) // 2), k // 2 + 1) for k in kernel)))
    assert len(offsets) == np.prod(kernel)
    places = list(np.ndindex(*grid))
    for here, there in itertools.product(places, repeat=2):
        total = 0.0
        for beta in offsets:
            a, b = neighbours(here, beta, grid, padding), neighbours(there, beta, grid, padding)
            if a is not None and b is not None:
                va, vb = covariance[a + a], covariance[b + b]
                rho = np.clip(covariance[a + b] / np.sqrt(va * vb), -1.0, 1.0)
                total += float(mean_product(PHI, va, vb, rho))
        assert got[here + there] == pytest.approx(3.0 * total / len(offsets) + 0.2, rel=1e-11)


def test_kernel_of_one_is_fully_connected():
    covariance = random_covariance(3, 2)
    flat = covariance_map(PHI, covariance.reshape(6, 6), 2.0, 0.1)
    np.testing.assert_allclose(convolution_covariance_map(PHI, covariance, (1, 1), 2.0, 0.1).reshape(6, 6), flat)


def test_circular_padding_commutes_with_translations_and_zero_padding_does_not():
    covariance = random_covariance(5)
    for padding, equal in (("circular", True), ("zero", False)):
        moved = convolution_covariance_map(PHI, np.roll(covariance, (2, 2), (0, 1)), (3,), 2.0, padding=padding)
        after = np.roll(convolution_covariance_map(PHI, covariance, (3,), 2.0, padding=padding), (2, 2), (0, 1))
        assert np.allclose(moved, after, atol=1e-13) is equal


def test_images_keep_their_axis():
    covariance = random_covariance(2, 4)
    got = convolution_covariance_map(PHI, covariance, (3,), 2.0, padding="zero")
    assert got.shape == (2, 4, 2, 4)
    alone = convolution_covariance_map(PHI, covariance[0, :, 0], (3,), 2.0, padding="zero")
    np.testing.assert_allclose(got[0, :, 0], alone, rtol=1e-13)


@pytest.mark.parametrize("padding", ["circular", "zero"])
@seeds
def test_sampled_networks(padding, seed):
    """Two random convolutions with 2 channels: the covariance of the second is exact at any width."""
    n_networks, channels, length, k = 40_000, 2, 5, 3
    phi = clipped_soft_threshold(0.3, 1.0)
    rng = np.random.default_rng(seed)
    image = rng.standard_normal((1, 3, length))
    first = convolution_input_covariance(image, (k,), 1.7, 0.3, padding=padding)[0, :, 0]
    second = convolution_covariance_map(phi, first, (k,), 2.5, 0.2, padding=padding)

    def convolve(x, weight_variance, bias_variance, n_out):
        n, fan, _ = x.shape
        weights = rng.standard_normal((n, n_out, fan, k)) * np.sqrt(weight_variance / (k * fan))
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1)), mode="wrap" if padding == "circular" else "constant")
        total = np.sqrt(bias_variance) * rng.standard_normal((n, n_out, 1))
        for step in range(k):
            total = total + np.einsum("noc,ncl->nol", weights[..., step], padded[..., step : step + length])
        return total

    hidden = convolve(np.repeat(image, n_networks, axis=0), 1.7, 0.3, channels)
    output = convolve(phi(hidden), 2.5, 0.2, 1)[:, 0]
    for values, expected in ((hidden[:, 0], first), (output, second)):
        products = values[:, :, None] * values[:, None, :]
        error = products.std(axis=0) / np.sqrt(n_networks)
        assert_agrees(products.mean(axis=0), error, expected)
    wrong = convolution_covariance_map(phi, first, (1,), 2.5, 0.2, padding=padding)
    assert_refutes(products.mean(axis=0), error, wrong)


def test_bad_shapes():
    with pytest.raises(InvalidArgumentError, match="`covariance` must have shape"):
        convolution_covariance_map(relu(), np.eye(4), (3, 3))
    with pytest.raises(InvalidArgumentError, match="`kernel` must have one or two"):
        convolution_covariance_map(relu(), np.eye(4), (3, 3, 3))
    with pytest.raises(InvalidArgumentError, match="`padding` must be one of"):
        convolution_covariance_map(relu(), np.eye(4), (3,), padding="same")
    with pytest.raises(InvalidArgumentError, match="`images` must have shape"):
        convolution_input_covariance(np.zeros((2, 3)), (3,))

"""The kernel of the noise against a plain twin, and the distribution of what it adds."""

import numpy as np
import pytest
from scipy import stats

from neurondeath.simulations.counter_random import philox
from neurondeath.simulations.kernels.packed_arguments import Position
from neurondeath.simulations.kernels.weight_noise import (
    CHUNK_SIZE,
    add_noise_to_units,
    add_noise_where_nonzero,
    fill_words,
    pairs_from_words,
)
from tests.references.statistical import assert_agrees, assert_refutes, seeds

KEY = (123456789, 987654321)


def position(layer=2, step=5):
    return Position((np.uint64(KEY[0]), np.uint64(KEY[1])), layer, step, np.uint64(0))


def twin(count, layer=2, step=5):
    """Compute the normals of a layer at a step in double precision."""
    n_words = -(-count // 2)
    blocks = -(-n_words // 4)
    counters = np.array([[block, layer, step, 0] for block in range(blocks)])
    words = philox(counters, KEY).reshape(-1)[:n_words]
    radius = np.sqrt(-2 * np.log(((words >> 16) + 0.5) / 2**16))
    low = (words & 0xFFFF).astype(np.uint16).view(np.int16).astype(int)
    angle = ((low >> 2) + 0.5) * np.pi / 2**15
    radius = np.where(low & 2, -radius, radius)
    first, second = radius * np.cos(angle), radius * np.sin(angle)
    swap = (low & 1).astype(bool)
    return np.stack([np.where(swap, second, first), np.where(swap, first, second)], axis=1).reshape(-1)[:count]


def noise_on(shape, noisy, axis=0, span=None, scale=1.0):
    weights = np.zeros(shape, np.float32)
    run = int(np.prod(shape[axis + 1 :], dtype=int))
    flat = weights.reshape(-1)
    add_noise_to_units(flat, noisy, run, position(), span or (0, flat.size), np.float32(scale))
    return weights


@pytest.mark.parametrize("shape", [(70, 100), (61, 77), (5, 3, 3, 3), (1, 2 * CHUNK_SIZE + 10), (9, 1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_units_get_the_noise_of_the_twin(shape, axis):
    noisy = np.random.default_rng(1).random(shape[axis]) < 0.6
    noisy[-1] = True
    found = noise_on(shape, noisy, axis, scale=0.5)
    expected = 0.5 * twin(found.size).reshape(shape)
    expected *= noisy.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert (found != 0).sum() == noisy.sum() * found.size // shape[axis]


def test_spans_are_the_parts_of_one_noise():
    noisy = np.ones(10, bool)
    whole = noise_on((10, 1000), noisy)
    parts = noise_on((10, 1000), noisy, span=(0, CHUNK_SIZE)) + noise_on((10, 1000), noisy, span=(CHUNK_SIZE, 10_000))
    assert np.array_equal(whole, parts)


def test_entries_without_gradient_get_none():
    gradients = np.random.default_rng(2).integers(0, 2, 9001).astype(np.float32)
    weights = np.ones(9001, np.float32)
    add_noise_where_nonzero(weights, gradients, position(), (0, 9001), np.float32(2.0))
    np.testing.assert_allclose(weights - 1, 2.0 * twin(9001) * gradients, rtol=1e-5, atol=1e-5)


def test_steps_and_layers_have_streams_of_their_own():
    draws = []
    for layer, step in [(2, 5), (3, 5), (2, 6)]:
        words = np.empty(400, np.uint32)
        fill_words(words, position(layer, step), 0)
        draws.append(words)
    assert not (draws[0] == draws[1]).any()
    assert not (draws[0] == draws[2]).any()


def test_every_radius_and_angle_is_right():
    """All 2^16 values of the radius and all of the angle, in double precision."""
    halves = np.arange(2**16, dtype=np.uint32)
    words = np.concatenate([(halves << 16) | 12, (np.uint32(40000) << 16) | halves])
    out = np.empty(2 * words.size, np.float32)
    pairs_from_words(out, words, np.float32(1.0))
    radius = np.hypot(out[0::2].astype(float), out[1::2])
    np.testing.assert_allclose(radius, np.sqrt(-2 * np.log(((words >> 16) + 0.5) / 2**16)), rtol=1e-5)
    angles = np.arctan2(out[1::2], out[0::2])[2**16 :]
    assert np.unique(np.round(angles, 8)).size == 2**16
    gaps = np.diff(np.sort(angles))
    np.testing.assert_allclose(gaps, 2 * np.pi / 2**16, atol=2e-6)


@seeds
def test_the_noise_is_normal(seed):
    out = np.empty(1 << 20, np.float32)
    words = np.empty(out.size // 2, np.uint32)
    fill_words(words, Position((np.uint64(seed), np.uint64(7)), 0, 0, np.uint64(0)), 0)
    pairs_from_words(out, words, np.float32(1.0))
    x, n = out.astype(float), out.size
    for power, variance in [(1, 1), (2, 2), (3, 15), (4, 96)]:
        truth = [0, 1, 0, 3][power - 1]
        assert_agrees(np.mean(x**power), np.sqrt(variance / n), truth)
    assert_refutes(np.mean(x**4), np.sqrt(96 / n), 3.1)
    assert_agrees(np.mean(x[0::2] * x[1::2]), np.sqrt(2 / n), 0.0)
    assert_agrees(np.mean((x[0::2] ** 2 - 1) * (x[1::2] ** 2 - 1)), np.sqrt(8 / n), 0.0)
    for edge in (-3.0, -0.5, 1.0, 2.5):
        share = stats.norm.cdf(edge)
        assert_agrees(np.mean(x < edge), np.sqrt(share * (1 - share) / n), share)
    assert_refutes(np.mean(x < 1.0), np.sqrt(0.13 / n), stats.norm.cdf(1.02))

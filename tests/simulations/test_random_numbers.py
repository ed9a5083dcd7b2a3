"""Random numbers: known answers, twins, distribution."""

import numpy as np
import pytest
from scipy import stats

from neurondeath.simulations.counter_random import normal_pairs, philox, stream_key, stream_normals, stream_words
from neurondeath.simulations.kernels.normals import fill_normals, normals_from_words
from neurondeath.simulations.kernels.packed_arguments import Counters, Position
from neurondeath.simulations.kernels.philox import philox_words
from tests.references.statistical import assert_agrees, assert_refutes, seeds

# Published known answers of Philox 4x32-10: Random123 (Salmon et al. 2011), file kat_vectors: counter, key, result.
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_known_answers(counter, key, answer):
    assert philox(counter, tuple(key)).tolist() == answer
    out = np.empty(4, np.uint32)
    first_block, *coordinates = (np.uint64(word) for word in counter)
    zero = np.zeros(1, np.uint32)
    position = Position((np.uint64(key[0]), np.uint64(key[1])), *coordinates)
    philox_words(out, Counters(zero, zero), position, first_block)
    assert out.tolist() == answer


def kernel_normals(key, count, *, first_block=0, layer=0, trial=0, purpose=0, scale=1.0):
    out, words = np.empty(count, np.float32), np.empty(count, np.uint32)
    counters = Counters(np.arange(count // 4, dtype=np.uint32), np.zeros(count // 4, np.uint32))
    position = Position((np.uint64(key[0]), np.uint64(key[1])), layer, trial, np.uint64(purpose))
    fill_normals(out, words, counters, count, position, first_block, np.float32(scale))
    return out, words


def test_kernel_agrees_with_its_twin():
    key = stream_key(7, "twin")
    out, words = kernel_normals(key, 1 << 18, layer=3, trial=5, purpose=1)
    assert np.array_equal(words, stream_words(key, 1 << 18, layer=3, trial=5, purpose=1))
    exact = stream_normals(key, 1 << 18, layer=3, trial=5, purpose=1)
    assert np.abs(out - exact).max() < 1e-6
    later, _ = kernel_normals(key, 64, first_block=100, layer=3, trial=5, purpose=1)
    assert np.array_equal(later, out[400:464])


def test_extreme_words_make_finite_normals():
    edge = np.array([0, 1, 2, 3, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1], dtype=np.uint32)
    words = np.array([[a, b] for a in edge for b in edge], dtype=np.uint32).reshape(-1)
    out = np.empty(words.size, np.float32)
    normals_from_words(out, words, np.float32(1))
    assert np.isfinite(out).all()
    assert (out != 0).all()
    assert np.abs(out).max() < 6.8
    np.testing.assert_allclose(out, normal_pairs(words), atol=1e-6)


def test_streams_differ_in_every_coordinate():
    key = stream_key(0, "task")
    base = stream_words(key, 8).tolist()
    others = [
        stream_words(key, 8, layer=1).tolist(),
        stream_words(key, 8, trial=1).tolist(),
        stream_words(key, 8, purpose=1).tolist(),
        stream_words(key, 8, variant=1).tolist(),
        stream_words(stream_key(1, "task"), 8).tolist(),
        stream_words(stream_key(0, "tasks"), 8).tolist(),
    ]
    assert all(base != other for other in others)
    assert stream_words(key, 5).tolist() == base[:5]


@seeds
def test_distribution(seed):
    n = 1 << 20
    z, _ = kernel_normals(stream_key(seed, "distribution"), n)
    z = z.astype(np.float64)
    moments = [np.mean(z**k) for k in (1, 2, 3, 4, 6)]
    stderr = [np.std(z**k) / np.sqrt(n) for k in (1, 2, 3, 4, 6)]
    assert_agrees(moments, stderr, [0, 1, 0, 3, 15])
    assert_refutes(moments[1], stderr[1], 1.02)
    tails = np.array([2, 3, 4])
    share = np.array([(np.abs(z) > t).mean() for t in tails])
    truth = 2 * stats.norm.sf(tails)
    assert_agrees(share, np.sqrt(truth / n), truth)
    for lag in (1, 2, 3, 4, 64):
        assert_agrees(np.mean(z[lag:] * z[:-lag]), 1 / np.sqrt(n), 0)
        assert_agrees(np.mean(z[lag:] ** 2 * z[:-lag] ** 2), 3 / np.sqrt(n), 1)
    assert stats.kstest(z, "norm").pvalue > 1e-6
    assert stats.kstest(1.03 * z, "norm").pvalue < 1e-6


@seeds
def test_tails_beyond_five_sigma(seed):
    """Large normals are as frequent as expected: about 250,000 beyond 3 and 38 beyond 5."""
    thresholds = np.array([3.0, 4.0, 4.5, 5.0])
    counts, n = np.zeros(len(thresholds)), 0
    for layer in range(64):
        z, _ = kernel_normals(stream_key(seed, "tails"), 1 << 20, layer=layer)
        size = np.abs(z)
        counts += [(size > threshold).sum() for threshold in thresholds]
        n += z.size
    expected = 2 * stats.norm.sf(thresholds) * n
    assert_agrees(counts, np.sqrt(expected), expected)
    assert_refutes(counts, np.sqrt(expected), 2 * stats.norm.sf(thresholds - 0.2) * n)

"""Random numbers one at a time, for kernels that do not know beforehand how many they need.

A pool holds a block of normals and one of words of a stream and refills each when it is used up; its numbers depend on
the stream and on how many were taken before.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import normals_from_words
from neurondeath.simulations.kernels.packed_arguments import Counters, Position
from neurondeath.simulations.kernels.philox import make_counters, philox_words

__all__ = ["RandomPool", "make_pool", "next_normal", "next_uniform"]

BLOCK = 4096  # numbers made at a time
PURPOSE_NORMALS, PURPOSE_UNIFORMS = np.uint64(9), np.uint64(10)
TO_UNIT = 2.0**-32


class RandomPool(NamedTuple):
    """The stream, the blocks, how many numbers of each were used, and how often each was filled (2 entries each)."""

    key: tuple[np.uint64, np.uint64]
    trial: int
    normals: npt.NDArray[np.float64]
    words: npt.NDArray[np.uint32]
    scratch: npt.NDArray[np.uint32]
    counters: Counters
    used: npt.NDArray[np.int64]
    filled: npt.NDArray[np.int64]


@kernel
def make_pool(key, trial):
    """Create the pool of one trial of a stream."""
    return RandomPool(
        key=key,
        trial=trial,
        normals=np.empty(BLOCK, np.float64),
        words=np.empty(BLOCK, np.uint32),
        scratch=np.empty(BLOCK, np.uint32),
        counters=make_counters(BLOCK // 4, BLOCK // 4),
        used=np.full(2, BLOCK),
        filled=np.zeros(2, np.int64),
    )


@kernel
def next_normal(pool):
    """Return a standard normal."""
    if pool.used[0] == BLOCK:
        _fill_normals(pool)
    at = pool.used[0]
    pool.used[0] = at + 1
    return pool.normals[at]


@kernel
def next_uniform(pool):
    """Return a uniform number in (0, 1)."""
    if pool.used[1] == BLOCK:
        _fill_words(pool)
    at = pool.used[1]
    pool.used[1] = at + 1
    return (np.float64(pool.words[at]) + 0.5) * TO_UNIT


@kernel
def _fill_normals(pool):
    philox_words(pool.scratch, pool.counters, Position(pool.key, pool.filled[0], pool.trial, PURPOSE_NORMALS), 0)
    normals_from_words(pool.normals, pool.scratch, np.float32(1.0))
    pool.used[0] = 0
    pool.filled[0] += 1


@kernel
def _fill_words(pool):
    philox_words(pool.words, pool.counters, Position(pool.key, pool.filled[1], pool.trial, PURPOSE_UNIFORMS), 0)
    pool.used[1] = 0
    pool.filled[1] += 1

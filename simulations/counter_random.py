r"""Counter-based random numbers: the random words of every draw of every simulation, in plain NumPy.

Philox 4x32-10 [Salmon et al., SC 2011] maps a key (2 words of 32 bits) and a counter (4 words) to 4 random words. The
key is a hash of the seed and the task; the counter addresses one draw:

    word 0  block: parameters 4 * block .. 4 * block + 3 of the layer, in row-major order (unit, element)
    word 1  layer, from 0
    word 2  trial
    word 3  purpose (low 8 bits) and variant (high 24 bits)

so no draw depends on buffers, workers, batches or where a run was resumed. Two neighbouring words make two normals by
the polar form of Box and Muller; `normal_pairs` defines the formula, and `kernels.normals` computes the same in single
precision.
"""

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = [
    "PURPOSE_ASYMMETRY",
    "PURPOSE_BIASES",
    "PURPOSE_COPIES",
    "PURPOSE_FACTORS",
    "PURPOSE_INPUTS",
    "PURPOSE_PROBES",
    "PURPOSE_READOUT",
    "PURPOSE_RESAMPLED_INPUTS",
    "PURPOSE_SIGNS",
    "PURPOSE_WEIGHTS",
    "PURPOSE_ZEROS",
    "STREAM_VERSION",
    "normal_pairs",
    "philox",
    "stream_key",
    "stream_normals",
    "stream_words",
]

STREAM_VERSION = 1  # part of every task id; raise it when the same seed would produce other numbers

PURPOSE_WEIGHTS = 0
PURPOSE_BIASES = 1
PURPOSE_INPUTS = 2
PURPOSE_SIGNS = 3
PURPOSE_FACTORS = 4
PURPOSE_PROBES = 5
PURPOSE_COPIES = 6
PURPOSE_ASYMMETRY = 16  # which entry of a row RAI redraws, and its new value
PURPOSE_RESAMPLED_INPUTS = 17  # points drawn again for every trial
PURPOSE_ZEROS = 18  # which entries of sparse weights are zero; 19 of biases drawn like them
PURPOSE_READOUT = 24  # the vector whose gradient is measured

ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD_MASK = np.uint64(0xFFFFFFFF)
WORD_BITS = np.uint64(32)

Words = npt.NDArray[np.uint32]


def stream_key(seed: int, stream: str) -> tuple[int, int]:
    """Hash a seed and the name of a stream (a task id) to the two words of a Philox key."""
    digest = hashlib.sha256(f"neurondeath stream {STREAM_VERSION}|{seed}|{stream}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def philox(counters: npt.ArrayLike, key: tuple[int, int]) -> Words:
    """Apply Philox 4x32-10 to counters of shape (..., 4); return random words of the same shape."""
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counters, dtype=np.uint64), -1, 0)
    for index in range(ROUNDS):
        k0 = np.uint64((key[0] + index * WEYL[0]) & 0xFFFFFFFF)
        k1 = np.uint64((key[1] + index * WEYL[1]) & 0xFFFFFFFF)
        product0, product1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product1 >> WORD_BITS) ^ c1 ^ k0,
            product1 & WORD_MASK,
            (product0 >> WORD_BITS) ^ c3 ^ k1,
            product0 & WORD_MASK,
        )
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def stream_words(
    key: tuple[int, int], count: int, *, layer: int = 0, trial: int = 0, purpose: int = 0, variant: int = 0
) -> Words:
    """Return the first `count` words of one layer's stream."""
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    counters = np.empty((len(blocks), 4), dtype=np.uint64)
    counters[:, 0] = blocks
    counters[:, 1:] = layer, trial, purpose | variant << 8
    return philox(counters, key).reshape(-1)[:count]


def normal_pairs(words: Words) -> npt.NDArray[np.float64]:
    r"""Turn pairs of words (a, b) into pairs of standard normals.

    Radius $\sqrt{-2 \ln u}$ with $u = a / 2^{32}$, a rounded to single precision and u clipped to
    $[2^{-33}, 1 - 2^{-24}]$. Angle: the high 30 bits of b are a signed $t$, and $y = (t + 1/2) \pi / 2^{31}$ lies in
    $(-\pi/4, \pi/4)$; bit 0 of b swaps cosine and sine, bit 1 negates both.
    """
    a = words[0::2].astype(np.float32).astype(np.float64)
    b = words[1::2]
    radius = np.sqrt(-2.0 * np.log(np.clip(a, 0.5, 2.0**32 - 2.0**8) * 2.0**-32))
    y = ((b.view(np.int32) >> 2) + 0.5) * (np.pi / 2**31)
    swap = (b & np.uint32(1)).astype(bool)
    radius = np.where(b & np.uint32(2), -radius, radius)
    cosine, sine = radius * np.cos(y), radius * np.sin(y)
    pairs = np.stack([np.where(swap, sine, cosine), np.where(swap, cosine, sine)], axis=-1)
    return np.asarray(pairs.reshape(-1))


def stream_normals(
    key: tuple[int, int], count: int, *, layer: int = 0, trial: int = 0, purpose: int = 0, variant: int = 0
) -> npt.NDArray[np.float64]:
    """Return the first `count` standard normals of one layer's stream, in double precision."""
    words = stream_words(key, count + count % 2, layer=layer, trial=trial, purpose=purpose, variant=variant)
    return normal_pairs(words)[:count]

"""Philox 4x32-10 for the kernels; words are kept in 64 bits so that one multiplication gives both halves."""

import numpy as np

from simulations.kernels.jit import kernel

__all__ = ["philox_words"]

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


@kernel
def philox_words(out, key0, key1, first_block, layer, trial, purpose):
    """Fill `out` (uint32, a multiple of 4 long) with the words of blocks first_block, first_block + 1, ..."""
    for block in range(out.size // 4):
        c0 = np.uint64(first_block) + np.uint64(block)
        c1 = np.uint64(layer)
        c2 = np.uint64(trial)
        c3 = np.uint64(purpose)
        k0 = np.uint64(key0)
        k1 = np.uint64(key1)
        for _ in range(10):
            product0 = (c0 & WORD) * M0
            product1 = (c2 & WORD) * M1
            # the high halves of c1 and c3 hold rubbish, which the masks above throw away a round later
            c0 = (product1 >> HALF) ^ (c1 & WORD) ^ k0
            c1 = product1
            c2 = (product0 >> HALF) ^ (c3 & WORD) ^ k1
            c3 = product0
            k0 = (k0 + W0) & WORD
            k1 = (k1 + W1) & WORD
        out[4 * block] = np.uint32(c0 & WORD)
        out[4 * block + 1] = np.uint32(c1 & WORD)
        out[4 * block + 2] = np.uint32(c2 & WORD)
        out[4 * block + 3] = np.uint32(c3 & WORD)

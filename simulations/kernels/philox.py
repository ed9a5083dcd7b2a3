"""Philox 4x32-10 for the kernels; words are kept in 64 bits so that one multiplication yields both halves.

Counters may run over blocks and layers at once: a chunk is a list of (block, layer) offsets, made once and reused for
every trial, so that networks too narrow to fill a vector with one layer fill it with several.
"""

import numpy as np

from neurondeath.simulations.kernels.jit import inlined_kernel, kernel
from neurondeath.simulations.kernels.packed_arguments import Counters

__all__ = ["WORD_MASK", "fill_chunk_counters", "make_counters", "philox_block", "philox_words"]

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
WORD_MASK = np.uint64(0xFFFFFFFF)
WORD_BITS = np.uint64(32)


@inlined_kernel
def make_counters(n_blocks, blocks_per_layer):
    """Create the counters of a chunk."""
    counters = Counters(np.empty(n_blocks, np.uint32), np.empty(n_blocks, np.uint32))
    fill_chunk_counters(counters, blocks_per_layer)
    return counters


@kernel
def fill_chunk_counters(counters, blocks_per_layer):
    """Fill the offsets of a chunk: blocks 0 .. blocks_per_layer - 1 of layer 0, then of layer 1, ..."""
    blocks, layers = counters
    for i in range(blocks.size):
        blocks[i] = i % blocks_per_layer
        layers[i] = i // blocks_per_layer


@inlined_kernel
def philox_block(counter, key):
    """Return the four words of a counter (four numbers of up to 32 bits); only their low halves count."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0 = (c0 & WORD_MASK) * M0
        product1 = (c2 & WORD_MASK) * M1
        # the high halves of c1 and c3 hold leftover bits; the masks above remove them a round later
        c0 = (product1 >> WORD_BITS) ^ (c1 & WORD_MASK) ^ k0
        c1 = product1
        c2 = (product0 >> WORD_BITS) ^ (c3 & WORD_MASK) ^ k1
        c3 = product0
        k0 = (k0 + W0) & WORD_MASK
        k1 = (k1 + W1) & WORD_MASK
    return c0, c1, c2, c3


@kernel
def philox_words(out, counters, position, first_block):
    """Fill `out` (uint32, 4 words per block) for the blocks of a chunk, counted from a position and its first block."""
    blocks, layers = counters
    (key0, key1), first_layer, trial, purpose = position
    for i in range(out.size // 4):
        block, layer = np.uint64(first_block) + np.uint64(blocks[i]), np.uint64(first_layer) + np.uint64(layers[i])
        counter = (block, layer, np.uint64(trial), np.uint64(purpose))
        c0, c1, c2, c3 = philox_block(counter, (np.uint64(key0), np.uint64(key1)))
        out[4 * i] = np.uint32(c0 & WORD_MASK)
        out[4 * i + 1] = np.uint32(c1 & WORD_MASK)
        out[4 * i + 2] = np.uint32(c2 & WORD_MASK)
        out[4 * i + 3] = np.uint32(c3 & WORD_MASK)

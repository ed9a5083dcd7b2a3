"""Sample networks on one point: it is alive or dead by the signs of its pre-activations, fair coins at any width.

Word i of a layer's stream holds the signs of units 32 i .. 32 i + 31, a set bit for an active unit. Words are read
until one is active: nearly always the first, so a layer costs the same at width 10 and at width 10^6.
"""

import numpy as np

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.packed_arguments import Counters, Position
from neurondeath.simulations.kernels.philox import fill_chunk_counters, philox_words

__all__ = ["sample_single"]

LAYERS_PER_CHUNK = 64  # their first words are made at once
PURPOSE_SIGNS = np.uint64(3)


@kernel
def sample_single(alive, widths, stream):
    """Add to `alive` (int64, one entry per layer) the number of networks whose point is alive after each layer."""
    depth = widths.size
    words = np.empty(4 * LAYERS_PER_CHUNK, np.uint32)
    counters = Counters(np.empty(LAYERS_PER_CHUNK, np.uint32), np.empty(LAYERS_PER_CHUNK, np.uint32))
    fill_chunk_counters(counters, 1)
    more = np.empty(4, np.uint32)
    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        for layer in range(depth):
            at = layer % LAYERS_PER_CHUNK
            if at == 0:
                philox_words(words, counters, Position(stream.key, layer, trial, PURPOSE_SIGNS), 0)
            if not _any_active(words[4 * at : 4 * at + 4], widths[layer]):
                active = False
                block = 1
                while not active and 128 * block < widths[layer]:
                    philox_words(more, counters, Position(stream.key, layer, trial, PURPOSE_SIGNS), block)
                    active = _any_active(more, widths[layer] - 128 * block)
                    block += 1
                if not active:
                    break
            alive[layer] += 1


@kernel
def _any_active(words, n_units):
    """Return whether one of the first n_units bits is set."""
    for i in range(4):
        left = n_units - 32 * i
        if left <= 0:
            return False
        mask = np.uint32(0xFFFFFFFF) if left >= 32 else np.uint32((1 << left) - 1)
        if words[i] & mask != 0:
            return True
    return False

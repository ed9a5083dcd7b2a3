"""Seeds of independent random streams, derived from the seed of a run."""

import numpy as np

__all__ = ["seed_of"]


def seed_of(seed: int, number: int, purpose: str) -> int:
    """Return the seed of stream `number` of a purpose, below 2^63.

    Examples
    --------
    >>> seed_of(0, 0, "weights") != seed_of(0, 1, "weights") != seed_of(0, 1, "batches")
    True
    """
    words = np.random.SeedSequence([seed, number, *purpose.encode()]).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])

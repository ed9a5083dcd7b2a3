r"""Choose which members of a weighted population continue, so that each is expected as often as its share says.

Systematic resampling: with shares $p_i$ of sum 1 and one uniform u, member i fills the places k of N with
$p_1 + .. + p_{i-1} \le (k + u) / N < p_1 + .. + p_i$. Giving a copy the weight $w_i / (N p_i)$ keeps every weighted sum
unbiased, whatever the shares.
"""

import numpy as np

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["effective_number", "resample", "uniform_of"]

TO_UNIT = 2.0**-32


@kernel
def uniform_of(word):
    """Turn a random word into a uniform number in (0, 1)."""
    return (np.float64(word) + 0.5) * TO_UNIT


@kernel
def effective_number(weights):
    """Return (sum w)^2 / sum w^2: that many equal weights would be as good."""
    total, squares = 0.0, 0.0
    for i in range(weights.size):
        total += weights[i]
        squares += weights[i] * weights[i]
    return total * total / squares


@kernel
def resample(parents, shares, u):
    """Fill `parents` with the member that each place continues; `shares` have sum 1, u lies in (0, 1)."""
    n = shares.size
    place = 0
    below = 0.0
    last = 0
    for i in range(n):
        below += shares[i]
        if shares[i] > 0.0:
            last = i
        while place < n and (place + u) / n < below:
            parents[place] = i
            place += 1
    while place < n:  # the shares fell short of 1 by rounding
        parents[place] = last
        place += 1

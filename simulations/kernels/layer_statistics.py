"""Further statistics of a layer: dead units, zeros, mean square and correlation of its pre-activations."""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["correlation_and_log_variance", "count_zeros"]


@kernel
def count_zeros(y, width):
    """Count the units that are 0 at every point, and the number of zeros."""
    dead, zeros = 0, 0
    for i in range(width):
        here = 0
        for p in range(y.shape[1]):
            here += y[i, p] == 0
        zeros += here
        dead += here == y.shape[1]
    return dead, zeros


@kernel
def correlation_and_log_variance(z, exponents, width, lengths, totals):
    """Compute the mean cosine over pairs of points with nonzero columns, and the log of the mean square of z.

    The cosine is NaN without such a pair, the logarithm -inf if z is 0.

    Columns stand for themselves times 2^exponent. The cosines add up to |sum of unit columns|^2 less the number of
    columns. `lengths` (n_points) and `totals` (width) are scratch in double precision.
    """
    n_points = z.shape[1]
    lengths[:] = 0.0
    for i in range(width):
        for p in range(n_points):
            lengths[p] += np.float64(z[i, p]) * np.float64(z[i, p])
    n_columns, highest = 0, np.int64(0)
    for p in range(n_points):
        if lengths[p] > 0.0 and (n_columns == 0 or exponents[p] > highest):
            highest = exponents[p]
        n_columns += lengths[p] > 0.0
    square, n_columns = 0.0, 0
    for p in range(n_points):
        if lengths[p] > 0.0:
            square += np.ldexp(lengths[p], 2 * (exponents[p] - highest))  # relative to the largest scale
            n_columns += 1
            lengths[p] = 1.0 / math.sqrt(lengths[p])
    alignment = 0.0
    for i in range(width):
        total = 0.0
        for p in range(n_points):
            total += z[i, p] * lengths[p]
        totals[i] = total
    for i in range(width):
        alignment += totals[i] * totals[i]
    cosine = math.nan
    if n_columns > 1:
        cosine = (alignment - n_columns) / (np.float64(n_columns) * (n_columns - 1))
    if square == 0.0:
        return cosine, -math.inf
    return cosine, math.log(square / (np.float64(width) * n_points)) + 2.0 * math.log(2.0) * highest

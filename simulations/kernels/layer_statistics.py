"""Further statistics of a layer: dead units, zeros, mean square and correlation of its pre-activations."""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["correlation_and_variance", "count_zeros"]


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
def correlation_and_variance(z, exponents, width, lengths, totals):
    """Compute the mean cosine over pairs of points with nonzero columns (NaN without one) and the mean square of z.

    Columns stand for themselves times 2^exponent. The cosines add up to |sum of unit columns|^2 less the number of
    columns. `lengths` (n_points) and `totals` (width) are scratch in double precision.
    """
    n_points = z.shape[1]
    lengths[:] = 0.0
    for i in range(width):
        for p in range(n_points):
            lengths[p] += np.float64(z[i, p]) * np.float64(z[i, p])
    square, n_columns = 0.0, 0
    for p in range(n_points):
        square += np.ldexp(lengths[p], 2 * exponents[p])
        if lengths[p] > 0.0:
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
    return cosine, square / (np.float64(width) * n_points)

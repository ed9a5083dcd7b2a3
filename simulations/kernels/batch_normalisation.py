"""Batch normalisation of pre-activations over the points, without a regularising constant.

Features are centred before the products, which then give centred pre-activations without cancellation; differences to
the first point are taken first, so that a feature that is constant on the batch becomes exactly 0. Values within
rounding errors of the mean become 0, too: a point that is its batch's mean is not active, whatever the signs.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["centre", "normalise"]

ROUNDING_ERRORS_OF_MEAN = 16.0  # errors of the mean, in units of the relative precision of the largest deviation
PRECISION_32, PRECISION_64 = 2.0**-23, 2.0**-52


@kernel
def centre(x, rows):
    """Subtract from every row its mean over the points."""
    n_points = x.shape[1]
    tolerance = ROUNDING_ERRORS_OF_MEAN * (PRECISION_32 if x.itemsize == 4 else PRECISION_64)
    for i in range(rows):
        reference = x[i, 0]
        total = 0.0
        for p in range(n_points):
            x[i, p] -= reference
            total += x[i, p]
        mean = total / n_points
        largest = 0.0
        for p in range(n_points):
            x[i, p] -= mean
            largest = max(largest, abs(x[i, p]))
        for p in range(n_points):
            if abs(x[i, p]) <= tolerance * largest:
                x[i, p] = 0


@kernel
def normalise(z, rows):
    """Scale every centred row to mean square 1; a row of zeros does not change."""
    n_points = z.shape[1]
    for i in range(rows):
        total = 0.0
        for p in range(n_points):
            total += np.float64(z[i, p]) * np.float64(z[i, p])
        if total > 0.0:
            factor = 1.0 / math.sqrt(total / n_points)
            for p in range(n_points):
                z[i, p] *= factor

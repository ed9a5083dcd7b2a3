r"""Entropy rank of the features of a layer, as `neurondeath_theory.trainability.feature_rank` defines it.

The features of every point are scaled to length 1, zeros staying zero, and centred over the points; with
$\lambda_i$ the eigenvalues of their Gram matrix over its trace the rank is $\exp(-\sum \lambda_i \ln \lambda_i)$. The
Gram matrix is that of the points or of the units, whichever is smaller: both have the same eigenvalues but for zeros.
It is made of centred features, so that small differences keep their digits.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.symmetric_eigenvalues import eigenvalues

__all__ = ["RankScratch", "entropy_rank", "layer_ranks", "rank_scratch"]

EQUAL_FEATURES = 1e-13  # root mean square difference of unit-length features that is rounding of a forward pass

Floats = npt.NDArray[np.float64]


class RankScratch(NamedTuple):
    """Scratch of `entropy_rank`: features of unit length, the entries of their Gram matrix, vectors of its size."""

    units: Floats
    gram: Floats
    diagonal: Floats
    beside: Floats
    vector: Floats


def rank_scratch(rows: int, n_points: int) -> RankScratch:
    """Create scratch for features of up to `rows` units."""
    size = min(rows, n_points)
    return RankScratch(
        np.zeros((rows, n_points)), np.zeros(size * size), np.zeros(size), np.zeros(size), np.zeros(size)
    )


@kernel
def layer_ranks(out, features, widths, dense, scratch):
    """Fill `out` with the ranks of all layers.

    The first rows of `features` are those of the input; those of the layers follow. In dense networks every layer has
    all rows so far.
    """
    first = features.shape[0] - widths.sum()
    for layer in range(widths.size):
        last = first + widths[layer]
        out[layer] = entropy_rank(features[0 if dense else first : last], last if dense else widths[layer], scratch)
        first = last


@kernel
def entropy_rank(x, rows, scratch):
    """Compute the rank of the first `rows` features of x, shape (_, n_points), one column per point.

    0 if all points have one direction, up to rounding in double precision; NaN if all features are zero.
    """
    units, entries, diagonal, beside, vector = scratch
    n_points = x.shape[1]
    if not _unit_columns(units, x, rows):
        return math.nan
    trace = _centre_rows(units, rows, n_points)
    if trace <= EQUAL_FEATURES * EQUAL_FEATURES * n_points:
        return 0.0
    size = min(rows, n_points)
    gram = entries[: size * size].reshape(size, size)
    _fill_gram(gram, units, rows, n_points)
    eigenvalues(gram, diagonal[:size], beside[:size], vector[:size])
    total = 0.0
    for i in range(size):
        total += max(diagonal[i], 0.0)
    entropy = 0.0
    for i in range(size):
        share = max(diagonal[i], 0.0) / total
        if share > 0.0:
            entropy -= share * math.log(share)
    return math.exp(entropy)


@kernel
def _unit_columns(units, x, rows):
    """Fill `units` with columns of length 1, zeros staying zero; return whether any column is not zero."""
    some = False
    for p in range(x.shape[1]):
        largest = 0.0
        for i in range(rows):
            largest = max(largest, abs(np.float64(x[i, p])))
        if largest == 0.0:
            for i in range(rows):
                units[i, p] = 0.0
            continue
        some = True
        square = 0.0
        for i in range(rows):
            units[i, p] = np.float64(x[i, p]) / largest  # first, so that squares neither overflow nor underflow
            square += units[i, p] * units[i, p]
        factor = 1.0 / math.sqrt(square)
        for i in range(rows):
            units[i, p] *= factor
    return some


@kernel
def _centre_rows(units, rows, n_points):
    """Subtract from every row its mean over the points; return the sum of squares that is left."""
    left = 0.0
    for i in range(rows):
        mean = 0.0
        for p in range(n_points):
            mean += units[i, p]
        mean /= n_points
        for p in range(n_points):
            units[i, p] -= mean
            left += units[i, p] * units[i, p]
    return left


@kernel
def _fill_gram(gram, units, rows, n_points):
    """Fill the Gram matrix of the rows or, if they are more than the points, of the columns."""
    if rows <= n_points:
        for i in range(rows):
            one = units[i]
            for j in range(i + 1):
                other = units[j]
                a, b, c, d = 0.0, 0.0, 0.0, 0.0  # four sums, so that no addition waits for the one before
                p = 0
                while p + 4 <= n_points:
                    a += one[p] * other[p]
                    b += one[p + 1] * other[p + 1]
                    c += one[p + 2] * other[p + 2]
                    d += one[p + 3] * other[p + 3]
                    p += 4
                while p < n_points:
                    a += one[p] * other[p]
                    p += 1
                gram[i, j] = (a + b) + (c + d)
                gram[j, i] = gram[i, j]
        return
    for p in range(n_points):
        for q in range(n_points):
            gram[p, q] = 0.0
    for i in range(rows):
        for p in range(n_points):
            factor, row, sums = units[i, p], units[i], gram[p]
            for q in range(n_points):
                sums[q] += factor * row[q]

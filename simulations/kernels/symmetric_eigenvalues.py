r"""Eigenvalues of a symmetric matrix: Householder's reduction to a tridiagonal matrix, then QR steps with shifts.

Reduction: reflections $H = I - 2 v v^T / v^T v$ clear one column after the other below its subdiagonal, $A \to H A H$.
Iteration: an implicit QR step with Wilkinson's shift, the eigenvalue of the trailing 2 x 2 block nearest to its last
entry, on every block without a negligible off-diagonal entry; convergence is cubic, in about two steps per eigenvalue.
Both are backward stable: errors are of the order of the precision times the largest eigenvalue. Squares of entries must
neither overflow nor underflow.

Source: Golub, Van Loan, Matrix Computations, sections 8.3.1 (reduction), 8.3.4 and 8.3.5 (QR steps).
"""

import math

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["eigenvalues"]

PRECISION = 2.0**-53
MOST_STEPS = 60  # per eigenvalue; two are usual


@kernel
def eigenvalues(matrix, diagonal, beside, scratch):
    """Fill `diagonal` with the eigenvalues of a symmetric matrix, in no order; the matrix is overwritten.

    `matrix` has shape (m, m); `diagonal`, `beside` and `scratch` have m entries. All are float64.
    """
    _reduce(matrix, diagonal, beside, scratch)
    low_end, last = 0, diagonal.size - 1
    steps = 0
    while last > 0:
        if _negligible(diagonal, beside, last - 1) or steps > MOST_STEPS * diagonal.size:
            beside[last - 1] = 0.0
            last -= 1
            continue
        low_end = last - 1
        while low_end > 0 and not _negligible(diagonal, beside, low_end - 1):
            low_end -= 1
        _step(diagonal, beside, low_end, last)
        steps += 1


@kernel
def _negligible(diagonal, beside, i):
    return abs(beside[i]) <= PRECISION * (abs(diagonal[i]) + abs(diagonal[i + 1]))


@kernel
def _reduce(matrix, diagonal, beside, scratch):
    """Reduce a matrix to tridiagonal form: `diagonal`, and `beside` (m - 1 entries) next to it."""
    size = diagonal.size
    for k in range(size - 1):
        v = matrix[k]  # the row, which equals the column; nothing else reads it from here on
        diagonal[k] = v[k]
        beyond = 0.0
        for i in range(k + 2, size):
            beyond += v[i] * v[i]
        if beyond == 0.0:  # nothing to clear
            beside[k] = v[k + 1]
            continue
        length = math.sqrt(beyond + v[k + 1] * v[k + 1])
        alpha = -length if v[k + 1] > 0.0 else length
        beside[k] = alpha
        v[k + 1] -= alpha
        square = beyond + v[k + 1] * v[k + 1]
        for i in range(k + 1, size):
            scratch[i] = 0.0
        for j in range(k + 1, size):
            factor = 2.0 * v[j] / square
            row = matrix[j]
            for i in range(k + 1, size):
                scratch[i] += factor * row[i]
        product = 0.0
        for i in range(k + 1, size):
            product += scratch[i] * v[i]
        product /= square
        for i in range(k + 1, size):
            scratch[i] -= product * v[i]
        for i in range(k + 1, size):
            row, left, right = matrix[i], v[i], scratch[i]
            for j in range(k + 1, size):
                row[j] -= left * scratch[j] + right * v[j]
    diagonal[size - 1] = matrix[size - 1, size - 1]
    beside[size - 1] = 0.0


@kernel
def _step(diagonal, beside, first, last):
    """Do one QR step on the block of rows first .. last."""
    half = 0.5 * (diagonal[last - 1] - diagonal[last])
    edge = beside[last - 1]
    root = math.sqrt(half * half + edge * edge)
    shift = diagonal[last] - edge * (edge / (half + root if half >= 0.0 else half - root))
    x, z = diagonal[first] - shift, beside[first]
    for k in range(first, last):
        radius = math.sqrt(x * x + z * z)
        cosine, sine = (x / radius, z / radius) if radius > 0.0 else (1.0, 0.0)
        if k > first:
            beside[k - 1] = radius
        above, below, side = diagonal[k], diagonal[k + 1], beside[k]
        cross = 2.0 * cosine * sine * side
        diagonal[k] = cosine * cosine * above + cross + sine * sine * below
        diagonal[k + 1] = sine * sine * above - cross + cosine * cosine * below
        beside[k] = cosine * sine * (below - above) + (cosine * cosine - sine * sine) * side
        if k < last - 1:
            x, z = beside[k], sine * beside[k + 1]
            beside[k + 1] *= cosine

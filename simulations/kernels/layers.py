"""The forward pass of one layer at all points: products, activation, a scale for every point.

Points are columns. A point's column is kept times 2^-exponent. A network commutes with that scale once the constants of
the law (biases, kinks of the activation and its values there) carry it too: they are multiplied by the column's
`constant`, 2^-exponent, or 0 where they do not matter (all of them 0, or a point at infinity). So no depth over- or
underflows. With constants a column is never scaled up beyond a constant of 1: what underflows there is negligible.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel

__all__ = ["activate", "add_branch", "products", "rescale", "set_constants"]

SAFE_LOW, SAFE_HIGH = 2.0**-30, 2.0**30  # columns in this range are not rescaled


@kernel
def set_constants(constants, of_points, exponents):
    """Scale the constant of every point, 0 or 1, like its column."""
    for p in range(constants.size):
        constants[p] = np.ldexp(of_points[p], -exponents[p])


@kernel
def products(z, x, constants, parameters, width, fan_in):
    """Fill z[i, p] with sum_j w[i, j] x[j, p] + b[i] constants[p]; four inputs per sweep over the points."""
    weights, biases = parameters
    n_points = constants.size
    for i in range(width):
        sums = z[i]
        bias = biases[i]
        for p in range(n_points):
            sums[p] = bias * constants[p]
        j = 0
        while j + 4 <= fan_in:
            w0, w1 = weights[i * fan_in + j], weights[i * fan_in + j + 1]
            w2, w3 = weights[i * fan_in + j + 2], weights[i * fan_in + j + 3]
            x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            for p in range(n_points):
                sums[p] = sums[p] + w0 * x0[p] + w1 * x1[p] + w2 * x2[p] + w3 * x3[p]
            j += 4
        while j < fan_in:
            w0, x0 = weights[i * fan_in + j], x[j]
            for p in range(n_points):
                sums[p] += w0 * x0[p]
            j += 1


@kernel
def activate(y, z, active, peak, constants, activation, width):
    """Fill y with the activation of z; active[p] counts units with y != 0 at a point, peak[p] is the largest |y|.

    Where slope and value of the activation are 0 it is exactly 0.
    """
    kinks, values, slopes = activation
    n_points = constants.size
    active[:] = 0
    peak[:] = 0
    for i in range(width):
        row, out = z[i], y[i]
        kink, value, slope = kinks[0], values[0], slopes[0]
        for p in range(n_points):
            out[p] = value * constants[p] + slope * (row[p] - kink * constants[p])
        for piece in range(1, slopes.size):
            kink, value, slope = kinks[piece], values[piece], slopes[piece]
            for p in range(n_points):
                edge = kink * constants[p]
                right = value * constants[p] + slope * (row[p] - edge)
                out[p] = right if row[p] > edge else out[p]
        for p in range(n_points):
            active[p] += out[p] != 0
            size = abs(out[p])
            peak[p] = size if size > peak[p] else peak[p]


@kernel
def rescale(columns, of_points, rows):
    """Bring columns back into the safe range by powers of two, exactly; a column of zeros takes the scale 1."""
    x, exponents, constants, peak = columns
    for p in range(peak.size):
        size = peak[p]
        if size == 0:
            exponents[p] = 0
            constants[p] = of_points[p]
            continue
        size = max(size, constants[p])
        if size < SAFE_LOW or size > SAFE_HIGH:
            shift = math.frexp(size)[1]
            factor = np.ldexp(1.0, -shift)
            exponents[p] += shift
            constants[p] = np.ldexp(of_points[p], -exponents[p])
            peak[p] *= factor
            for i in range(rows):
                x[i, p] *= factor


@kernel
def add_branch(stream, branch, factors, branch_factors, rows):
    """Add a branch to the stream, column by column, on the larger of their scales, and update the stream's peak.

    A column of zeros has no scale of its own: the other's is kept. `factors` and `branch_factors` are scratch.
    """
    x, exponents, _, peak = stream
    added, branch_exponents, _, branch_peak = branch
    for p in range(peak.size):
        factors[p], branch_factors[p] = 1, 1
        if branch_peak[p] > 0 and exponents[p] != branch_exponents[p]:
            common = max(exponents[p], branch_exponents[p]) if peak[p] > 0 else branch_exponents[p]
            factors[p] = np.ldexp(1.0, exponents[p] - common) if peak[p] > 0 else 0.0
            branch_factors[p] = np.ldexp(1.0, branch_exponents[p] - common)
            exponents[p] = common
        peak[p] = 0
    for i in range(rows):
        row, other = x[i], added[i]
        for p in range(peak.size):
            row[p] = row[p] * factors[p] + other[p] * branch_factors[p]
            size = abs(row[p])
            peak[p] = size if size > peak[p] else peak[p]

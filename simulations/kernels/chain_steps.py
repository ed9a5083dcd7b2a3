"""Steps of a chain of layers between its products: activations, norms, sums of streams; on rows in one array.

Source and target do not overlap. NaN and infinity go through as in PyTorch: comparisons are written so that NaN takes
the branch that keeps it.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.jit import kernel, reordering_kernel

__all__ = [
    "add_scaled",
    "apply_affine",
    "apply_jump",
    "apply_pieces",
    "apply_threshold",
    "bring_to_centre",
    "keep_largest",
    "multiply",
    "rescale_rows",
    "square",
    "standardise",
]

ZERO = np.float32(0.0)


@kernel
def apply_threshold(space, source, target, size, constants, at):
    """Compute min(max(x - tau, 0), m), if two-sided minus the same of -x; the constants are tau, m and that flag."""
    tau, height, two_sided = constants[at], constants[at + 1], constants[at + 2]
    zero = ZERO
    if two_sided == 0:
        for i in range(size):
            value = space[source + i] - tau
            value = zero if value <= zero else value
            space[target + i] = height if value > height else value
        return
    for i in range(size):
        x = space[source + i]
        up, down = x - tau, -x - tau
        up = zero if up <= zero else up
        down = zero if down <= zero else down
        up = height if up > height else up
        down = height if down > height else down
        space[target + i] = up - down


@kernel
def square(space, source, target, size):
    """Compute x^2."""
    for i in range(size):
        space[target + i] = space[source + i] * space[source + i]


@kernel
def multiply(space, source, other, target, size):
    """Compute x y."""
    for i in range(size):
        space[target + i] = space[source + i] * space[other + i]


@kernel
def apply_jump(space, source, target, size, constants, at):
    """Keep x above its threshold, 0 elsewhere, for one row."""
    for i in range(size):
        x = space[source + i]
        space[target + i] = ZERO if x <= constants[at + i] else x


@kernel
def apply_pieces(space, source, target, size, constants, at, n_kinks):
    """Apply a piecewise-linear function; `constants` holds n kinks, then slopes, points, values of n + 1 pieces."""
    slopes, points, values = at + n_kinks, at + 2 * n_kinks + 1, at + 3 * n_kinks + 2
    for i in range(size):
        x = space[source + i]
        piece = 0
        for kink in range(n_kinks):
            piece += 1 if x > constants[at + kink] else 0
        slope, value = constants[slopes + piece], constants[values + piece]
        if x != x:
            value = x
        elif slope != 0.0:  # 0 times infinity would be NaN
            value += slope * (x - constants[points + piece])
        space[target + i] = value


@kernel
def add_scaled(space, sources, target, size, constants, at):
    """Compute a x + b y; `constants` holds a and b."""
    first, second = sources
    a, b = constants[at], constants[at + 1]
    for i in range(size):
        space[target + i] = a * space[first + i] + b * space[second + i]


@kernel
def apply_affine(space, source, target, size, constants, at):
    """Compute x times a scale, plus a shift, for one row; `constants` holds the scales, then the shifts."""
    for i in range(size):
        space[target + i] = space[source + i] * constants[at + i] + constants[at + size + i]


@reordering_kernel
def rescale_rows(space, source, target, size, constants, at):
    """Bring one row to a mean square; `constants` holds its root and a number to add to the mean square before."""
    total = ZERO
    for i in range(size):
        total += space[source + i] * space[source + i]
    factor = np.float32(constants[at] / math.sqrt(total / size + constants[at + 1]))
    for i in range(size):
        space[target + i] = space[source + i] * factor


@reordering_kernel
def subtract_mean(space, source, target, size):
    """Bring one row to mean 0."""
    total = ZERO
    for i in range(size):
        total += space[source + i]
    mean = np.float32(total / size)
    for i in range(size):
        space[target + i] = space[source + i] - mean


@reordering_kernel
def bring_to_centre(space, source, target, size, constants, at):
    """Bring one row to mean 0 and a mean absolute deviation; deviations below the second constant stay."""
    subtract_mean(space, source, target, size)
    total = ZERO
    for i in range(size):
        total += abs(space[target + i])
    deviation = total / size
    factor = np.float32(constants[at] / (deviation if deviation > constants[at + 1] else 1.0))
    for i in range(size):
        space[target + i] *= factor


@reordering_kernel
def standardise(space, source, target, size, constants, at):
    """Bring one row to mean 0 and variance 1; `constants` holds what is added to the variance before."""
    subtract_mean(space, source, target, size)
    total = ZERO
    for i in range(size):
        total += space[target + i] * space[target + i]
    factor = np.float32(1.0 / math.sqrt(total / size + constants[at]))
    for i in range(size):
        space[target + i] *= factor


@kernel
def keep_largest(space, source, target, size, count, scratch):
    """Keep the `count` largest entries of one row, NaN counting as larger than all, and set the others to 0."""
    for i in range(size):
        x = space[source + i]
        space[scratch + i] = x if x == x else math.inf
    low, high, place = 0, size - 1, size - count  # in ascending order the entries from `place` on are kept
    while low < high:  # Hoare's selection
        pivot = space[scratch + (low + high) // 2]
        i, j = low, high
        while i <= j:
            while space[scratch + i] < pivot:
                i += 1
            while space[scratch + j] > pivot:
                j -= 1
            if i <= j:
                space[scratch + i], space[scratch + j] = space[scratch + j], space[scratch + i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    least = space[scratch + place]
    ties = count
    for i in range(size):
        x = space[source + i]
        ties -= 1 if x > least or x != x else 0
    for i in range(size):
        x = space[source + i]
        kept = x > least or x != x
        if x == least and ties > 0:
            kept = True
            ties -= 1
        space[target + i] = x if kept else ZERO

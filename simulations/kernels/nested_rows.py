r"""P(a unit's output is 0 at all points) averaged over networks, by multilevel splitting over its weights.

Particle i holds one network's inputs to the layer and one row (w, b) of the layer's law. Its pre-activation at point p,
in units of its standard deviation there, is $z_p$; the output is 0 where $l_p \le z_p \le h_p$, so with the gap

    H = max_p max(z_p - h_p, l_p - z_p)        the unit is dead iff H <= 0.

N particles follow levels $\lambda_1 > .. > \lambda_L = 0$: the share with $H \le \lambda_k$ is recorded, these fill the
population again, and each particle's row moves within $H \le \lambda_k$, its network fixed. The product of the shares
is an unbiased estimate of the mean over networks and rows for any levels that do not depend on the population. Without
given levels each is the KEPT quantile of the gaps: a pilot, whose levels the populations use.

A row is a function of standard normals g, of which one at a time moves on an ellipse, to $g \cos t + g' \sin t$ with an
independent normal g', t shrunk towards 0 until the row is within the level (Murray, Adams, MacKay, AISTATS 2010). The
pre-activations after a move are $c z + d A_j + d' A_{j'}$ with rows of the inputs $A$, whatever the law:

    normal       w_j = g_j                        uniform      w_j = erf(g_j / sqrt 2) sqrt 3
    orthogonal   w_j = g_j sqrt(m) / |g|, g of dimension m = max(width, fan_in), only its first fan_in entries in use
    asymmetric   w_j = g_j, but for one entry, chosen by a further coordinate: the root of a uniform one, Beta(2, 1)
"""

import math

import numpy as np

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.initialisers import GAUSSIAN, ORTHOGONAL, RAI, UNIFORM
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.packed_arguments import RowMove
from neurondeath.simulations.kernels.random_pool import make_pool, next_normal, next_uniform

__all__ = ["MOST_LEVELS", "SWEEPS", "n_coordinates", "row_of", "sample_rows"]

KEPT = 0.25  # share of the population that reaches the next level
SWEEPS = 2  # moves of every coordinate per level
MOST_LEVELS = 44  # beyond them the mean is below 1e-26, and counts as 0
MOST_SHRINKS = 30  # then the coordinate stays, which keeps the law
BISECTIONS = 60
SQRT_HALF, SQRT_3 = math.sqrt(0.5), math.sqrt(3.0)


@kernel
def sample_rows(levels, final, inputs, law, per_network, stream):
    """Return the logarithm of an estimate, the number of levels and the number of particles on the last one.

    `levels` decrease and end with 0; if the first is negative they are chosen and filled in. `final` (2 arrays, one
    entry per particle) is filled with the networks and normals of the particles that reached the last level.
    """
    features, highs, lows = inputs
    networks, normals = final
    n_particles, n_points = networks.size, highs.shape[1]
    coordinates = n_coordinates(law)
    chosen = levels[0] < 0.0
    pool = make_pool(stream.key, stream.first_trial)
    parents = np.empty(n_particles, np.int64)
    copies, row = np.empty((n_particles, coordinates)), np.empty(law.fan_in + 1)
    products = np.empty((n_particles, n_points), features.dtype)
    gaps = np.empty(n_particles)
    for i in range(n_particles):
        networks[i] = i // per_network
        for j in range(coordinates):
            normals[i, j] = next_normal(pool)
    log_mean = 0.0
    for number in range(MOST_LEVELS):
        for i in range(n_particles):
            _set_products(products[i], features[networks[i]], row, normals[i], law)
            gaps[i] = _gap(products[i], highs[networks[i]], lows[networks[i]])
        level = _next_level(gaps) if chosen else levels[number]
        levels[number] = level
        n_kept = _take(parents, copies, gaps, level, networks, normals)
        if n_kept == 0:
            return -np.inf, number + 1, 0
        log_mean += math.log(n_kept / n_particles)
        if level <= 0.0:
            for i in range(n_kept):
                networks[i] = parents[i]
                copy_entries(normals[i], copies[i])
            return log_mean, number + 1, n_kept
        start = next_uniform(pool)
        for i in range(n_particles):
            parent = min(np.int64((i + start) * n_kept / n_particles), n_kept - 1)
            networks[i] = parents[parent]
            copy_entries(normals[i], copies[parent])
            k = networks[i]
            _set_products(products[i], features[k], row, normals[i], law)
            for _ in range(SWEEPS):
                for j in range(coordinates):
                    _move(products[i], normals[i], j, features[k], highs[k], lows[k], np.float32(level), law, pool)
    return -np.inf, MOST_LEVELS, 0


@kernel
def _take(parents, copies, gaps, level, networks, normals):
    """Copy the networks and normals of the particles within a level; return how many there are."""
    n_kept = 0
    for i in range(gaps.size):
        if gaps[i] <= level:
            parents[n_kept] = networks[i]
            copy_entries(copies[n_kept], normals[i])
            n_kept += 1
    return n_kept


@kernel
def n_coordinates(law):
    """Return how many normals make a row of a law."""
    weights = max(law.fan_in, law.dimension) if law.init == ORTHOGONAL else law.fan_in
    if law.init == RAI:
        return law.fan_in + 3  # the bias, which entry is redrawn, and its value
    return weights + 1 if law.has_bias else weights


@kernel
def _next_level(gaps):
    """Return the least level, at least 0, that KEPT of the particles are within; all with a finite gap if too few."""
    low, high, finite = 0.0, 0.0, 0
    for gap in gaps:
        if gap < np.inf:
            high = max(high, gap)
            finite += 1
    wanted = min(KEPT * gaps.size, finite)
    if _n_within(gaps, 0.0) >= wanted:
        return 0.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if _n_within(gaps, middle) >= wanted:
            high = middle
        else:
            low = middle
    return high


@kernel
def _n_within(gaps, level):
    """Count the particles within a level."""
    count = 0
    for gap in gaps:
        count += gap <= level
    return count


@kernel
def _gap(z, high, low):
    """Return the largest distance of a pre-activation from the range where the output is 0, negative inside."""
    gap = -np.inf
    for p in range(z.size):
        gap = max(gap, max(np.float64(z[p] - high[p]), np.float64(low[p] - z[p])))
    return gap


@kernel
def row_of(row, normals, law):
    """Fill in a row, weights and then the bias, in units of the standard deviations that scale the inputs."""
    fan_in = law.fan_in
    if law.init == UNIFORM:
        for j in range(fan_in):
            row[j] = _uniform(normals[j])
    elif law.init == ORTHOGONAL:
        factor = _orthogonal_factor(normals, law)
        for j in range(fan_in):
            row[j] = factor * normals[j]
    else:
        for j in range(fan_in):
            row[j] = normals[j]
    row[fan_in] = 0.0
    if law.init == RAI:
        row[fan_in] = normals[fan_in]
        row[_entry(normals[fan_in + 1], fan_in)] = _beta(normals[fan_in + 2]) * law.beta_scale
    elif law.has_bias:
        bias = normals[n_coordinates(law) - 1]
        row[fan_in] = _uniform(bias) if law.uniform_bias else bias


@kernel
def _set_products(z, features, row, normals, law):
    """Fill z with the products of a row and the inputs at all points; `row` is scratch."""
    row_of(row, normals, law)
    for p in range(z.size):
        z[p] = 0
    for j in range(law.fan_in + 1):
        weight, x = np.float32(row[j]), features[j]
        for p in range(z.size):
            z[p] += weight * x[p]


@kernel
def _move(z, normals, j, features, high, low, level, law, pool):
    """Move coordinate j of a row within a level, and its products with it."""
    old, other = normals[j], next_normal(pool)
    angle = 2.0 * math.pi * next_uniform(pool)
    least, most = angle - 2.0 * math.pi, angle
    for _ in range(MOST_SHRINKS):
        new = old * math.cos(angle) + other * math.sin(angle)
        move = _change(normals, j, new, law)
        if _is_within(z, move, features, high, low, level):
            normals[j] = new
            first, second = features[move.first], features[move.second]
            for p in range(z.size):
                z[p] = move.factor * z[p] + move.of_first * first[p] + move.of_second * second[p]
            return
        if angle > 0.0:
            most = angle
        else:
            least = angle
        angle = least + (most - least) * next_uniform(pool)


@kernel
def _is_within(z, move, features, high, low, level):
    """Whether the pre-activations after a move stay within a level, compared as whole vectors."""
    first, second = features[move.first], features[move.second]
    outside = np.int32(0)
    for p in range(z.size):
        y = move.factor * z[p] + move.of_first * first[p] + move.of_second * second[p]
        outside = np.int32(outside + ((y - high[p] > level) | (low[p] - y > level)))
    return outside == 0


@kernel
def _change(normals, j, new, law):
    """Return what a new value of coordinate j does to the pre-activations."""
    fan_in, one, nothing = law.fan_in, np.float32(1.0), np.float32(0.0)
    if law.init == GAUSSIAN:
        return RowMove(one, j, np.float32(new - normals[j]), j, nothing)
    if law.init == UNIFORM:
        change = _uniform(new) - _uniform(normals[j]) if j < fan_in or law.uniform_bias else new - normals[j]
        return RowMove(one, j, np.float32(change), j, nothing)
    if law.init == ORTHOGONAL:
        if law.has_bias and j == n_coordinates(law) - 1:
            return RowMove(one, fan_in, np.float32(new - normals[j]), fan_in, nothing)
        before = _orthogonal_factor(normals, law)
        after = math.sqrt(law.dimension / (law.dimension / before**2 + new**2 - normals[j] ** 2))
        ratio = after / before
        change = after * (new - normals[j]) if j < fan_in else 0.0
        bias = normals[n_coordinates(law) - 1] if law.has_bias else 0.0
        first = j if j < fan_in else fan_in
        return RowMove(np.float32(ratio), first, np.float32(change), fan_in, np.float32(bias * (1.0 - ratio)))
    entry = _entry(normals[fan_in + 1], fan_in)
    if j <= fan_in:
        return RowMove(one, j, np.float32(0.0 if j == entry else new - normals[j]), j, nothing)
    beta = _beta(normals[fan_in + 2]) * law.beta_scale
    if j == fan_in + 2:
        return RowMove(one, entry, np.float32(_beta(new) * law.beta_scale - beta), entry, nothing)
    other = _entry(new, fan_in)
    back, there = normals[entry] - beta, beta - normals[other]
    if other == entry:
        back, there = 0.0, 0.0
    return RowMove(one, entry, np.float32(back), other, np.float32(there))


@kernel
def _uniform(g):
    """Turn a standard normal into a uniform number of variance 1."""
    return SQRT_3 * math.erf(SQRT_HALF * g)


@kernel
def _beta(g):
    """Turn a standard normal into a number of the law Beta(2, 1)."""
    return math.sqrt(0.5 * math.erfc(-SQRT_HALF * g))


@kernel
def _entry(g, fan_in):
    """Turn a standard normal into an entry of a row with its bias, all equally likely."""
    return min(np.int64(0.5 * math.erfc(-SQRT_HALF * g) * (fan_in + 1)), fan_in)


@kernel
def _orthogonal_factor(normals, law):
    """Return what turns the normals of a row into entries of mean square 1."""
    square = 0.0
    for j in range(law.dimension):
        square += normals[j] * normals[j]
    return math.sqrt(law.dimension / square)

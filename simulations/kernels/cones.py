r"""P(a unit is inactive on all points) for fixed points: sequential Monte Carlo through nested cones.

With u, d_i of `inactive_units`, standard normals s, g and $h = \max_i g \cdot d_i \ge 0$, the probability is
$q = P(s \ge h)$. Let $q_\rho = P(s \ge \rho h)$ for $\rho$ from 0, where it is 1/2, to 1. N pairs (s, g)
follow levels $0 = \rho_0 < .. < \rho_L = 1$: with weights $w = \Phi(-\rho_k h) / \Phi(-\rho_{k-1} h)$

    q = 1/2 prod_k mean(w)    without bias,

then the pairs are resampled by w, s is drawn above its limit $\rho_k h$, and each pair moves along random ellipses, on
which the cone cuts out a single arc, so that no move is rejected. Weights are never 0. Without given levels each is
chosen so that the weights are worth LEVEL_SHARE of the population: a pilot, whose levels later populations use.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.copies import copy_entries
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Position
from neurondeath.simulations.kernels.philox import make_counters, philox_words
from neurondeath.simulations.kernels.resampling import effective_number, resample, uniform_of
from neurondeath.simulations.kernels.tails import log_tail, normal_above

__all__ = ["MOST_LEVELS", "MOVES", "sample_cones"]

MOVES = 3  # moves of a population per level
MOST_LEVELS = 4096
LEVEL_SHARE = 0.5
BISECTIONS = 40
TINY = 1e-300  # slack of a pair that rounding has put on the edge of its cone
PURPOSE_CONES, PURPOSE_CONE_UNIFORMS = np.uint64(7), np.uint64(8)


@kernel
def sample_cones(levels, across, n_pairs, key, trial):
    """Return an estimate of log q, its effective number of pairs, and the number of levels.

    `across` (float64) has one column per point, its d_i. `levels` are increasing and end with 1; if the first is 0 they
    are chosen and filled in. `n_pairs` is a multiple of 4.
    """
    dimension, n_points = across.shape
    chosen = levels[0] == 0.0
    normals = np.empty(whole_groups((dimension + 1) * n_pairs), np.float64)
    words, counters = np.empty(normals.size, np.uint32), make_counters(normals.size // 4, normals.size // 4)
    uniforms = np.empty(n_pairs, np.uint32)
    uniform_counters = make_counters(n_pairs // 4, n_pairs // 4)
    products, others = np.empty((n_points, n_pairs)), np.empty((n_points, n_pairs))
    s, weights, heights = np.empty(n_pairs), np.empty(n_pairs), np.empty(n_pairs)
    most, least, parents = np.empty(n_pairs), np.empty(n_pairs), np.empty(n_pairs, np.int64)
    _draw_products(products, across, normals, words, counters, Position(key, 0, trial, PURPOSE_CONES))
    log_q, effective, before = math.log(0.5), np.float64(n_pairs), 0.0
    for number in range(MOST_LEVELS):
        _largest_of_columns(heights, products)
        level = _next_level(weights, heights, before) if chosen else levels[number]
        levels[number] = level
        largest = _set_weights(weights, heights, before, level)
        log_q += largest + math.log(weights.mean())
        effective = min(effective, effective_number(weights))
        if level >= 1.0:
            return log_q, effective, number + 1
        site = number * (MOVES + 2) + 1
        philox_words(uniforms, uniform_counters, Position(key, site, trial, PURPOSE_CONE_UNIFORMS), 0)
        weights /= weights.sum()
        resample(parents, weights, uniform_of(uniforms[0]))
        philox_words(uniforms, uniform_counters, Position(key, site + 1, trial, PURPOSE_CONE_UNIFORMS), 0)
        for i in range(n_pairs):
            s[i] = normal_above(max(level * heights[parents[i]], 0.0), uniform_of(uniforms[i]))
        for p in range(n_points):
            for i in range(n_pairs):
                most[i] = products[p, parents[i]]
            copy_entries(products[p], most)
        for move in range(MOVES):
            place = site + 2 + move
            philox_words(uniforms, uniform_counters, Position(key, place, trial, PURPOSE_CONE_UNIFORMS), 0)
            _draw_products(others, across, normals, words, counters, Position(key, place, trial, PURPOSE_CONES))
            _find_arcs(most, least, products, others, s, normals, level)
            _move(products, others, s, normals, (most, least), uniforms)
        before = level
    return -np.inf, 1.0, MOST_LEVELS


@kernel
def _draw_products(products, across, normals, words, counters, position):
    """Fill the products of all points (rows) and pairs (columns); the first row of normals is left for s."""
    dimension, n_points = across.shape
    n_pairs = products.shape[1]
    fill_normals(normals, words, counters, (dimension + 1) * n_pairs, position, 0, np.float32(1.0))
    for p in range(n_points):
        row = products[p]
        row[:] = 0.0
        for j in range(dimension):
            factor, normal = across[j, p], normals[(j + 1) * n_pairs : (j + 2) * n_pairs]
            for i in range(n_pairs):
                row[i] += factor * normal[i]


@kernel
def _largest_of_columns(heights, products):
    """Fill `heights` with the largest product of every pair."""
    copy_entries(heights, products[0])
    for p in range(1, products.shape[0]):
        row = products[p]
        for i in range(heights.size):
            heights[i] = row[i] if row[i] > heights[i] else heights[i]


@kernel
def _set_weights(weights, heights, before, level):
    """Set the weights of a step between levels, divided by the largest; return the logarithm of that."""
    for i in range(weights.size):
        h = max(heights[i], 0.0)
        weights[i] = log_tail(level * h) - log_tail(before * h)
    largest = weights.max()
    for i in range(weights.size):
        weights[i] = math.exp(weights[i] - largest)
    return largest


@kernel
def _next_level(weights, heights, before):
    """Return the level whose weights are worth LEVEL_SHARE of the population, at most 1."""
    low, high = before, 1.0
    _set_weights(weights, heights, before, high)
    if effective_number(weights) >= LEVEL_SHARE * weights.size:
        return high
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        _set_weights(weights, heights, before, middle)
        if effective_number(weights) >= LEVEL_SHARE * weights.size:
            low = middle
        else:
            high = middle
    return high


@kernel
def _find_arcs(most, least, products, others, s, other_s, level):
    """Fill in the extreme cotangents of every pair's arc.

    A constraint -slack cos + change sin <= 0 holds on the half-circle that ends at the arc cotangent of change/slack.
    """
    n_pairs = s.size
    most[:] = -np.inf
    least[:] = np.inf
    for p in range(products.shape[0]):
        row, other = products[p], others[p]
        for i in range(n_pairs):
            slack = s[i] - level * row[i]
            slack = slack if slack > TINY else TINY
            cotangent = (level * other[i] - other_s[i]) / slack
            most[i] = cotangent if cotangent > most[i] else most[i]
            least[i] = cotangent if cotangent < least[i] else least[i]


@kernel
def _move(products, others, s, other_s, cotangents, uniforms):
    """Move every pair along the ellipse through it and another, uniformly on the arc inside the cone."""
    cos, sin = cotangents
    for i in range(s.size):
        last, first = math.atan2(1.0, cos[i]), math.atan2(1.0, sin[i]) - math.pi
        angle = first + (last - first) * uniform_of(uniforms[i])
        cos[i], sin[i] = math.cos(angle), math.sin(angle)
        s[i] = cos[i] * s[i] + sin[i] * other_s[i]
    for p in range(products.shape[0]):
        row, other = products[p], others[p]
        for i in range(s.size):
            row[i] = cos[i] * row[i] + sin[i] * other[i]

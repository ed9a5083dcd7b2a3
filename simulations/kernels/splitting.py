"""Sample populations of plain networks in which the dead are replaced by copies of the living.

A population starts as N networks that have seen the same points. Layer by layer every member draws its own weights;
the members without a living point are then replaced: the living ones, in random order, are copied one after another
until no place is empty, each as likely as any other. Whatever the population looks like, the product of the shares that
survived is an unbiased estimate of P(alive), and the product before a layer, times the sum of the members' living
points after it over N, one of the mean number of living points. Members of a population are not independent,
populations are.

Random numbers: the parameters of a layer run over (member, unit, element), so a layer of the whole population is one
row of blocks. The order of copies is a partial shuffle by its own words.
"""

import numpy as np

from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_at_least, whole_groups
from neurondeath.simulations.kernels.panels import (
    aligned,
    n_panels_of,
    pass_constant,
    place,
    rectified_units,
    rescale,
    survey,
)
from neurondeath.simulations.kernels.philox import fill_chunk_counters, philox_words
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_splitting"]

FILL_NORMALS = 16384  # weights made at a time: they stay in the second-level cache
PURPOSE_WEIGHTS, PURPOSE_BIASES, PURPOSE_COPIES = np.uint64(0), np.uint64(1), np.uint64(6)


@kernel
def sample_splitting(
    alive, alive_squares, living, living_squares, points, widths, weight_scales, bias_scale, lone_survival,
    population, key0, key1, first_trial, n_trials,
):  # fmt: skip
    """Add to the first four arrays (float64, one entry a layer) the estimates of n_trials populations and squares.

    All are in units of the product of lone_survival[0..l] (float64), the probability that a single point survives a
    layer, so that nothing underflows. `points` has shape (input_dim + 1, n_points), its last row the constant of the
    biases (0 without), and gives the dtype of the computation.
    """
    has_bias = bias_scale > 0.0
    depth = widths.size
    input_dim, n_points = points.shape[0] - 1, points.shape[1]
    n_panels = n_panels_of(n_points)
    rows = widths.max() + 1
    size = n_panels * rows * PANEL
    x, z = aligned(population * size, points), aligned(population * size, points)
    # the points may be longer than a member's place: the first layer has arrays of its own
    first_rows = max(input_dim + 1, rows)
    first = aligned(n_panels * first_rows * PANEL, points)
    for column in range(n_points):
        for row in range(input_dim + 1):
            first[place(first_rows, row, column)] = points[row, column]
    first_output = aligned(first.size, points)
    peak = aligned(n_panels * PANEL, points)

    capacity = whole_groups(population)
    bias_capacity = whole_groups(1)
    fan_in = input_dim
    for width in widths:
        members = _fill_members(width * fan_in, population)
        capacity = max(capacity, whole_groups(members * width * fan_in))
        bias_capacity = max(bias_capacity, whole_groups(members * width))
        fan_in = width
    capacity = max(capacity, bias_capacity)
    words = np.empty(capacity, np.uint32)
    weights = np.empty(capacity, points.dtype)
    biases = np.zeros(bias_capacity, points.dtype)
    blocks, layers = np.empty(capacity // 4, np.uint32), np.empty(capacity // 4, np.uint32)
    fill_chunk_counters(blocks, layers, blocks.size)
    parents = np.empty(population, np.int64)
    counts = np.empty(population, np.int64)
    survivors = np.empty(population, np.int64)

    for trial in range(first_trial, first_trial + n_trials):
        product = 1.0
        fan_in = input_dim
        for layer in range(depth):
            width = widths[layer]
            per_fill = _fill_members(width * fan_in, population)
            n_survivors, n_living = 0, 0
            for member in range(population):
                here = member % per_fill
                if here == 0:
                    total = min(per_fill, population - member)
                    fill_at_least(
                        weights, words, blocks, layers, total * width * fan_in, key0, key1,
                        member * width * fan_in // 4, layer, trial, PURPOSE_WEIGHTS, weight_scales[layer],
                    )  # fmt: skip
                    if has_bias:
                        fill_at_least(
                            biases, words, blocks, layers, total * width, key0, key1,
                            member * width // 4, layer, trial, PURPOSE_BIASES, bias_scale,
                        )  # fmt: skip
                output = z[member * size : (member + 1) * size]
                peak[:] = 0
                if layer == 0:
                    rectified_units(
                        first_output, first, weights, biases, peak, first_rows, n_panels, 0, width, fan_in,
                        here * width * fan_in, here * width, has_bias,
                    )  # fmt: skip
                    pass_constant(first_output, first, peak, first_rows, n_panels, fan_in, width)
                    for panel in range(n_panels):
                        length, at = (width + 1) * PANEL, panel * first_rows * PANEL
                        output[panel * rows * PANEL : panel * rows * PANEL + length] = first_output[at : at + length]
                else:
                    source = x[parents[member] * size : (parents[member] + 1) * size]
                    rectified_units(
                        output, source, weights, biases, peak, rows, n_panels, 0, width, fan_in,
                        here * width * fan_in, here * width, has_bias,
                    )  # fmt: skip
                    if has_bias:
                        pass_constant(output, source, peak, rows, n_panels, fan_in, width)
                count, unsafe = survey(peak)
                if unsafe > 0:
                    rescale(output, peak, rows, width, n_points, has_bias)
                counts[member] = count
                if count > 0:
                    survivors[n_survivors] = member
                    n_survivors += 1
                    n_living += count
            living_now = product * (n_living / population) / lone_survival[layer]
            product *= (n_survivors / population) / lone_survival[layer]
            if n_survivors == 0:
                break
            alive[layer] += product
            alive_squares[layer] += product * product
            living[layer] += living_now
            living_squares[layer] += living_now * living_now
            if layer + 1 < depth:
                _choose_parents(
                    parents, survivors, counts, n_survivors, words, blocks, layers, key0, key1, layer, trial
                )
            x, z = z, x
            fan_in = width


@kernel
def _fill_members(n_weights, population):
    """Members whose weights are made at a time: a multiple of 4, so that every fill starts at a whole block."""
    return min(-(-population // 4) * 4, max(4, FILL_NORMALS // n_weights // 4 * 4))


@kernel
def _choose_parents(parents, survivors, counts, n_survivors, words, blocks, layers, key0, key1, layer, trial):
    """Give every member the one it continues: itself, or for the dead the survivors in random order, over and over."""
    n_dead = counts.size - n_survivors
    n_drawn = min(n_dead, n_survivors)
    if n_drawn > 0:
        total = -(-n_drawn // 4) * 4
        philox_words(words[:total], blocks, layers, key0, key1, 0, layer, trial, PURPOSE_COPIES)
    dead = 0
    for member in range(counts.size):
        parents[member] = member
        if counts[member] == 0:
            if dead < n_drawn:
                # a word scaled to the survivors that are left: uniform to a part in 2^32
                left = np.uint64(n_survivors - dead)
                pick = dead + np.int64((np.uint64(words[dead]) * left) >> np.uint64(32))
                survivors[dead], survivors[pick] = survivors[pick], survivors[dead]
            parents[member] = survivors[dead % n_survivors]
            dead += 1

"""Sample populations of plain networks in which the dead are replaced by copies of the living.

A population starts as N networks that have seen the same points. Layer by layer every member draws its own weights;
the members without a living point are then replaced: the living ones, in random order, are copied one after another
until no place is empty, each as likely as any other. For every population, the product of the shares that
survived is an unbiased estimate of P(alive), and the product before a layer, times the sum of the members' living
points after it over N, one of the mean number of living points. Members of a population are not independent,
populations are.

Random numbers: the parameters of a layer run over (member, unit, element), so a layer of the whole population is one
row of blocks. The order of copies is a partial shuffle with separate words.
"""

import numpy as np

from neurondeath.simulations.kernels.copies import copy_panel_rows
from neurondeath.simulations.kernels.jit import kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
from neurondeath.simulations.kernels.packed_arguments import Parameters, Position, UnitRange
from neurondeath.simulations.kernels.panels import (
    aligned,
    lay_out,
    n_panels_of,
    pass_constant,
    rectified_units,
    rescale,
    survey,
)
from neurondeath.simulations.kernels.philox import make_counters, philox_words
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_splitting"]

NORMALS_PER_FILL = 16384  # weights made at a time: they stay in the second-level cache
PURPOSE_WEIGHTS, PURPOSE_BIASES, PURPOSE_COPIES = np.uint64(0), np.uint64(1), np.uint64(6)


@kernel
def sample_splitting(sums, points, law, lone_survival, population, stream):
    """Add to `sums` the estimates of a stream's trials, one population each, and their squares.

    `points` has shape (input_dim + 1, n_points), its last row the constant of the biases (0 without), and gives the
    dtype of the computation. `lone_survival` (float64) holds the probability that a single point survives a layer: the
    sums are in units of its product over the layers so far, so that nothing underflows.
    """
    alive, alive_squares, living, living_squares = sums
    widths, weight_scales, bias_scale = law
    has_bias = bias_scale > 0.0
    input_dim, n_points = points.shape[0] - 1, points.shape[1]
    n_panels = n_panels_of(n_points)
    rows = widths.max() + 1
    size = n_panels * rows * PANEL
    x, z = aligned(population * size, points), aligned(population * size, points)
    # the points may be longer than a member's place: the first layer has separate arrays
    first_rows = max(input_dim + 1, rows)
    first = aligned(n_panels * first_rows * PANEL, points)
    lay_out(first, points, first_rows)
    first_output = aligned(first.size, points)
    peak = aligned(n_panels * PANEL, points)
    capacity, bias_capacity = _capacities(widths, population, input_dim)
    weights, biases = np.empty(capacity, points.dtype), np.zeros(bias_capacity, points.dtype)
    parameters, words = Parameters(weights, biases), np.empty(capacity, np.uint32)
    counters = make_counters(capacity // 4, capacity // 4)
    parents, survivors = np.empty(population, np.int64), np.empty(population, np.int64)
    counts = np.empty(population, np.int64)

    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        product = 1.0
        fan_in = input_dim
        for layer in range(widths.size):
            width = widths[layer]
            n_weights = width * fan_in
            per_fill = _fill_members(n_weights, population)
            n_survivors, n_living = 0, 0
            for member in range(population):
                here = member % per_fill
                if here == 0:
                    n_made = min(per_fill, population - member)
                    position, block = Position(stream.key, layer, trial, PURPOSE_WEIGHTS), member * n_weights // 4
                    fill_normals(weights, words, counters, n_made * n_weights, position, block, weight_scales[layer])
                    if has_bias:
                        position, block = Position(stream.key, layer, trial, PURPOSE_BIASES), member * width // 4
                        fill_normals(biases, words, counters, n_made * width, position, block, bias_scale)
                units = UnitRange(0, width, fan_in, here * n_weights, here * width, has_bias)
                output = z[member * size : (member + 1) * size]
                peak[:] = 0
                if layer == 0:
                    rectified_units(first_output, first, peak, parameters, units, first_rows, n_panels)
                    pass_constant(first_output, first, peak, first_rows, n_panels, fan_in, width)
                    copy_panel_rows(output, first_output, rows, first_rows, width + 1, n_panels)
                else:
                    source = x[parents[member] * size : (parents[member] + 1) * size]
                    rectified_units(output, source, peak, parameters, units, rows, n_panels)
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
            if layer + 1 < widths.size:
                position = Position(stream.key, layer, trial, PURPOSE_COPIES)
                _choose_parents(parents, survivors, counts, n_survivors, words, counters, position)
            x, z = z, x
            fan_in = width


@kernel
def _capacities(widths, population, fan_in):
    """Return the numbers of weights and of biases drawn at a time, the former no less than one word per member."""
    capacity, bias_capacity = whole_groups(population), whole_groups(1)
    for width in widths:
        members = _fill_members(width * fan_in, population)
        capacity = max(capacity, whole_groups(members * width * fan_in))
        bias_capacity = max(bias_capacity, whole_groups(members * width))
        fan_in = width
    return max(capacity, bias_capacity), bias_capacity


@kernel
def _fill_members(n_weights, population):
    """Return how many members are filled at a time: a multiple of 4, so that every fill starts at a whole block."""
    return min(-(-population // 4) * 4, max(4, NORMALS_PER_FILL // n_weights // 4 * 4))


@kernel
def _choose_parents(parents, survivors, counts, n_survivors, words, counters, position):
    """Fill `parents` with the member that each continues: itself, or for a dead one a survivor, in random order."""
    n_dead = counts.size - n_survivors
    n_drawn = min(n_dead, n_survivors)
    if n_drawn > 0:
        total = -(-n_drawn // 4) * 4
        philox_words(words[:total], counters, position, 0)
    dead = 0
    for member in range(counts.size):
        parents[member] = member
        if counts[member] == 0:
            if dead < n_drawn:
                # a word scaled to the number of survivors left: uniform up to 2^-32
                left = np.uint64(n_survivors - dead)
                pick = dead + np.int64((np.uint64(words[dead]) * left) >> np.uint64(32))
                survivors[dead], survivors[pick] = survivors[pick], survivors[dead]
            parents[member] = survivors[dead % n_survivors]
            dead += 1

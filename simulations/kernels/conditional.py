r"""Sample plain networks conditioned on survival, and the probability that each layer would have killed them.

Along a chain whose layers are drawn again until a point survives, the probability $u_l$ that a layer dies is estimated
without bias (`inactive_units`). Rare death comes from the few chains whose points have nearly met: the logarithm of
$u_l$ varies by 4 to 8 between chains of width 20. So chains run in populations of N, each with a weight w, and

    U_l = sum_i w_i u_l,i / sum_i w_i                    P(layer l dead | alive before), then w_i <- w_i (1 - u_l,i)
    P(dead through l) = 1 - prod_j (1 - U_j),            added up as D += (1 - D) U, which keeps its precision

Before each layer the population is resampled (`resampling`) with shares

    p_i = (1 - c) w_i t_i^beta / sum_j w_j t_j^beta + c w_i / sum_j w_j,      new weight w_i / (N p_i),

t_i an estimate of u_l,i with less noise: chains about to die are preferred (tilted sequential Monte Carlo), the weight
corrects for it, and c bounds it by 1 / c times the mean. A population whose shares are nearly equal is left as it is.
Where death is the rule (the tilt of the layer is 0) the weights alone are evened out: splitting. Populations are
independent; that an average is taken over weights leaves a bias of order 1/N.

With one set of inputs for all trials, layer 1 dies with the same probability in all chains: it is not estimated here
(`cones`), and the chains start alive behind it.

Dead points are dropped at once: with biases they would turn units active again. The units behind u_l are drawn
independently of the layer that follows; they must not be the same.
"""

import math

import numpy as np

from neurondeath.simulations.kernels.copies import copy_panel_rows
from neurondeath.simulations.kernels.inactive_units import (
    angle_between,
    fill_units,
    mean_direction,
    probe_units,
    transverse,
    weight_shares,
)
from neurondeath.simulations.kernels.jit import inlined_kernel, kernel
from neurondeath.simulations.kernels.normals import fill_normals, whole_groups
from neurondeath.simulations.kernels.packed_arguments import (
    Chains,
    ChainSite,
    DrawBuffers,
    Extent,
    LayerShape,
    Parameters,
    Population,
    Position,
    UnitRange,
    Workspace,
)
from neurondeath.simulations.kernels.panels import (
    aligned,
    move_together,
    n_panels_of,
    pass_constant,
    rectified_units,
    rescale,
    survey,
)
from neurondeath.simulations.kernels.philox import make_counters, philox_words
from neurondeath.simulations.kernels.resampling import effective_number, resample, uniform_of
from neurondeath.simulations.kernels.tile import PANEL

__all__ = ["sample_conditional"]

UNTILTED_SHARE = 0.25  # c: no weight exceeds four times the mean
LEAST_EFFECTIVE = 0.6  # a population is resampled when its shares are worth less than this share of it
PURPOSE_WEIGHTS, PURPOSE_BIASES, PURPOSE_COPIES = np.uint64(0), np.uint64(1), np.uint64(6)
PURPOSE_BITS = np.uint64(8)  # bits of a purpose; the numbers of the chain within its trial and of the attempt follow
CHAIN_BITS = np.uint64(8)
LN2 = math.log(2.0)


@kernel
def sample_conditional(sums, inputs, law, rule, stream):
    """Add to `sums` the estimates of a stream's trials, in populations that end at multiples of `rule.trials`.

    `inputs` are `FirstInputs`, the last row of its columns the constant of the biases (0 without); it gives the dtype
    of the computation. Of separate sets, set i belongs to trial number i of the stream.
    """
    widths, weight_scales, bias_scale = law
    end = stream.first_trial + stream.n_trials
    like, input_dim = inputs.points[0], inputs.input_dim
    n_panels, rows = n_panels_of(inputs.n_points.max()), widths.max() + 1
    size = n_panels * rows * PANEL
    most = min(rule.trials, stream.n_trials) * rule.per_trial
    here = Population(aligned(most * size, like), np.empty(most, np.int64))
    there = Population(aligned(most * size, like), np.empty(most, np.int64))
    peak, u = aligned(n_panels * PANEL, like), np.zeros(rows, like.dtype)
    buffers = _make_buffers(widths, input_dim, like)
    workspace = Workspace(aligned(like.size, like), aligned(size, like), peak, u, aligned(PANEL, like), buffers)

    start = stream.first_trial
    while start < end:
        stop = min((start // rule.trials + 1) * rule.trials, end)
        n = (stop - start) * rule.per_trial
        chains = Chains(np.ones(n), np.empty(n), np.empty(n), np.empty(n), np.arange(n))
        own_set = start - stream.first_trial if inputs.separate else -1
        log_dead, log_alive, log_squares = -np.inf, 0.0, -np.inf
        for layer in range(widths.size):
            site = ChainSite(stream.key, layer, start, rule.per_trial)
            deviations = (weight_scales[layer], bias_scale)
            shape = LayerShape(rows, size, widths[layer - 1] if layer > 0 else input_dim, widths[layer])
            if layer > 0:
                _probe_chains(chains, here, shape, deviations, site, workspace)
            elif own_set >= 0:
                _probe_first(chains, inputs, own_set, shape, deviations, site, workspace)
            if layer > 0 or own_set >= 0:
                log_u, log_effective = _layer_death(chains)
                log_dead = _log_sum(log_dead, log_alive + log_u)
                log_squares = _log_sum(log_squares, 2.0 * (log_alive + log_u) - log_effective)
                log_alive += math.log1p(-math.exp(log_u))
                _choose(chains, rule.tilts[layer], site)
            if layer > 0:
                _draw_chains(there, here, chains.parents, shape, deviations, site, workspace)
                here, there = there, here
            else:
                _draw_first(here, inputs, chains.parents, own_set, shape, deviations, site, workspace)
            logs = (log_dead, log_alive, log_squares)
            _record(sums, layer, stop - start, chains.weights, here.n_alive, logs, rule.log_lone[layer])
        start = stop


@inlined_kernel
def _probe_chains(chains, here, shape, deviations, site, workspace):
    """Estimate the death of the next layer in every chain."""
    rows, size, fan_in, width = shape
    shares = weight_shares(deviations[0], deviations[1])
    length = fan_in + 1 if deviations[1] > 0.0 else fan_in
    z, d, peak, u, extremes, buffers = workspace
    direction = Parameters(u, u)
    for i in range(chains.weights.size):
        x = here.features[i * size : (i + 1) * size]
        extent = Extent(rows, here.n_alive[i], fan_in)
        if extent.n_columns <= 2:
            _exact(chains, i, x, extent, width, shares)
            continue
        mean_direction(u, x, d, extent, shares)
        transverse(d, x, z, direction, peak, extent, shares)
        chains.log_death[i], chains.log_tilt[i] = probe_units(
            z, d, (peak, extremes), buffers, extent, width, length, _position(site, i)
        )


@inlined_kernel
def _probe_first(chains, inputs, own_set, shape, deviations, site, workspace):
    """Estimate the death of the first layer in every chain, whose trials have separate points."""
    n_panels = n_panels_of(inputs.n_points.max())
    first_rows = inputs.points.shape[1] // (n_panels * PANEL)
    shares = weight_shares(deviations[0], deviations[1])
    length = shape.fan_in + 1 if deviations[1] > 0.0 else shape.fan_in
    for i in range(chains.weights.size):
        number = own_set + i // site.per_trial
        extent = Extent(first_rows, inputs.n_points[number], shape.fan_in)
        if extent.n_columns <= 2:
            _exact(chains, i, inputs.points[number], extent, shape.width, shares)
        elif not inputs.halved[number]:
            chains.log_death[i], chains.log_tilt[i] = -np.inf, -np.inf
        else:
            chains.log_death[i], chains.log_tilt[i] = probe_units(
                workspace.z, inputs.across[number], (workspace.peak, workspace.extremes), workspace.buffers, extent,
                shape.width, length, _position(site, i),
            )  # fmt: skip


@kernel
def _exact(chains, i, x, extent, width, shares):
    """Set the death of a layer in a chain with one or two living points, or none."""
    if extent.n_columns == 2:
        log_unit = math.log(1.0 - angle_between(x, extent, shares) / math.pi) - LN2
    else:
        log_unit = -LN2 if extent.n_columns == 1 else 0.0
    chains.log_death[i] = width * log_unit
    chains.log_tilt[i] = width * log_unit


@kernel
def _position(site, i):
    """Return where chain i of a population draws; the low bits of its purpose are free."""
    key, layer, first_trial, per_trial = site
    return Position(key, layer, first_trial + i // per_trial, np.uint64(i % per_trial) << PURPOSE_BITS)


@kernel
def _log_sum(a, b):
    """Return log(exp a + exp b)."""
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + math.log1p(math.exp(b - a))


@kernel
def _layer_death(chains):
    """Average the death of a layer over the chains and take it out of their weights; keep these at mean 1.

    Returns the logarithm of the average and that of the effective number of chains behind it.
    """
    weights, log_death = chains.weights, chains.log_death
    largest = log_death.max()
    if largest == -np.inf:
        return -np.inf, 0.0
    total, squares, mass, left = 0.0, 0.0, 0.0, 0.0
    for i in range(weights.size):
        share = weights[i] * math.exp(log_death[i] - largest)
        total += share
        squares += share * share
        mass += weights[i]
        weights[i] *= -math.expm1(log_death[i])
        left += weights[i]
    for i in range(weights.size):
        weights[i] *= weights.size / left
    return largest + math.log(total / mass), math.log(total / squares * total)


@kernel
def _choose(chains, tilt, site):
    """Choose the chain that each continues, and set the weights to match."""
    weights, _, log_tilt, shares, parents = chains
    n = weights.size
    largest = log_tilt.max()
    if largest == -np.inf:  # no chain can die
        tilt = 0.0
    total = 0.0
    for i in range(n):
        parents[i] = i
        shares[i] = weights[i] if tilt == 0.0 else weights[i] * math.exp(tilt * (log_tilt[i] - largest))
        total += shares[i]
    for i in range(n):
        shares[i] = (1.0 - UNTILTED_SHARE) * shares[i] / total + UNTILTED_SHARE * weights[i] / n
    if effective_number(shares) >= LEAST_EFFECTIVE * n:
        return
    words = np.empty(4, np.uint32)
    philox_words(words, make_counters(1, 1), Position(site.key, site.layer, site.first_trial, PURPOSE_COPIES), 0)
    resample(parents, shares, uniform_of(words[0]))
    total = 0.0
    for i in range(n):  # shares become the weights of the copies
        log_tilt[i] = weights[parents[i]] / shares[parents[i]]
        total += log_tilt[i]
    for i in range(n):
        weights[i] = log_tilt[i] * n / total


@inlined_kernel
def _draw_first(target, inputs, parents, own_set, shape, deviations, site, workspace):
    """Fill the chains with living outputs of the first layer."""
    n_panels = n_panels_of(inputs.n_points.max())
    first_rows = inputs.points.shape[1] // (n_panels * PANEL)
    for i in range(parents.size):
        number = own_set + parents[i] // site.per_trial if own_set >= 0 else 0
        extent = Extent(first_rows, inputs.n_points[number], shape.fan_in)
        output = target.features[i * shape.size : (i + 1) * shape.size]
        target.n_alive[i] = _draw_living(
            output, inputs.points[number], extent, shape, deviations, _position(site, i), workspace
        )


@inlined_kernel
def _draw_chains(target, source, parents, shape, deviations, site, workspace):
    """Fill the chains with living outputs of a layer, each from its parent's."""
    rows, size, fan_in, _ = shape
    for i in range(parents.size):
        x = source.features[parents[i] * size : (parents[i] + 1) * size]
        extent = Extent(rows, source.n_alive[parents[i]], fan_in)
        output = target.features[i * size : (i + 1) * size]
        target.n_alive[i] = _draw_living(output, x, extent, shape, deviations, _position(site, i), workspace)


@inlined_kernel
def _draw_living(output, x, extent, shape, deviations, position, workspace):
    """Fill `output` with a layer's outputs at the living points, drawn again until there are some; return how many.

    `x` may have more rows than `output`; the purpose of `position` names the chain.
    """
    z, _, peak, _, _, ((weights, biases), words, counters) = workspace
    parameters = Parameters(weights, biases)
    weight_scale, bias_scale = deviations
    rows, n_columns, fan_in = extent
    width = shape.width
    key, layer, trial, purpose = position
    has_bias = bias_scale > 0.0
    n_panels, per_fill = n_panels_of(n_columns), fill_units(fan_in)
    made = output if rows == shape.rows else z
    count, unsafe = 0, 0
    while count == 0:
        peak[: n_panels * PANEL] = 0
        if has_bias:
            of_biases = Position(key, layer, trial, PURPOSE_BIASES | purpose)
            fill_normals(biases, words, counters, width, of_biases, 0, bias_scale)
        of_weights = Position(key, layer, trial, PURPOSE_WEIGHTS | purpose)
        for unit in range(0, width, per_fill):
            n_units = min(per_fill, width - unit)
            fill_normals(weights, words, counters, n_units * fan_in, of_weights, unit * fan_in // 4, weight_scale)
            units = UnitRange(unit, n_units, fan_in, 0, unit, has_bias)
            rectified_units(made, x, peak, parameters, units, rows, n_panels)
        count, unsafe = survey(peak[: n_panels * PANEL])
        purpose += np.uint64(1) << (PURPOSE_BITS + CHAIN_BITS)
    pass_constant(made, x, peak, rows, n_panels, fan_in, width)
    if rows != shape.rows:
        copy_panel_rows(output, z, shape.rows, rows, width + 1, n_panels)
    if count < n_columns:
        move_together(output, peak, shape.rows, width, n_columns)
    if unsafe > 0:
        rescale(output, peak, shape.rows, width, count, has_bias)
    return count


@kernel
def _record(sums, layer, n_trials, weights, n_alive, logs, log_lone):
    """Add a population's estimates of one layer to the sums."""
    log_dead, log_alive, log_squares = logs
    living = 0.0
    for i in range(weights.size):
        living += weights[i] * n_alive[i]
    living *= math.exp(log_alive - log_lone) / weights.size
    if log_dead > -np.inf:
        sums.log_dead[layer] += n_trials * log_dead
        sums.log_dead_squares[layer] += n_trials * log_dead * log_dead
        sums.deadly[layer] += 1.0
    sums.populations[layer] += 1.0
    sums.log_alive[layer] += n_trials * log_alive
    sums.log_alive_squares[layer] += n_trials * log_alive * log_alive
    sums.living[layer] += n_trials * living
    sums.living_squares[layer] += n_trials * living * living
    if log_dead > -LN2:  # death is the rule: few chains may carry what lives
        sums.effective[layer] += effective_number(weights)
    elif log_dead > -np.inf:
        sums.effective[layer] += min(math.exp(2.0 * log_dead - log_squares), np.float64(weights.size))


@kernel
def _make_buffers(widths, fan_in, like):
    """Create buffers for as many parameters as are drawn at a time, of the dtype of `like`."""
    bias_capacity = whole_groups(widths.max())
    capacity = max(whole_groups(1), bias_capacity)
    for width in widths:
        capacity = max(capacity, whole_groups(min(width, fill_units(fan_in)) * (fan_in + 1)))
        fan_in = width
    parameters = Parameters(np.empty(capacity, like.dtype), np.zeros(bias_capacity, like.dtype))
    return DrawBuffers(parameters, np.empty(capacity, np.uint32), make_counters(capacity // 4, capacity // 4))

"""The conditional estimator by multiplying the weights out: plain ReLU networks with Gaussian weights."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.conditional import sample_conditional
from neurondeath.simulations.kernels.packed_arguments import ChainRule, ChainSums, FirstInputs, Law, Stream
from neurondeath.simulations.kernels.panels import lay_out, n_panels_of
from neurondeath.simulations.kernels.tile import PANEL
from neurondeath.simulations.populations import chain_work, population_of
from neurondeath.simulations.samplers.first_layer import across_columns, estimate_unit, first_layer_of
from neurondeath.simulations.samplers.points import plain_law, prepare_points, random_stream, stretches

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]

ONLY_LAYER = 3  # so much more of the work goes into the first layer where there is no other


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Sum, layer by layer, logarithms of P(alive) and P(dead), the number of living points, and their squares.

    Sums run over populations of chains, each weighted by its number of trials (`ChainSums`). With a fixed set of
    points entry 0 of the sums of `log_dead` is that of the logarithm of q, the probability that one unit of the first
    layer is inactive on all points, and the other entries are of chains that survived the first layer. All sums are 0
    if every point is dead from the start.
    """
    network, inputs = task.network, task.inputs
    sums = ChainSums(*(np.zeros(network.depth) for _ in ChainSums._fields))
    if not network.has_bias and not inputs.n_nonzero and not inputs.resample:
        return sums._asdict()  # all points are dead
    law, rule = plain_law(network), _chain_rule(task)
    stream = random_stream(task, seed, start, stop)
    sets = [points for points, _ in stretches(task, seed, start, stop)]
    sample_conditional(sums, _first_inputs(task, sets, law), law, rule, stream)
    if not inputs.resample:
        _add_first_layer(sums, task, stream, rule)
    return sums._asdict()


def _add_first_layer(sums: ChainSums, task: "Task", stream: Stream, rule: ChainRule) -> None:
    """Add log q to entry 0, once per population of chains."""
    network = task.network
    first = first_layer_of(task.inputs, network.bias_variance, network.weight_variance / network.input_dim)
    if first.log_unit == -np.inf:
        return
    end = stream.first_trial + stream.n_trials
    start = stream.first_trial
    while start < end:
        stop = min((start // rule.trials + 1) * rule.trials, end)
        if first.log_unit is None:
            work = (stop - start) * chain_work(network, task.inputs) * (1 if network.depth > 1 else ONLY_LAYER)
            log_unit, effective = estimate_unit(first, work, stream.key, start)
        else:
            log_unit, effective = first.log_unit, float((stop - start) * rule.per_trial)
        sums.log_dead[0] += (stop - start) * log_unit
        sums.log_dead_squares[0] += (stop - start) * log_unit**2
        sums.deadly[0] += 1.0
        sums.effective[0] += effective
        start = stop


def _chain_rule(task: "Task") -> ChainRule:
    population = population_of(task.network, task.inputs)
    log_lone = np.cumsum(np.log1p(-np.exp2(-np.array(task.network.widths, dtype=np.float64))))
    tilts = np.where(log_lone > np.log(0.5), population.tilt, 0.0)  # where death is rare
    return ChainRule(population.per_trial, population.trials, tilts, log_lone)


def _first_inputs(task: "Task", sets: list[npt.NDArray[np.float64]], law: Law) -> FirstInputs:
    """Lay out the points of every set; with separate sets also what the death of the first layer depends on."""
    network, dtype, separate = task.network, np.dtype(task.dtype), task.inputs.resample
    if not network.has_bias:
        sets = [points[points.any(axis=1)] for points in sets]  # points at zero are dead from layer 1
    constant = float(law.bias_scale / law.weight_scales[0])
    rows = max(network.input_dim, max(network.widths)) + 1
    size = n_panels_of(max(len(points) for points in sets)) * rows * PANEL
    shape = (len(sets), size)
    inputs = FirstInputs(
        points=np.zeros(shape, dtype),
        across=np.zeros(shape if separate else (1, 0), dtype),
        n_points=np.array([len(points) for points in sets]),
        halved=np.zeros(len(sets), dtype=bool),
        input_dim=network.input_dim,
        separate=separate,
    )
    for number, points in enumerate(sets):
        if len(points):
            lay_out(inputs.points[number], prepare_points(network, points, dtype), rows)
        if separate and len(points) > 2:
            across = across_columns(points, constant)
            inputs.halved[number] = across.shape[1] > 0
            lay_out(inputs.across[number], across.astype(dtype), rows)
    return inputs

"""Crude Monte Carlo of every network on every input set, by multiplying the weights out.

The fast kernel of `crude_dense` covers plain Gaussian ReLU networks; this one covers the rest, and whatever is measured
beside life and death.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inputs.input_sets import centred_points
from neurondeath.simulations.kernels import architectures as engine
from neurondeath.simulations.kernels.initialisers import GAUSSIAN, ORTHOGONAL, RAI, UNIFORM
from neurondeath.simulations.kernels.packed_arguments import Activation, GeneralLaw, Measures, ScaledPoints
from neurondeath.simulations.kernels.sign_flips import FLIP_LAYER, FLIP_NEURON, NO_FLIP
from neurondeath.simulations.outputs import LOG_VARIANCE_SUMS
from neurondeath.simulations.samplers.points import bias_scale, stretches, weight_scales
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.network_bounds import activation_table, is_homogeneous

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]

ARCHITECTURES = {
    "plain": engine.PLAIN,
    "residual": engine.SKIP,
    "skip": engine.SKIP,
    "dense": engine.DENSE,
    "batch_norm": engine.BATCH_NORM,
}
INITS = {"he": GAUSSIAN, "gaussian": GAUSSIAN, "uniform": UNIFORM, "orthogonal": ORTHOGONAL, "rai": RAI}
FLIPS = {"none": NO_FLIP, "layer": FLIP_LAYER, "neuron": FLIP_NEURON}
ROWS = {"dead_units": engine.DEAD_UNITS, "sparsity": engine.ZEROS}
FLOAT_ROWS = {"variance": engine.VARIANCE, "correlation": engine.CORRELATION, "effective_rank": engine.RANK}
TRIAL_ROWS = {"correlation": engine.CORRELATION_TRIALS, "effective_rank": engine.RANK_TRIALS}


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares.

    Batch norm adds `layerwise_alive`; `task.outputs` names further statistics (see `estimation.outputs`).
    """
    network, inputs, outputs = task.network, task.inputs, task.outputs
    counts = np.zeros((engine.N_COUNTS, network.depth), dtype=np.int64)
    sums = np.zeros((engine.N_SUMS, network.depth))
    dtype = np.dtype(task.dtype)
    law = _general_law(network, dtype)
    measures = Measures(layers=bool(outputs), rank="effective_rank" in outputs)
    for points, stream in stretches(task, seed, start, stop):
        columns = _columns_at_infinity(network, dtype) if inputs.infinite else _columns(network, points, dtype)
        engine.sample_architecture(counts, sums, columns, law, measures, stream)
    living, squares = counts[engine.LIVING], counts[engine.LIVING + 1]
    if inputs.infinite:  # its directions are no points: what lives is the set, as one
        living = squares = counts[engine.ALIVE]
    statistics = {"alive": counts[engine.ALIVE].copy(), "living": living.copy(), "living_squares": squares.copy()}
    if network.architecture == "batch_norm" or "layerwise_alive" in outputs:
        statistics["layerwise_alive"] = counts[engine.LAYERWISE_ALIVE].copy()
    for rows, table in ((ROWS, counts), (FLOAT_ROWS, sums)):
        for name, row in rows.items():
            if name in outputs:
                statistics[name], statistics[f"{name}_squares"] = table[row].copy(), table[row + 1].copy()
    for name, row in TRIAL_ROWS.items():
        if name in outputs:
            statistics[f"{name}_trials"] = counts[row].copy()
    if "variance" in outputs:
        statistics["log_variance_trials"] = counts[engine.LOG_VARIANCE_TRIALS].copy()
        for power, name in enumerate(LOG_VARIANCE_SUMS):
            statistics[name] = sums[engine.LOG_VARIANCE + power].copy()
    return statistics


def _general_law(network: Network, dtype: np.dtype[Any]) -> GeneralLaw:
    kinks, values, slopes = (np.array(numbers).astype(dtype) for numbers in activation_table(network.activation))
    return GeneralLaw(
        widths=np.array(network.widths, dtype=np.int64),
        fan_ins=np.array(network.fan_ins, dtype=np.int64),
        weight_scales=weight_scales(network),
        bias_scale=bias_scale(network),
        architecture=ARCHITECTURES[network.architecture],
        block_depth=network.block_depth,
        init=INITS[network.init],
        flip=FLIPS[network.sign_flip],
        activation=Activation(kinks, values, slopes),
    )


def _columns(network: Network, points: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> ScaledPoints:
    """Lay points out as columns with a largest entry in [1/2, 1), their constants and the exponents of their scale."""
    if network.architecture == "batch_norm":
        points = centred_points(points)
        sizes = np.full(len(points), np.abs(points).max())  # statistics of the batch: one scale for all
    else:
        sizes = np.abs(points).max(axis=1)
    exponents = np.frexp(sizes)[1].astype(np.int64)
    has_constants = network.has_bias or not is_homogeneous(network.activation)
    if has_constants and network.architecture != "batch_norm":
        exponents = np.maximum(exponents, 0)
    columns = np.ascontiguousarray(np.ldexp(points.T, -exponents), dtype=dtype)
    return ScaledPoints(columns, np.full(len(points), has_constants, dtype=dtype), exponents)


def _columns_at_infinity(network: Network, dtype: np.dtype[Any]) -> ScaledPoints:
    """Return what decides the first layer on the orthant: the far end of every axis, and with biases the origin."""
    columns = np.eye(network.input_dim, dtype=dtype)
    constants = np.zeros(network.input_dim, dtype=dtype)
    if network.has_bias:
        columns = np.hstack([columns, np.zeros((network.input_dim, 1), dtype=dtype)])
        constants = np.append(constants, dtype.type(1))
    return ScaledPoints(np.ascontiguousarray(columns), constants, np.zeros(len(constants), dtype=np.int64))

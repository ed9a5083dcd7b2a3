"""Crude Monte Carlo of every network on every input set, by multiplying the weights out (engines dense and numpy).

The fast kernel of `crude_dense` covers plain Gaussian ReLU networks; this one covers the rest, and whatever is measured
beside life and death.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inputs.input_sets import centred_points
from neurondeath.simulations.kernels import architecture_codes as codes
from neurondeath.simulations.kernels import architectures as engine
from neurondeath.simulations.kernels import initialisers
from neurondeath.simulations.kernels.packed_arguments import (
    Activation,
    GeneralLaw,
    ScaledPoints,
    WeightLaw,
)
from neurondeath.simulations.kernels.sign_flips import FLIP_LAYER, FLIP_NEURON, NO_FLIP
from neurondeath.simulations.outputs import LOG_VARIANCE_SUMS
from neurondeath.simulations.samplers.passed_layers import no_passed_layers, with_passed_layers
from neurondeath.simulations.samplers.points import bias_scale, stretches, weight_scales
from neurondeath.simulations.samplers.ranks_and_gradients import RanksAndGradients
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.network_bounds import activation_table, is_homogeneous

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["of_mean_square", "sample"]

ARCHITECTURES = {
    "plain": codes.PLAIN,
    "residual": codes.SKIP,
    "skip": codes.SKIP,
    "dense": codes.DENSE,
    "batch_norm": codes.BATCH_NORM,
}
INITS = {
    "he": initialisers.GAUSSIAN,
    "gaussian": initialisers.GAUSSIAN,
    "uniform": initialisers.UNIFORM,
    "orthogonal": initialisers.ORTHOGONAL,
    "rai": initialisers.RAI,
    "torch-default": initialisers.UNIFORM,
    "truncated-normal": initialisers.TRUNCATED_NORMAL,
    "laplace": initialisers.LAPLACE,
    "student-t": initialisers.STUDENT_T,
    "sparse": initialisers.SPARSE,
    "looks-linear": initialisers.MIRRORED_ORTHOGONAL,
    "looks-linear-gaussian": initialisers.MIRRORED_GAUSSIAN,
}
FLIPS = {"none": NO_FLIP, "layer": FLIP_LAYER, "neuron": FLIP_NEURON}
ROWS = {"dead_units": engine.DEAD_UNITS, "sparsity": engine.ZEROS}
FLOAT_ROWS = {"variance": engine.VARIANCE, "correlation": engine.CORRELATION}


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares.

    Batch norm adds `layerwise_alive`; `task.outputs` names further statistics (see `estimation.outputs`).
    """
    network, inputs, outputs = task.network, task.inputs, task.outputs
    counts = np.zeros((engine.N_COUNTS, network.depth), dtype=np.int64)
    sums = np.zeros((engine.N_SUMS, network.depth))
    dtype = np.dtype(task.dtype)
    law = general_law(network, dtype)
    further = None
    for points, stream in stretches(task, seed, start, stop):
        columns = _columns_at_infinity(network, dtype) if inputs.infinite else scaled_columns(network, points, dtype)
        if further is None:
            further = RanksAndGradients(outputs, law, columns.values)
        trials = [(law, stream)] if network.law is None else with_passed_layers(network.law, law, stream)
        for of_trials, here in trials:
            for part in further.streams(here):
                engine.sample_architecture(counts, sums, columns, of_trials, further.records, part)
                further.add(part, of_trials)
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
    if "correlation" in outputs:
        statistics["correlation_trials"] = counts[engine.CORRELATION_TRIALS].copy()
    if "variance" in outputs:
        statistics["log_variance_trials"] = counts[engine.LOG_VARIANCE_TRIALS].copy()
        for power, name in enumerate(LOG_VARIANCE_SUMS):
            statistics[name] = sums[engine.LOG_VARIANCE + power].copy()
    return statistics if further is None else statistics | further.sums


def general_law(network: Network, dtype: np.dtype[Any]) -> GeneralLaw:
    kinks, values, slopes = (np.array(numbers).astype(dtype) for numbers in activation_table(network.activation))
    return GeneralLaw(
        widths=np.array(network.widths, dtype=np.int64),
        fan_ins=np.array(network.fan_ins, dtype=np.int64),
        weight_scales=weight_scales(network),
        bias_scale=bias_scale(network),
        architecture=ARCHITECTURES[network.architecture] if network.effective_depth is None else codes.STREAM,
        block_depth=network.block_depth,
        init=_weight_law(network),
        flip=FLIPS[network.sign_flip],
        activation=Activation(kinks, values, slopes),
        branch_scale=math.sqrt((network.effective_depth or 0.0) / network.depth),
        passed=no_passed_layers(dtype),
    )


def _weight_law(network: Network) -> WeightLaw:
    if network.law is not None:
        return WeightLaw(initialisers.PASSED, 0.0, False)
    numbers = [value for value in (network.degrees_of_freedom, network.zero_share) if value is not None]
    return WeightLaw(INITS[network.init], numbers[0] if numbers else 0.0, network.bias_law == "weights")


def scaled_columns(network: Network, points: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> ScaledPoints:
    """Lay points out as columns with a largest entry in [1/2, 1), their constants and the exponents of their scale."""
    if network.architecture == "batch_norm":
        points = centred_points(points)
        sizes = np.full(len(points), np.abs(points).max())  # statistics of the batch: one scale for all
    else:
        if network.input_mean_square is not None:
            points = of_mean_square(points, network.input_mean_square)
        sizes = np.abs(points).max(axis=1)
    exponents = np.frexp(sizes)[1].astype(np.int64)
    has_constants = network.has_bias or not is_homogeneous(network.activation)
    if has_constants and network.architecture != "batch_norm":
        exponents = np.maximum(exponents, 0)
    columns = np.ascontiguousarray(np.ldexp(points.T, -exponents), dtype=dtype)
    return ScaledPoints(columns, np.full(len(points), has_constants, dtype=dtype), exponents)


def of_mean_square(points: npt.NDArray[np.float64], mean_square: float) -> npt.NDArray[np.float64]:
    """Scale every point to a mean square; zeros stay zero."""
    largest = np.abs(points).max(axis=1, keepdims=True)
    scaled = np.divide(points, largest, out=np.zeros_like(points), where=largest > 0.0)  # squares cannot overflow
    size = np.sqrt(np.mean(scaled**2, axis=1, keepdims=True))
    return np.asarray(np.divide(scaled * math.sqrt(mean_square), size, out=np.zeros_like(points), where=size > 0.0))


def _columns_at_infinity(network: Network, dtype: np.dtype[Any]) -> ScaledPoints:
    """Return what decides the first layer on the orthant: the far end of every axis, and with biases the origin."""
    columns = np.eye(network.input_dim, dtype=dtype)
    constants = np.zeros(network.input_dim, dtype=dtype)
    if network.has_bias:
        columns = np.hstack([columns, np.zeros((network.input_dim, 1), dtype=dtype)])
        constants = np.append(constants, dtype.type(1))
    return ScaledPoints(np.ascontiguousarray(columns), constants, np.zeros(len(constants), dtype=np.int64))

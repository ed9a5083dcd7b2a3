"""Crude Monte Carlo of every network on every input set, by multiplying the weights out.

The fast kernel of `crude_dense` covers plain Gaussian ReLU networks; this one covers the rest, and whatever is measured
beside life and death.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.inputs.input_sets import centred_points
from neurondeath.simulations.kernels import architectures as engine
from neurondeath.simulations.kernels.initialisers import GAUSSIAN, ORTHOGONAL, RAI, UNIFORM
from neurondeath.simulations.kernels.sign_flips import FLIP_LAYER, FLIP_NEURON, NO_FLIP
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
FLOAT_ROWS = {"variance": engine.VARIANCE, "correlation": engine.CORRELATION}


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks with a living point (`alive`), living points, and their squares.

    Batch norm adds `layerwise_alive`; `task.outputs` names further statistics (see `estimation.outputs`).
    """
    network, inputs = task.network, task.inputs
    outputs = task.outputs
    key = stream_key(seed, task.stream_name)
    counts = np.zeros((engine.N_COUNTS, network.depth), dtype=np.int64)
    sums = np.zeros((engine.N_SUMS, network.depth))
    dtype = np.dtype(task.dtype)
    detailed = bool(outputs)
    if inputs.resample:
        for trial in range(start, stop):
            points = inputs.points_of_trial(key, trial)
            _run(counts, sums, network, _columns(network, points, dtype), detailed, key, trial, trial + 1)
    else:
        columns = _columns_at_infinity(network, dtype) if inputs.infinite else _columns(network, inputs.points, dtype)
        _run(counts, sums, network, columns, detailed, key, start, stop)
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
    return statistics


def _run(
    counts: npt.NDArray[np.int64],
    sums: npt.NDArray[np.float64],
    network: Network,
    columns: tuple[npt.NDArray[Any], npt.NDArray[np.float64], npt.NDArray[np.int64]],
    detailed: bool,
    key: tuple[int, int],
    start: int,
    stop: int,
) -> None:
    """Call the kernel."""
    points, of_points, exponents = columns
    kinks, values, slopes = (np.array(numbers).astype(points.dtype) for numbers in activation_table(network.activation))
    engine.sample_architecture(
        counts,
        sums,
        points,
        of_points.astype(points.dtype),
        exponents,
        np.array(network.widths, dtype=np.int64),
        np.array(network.fan_ins, dtype=np.int64),
        ARCHITECTURES[network.architecture],
        network.block_depth,
        INITS[network.init],
        np.sqrt(network.weight_variance / np.array(network.fan_ins)).astype(np.float32),
        np.float32(np.sqrt(network.bias_variance)),
        FLIPS[network.sign_flip],
        kinks,
        values,
        slopes,
        detailed,
        np.uint64(key[0]),
        np.uint64(key[1]),
        start,
        stop - start,
    )


def _columns(
    network: Network, points: npt.NDArray[np.float64], dtype: np.dtype[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
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
    return columns, np.full(len(points), float(has_constants)), exponents


def _columns_at_infinity(
    network: Network, dtype: np.dtype[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Give what decides the first layer on the whole orthant: the far end of every axis, and with biases the origin."""
    columns = np.eye(network.input_dim, dtype=dtype)
    constants = np.zeros(network.input_dim)
    if network.has_bias:
        columns = np.hstack([columns, np.zeros((network.input_dim, 1), dtype=dtype)])
        constants = np.append(constants, 1.0)
    return np.ascontiguousarray(columns), constants, np.zeros(len(constants), dtype=np.int64)

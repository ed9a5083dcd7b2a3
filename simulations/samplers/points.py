"""What samplers hand to their kernels: points as columns, stretches of trials on the same points, the law."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.networks.network import Network

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["law_arguments", "prepare_points", "stretches"]


def prepare_points(
    network: Network, points: npt.NDArray[np.float64], dtype: np.dtype[np.generic]
) -> npt.NDArray[np.generic]:
    """Lay points out as columns, each scaled by a power of two to a largest entry in [1/2, 1).

    Scaling a point changes nothing for a ReLU network without biases; with biases a point is scaled down only, together
    with the constant that multiplies the biases, in the last row (0 without biases).
    """
    columns = points.T
    exponents = np.frexp(np.abs(columns).max(axis=0))[1]
    if network.has_bias:
        exponents = np.maximum(exponents, 0)
    columns = np.vstack([columns, np.full(columns.shape[1], float(network.has_bias))])
    return np.ascontiguousarray(np.ldexp(columns, -exponents), dtype=dtype)


def stretches(task: "Task", key: tuple[int, int], start: int, stop: int) -> Iterator[tuple[Any, int, int]]:
    """Give points, first trial and end of stretches of trials on the same points."""
    if not task.inputs.resample:
        yield task.inputs.points, start, stop
        return
    for trial in range(start, stop):
        yield task.inputs.points_of_trial(key, trial), trial, trial + 1


def law_arguments(task: "Task") -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], np.float32]:
    """Give widths, standard deviations of the weights layer by layer, and that of the biases."""
    network = task.network
    scales = np.sqrt(network.weight_variance / np.array(network.fan_ins)).astype(np.float32)
    return np.array(network.widths, dtype=np.int64), scales, np.float32(np.sqrt(network.bias_variance))

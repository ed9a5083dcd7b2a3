"""Arguments of the kernels: points as columns, random streams, stretches of trials on the same points, the law."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.kernels.packed_arguments import Law, Stream
from neurondeath_theory.networks.inits import MIRRORED, mirror_gain
from neurondeath_theory.networks.network import Network

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["bias_scale", "plain_law", "prepare_points", "random_stream", "stretches", "weight_scales"]


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


def stretches(task: "Task", seed: int, start: int, stop: int) -> Iterator[tuple[Any, Stream]]:
    """List stretches of trials on the same points: the points, and the stream of the trials."""
    whole = random_stream(task, seed, start, stop)
    if not task.inputs.resample:
        yield task.inputs.points, whole
        return
    key = stream_key(seed, task.stream_name)
    for trial in range(start, stop):
        yield task.inputs.points_of_trial(key, trial), Stream(whole.key, trial, 1)


def random_stream(task: "Task", seed: int, start: int, stop: int) -> Stream:
    """Return a task's random stream under a seed, for trials start .. stop - 1."""
    key0, key1 = stream_key(seed, task.stream_name)
    return Stream((np.uint64(key0), np.uint64(key1)), start, stop - start)


def plain_law(network: Network) -> Law:
    """Return the law of a plain Gaussian network."""
    return Law(np.array(network.widths, dtype=np.int64), weight_scales(network), bias_scale(network))


def weight_scales(network: Network) -> npt.NDArray[np.float32]:
    """Return the standard deviations of the weights, layer by layer; with mirrored weights the scales of the A's.

    An orthogonal A is multiplied by 1, a Gaussian one has variance 1/(its columns), both in hidden layers over the gain
    of a pair of units.
    """
    fan_ins = np.array(network.fan_ins)
    if network.init in MIRRORED:
        pairs = np.where(np.arange(network.depth) > 0, fan_ins // 2, fan_ins)
        gains = np.where(np.arange(network.depth) > 0, mirror_gain(network.activation) or 1.0, 1.0)
        scales = 1.0 / gains if network.init == "looks-linear" else 1.0 / (gains * np.sqrt(pairs))
        return scales.astype(np.float32)
    return np.sqrt(network.weight_variance / fan_ins).astype(np.float32)


def bias_scale(network: Network) -> np.float32:
    """Return the standard deviation of the biases."""
    return np.float32(np.sqrt(network.bias_variance))

"""What the samplers of plain ReLU networks with Gaussian weights have in common."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from simulations.task import Task

__all__ = ["law_arguments", "stretches"]


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

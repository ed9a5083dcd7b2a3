"""Crude Monte Carlo of a single point: any width at the same cost."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.single import sample_single
from neurondeath.simulations.samplers.points import random_stream

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Count, layer by layer, networks whose point is alive; with one point, living points are the same."""
    alive = np.zeros(task.network.depth, dtype=np.int64)
    if task.network.has_bias or task.inputs.n_nonzero:
        widths = np.array(task.network.widths, dtype=np.int64)
        sample_single(alive, widths, random_stream(task, seed, start, stop))
    return {"alive": alive, "living": alive.copy(), "living_squares": alive.copy()}

"""Rank of the features and gradients of single networks, summed in the order of the trials.

The forward kernel samples one network at a time and records what these measures need: both have kernels of their own,
so that tasks without them compile neither.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.architecture_codes import DENSE
from neurondeath.simulations.kernels.feature_rank import layer_ranks, rank_scratch
from neurondeath.simulations.kernels.gradients import gradient_scratch, log_gradients
from neurondeath.simulations.kernels.initialisers import layer_buffers
from neurondeath.simulations.kernels.packed_arguments import GeneralLaw, Records, Stream
from neurondeath.simulations.outputs import LOG_GRADIENT_SUMS

__all__ = ["RanksAndGradients"]


class RanksAndGradients:
    """What is measured of each network of a task, and its sums.

    Parameters
    ----------
    outputs : tuple of str
        Outputs of the task.
    law : GeneralLaw
        The law of the networks.
    columns : float array, shape (input_dim, n_points)
        The points, in the dtype of the forward pass.
    """

    def __init__(self, outputs: tuple[str, ...], law: GeneralLaw, columns: npt.NDArray[Any]) -> None:
        input_dim, n_points = columns.shape
        units, depth, dense = int(law.widths.sum()), len(law.widths), law.architecture == DENSE
        self.law, self.has_rank, self.has_gradient = law, "effective_rank" in outputs, "log_gradient" in outputs
        rows = input_dim + units if dense else max(input_dim, int(law.widths.max()))
        self.records = Records(
            layers=bool(outputs),
            features=np.zeros((input_dim + units if self.has_rank else 0, n_points), columns.dtype),
            gains=np.zeros((units if self.has_gradient else 0, n_points), columns.dtype),
        )
        self.row = np.zeros(depth)
        self.sums: dict[str, npt.NDArray[Any]] = {}
        if self.has_rank:
            self.of_rank = rank_scratch(rows, n_points)
            self.sums |= _zeros(("effective_rank", "effective_rank_squares"), depth)
        if self.has_gradient:
            self.of_gradients = gradient_scratch(rows, n_points)
            self.buffers = layer_buffers(law.widths, law.fan_ins, law.init, law.passed, columns)
            self.sums |= _zeros(LOG_GRADIENT_SUMS, depth)

    def streams(self, stream: Stream) -> list[Stream]:
        """Return the parts of a stream that the forward kernel samples at a time."""
        if not self.sums:
            return [stream]
        trials = range(stream.first_trial, stream.first_trial + stream.n_trials)
        return [Stream(stream.key, trial, 1) for trial in trials]

    def add(self, stream: Stream, law: GeneralLaw) -> None:
        """Add the network of a single trial, which the forward kernel has just sampled by `law`."""
        if not self.sums:
            return
        if self.has_rank:
            layer_ranks(self.row, self.records.features, self.law.widths, self.law.architecture == DENSE, self.of_rank)
            self._add("effective_rank", ("effective_rank", "effective_rank_squares"))
        if self.has_gradient:
            buffers = self.buffers._replace(passed=law.passed)
            log_gradients(self.row, self.records.gains, self.of_gradients, buffers, law, stream.key, stream.first_trial)
            self._add("log_gradient", LOG_GRADIENT_SUMS)

    def _add(self, output: str, names: tuple[str, ...]) -> None:
        """Add the finite numbers of a row and their powers to the sums of these names."""
        defined = np.isfinite(self.row)
        values = np.where(defined, self.row, 0.0)
        self.sums[f"{output}_trials"] += defined
        for power, name in enumerate(names, start=1):
            self.sums[name] += values**power


def _zeros(names: tuple[str, ...], depth: int) -> dict[str, npt.NDArray[Any]]:
    """Return sums of these names, and the number of trials of the first."""
    return {f"{names[0]}_trials": np.zeros(depth, np.int64)} | {name: np.zeros(depth) for name in names}

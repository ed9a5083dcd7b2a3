"""The splitting estimator by multiplying the weights out: plain ReLU networks with Gaussian weights."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.engines import POPULATION
from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath.simulations.kernels.packed_arguments import SplittingSums
from neurondeath.simulations.kernels.splitting import sample_splitting
from neurondeath.simulations.kernels.tile import PANEL
from neurondeath.simulations.samplers.points import plain_law, prepare_points, stretches
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.network import Network

if TYPE_CHECKING:
    from neurondeath.simulations.task import Task

__all__ = ["sample"]

MOST_BYTES = 2**31  # of one population's points; every worker has one


def sample(task: "Task", seed: int, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
    """Sum, layer by layer, estimates of P(alive) and the number of living points, and their squares.

    A trial is one population of POPULATION networks. All sums are in units of the probability that a single point is
    alive, so that none underflows.
    """
    network, dtype = task.network, np.dtype(task.dtype)
    _check_size(network, task.inputs, dtype)
    sums = SplittingSums(*(np.zeros(network.depth) for _ in SplittingSums._fields))
    law = plain_law(network)
    lone_survival = -np.expm1(-law.widths * np.log(2.0))
    for points, stream in stretches(task, seed, start, stop):
        sample_splitting(sums, prepare_points(network, points, dtype), law, lone_survival, POPULATION, stream)
    return sums._asdict()


def _check_size(network: Network, inputs: InputSet, dtype: np.dtype[Any]) -> None:
    """Refuse a population that fills the memory; its weights' blocks then stay within a counter's word, too."""
    columns = -(-inputs.n_points // PANEL) * PANEL
    size = 2 * POPULATION * (max(network.widths) + 1) * columns * dtype.itemsize
    weights = POPULATION * max(width * fan_in for width, fan_in in zip(network.widths, network.fan_ins, strict=True))
    if size > MOST_BYTES or weights // 4 >= 2**32:
        raise invalid(
            "estimator",
            f"fit the memory: a population of {POPULATION} such networks on {inputs.n_points} points takes "
            f"{size / 2**30:.1f} GiB, more than {MOST_BYTES / 2**30:.0f}",
            "splitting",
            "use crude or conditional, or fewer points",
        )

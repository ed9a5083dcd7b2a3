"""The splitting estimator by multiplying the weights out: plain ReLU networks with Gaussian weights."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.engines import POPULATION
from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath.simulations.kernels.splitting import sample_splitting
from neurondeath.simulations.kernels.tile import PANEL
from neurondeath.simulations.samplers.points import law_arguments, prepare_points, stretches
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
    sums = {name: np.zeros(network.depth) for name in ("alive", "alive_squares", "living", "living_squares")}
    widths, weight_scales, bias_scale = law_arguments(task)
    key0, key1 = key = stream_key(seed, task.stream_name)
    for points, first, last in stretches(task, key, start, stop):
        sample_splitting(
            sums["alive"],
            sums["alive_squares"],
            sums["living"],
            sums["living_squares"],
            prepare_points(network, points, dtype),
            widths,
            weight_scales,
            bias_scale,
            -np.expm1(-widths * np.log(2.0)),
            POPULATION,
            np.uint64(key0),
            np.uint64(key1),
            first,
            last - first,
        )
    return sums


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

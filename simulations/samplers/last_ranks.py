"""Effective rank of the last layer's features, network by network: the other layers are not measured, to save time."""

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels import architectures as engine
from neurondeath.simulations.kernels.feature_rank import entropy_rank, rank_scratch
from neurondeath.simulations.kernels.packed_arguments import Stream
from neurondeath.simulations.samplers.crude_general import general_law, scaled_columns
from neurondeath.simulations.samplers.points import random_stream
from neurondeath.simulations.samplers.ranks_and_gradients import RanksAndGradients
from neurondeath.simulations.task import Task

__all__ = ["last_ranks"]


def last_ranks(task: Task, seed: int, trials: int) -> npt.NDArray[np.float64]:
    """Compute the entropy rank of the features of the last layer of the first networks of a task, shape (trials,).

    The networks, the arithmetic and the features are those of the output "effective_rank"; NaN where all features are
    0. For the named laws of weights, on fixed points, and for architectures whose last features are those of the last
    layer, which dense ones are not.
    """
    network = task.network
    law = general_law(network, np.dtype(np.float64))
    columns = scaled_columns(network, task.inputs.points, np.dtype(np.float64))
    counts = np.zeros((engine.N_COUNTS, network.depth), dtype=np.int64)
    sums = np.zeros((engine.N_SUMS, network.depth))
    records = RanksAndGradients(("effective_rank",), law, columns.values).records
    last, scratch = network.widths[-1], rank_scratch(network.widths[-1], task.inputs.n_points)
    key = random_stream(task, seed, 0, trials).key
    ranks = np.empty(trials)
    for trial in range(trials):
        engine.sample_architecture(counts, sums, columns, law, records, Stream(key, trial, 1))
        ranks[trial] = entropy_rank(records.features[-last:], last, scratch)
    return ranks

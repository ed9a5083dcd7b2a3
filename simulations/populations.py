"""How many chains a trial of the conditional estimator stands for, and how many trials share a population.

The rule depends on the network and the number of points alone, so that a task has the same populations on every
machine, for every number of workers and after every interruption. It is part of the task id.
"""

from typing import NamedTuple

from neurondeath.simulations.inputs.input_sets import InputSet
from neurondeath_theory.networks.network import Network

__all__ = ["Population", "chain_work", "population_of"]

PER_TRIAL = 3
TRIALS = 64  # sixteen populations in the usual 1000 trials give the interval
TILT = 0.3  # higher exponents starve the later layers, which the resampled chains also serve
PANEL_POINTS = 32  # points are padded to a multiple of this
MOST_BYTES = 2**28  # of a population's activations, per worker
BYTES_PER_ENTRY = 8  # a layer's input and its output, in single precision
FORWARD_PASSES = 3  # per chain: two of the probes, one of the layer itself


class Population(NamedTuple):
    """Chains per trial, trials per population, and the exponent with which chains about to die are preferred."""

    per_trial: int
    trials: int
    tilt: float


def population_of(network: Network, inputs: InputSet) -> Population:
    """Return the populations of a task: 64 trials each, fewer (a power of two) where the activations are large.

    The chains of a single layer serve the living ratio alone: its death is that of `samplers.first_layer`.
    """
    bytes_per_chain = BYTES_PER_ENTRY * (max(network.widths) + 1) * _padded(inputs.n_points)
    trials = TRIALS
    while trials > 1 and trials * PER_TRIAL * bytes_per_chain > MOST_BYTES:
        trials //= 2
    return Population(PER_TRIAL if network.depth > 1 or inputs.resample else 1, trials, TILT)


def chain_work(network: Network, inputs: InputSet) -> float:
    """Return the multiply-adds of the chains that a trial of more than one layer has."""
    pairs = sum(width * fan_in for width, fan_in in zip(network.widths, network.fan_ins, strict=True))
    return float(FORWARD_PASSES * PER_TRIAL * pairs * _padded(inputs.n_points))


def _padded(n_points: int) -> int:
    return -(-n_points // PANEL_POINTS) * PANEL_POINTS

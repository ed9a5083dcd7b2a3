r"""Estimates of the share of dead units, layer by layer, from a population of plain networks.

Layer l of a network has $n_l q(x_{l-1})$ dead units on average, given its inputs: q, the probability that a unit's
output is 0 at all points, is that of one row (w, b), whatever the others do. So the networks of a population are taken
through the layers once, and before each layer `kernels.nested_rows` averages q over them. A point that is 0 constrains
no unit without biases, so q is 1 in a network all of whose points are; with biases such a point is still there.

Sign flips tie the rows of a layer: those that are dead before the flips are completed to whole layers
(`completed_layers`), in which they may be flipped.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.kernels.initialisers import GAUSSIAN, ORTHOGONAL, UNIFORM
from neurondeath.simulations.kernels.nested_rows import MOST_LEVELS, n_coordinates, sample_rows
from neurondeath.simulations.kernels.network_population import advance_networks
from neurondeath.simulations.kernels.packed_arguments import Columns, GeneralLaw, RowInputs, RowLaw, Stream
from neurondeath.simulations.samplers.completed_layers import dead_after_flips
from neurondeath.simulations.samplers.crude_general import INITS, general_law, scaled_columns
from neurondeath.simulations.samplers.half_space import half_space
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.network_bounds import quiet_set
from neurondeath_theory.survival.first_layer import first_layer_death

__all__ = ["SPLIT_INITS", "DeadRows", "Population", "known_share", "population_of_networks", "sample_layers"]

Floats = npt.NDArray[np.float64]

SPLIT_INITS = ("he", "gaussian", "uniform", "orthogonal", "rai", "torch-default")  # laws whose rows can be moved
PARTICLES = 256  # rows per population, a multiple of the networks
LEAST_NETWORKS = 16
ROW_WORK = 48  # multiply-adds per input and point that a row takes, about: levels, sweeps and tries
MOST_ENTRIES = 2**25  # of the features of a population
MOST_EXACT_RANK = 3
MOST_RANK_ENTRIES = 2**22  # a larger set of points is taken to have a higher rank


class DeadRows(NamedTuple):
    """A population's estimates of one layer.

    Attributes
    ----------
    log_share : float
        Natural logarithm of the mean over networks of q, -inf where no row was dead.
    from_dead : float
        Share of it that comes from networks all of whose points died in earlier layers.
    counts : int array, shape (n,)
        How many of the rows on the last level belong to each of the networks that have any.
    """

    log_share: float
    from_dead: float
    counts: npt.NDArray[np.int64]


class Population(NamedTuple):
    """How a population is made up: its networks, the rows per network, the law, and the inputs as columns."""

    network: Network
    n_networks: int
    per_network: int
    law: GeneralLaw
    columns: Columns
    of_points: npt.NDArray[np.float32]


def population_of_networks(network: Network, points: Floats) -> Population:
    """Lay out the inputs of a population: many networks where they are cheap, few with many rows where they are not."""
    dtype = np.dtype(np.float32)
    first = scaled_columns(network, points, dtype)
    rows = max(network.input_dim, *network.widths)
    n = PARTICLES
    while n > LEAST_NETWORKS and (
        n * max(network.widths) > PARTICLES * ROW_WORK or n * rows * len(points) > MOST_ENTRIES
    ):
        n //= 2
    features = np.zeros((n, rows, len(points)), dtype)
    features[:, : network.input_dim] = first.values
    exponents = np.tile(first.exponents, (n, 1))
    constants = np.ldexp(first.constants, -exponents).astype(dtype)
    peaks = np.abs(features).max(axis=1)
    columns = Columns(features, exponents, constants, peaks)
    return Population(network, n, PARTICLES // n, general_law(network, dtype), columns, first.constants)


def known_share(network: Network, points: Floats, layer: int) -> float | None:
    """Return a layer's share of dead units where it is known, otherwise None."""
    quiet = quiet_set(network.activation)
    dead_inputs = not network.has_bias and not points.any()
    if dead_inputs and (layer == 0 or network.activation.value_at_zero == 0.0):
        return float(network.activation.value_at_zero == 0.0)
    if not quiet:  # a pre-activation is almost never where the activation is 0, unless it is 0 itself
        return 0.0
    if layer:
        return None
    low, high = quiet[0]
    if not network.has_bias and not low < 0.0 < high and not half_space(points, 0.0).any():
        return 0.0
    normal = network.init in ("he", "gaussian") and network.bias_law == "normal"
    if (
        (normal or (network.init == "orthogonal" and not network.has_bias))
        and network.sign_flip == "none"
        and (low, high) in ((-np.inf, 0.0), (0.0, np.inf))
        and _few(points, network)
    ):
        found = first_layer_death(
            points, 1, bias_variance=network.bias_variance, weight_variance=network.weight_variance
        )
        return found.unit_probability if found.log_unit_error == 0.0 else None
    return None


def _few(points: Floats, network: Network) -> bool:
    """Whether the points, with the constant of the biases, span at most three dimensions."""
    columns = np.column_stack([points, np.full(len(points), float(network.has_bias))])
    columns = columns[columns.any(axis=1)]
    columns /= np.abs(columns).max(axis=1, keepdims=True)
    return min(columns.shape) <= MOST_EXACT_RANK or (
        columns.size <= MOST_RANK_ENTRIES and int(np.linalg.matrix_rank(columns)) <= MOST_EXACT_RANK
    )


def sample_layers(
    population: Population, levels: list[Floats], layers: list[bool], seed: int, number: int
) -> Iterator[DeadRows | None]:
    """Yield the `DeadRows` of every layer of one population; None for a layer that is not asked for.

    Parameters
    ----------
    population : Population
        What is sampled.
    levels : list of float array
        Levels per layer; those of an empty array are chosen, and the array replaced by them: a pilot.
    layers : list of bool
        Which layers are asked for.
    seed, number : int
        Seed, and number of the population: a pilot must have a number of its own.
    """
    network, law = population.network, population.law
    columns = Columns(*(array.copy() for array in population.columns))
    alive = np.asarray((columns.peak > 0) | (population.of_points > 0) | (network.sign_flip == "none"))
    name = f"dead units of {network.description()}"
    first_trial = number * population.n_networks
    for layer in range(network.depth):
        if layers[layer]:
            stream = Stream(_key(seed, f"{name}, rows of layer {layer}"), number, 1)
            yield _sample_layer(population, columns, alive, levels, layer, stream)
        else:
            yield None
        if any(layers[layer + 1 :]):
            weights = Stream(_key(seed, name), first_trial, population.n_networks)
            advance_networks(columns, alive, population.of_points, law, layer, weights)


def _sample_layer(
    population: Population,
    columns: Columns,
    alive: npt.NDArray[np.bool_],
    levels: list[Floats],
    layer: int,
    stream: Stream,
) -> DeadRows:
    """Sample the rows of one layer."""
    network = population.network
    row_law = row_law_of(network, layer)
    inputs = row_inputs(network, columns, layer)
    chosen = levels[layer].size == 0
    used = np.full(MOST_LEVELS, -1.0) if chosen else levels[layer].copy()
    networks = np.zeros(PARTICLES, dtype=np.int64)
    normals = np.zeros((PARTICLES, n_coordinates(row_law)))
    log_share, n_levels, n_kept = sample_rows(
        used, (networks, normals), inputs, row_law, population.per_network, stream
    )
    if chosen:
        levels[layer] = used[:n_levels]
    networks = networks[:n_kept]
    dead = np.asarray(~alive.any(axis=1))
    kept = np.ones(n_kept, dtype=bool)
    if network.sign_flip != "none" and n_kept:
        words = [int(word) for word in stream.key]
        rng = np.random.Generator(np.random.Philox(key=words, counter=[0, 0, 0, stream.first_trial]))
        rows = networks, normals[:n_kept]
        kept = dead_after_flips(rows, inputs, alive, row_law, network.widths[layer], network.sign_flip, rng)
    if not kept.any():
        return DeadRows(-np.inf, 0.0, np.zeros(0, dtype=np.int64))
    networks = networks[kept]
    counts = np.bincount(networks)
    return DeadRows(
        float(log_share + np.log(len(networks) / n_kept)),
        float(dead[networks].mean()) if layer else 0.0,
        counts[counts > 0],
    )


def row_law_of(network: Network, layer: int) -> RowLaw:
    """Return the law of one row of a layer; where only directions matter an orthogonal row is a normal one."""
    fan_in, width = network.fan_ins[layer], network.widths[layer]
    init = INITS[network.init]
    uniform_bias = init == UNIFORM and network.bias_law == "weights"
    (low, high), *_ = quiet_set(network.activation)
    cone = low in (-np.inf, 0.0) and high in (0.0, np.inf)
    if init == ORTHOGONAL and cone and not network.has_bias and network.sign_flip == "none":
        init = GAUSSIAN
    scale = float(np.sqrt(network.weight_variance / fan_in))
    return RowLaw(init, fan_in, max(fan_in, width), network.has_bias, 1.0 / scale, uniform_bias)


def row_inputs(network: Network, columns: Columns, layer: int) -> RowInputs:
    """Scale the features of every network to pre-activations of variance 1, and the ends of the quiet set with them."""
    fan_in = network.fan_ins[layer]
    weight_scale = float(np.sqrt(network.weight_variance / fan_in))
    own_bias = network.init == "rai" or network.bias_law == "weights"
    bias_scale = weight_scale if own_bias else float(np.sqrt(network.bias_variance))
    features = np.empty((len(columns.values), fan_in + 1, columns.values.shape[2]), np.float32)
    features[:, :fan_in] = columns.values[:, :fan_in] * np.float32(weight_scale)
    features[:, fan_in] = columns.constants * np.float32(bias_scale)
    scales = np.sqrt(np.square(features, dtype=np.float64).sum(axis=1))
    (low, high), *_ = quiet_set(network.activation)
    free = scales == 0.0  # the pre-activation is 0 there
    scales[free] = 1.0
    features /= scales[:, None].astype(np.float32)
    limits = []
    for end in (high, low):
        limit = np.full(scales.shape, end) if np.isinf(end) else end * columns.constants / scales
        limits.append(np.where(free, (np.inf if low <= 0.0 <= high else -np.inf) * (1 if end == high else -1), limit))
    return RowInputs(features, limits[0].astype(np.float32), limits[1].astype(np.float32))


def _key(seed: int, name: str) -> tuple[np.uint64, np.uint64]:
    key0, key1 = stream_key(seed, name)
    return np.uint64(key0), np.uint64(key1)

"""Named tuples that pack the arguments of kernels: the random stream, the law of the network, sums, buffers.

Kernels can create and unpack named tuples, compiled or not. A tuple of numbers costs nothing; in a tuple of arrays the
references to every array are counted, so kernels create and unpack such tuples once, outside their loops.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "Activation",
    "Columns",
    "ConditionalScales",
    "ConditionalSums",
    "Counters",
    "Counts",
    "GeneralLaw",
    "Law",
    "Parameters",
    "Position",
    "ScaledPoints",
    "SplittingSums",
    "Stream",
    "TileOffsets",
    "UnitRange",
]

Floats = npt.NDArray[Any]  # of the precision of the forward pass, float32 or float64


class Stream(NamedTuple):
    """A random stream and the trials to sample from it: first_trial .. first_trial + n_trials - 1."""

    key: tuple[np.uint64, np.uint64]
    first_trial: int
    n_trials: int


class Position(NamedTuple):
    """Part of a random stream: one layer of one trial, for one purpose."""

    key: tuple[np.uint64, np.uint64]
    layer: int
    trial: int
    purpose: np.uint64


class Counters(NamedTuple):
    """Offsets of the blocks of a chunk from its position, one entry per block."""

    blocks: npt.NDArray[np.uint32]
    layers: npt.NDArray[np.uint32]


class Parameters(NamedTuple):
    """Weights and biases of one or more layers, flat: the weights of unit i of a layer begin at entry i * fan_in."""

    weights: Floats
    biases: Floats


class Law(NamedTuple):
    """The law of a plain Gaussian network: widths and standard deviations, the arrays with one entry per layer."""

    widths: npt.NDArray[np.int64]
    weight_scales: npt.NDArray[np.float32]
    bias_scale: np.float32


class Activation(NamedTuple):
    """A piecewise linear activation: `values` at its `kinks` and `slopes` between them, arrays of one length.

    The first kink and value are those of the piece to their left.
    """

    kinks: Floats
    values: Floats
    slopes: Floats


class GeneralLaw(NamedTuple):
    """The law of any network, its choices as the integers of `architectures`, `initialisers` and `sign_flips`.

    The arrays have one entry per layer. `weight_scales` are the standard deviations of the weights, for RAI of the
    entries before one is redrawn.
    """

    widths: npt.NDArray[np.int64]
    fan_ins: npt.NDArray[np.int64]
    weight_scales: npt.NDArray[np.float32]
    bias_scale: np.float32
    architecture: int
    block_depth: int
    init: int
    flip: int
    activation: Activation


class ScaledPoints(NamedTuple):
    """Points as columns: point p is column p of `values` times 2^exponents[p].

    `values` has shape (input_dim, n_points); `constants` holds the constant of every point, 0 or 1 (see `layers`).
    """

    values: Floats
    constants: Floats
    exponents: npt.NDArray[np.int64]


class Columns(NamedTuple):
    """Features at all points, one column per point, with the scale of each column (see `layers`).

    `values` has shape (rows, n_points), the others (n_points,): `peak` is the largest absolute value of a column.
    """

    values: Floats
    exponents: npt.NDArray[np.int64]
    constants: Floats
    peak: Floats


class Counts(NamedTuple):
    """Sums over networks, one entry per layer: of networks with a living point, of living points, of their squares."""

    alive: npt.NDArray[np.int64]
    living: npt.NDArray[np.int64]
    living_squares: npt.NDArray[np.int64]


class ConditionalSums(NamedTuple):
    """Sums over chains, one entry per layer, in the units of `ConditionalScales`."""

    alive: npt.NDArray[np.float64]
    alive_squares: npt.NDArray[np.float64]
    dead: npt.NDArray[np.float64]
    dead_squares: npt.NDArray[np.float64]
    living: npt.NDArray[np.float64]
    living_squares: npt.NDArray[np.float64]


class ConditionalScales(NamedTuple):
    """Units of the conditional estimates, so that none underflows; the arrays have one entry per layer.

    Layer l kills a single point with probability dead_unit * dead_scales[l] = 1 - lone_survival[l].
    """

    lone_survival: npt.NDArray[np.float64]
    dead_scales: npt.NDArray[np.float64]
    dead_unit: float


class SplittingSums(NamedTuple):
    """Sums over populations, one entry per layer, in units of the probability that a single point is alive."""

    alive: npt.NDArray[np.float64]
    alive_squares: npt.NDArray[np.float64]
    living: npt.NDArray[np.float64]
    living_squares: npt.NDArray[np.float64]


class UnitRange(NamedTuple):
    """Some units of a layer, and where their weights and biases begin in `Parameters`."""

    first: int
    n_units: int
    fan_in: int
    weights_at: int
    biases_at: int
    has_bias: bool


class TileOffsets(NamedTuple):
    """Indices at which the operands of a tile begin in their arrays."""

    z: int
    x: int
    weights: int
    biases: int
    peak: int

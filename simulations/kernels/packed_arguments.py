"""Named tuples that pack the arguments of kernels: the random stream, the law of the network, sums, buffers.

Kernels can create and unpack named tuples, compiled or not. A tuple of numbers costs nothing; in a tuple of arrays the
references to every array are counted, so kernels create and unpack such tuples once, outside their loops.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "Activation",
    "ChainProgram",
    "ChainRule",
    "ChainScratch",
    "ChainSite",
    "ChainSums",
    "Chains",
    "Columns",
    "Counters",
    "Counts",
    "DrawBuffers",
    "Extent",
    "FirstInputs",
    "GeneralLaw",
    "Law",
    "LayerShape",
    "Parameters",
    "PassedParameters",
    "Population",
    "Position",
    "Records",
    "RowInputs",
    "RowLaw",
    "RowMove",
    "ScaledPoints",
    "SplittingSums",
    "Stream",
    "TileOffsets",
    "UnitRange",
    "WeightLaw",
    "WeightShares",
    "Workspace",
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


class WeightLaw(NamedTuple):
    """Which law draws the weights (an integer of `initialisers`), its parameter, and whether it draws the biases too.

    The parameter is the degrees of freedom of Student's t, or the share of zeros of sparse weights.
    """

    kind: int
    parameter: float
    draws_biases: bool


class PassedParameters(NamedTuple):
    """Weights and biases of all layers of a network, drawn elsewhere, and where each layer begins in them."""

    parameters: Parameters
    weights_at: npt.NDArray[np.int64]
    biases_at: npt.NDArray[np.int64]


class GeneralLaw(NamedTuple):
    """The law of any network, its choices as the integers of `architectures`, `initialisers` and `sign_flips`.

    The arrays have one entry per layer. `weight_scales` are the standard deviations of the weights, for RAI of the
    entries before one is redrawn, for mirrored weights of the entries of A (orthogonal ones: factors of A).
    `branch_scale` is the factor of the branches of a critical residual. `passed` is read if the law of the weights is
    PASSED, in which case there is one trial.
    """

    widths: npt.NDArray[np.int64]
    fan_ins: npt.NDArray[np.int64]
    weight_scales: npt.NDArray[np.float32]
    bias_scale: np.float32
    architecture: int
    block_depth: int
    init: WeightLaw
    flip: int
    activation: Activation
    branch_scale: float
    passed: PassedParameters


class Records(NamedTuple):
    """What the forward pass measures, and what it keeps of the last network for further measures.

    `layers` requests the statistics of layers. `features`, shape (input_dim + units, n_points), takes what every layer
    gives to the next, after input_dim rows that only dense networks fill; `gains`, shape (units, n_points), the slopes
    of the activations. Arrays without rows take nothing.
    """

    layers: bool
    features: Floats
    gains: Floats


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


class ChainSums(NamedTuple):
    """Sums over populations of chains, one entry per layer, every population weighted by its number of trials.

    `log_dead` and `log_alive` are natural logarithms of a population's estimates of P(dead) and P(alive), `living` its
    mean number of living points in units of the probability that a single point is alive. A population whose P(dead) is
    0 has no entry in `log_dead`. The last three are not weighted: the number of populations, that of populations with
    an entry in `log_dead`, and the sum of their effective numbers of chains.
    """

    log_dead: npt.NDArray[np.float64]
    log_dead_squares: npt.NDArray[np.float64]
    log_alive: npt.NDArray[np.float64]
    log_alive_squares: npt.NDArray[np.float64]
    living: npt.NDArray[np.float64]
    living_squares: npt.NDArray[np.float64]
    populations: npt.NDArray[np.float64]
    deadly: npt.NDArray[np.float64]
    effective: npt.NDArray[np.float64]


class ChainRule(NamedTuple):
    """How populations of chains are formed, and how far each layer prefers chains that are about to die.

    A population has `per_trial` chains for each of up to `trials` neighbouring trials. `tilts` holds the exponent of
    every layer's death probability in the preference, `log_lone` the logarithm of the probability that a single point
    is alive through the layer.
    """

    per_trial: int
    trials: int
    tilts: npt.NDArray[np.float64]
    log_lone: npt.NDArray[np.float64]


class FirstInputs(NamedTuple):
    """The inputs of the first layer, one set for all trials or separate ones, as columns of arrays in panels.

    `points` and `across` have shape (n_sets, size), see `panels`; `n_points` (n_sets,) counts the columns in use, and
    `halved` (n_sets,) says whether an open half-space holds them, so that `across` holds their d_i.
    """

    points: Floats
    across: Floats
    n_points: npt.NDArray[np.int64]
    halved: npt.NDArray[np.bool_]
    input_dim: int
    separate: bool


class Chains(NamedTuple):
    """A population: what each of its chains weighs, how likely its next layer dies, and which chain it continues."""

    weights: npt.NDArray[np.float64]
    log_death: npt.NDArray[np.float64]
    log_tilt: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]
    parents: npt.NDArray[np.int64]


class Extent(NamedTuple):
    """Size of a layer's input in panels: rows of the array, columns in use, and rows in use without the constant's."""

    rows: int
    n_columns: int
    fan_in: int


class WeightShares(NamedTuple):
    """Factors of a point and of its constant that make the weights standard normal, up to a common factor."""

    point: np.float32
    constant: np.float32


class DrawBuffers(NamedTuple):
    """Buffers of random parameters, of the words they are made from and of the counters of these words."""

    parameters: Parameters
    words: npt.NDArray[np.uint32]
    counters: Counters


class Population(NamedTuple):
    """Inputs of a layer in all chains of a population: features in panels, chain after chain, and living points."""

    features: Floats
    n_alive: npt.NDArray[np.int64]


class LayerShape(NamedTuple):
    """A layer of every chain: rows and size of an input's array in panels, number of inputs, number of units."""

    rows: int
    size: int
    fan_in: int
    width: int


class ChainSite(NamedTuple):
    """Where the chains of a population draw: the layer, the first trial, and how many chains there are per trial."""

    key: tuple[np.uint64, np.uint64]
    layer: int
    first_trial: int
    per_trial: int


class Workspace(NamedTuple):
    """Scratch of one worker: two arrays as large as a layer's input, then what its functions are named for."""

    z: Floats
    d: Floats
    peak: Floats
    u: Floats
    extremes: Floats
    buffers: DrawBuffers


class SplittingSums(NamedTuple):
    """Sums over populations, one entry per layer, in units of the probability that a single point is alive."""

    alive: npt.NDArray[np.float64]
    alive_squares: npt.NDArray[np.float64]
    living: npt.NDArray[np.float64]
    living_squares: npt.NDArray[np.float64]


class RowLaw(NamedTuple):
    """The law of one row (w, b) of a layer, in units of the standard deviations of its entries.

    `dimension` is the larger of fan_in and width, of which an orthogonal row is a part; `beta_scale` turns the entry
    that RAI redraws into those units; `uniform_bias` says whether the bias is uniform instead of normal.
    """

    init: int
    fan_in: int
    dimension: int
    has_bias: bool
    beta_scale: float
    uniform_bias: bool


class RowMove(NamedTuple):
    """A change of a row: its pre-activations times `factor`, plus multiples of two rows of the inputs."""

    factor: np.float32
    first: int
    of_first: np.float32
    second: int
    of_second: np.float32


class RowInputs(NamedTuple):
    """Inputs of a layer in several networks, in units of the pre-activations' standard deviations.

    `features` has shape (n_networks, fan_in + 1, n_points), its last row the constant of the bias; a unit's output is 0
    where its pre-activation is between `lows` and `highs`, of shape (n_networks, n_points).
    """

    features: npt.NDArray[np.float32]
    highs: npt.NDArray[np.float32]
    lows: npt.NDArray[np.float32]


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


class ChainProgram(NamedTuple):
    """A chain of layers to run: one row per step (see `sparse_chain`), and what the steps read.

    `constants` holds biases, weights in strips and numbers of the steps, `stored` where nonzero weights stand.
    """

    steps: npt.NDArray[np.int64]
    constants: npt.NDArray[np.float32]
    stored: npt.NDArray[np.int32]


class ChainScratch(NamedTuple):
    """Scratch of one run of a chain: the vectors of all rows, and lists of needed units."""

    space: npt.NDArray[np.float32]
    numbers: npt.NDArray[np.int32]

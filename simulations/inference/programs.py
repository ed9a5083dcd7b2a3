"""What a network computes, as a chain of steps on vectors: the description that is packed, saved and run.

Value 0 is the input; step i computes value i + 1 from earlier ones; the last value is the output. A step is one of
`KINDS`. Everything is checked when a program is made, wherever it comes from, so that the kernels need no checks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inference.weight_precision import PLACES, rounded
from neurondeath.simulations.kernels import sparse_chain as codes
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid

__all__ = ["KINDS", "MOST_FLOATS", "LayerWeights", "Program", "Step", "StepKind"]

Floats = npt.NDArray[np.float32]

MOST_FLOATS = 2**30  # parameters of a program: 4 GiB
MOST_STEPS = 2**20
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class StepKind:
    """A kind of step: its code in the kernels, its sources, the names of its numbers, and the length of its vector.

    The length is a multiple of the size of the source; -1 stands for the table of a piecewise-linear function.
    """

    code: int
    numbers: tuple[str, ...] = ()
    n_sources: int = 1
    vector: int = 0


KINDS = {
    "product": StepKind(codes.BY_UNITS),  # W x + b
    "threshold": StepKind(
        codes.THRESHOLD, ("tau", "m", "two_sided")
    ),  # min(max(x - tau, 0), m), two-sided: minus that of -x
    "square": StepKind(codes.SQUARE),  # x^2
    "jump": StepKind(codes.JUMP, vector=1),  # x where x > vector, else 0
    "pieces": StepKind(codes.PIECES, vector=-1),  # kinks, slopes, points, values
    "largest": StepKind(codes.LARGEST, ("count",)),  # the largest entries, 0 elsewhere
    "rescale": StepKind(codes.RESCALE, ("root", "least")),  # x root / sqrt(mean x^2 + least)
    "root_mean_square": StepKind(codes.RESCALE, ("root", "least")),  # the same, of a position of an input
    "centre": StepKind(codes.CENTRE, ("size", "least")),  # (x - mean) size / mean |x - mean|
    "sum": StepKind(codes.SUM, ("a", "b"), n_sources=2),  # a x + b y
    "times": StepKind(codes.TIMES, n_sources=2),  # x y
    "affine": StepKind(codes.AFFINE, vector=2),  # x * scale + shift
    "standardise": StepKind(codes.STANDARDISE, ("least",)),  # (x - mean) / sqrt(var + least)
}
POSITIVE = ("m", "least")  # numbers that must be at least 0; m may be infinite


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """A layer's name, weights of shape (n_outputs, n_inputs) and biases, in single precision.

    `precision` says in how many bits the weights can be held: float32, bfloat16 or int8 (see `weight_precision`).
    """

    name: str
    weight: Floats
    bias: Floats
    precision: str = "float32"

    def __post_init__(self) -> None:
        where = f"layer {self.name!r}"
        if self.weight.ndim != 2 or 0 in self.weight.shape or self.bias.shape != self.weight.shape[:1]:
            shapes = f"{self.weight.shape} and {self.bias.shape}"
            raise invalid("program", f"have a matrix and as many biases as outputs in {where}", shapes)
        if self.weight.dtype != np.float32 or self.bias.dtype != np.float32:
            raise invalid("program", f"have weights in single precision in {where}", str(self.weight.dtype))
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise invalid("program", f"have finite weights and biases in {where}", "NaN or infinity")
        check_choice("precision", self.precision, tuple(PLACES))
        if self.precision != "float32" and not np.array_equal(rounded(self.weight, self.precision), self.weight):
            rule = f"have weights that are {self.precision} numbers in {where}"
            raise invalid("program", rule, "others", "round them: see with_precision")

    def with_precision(self, precision: str) -> "LayerWeights":
        """Return the layer with its weights rounded to a precision."""
        check_choice("precision", precision, tuple(PLACES))
        return replace(self, weight=rounded(self.weight, precision), precision=precision)

    @property
    def zero_share(self) -> float:
        """Share of weights that are zero."""
        return float((self.weight == 0.0).mean())


@dataclass(frozen=True, eq=False)
class Step:
    """One step: its kind, the values it reads, its layer if it is a product, its numbers and its vector."""

    kind: str
    sources: tuple[int, ...]
    layer: int = -1
    numbers: tuple[float, ...] = ()
    vector: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True, eq=False)
class Program:
    """A network as a chain of steps.

    Parameters
    ----------
    input_size : int
        Size of an input.
    layers : sequence of LayerWeights
        The layers with weights.
    steps : sequence of Step
        The steps, in the order of execution.

    Raises
    ------
    InvalidArgumentError
        If a step reads what does not exist, sizes do not fit, or a number is out of its domain.

    Examples
    --------
    >>> layer = LayerWeights("first", np.ones((2, 3), np.float32), np.zeros(2, np.float32))
    >>> relu = Step("threshold", (0,), numbers=(0.0, np.inf, 0.0))
    >>> Program(3, (layer,), (relu, Step("product", (1,), 0))).sizes
    (3, 3, 2)
    """

    input_size: int
    layers: tuple[LayerWeights, ...]
    steps: tuple[Step, ...]
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        sizes = [check_count("program", self.input_size)]
        if not self.steps or len(self.steps) > MOST_STEPS:
            raise invalid("program", f"have from 1 to {MOST_STEPS} steps", len(self.steps))
        total = sum(layer.weight.size + layer.bias.size for layer in self.layers)
        if total > MOST_FLOATS:
            raise invalid("program", f"have at most {MOST_FLOATS} parameters", total)
        for number, step in enumerate(self.steps):
            sizes.append(_size_after(number, step, sizes, self.layers))
        object.__setattr__(self, "sizes", tuple(sizes))

    def with_precision(self, precision: str) -> "Program":
        """Return the program with the weights of all layers rounded to a precision."""
        return replace(self, layers=tuple(layer.with_precision(precision) for layer in self.layers))

    @property
    def output_size(self) -> int:
        """Size of an output."""
        return self.sizes[-1]

    @property
    def products(self) -> list[int]:
        """Numbers of the steps that are products."""
        return [number for number, step in enumerate(self.steps) if step.kind == "product"]


def _size_after(number: int, step: Step, sizes: Sequence[int], layers: Sequence[LayerWeights]) -> int:
    """Check a step, and return the size of its value."""
    where, kind = f"step {number}", KINDS.get(step.kind)
    if kind is None:
        raise invalid("program", f"have steps of known kinds; {where} is another", step.kind)
    if len(step.sources) != kind.n_sources or not all(0 <= source < len(sizes) for source in step.sources):
        raise invalid("program", f"read {kind.n_sources} earlier values in {where}", step.sources)
    read = {sizes[source] for source in step.sources}
    if len(read) > 1:
        raise invalid("program", f"add vectors of one size in {where}", sorted(read))
    size = read.pop()
    _check_numbers(where, step, kind, size)
    if step.kind != "product":
        if step.layer != -1:
            raise invalid("program", f"have a layer in products only, not in {where}", step.layer)
        return size
    if not 0 <= step.layer < len(layers):
        raise invalid("program", f"have the layer that {where} multiplies by", step.layer)
    weight = layers[step.layer].weight
    if weight.shape[1] != size:
        raise invalid("program", f"multiply vectors of {weight.shape[1]} entries in {where}", size)
    return int(weight.shape[0])


def _check_numbers(where: str, step: Step, kind: StepKind, size: int) -> None:
    """Check the numbers and the vector of a step."""
    named = dict(zip(kind.numbers, step.numbers, strict=False))
    if len(step.numbers) != len(kind.numbers):
        raise invalid("program", f"have {len(kind.numbers)} numbers in {where}, {step.kind}", len(step.numbers))
    for name, value in named.items():
        if not abs(value) <= LARGEST and (name, value) != ("m", math.inf):
            raise invalid("program", f"have a finite {name} in {where}, {step.kind}", value)
        if name in POSITIVE and value < 0.0:
            raise invalid("program", f"have {name} of at least 0 in {where}, {step.kind}", value)
    if "count" in named and not (1 <= named["count"] <= size and named["count"] == int(named["count"])):
        raise invalid("program", f"keep from 1 to {size} entries in {where}", named["count"])
    if named.get("two_sided", 0.0) not in (0.0, 1.0):
        raise invalid("program", f"have two_sided of 0 or 1 in {where}", named["two_sided"])
    length = len(step.vector)
    fits = length >= 3 and length % 4 == 3 if kind.vector < 0 else length == kind.vector * size
    if not fits or step.vector.ndim != 1 or step.vector.dtype != np.float32:
        raise invalid("program", f"have a vector that fits {where}, {step.kind}", step.vector.shape)
    if np.isnan(step.vector).any() or (step.kind != "jump" and not np.isfinite(step.vector).all()):
        raise invalid("program", f"have finite numbers in the vector of {where}", "NaN or infinity")

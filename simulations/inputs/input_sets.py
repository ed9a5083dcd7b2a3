"""Input sets: the points on which a network must stay alive, named by a short specification.

    gaussian:M   M standard Gaussian points              rays         +1 and -1, dimension 1
    sphere:M     M points uniform on the unit sphere     interval:M   M points evenly over [-1, 1], dimension 1
    cube:M       M points uniform on [-1, 1]^d           digits[:M]   scikit-learn's 8 x 8 digits, standardised
    orthant:M    absolute values of M Gaussian points    PATH         a .npy or .npz file, one point per row
    mnist[:M]    training images, standardised           orthant      the whole non-negative orthant, exactly
    cifar10[:M]  training images, standardised

Random sets are drawn once, from the input seed, and rounded to single precision, so that the same specification gives
the same bytes everywhere; a resampled set is drawn again for every trial, from the trial's own stream.

The orthant, which is infinite, is decided from the signs of W and b. A ReLU layer is dead on all of it exactly when no
weight and no bias is positive: the origin requires this of the biases, points far out on each axis of the weights. The
input of the second layer is not an orthant, and whether some point is active there depends on all activation patterns
of the first layer; so only networks of one layer are decided, and those with one input and no biases, where the orthant
is a single ray and one point represents all of them, at any depth.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.counter_random import PURPOSE_INPUTS, PURPOSE_RESAMPLED_INPUTS, stream_key, stream_normals
from neurondeath.simulations.inputs.image_files import IMAGE_SETS, read_images
from neurondeath_theory.foundation.array_files import MOST_ENTRIES
from neurondeath_theory.foundation.number_text import whole_number
from neurondeath_theory.foundation.point_files import SUFFIXES, read_point_file
from neurondeath_theory.foundation.validation import check_count, check_flag, check_points, invalid
from neurondeath_theory.networks.activations import relu
from neurondeath_theory.networks.network import Network

__all__ = ["InputSet", "centred_points", "check_fit", "input_set", "own_dimension", "read_points"]

Points = npt.NDArray[np.float64]
IMAGE_BLOCK = 4096  # images per partial sum
MEAN_TOLERANCE = 1e-12  # distances from the mean below this are rounding error, relative to the largest distance
REMEDY = (
    "use gaussian:M, sphere:M, cube:M, orthant[:M], rays, interval:M, digits[:M], mnist[:M], cifar10[:M] "
    "or the path of a .npy or .npz file"
)


@dataclass(frozen=True, eq=False)
class InputSet:
    """A fixed set of points.

    Parameters
    ----------
    spec : str
        Specification of the set.
    points : float array, shape (n_points, dimension)
        The points, one per row, finite.
    seed : int or None
        Input seed of a random set.
    resample : bool
        Whether every trial draws a new set of this kind; `points` then is only an example.
    infinite : bool
        Whether the set is the whole non-negative orthant; `points` then is one point of it.
    """

    spec: str
    points: Points
    seed: int | None = None
    resample: bool = False
    infinite: bool = False

    @property
    def n_points(self) -> int:
        """Number of points M."""
        return int(self.points.shape[0])

    @property
    def dimension(self) -> int:
        """Dimension d of the points."""
        return int(self.points.shape[1])

    @cached_property
    def n_nonzero(self) -> int:
        """Number of points other than the origin."""
        return int(self.points.any(axis=1).sum())

    @cached_property
    def nonnegative(self) -> bool:
        """Whether every point lies in the non-negative orthant."""
        return bool((self.points >= 0).all())

    @cached_property
    def several_points(self) -> bool:
        """Whether not all points are the same."""
        return self.infinite or bool((self.points != self.points[0]).any())

    @cached_property
    def content_hash(self) -> str:
        """Hash of the points, whatever their specification; of their law if the points are not fixed."""
        if self.resample or self.infinite:
            law = f"{'resampled' if self.resample else 'infinite'} {self.spec} in dimension {self.dimension}"
            return hashlib.sha256(law.encode()).hexdigest()[:16]
        digest = hashlib.sha256(f"{self.points.shape}".encode())
        digest.update(np.ascontiguousarray(self.points + 0.0, dtype="<f8").tobytes())  # + 0.0 turns -0.0 into 0.0
        return digest.hexdigest()[:16]

    def points_of_trial(self, key: tuple[int, int], trial: int) -> Points:
        """Draw the set of one trial of a resampled set, from the trial's own stream."""
        kind, dimension = self.spec.partition(":")[0], self.dimension
        count = self.n_points * dimension
        drawn = RANDOM_SETS[kind](stream_normals(key, count, trial=trial, purpose=PURPOSE_RESAMPLED_INPUTS), dimension)
        return drawn.astype(np.float32).astype(np.float64)

    def description(self) -> dict[str, Any]:
        """Describe the set for a store: its specification and the properties that the theory needs."""
        special = {name: True for name in ("resample", "infinite") if getattr(self, name)}
        return special | {
            "spec": self.spec,
            "seed": self.seed,
            "content": self.content_hash,
            "n_points": self.n_points,
            "dimension": self.dimension,
            "n_nonzero": self.n_nonzero,
            "nonnegative": self.nonnegative,
            "several_points": self.several_points,
        }

    def __str__(self) -> str:
        if self.infinite:
            return f"the whole orthant of dimension {self.dimension}"
        fresh = "fresh in every trial, " if self.resample else ""
        return f"{self.spec} ({fresh}{self.n_points} points in dimension {self.dimension})"


def input_set(
    inputs: Any,
    *,
    dimension: int | None = None,
    seed: int = 0,
    name: str = "inputs",
    resample: bool = False,
    data_dir: str | Path | None = None,
) -> InputSet:
    """Make an input set from a specification, an array of points or an input set.

    Parameters
    ----------
    inputs : str, float array of shape (n_points, dimension), or InputSet
        Specification, points or input set.
    dimension : int, optional
        Dimension the network expects; needed by the random sets, checked for the others.
    seed : int
        Input seed of the random sets, at least 0.
    name : str
        Name of the argument in error messages.
    resample : bool
        Draw a new set for every trial; for gaussian, sphere, cube and orthant:M.
    data_dir : path, optional
        Folder of the MNIST and CIFAR-10 files; by default the environment variable NEURONDEATH_DATA.

    Returns
    -------
    InputSet
        The points.

    Raises
    ------
    InvalidArgumentError
        If the specification is unknown, a file is missing or cannot be read, a number is not finite, the dimension
        differs, or a set that is not random is to be resampled.

    Examples
    --------
    >>> print(input_set("gaussian:64", dimension=8))
    gaussian:64 (64 points in dimension 8)
    >>> input_set("rays").points.tolist()
    [[1.0], [-1.0]]
    """
    seed = check_count("input_seed", seed, least=0)
    dimension = None if dimension is None else check_count("input_dim", dimension)
    if isinstance(inputs, InputSet):
        made = inputs
    elif isinstance(inputs, (str, Path)):
        made = _from_spec(str(inputs), dimension, seed, name, data_dir)
    else:
        made = InputSet("array", check_points(name, inputs))
    if check_flag("resample", resample) and not made.resample:
        if made.infinite or made.spec.partition(":")[0] not in RANDOM_SETS:
            raise invalid(
                name, "be a random set to be resampled", made.spec, "use gaussian:M, sphere:M, cube:M, orthant:M"
            )
        made = replace(made, seed=None, resample=True)
    made.points.setflags(write=False)
    if dimension is not None and made.dimension != dimension:
        raise invalid(name, f"have the network's input dimension {dimension}", f"dimension {made.dimension}")
    return made


def own_dimension(spec: str, width: int) -> int | None:
    """Return the default dimension of a random set, the first width; None for data, which have their own."""
    return width if spec.partition(":")[0] in RANDOM_SETS else None


def read_points(name: str, spec: str, dimension: int) -> Points:
    """Return the points of a specification, random ones in `dimension` from input seed 0."""
    made = input_set(spec, dimension=own_dimension(spec, dimension), name=name)
    if made.infinite:
        raise invalid(name, "be a finite set of points", spec, "use orthant:M")
    return made.points


def check_fit(network: Network, inputs: InputSet) -> None:
    """Refuse input sets that cannot be decided for a network.

    Raises
    ------
    InvalidArgumentError
        If the inputs are the infinite orthant and the network is not one for which it is decided exactly.
    """
    if not inputs.infinite:
        return
    ray = network.input_dim == 1 and not network.has_bias
    plain = (network.architecture, network.activation, network.sign_flip) == ("plain", relu(), "none")
    if not plain:
        raise invalid("inputs", "be points: the whole orthant is decided for plain ReLU networks only", str(network))
    if network.depth > 1 and not ray:
        rule = "be points for more than one layer: beyond it the signs of W and b do not decide the orthant"
        raise invalid("inputs", rule, f"orthant for {network.depth} layers", "use orthant:M")


def centred_points(points: Points) -> Points:
    """Subtract the mean of all points from each; points that equal it up to rounding become exactly zero.

    Examples
    --------
    >>> centred_points(np.array([[0.1], [0.2], [0.3]])).round(12).tolist()
    [[-0.1], [0.0], [0.1]]
    """
    scale = np.abs(points).max()
    exponent = np.frexp(scale)[1] if scale > 0.0 else 0  # avoid overflow in sums of huge numbers
    shrunk = np.ldexp(points, -exponent)
    moved = shrunk - shrunk[0]
    moved -= moved.mean(axis=0)
    far = np.abs(moved).max(axis=1, keepdims=True)
    return np.asarray(np.ldexp(np.where(far > MEAN_TOLERANCE * far.max(), moved, 0.0), exponent))


def _from_spec(spec: str, dimension: int | None, seed: int, name: str, data_dir: str | Path | None) -> InputSet:
    kind, _, size = spec.partition(":")
    if Path(spec).suffix in SUFFIXES:
        return InputSet(spec, read_point_file(name, Path(spec)))
    if kind in RANDOM_SETS and size:
        n_points = _read_size(name, spec, size)
        if dimension is None:
            raise invalid("input_dim", f"be given for {spec}", None)
        _check_size(name, n_points, dimension)
        key = stream_key(seed, f"inputs {kind}")
        drawn = RANDOM_SETS[kind](stream_normals(key, n_points * dimension, purpose=PURPOSE_INPUTS), dimension)
        return InputSet(spec, drawn.astype(np.float32).astype(np.float64), seed)
    if spec == "orthant":
        if dimension is None:
            raise invalid("input_dim", "be given for the orthant", None)
        _check_size(name, 1, dimension)
        return InputSet(spec, np.ones((1, dimension)), infinite=True)
    if spec == "rays":
        return InputSet(spec, np.array([[1.0], [-1.0]]))
    if kind == "interval" and size:
        n_points = _read_size(name, spec, size)
        _check_size(name, n_points, 1)
        return InputSet(spec, np.linspace(-1.0, 1.0, n_points).reshape(-1, 1))
    if kind == "digits" and (size or spec == "digits"):
        return _digits(spec, _read_size(name, spec, size) if size else None, seed, name)
    if kind in IMAGE_SETS and (size or spec == kind):
        images = read_images(kind, data_dir, name=name)
        return _choice(spec, kind, images, _read_size(name, spec, size) if size else None, seed, name)
    raise invalid(name, "name an input set", spec, REMEDY)


def _read_size(name: str, spec: str, size: str) -> int:
    number = whole_number(size)
    if number is None or number < 1:
        raise invalid(name, "end in a whole number of points of at least 1", spec)
    return check_count(name, number)


def _check_size(name: str, n_points: int, dimension: int) -> None:
    """Refuse sets that would fill the memory, before they are made."""
    if n_points * dimension > MOST_ENTRIES:
        raise invalid(name, f"hold at most {MOST_ENTRIES} numbers", f"{n_points} points in dimension {dimension}")


def _gaussian(normals: Points, dimension: int) -> Points:
    return normals.reshape(-1, dimension)


def _sphere(normals: Points, dimension: int) -> Points:
    points = normals.reshape(-1, dimension)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _cube(normals: Points, dimension: int) -> Points:
    from scipy.special import ndtr

    return np.asarray(2.0 * ndtr(normals.reshape(-1, dimension)) - 1.0)


def _orthant(normals: Points, dimension: int) -> Points:
    return np.abs(normals.reshape(-1, dimension))


RANDOM_SETS: dict[str, Callable[[Points, int], Points]] = {
    "gaussian": _gaussian,
    "sphere": _sphere,
    "cube": _cube,
    "orthant": _orthant,
}


def _digits(spec: str, size: int | None, seed: int, name: str) -> InputSet:
    """Load scikit-learn's digits, each pixel standardised over all images; `size` images are a random choice."""
    from sklearn.datasets import load_digits

    return _choice(spec, "digits", load_digits().data, size, seed, name)


def _choice(spec: str, kind: str, images: npt.NDArray[Any], size: int | None, seed: int, name: str) -> InputSet:
    """Standardise every pixel over all images; choose `size` images at random, in their order."""
    count = len(images)
    _check_size(name, count if size is None else min(size, count), images.shape[1])
    if size is None:
        return InputSet(spec, _standardised(images, images))
    if size > count:
        raise invalid(name, f"ask for at most {count} {'digits' if kind == 'digits' else 'images'}", spec)
    order = np.argsort(stream_normals(stream_key(seed, f"inputs {kind}"), count, purpose=PURPOSE_INPUTS))
    return InputSet(spec, _standardised(images[np.sort(order[:size])], images), seed)


def _standardised(chosen: npt.NDArray[Any], images: npt.NDArray[Any]) -> Points:
    """Shift and scale every pixel to mean 0 and variance 1 over `images`; a constant pixel becomes 0."""
    total, squares = np.zeros(images.shape[1]), np.zeros(images.shape[1])
    for start in range(0, len(images), IMAGE_BLOCK):  # sums of whole numbers are exact in any order
        block = images[start : start + IMAGE_BLOCK].astype(np.float64)
        total += block.sum(axis=0)
        squares += (block * block).sum(axis=0)
    count = len(images)
    spread = np.sqrt(np.maximum(count * squares - total * total, 0.0)) / count
    standardised = (chosen.astype(np.float64) - total / count) / np.where(spread > 0, spread, 1.0)
    return standardised.astype(np.float32).astype(np.float64)

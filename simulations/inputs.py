"""Input sets: the points a network must stay alive on, named by a short specification.

    gaussian:M   M standard Gaussian points              rays         +1 and -1, dimension 1
    sphere:M     M points uniform on the unit sphere     interval:M   M points evenly over [-1, 1], dimension 1
    cube:M       M points uniform on [-1, 1]^d           digits[:M]   scikit-learn's 8 x 8 digits, standardised
    orthant:M    absolute values of M Gaussian points    PATH         a .npy or .npz file, one point a row

Random sets are drawn once, from the input seed, and rounded to single precision, so that the same specification gives
the same bytes everywhere.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory._point_files import SUFFIXES, read_point_file
from neurondeath_theory._validation import check_count, check_points, invalid
from simulations.counter_random import PURPOSE_INPUTS, stream_key, stream_normals

__all__ = ["InputSet", "input_set", "own_dimension", "read_points"]

Points = npt.NDArray[np.float64]
MOST_ENTRIES = 2**28  # 2 GiB of float64
REMEDY = "use gaussian:M, sphere:M, cube:M, orthant:M, rays, interval:M, digits[:M] or the path of a .npy or .npz file"


@dataclass(frozen=True, eq=False)
class InputSet:
    """A fixed set of points.

    Parameters
    ----------
    spec : str
        How the set was named.
    points : float array, shape (n_points, dimension)
        The points, one a row, finite.
    seed : int or None
        Input seed of a random set.
    """

    spec: str
    points: Points
    seed: int | None = None

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
    def content_hash(self) -> str:
        """Hash of the points themselves, whatever they are called."""
        digest = hashlib.sha256(f"{self.points.shape}".encode())
        digest.update(np.ascontiguousarray(self.points + 0.0, dtype="<f8").tobytes())  # + 0.0: one zero, not two
        return digest.hexdigest()[:16]

    def description(self) -> dict[str, Any]:
        """Describe the set for a store: its name and what theory needs to know of it."""
        return {
            "spec": self.spec,
            "seed": self.seed,
            "content": self.content_hash,
            "n_points": self.n_points,
            "dimension": self.dimension,
            "n_nonzero": self.n_nonzero,
            "nonnegative": self.nonnegative,
        }

    def __str__(self) -> str:
        return f"{self.spec} ({self.n_points} points in dimension {self.dimension})"


def input_set(inputs: Any, *, dimension: int | None = None, seed: int = 0, name: str = "inputs") -> InputSet:
    """Make an input set from a specification, an array of points or an input set.

    Parameters
    ----------
    inputs : str, float array of shape (n_points, dimension), or InputSet
        What to make.
    dimension : int, optional
        Dimension the network expects; needed by the random sets, checked for the others.
    seed : int
        Input seed of the random sets, at least 0.
    name : str
        What the argument is called in error messages.

    Returns
    -------
    InputSet
        The points.

    Raises
    ------
    InvalidArgumentError
        If the specification is unknown, the file cannot be read, a number is not finite or the dimension differs.

    Examples
    --------
    >>> print(input_set("gaussian:64", dimension=8))
    gaussian:64 (64 points in dimension 8)
    >>> input_set("rays").points.tolist()
    [[1.0], [-1.0]]
    """
    seed = check_count("input_seed", seed, least=0)
    if isinstance(inputs, InputSet):
        made = inputs
    elif isinstance(inputs, (str, Path)):
        made = _from_spec(str(inputs), dimension, seed, name)
    else:
        made = InputSet("array", check_points(name, inputs))
    made.points.setflags(write=False)
    if dimension is not None and made.dimension != dimension:
        raise invalid(name, f"have the network's input dimension {dimension}", f"dimension {made.dimension}")
    return made


def own_dimension(spec: str, width: int) -> int | None:
    """Give the dimension a random set is drawn in, by default the first width; data know their own: None."""
    return width if spec.partition(":")[0] in RANDOM_SETS else None


def read_points(name: str, spec: str, dimension: int) -> Points:
    """Give the points that a command's argument names, random ones in `dimension` from input seed 0."""
    return input_set(spec, dimension=own_dimension(spec, dimension), name=name).points


def _from_spec(spec: str, dimension: int | None, seed: int, name: str) -> InputSet:
    kind, _, size = spec.partition(":")
    if Path(spec).suffix in SUFFIXES:
        return InputSet(spec, read_point_file(name, Path(spec)))
    if kind in RANDOM_SETS and size:
        n_points = _read_size(name, spec, size)
        if dimension is None:
            raise invalid("input_dim", f"be given for {spec}", None)
        if n_points * dimension > MOST_ENTRIES:
            raise invalid(name, f"hold at most {MOST_ENTRIES} numbers", f"{n_points} points in dimension {dimension}")
        key = stream_key(seed, f"inputs {kind}")
        drawn = RANDOM_SETS[kind](stream_normals(key, n_points * dimension, purpose=PURPOSE_INPUTS), dimension)
        return InputSet(spec, drawn.astype(np.float32).astype(np.float64), seed)
    if spec == "rays":
        return InputSet(spec, np.array([[1.0], [-1.0]]))
    if kind == "interval" and size:
        return InputSet(spec, np.linspace(-1.0, 1.0, _read_size(name, spec, size)).reshape(-1, 1))
    if kind == "digits" and (size or spec == "digits"):
        return _digits(spec, _read_size(name, spec, size) if size else None, seed, name)
    raise invalid(name, "name an input set", spec, REMEDY)


def _read_size(name: str, spec: str, size: str) -> int:
    try:
        return check_count(name, int(size))
    except ValueError:
        raise invalid(name, "end in a whole number of points of at least 1", spec) from None


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
    """Load scikit-learn's digits, each pixel standardised over all images; of `size` images, a random choice."""
    from sklearn.datasets import load_digits

    images = load_digits().data.astype(np.float64)
    spread = images.std(axis=0)
    standardised = (images - images.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    standardised = standardised.astype(np.float32).astype(np.float64)
    if size is None:
        return InputSet(spec, standardised)
    if size > len(standardised):
        raise invalid(name, f"ask for at most {len(standardised)} digits", spec)
    order = np.argsort(stream_normals(stream_key(seed, "inputs digits"), len(standardised), purpose=PURPOSE_INPUTS))
    return InputSet(spec, standardised[np.sort(order[:size])], seed)

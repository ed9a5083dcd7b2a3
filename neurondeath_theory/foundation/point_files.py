"""Points in files: .npy or .npz, one point per row."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.array_files import read_array_file
from neurondeath_theory.foundation.validation import check_points, invalid

__all__ = ["SUFFIXES", "read_point_file", "read_shaped_points"]

SUFFIXES = (".npy", ".npz")


def read_point_file(name: str, path: Path) -> npt.NDArray[np.float64]:
    """Read points of shape (n_points, dimension) from a .npy file, or a .npz file that holds a single array.

    Raises
    ------
    InvalidArgumentError
        As `read_array_file`, or if the array has another shape or holds numbers that are not finite in float64.
    """
    return _checked(name, path, read_array_file(name, path))


def read_shaped_points(name: str, path: Path) -> tuple[npt.NDArray[np.float64], tuple[int, ...]]:
    """Read points of any shape, one per entry of the first axis, such as images: flat points, and the shape of one.

    Raises
    ------
    InvalidArgumentError
        As `read_point_file`; arrays may have more than two axes.
    """
    array = read_array_file(name, path)
    shape = tuple(int(length) for length in array.shape[1:])
    if array.ndim > 2 and array.size:
        array = array.reshape(len(array), -1)
    return _checked(name, path, array), shape


def _checked(name: str, path: Path, array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    try:
        if array.dtype.itemsize > np.dtype(np.float64).itemsize:  # long doubles beyond the range become infinite
            with np.errstate(over="ignore"):
                array = array.astype(np.float64)
        return check_points(name, array)
    except MemoryError:
        raise invalid(name, "fit in the free memory", str(path)) from None

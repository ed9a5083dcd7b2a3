"""Points in files: .npy or .npz, one point per row."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.array_files import read_array_file
from neurondeath_theory.foundation.validation import check_points, invalid

__all__ = ["SUFFIXES", "read_point_file"]

SUFFIXES = (".npy", ".npz")


def read_point_file(name: str, path: Path) -> npt.NDArray[np.float64]:
    """Read points of shape (n_points, dimension) from a .npy file, or a .npz file that holds a single array.

    Raises
    ------
    InvalidArgumentError
        As `read_array_file`, or if the array has another shape or holds numbers that are not finite in float64.
    """
    array = read_array_file(name, path)
    try:
        if array.dtype.itemsize > np.dtype(np.float64).itemsize:  # long doubles beyond the range become infinite
            with np.errstate(over="ignore"):
                array = array.astype(np.float64)
        return check_points(name, array)
    except MemoryError:
        raise invalid(name, "fit in the free memory", str(path)) from None

"""Points in files: .npy or .npz, one point per row."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import check_points, invalid

__all__ = ["SUFFIXES", "read_point_file"]

SUFFIXES = (".npy", ".npz")


def read_point_file(name: str, path: Path) -> npt.NDArray[np.float64]:
    """Read points of shape (n_points, dimension) from a .npy file, or a .npz file that holds a single array."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                names = loaded.files
                if len(names) != 1:
                    raise invalid(name, "be an .npz file with a single array", f"{path} with {names}")
                loaded = loaded[names[0]]
    except FileNotFoundError:
        raise invalid(name, "name a file that exists", str(path)) from None
    except OSError as error:
        raise invalid(name, "name a readable file", f"{path} ({error.strerror or error})") from None
    except InvalidArgumentError:
        raise
    except (ValueError, EOFError, BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else "empty or cut short"
        raise invalid(name, "be a whole .npy or .npz file of numbers", f"{path} ({reason})") from None
    return check_points(name, loaded)

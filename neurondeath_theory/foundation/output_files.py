"""Check, before work begins, that its results can be written where a user wants them."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from neurondeath_theory.foundation.validation import invalid

__all__ = ["check_ending", "check_output_file", "output_folder"]


def check_output_file(name: str, path: str | os.PathLike[str]) -> Path:
    """Accept a path where a file can be made or replaced.

    Parameters
    ----------
    name : str
        Name of the argument in error messages.
    path : path
        The file.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    InvalidArgumentError
        If its folder does not exist or cannot be written to, or it is no path, or that of a folder, a named pipe or a
        device.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise invalid(name, "be the path of a file", path)
    target = Path(path)
    rule = "name a file in a folder that exists and can be written to"
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise invalid(name, rule, str(path), reason=getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISREG(mode):
        reason = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise invalid(name, rule, str(path), reason=reason)
    if not target.parent.is_dir():
        raise invalid(name, rule, str(path), f"make {target.parent} first")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise invalid(name, rule, str(path), reason="no permission")
    return target


@contextmanager
def output_folder(name: str, folder: Path) -> Iterator[Path]:
    """Make a folder if it does not exist; one that is still empty at the end of the block is removed again.

    Raises
    ------
    InvalidArgumentError
        If it cannot be made or written to.
    """
    made: list[Path] = []
    try:
        try:
            made = [place for place in (folder, *folder.parents) if not place.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            reason = "" if os.access(folder, os.W_OK | os.X_OK) else "no permission"
        except OSError as error:
            reason = error.strerror or str(error)
        if reason:
            raise invalid(name, "name a folder that can be written to", str(folder), reason=reason)
        yield folder
    finally:
        for place in made:
            with suppress(OSError):  # not empty, or not made
                place.rmdir()


def check_ending(name: str, path: Path, endings: Sequence[str]) -> str:
    """Check that a file name ends in one of some formats, and return the format.

    Raises
    ------
    InvalidArgumentError
        If it does not.

    Examples
    --------
    >>> check_ending("out", Path("picture.PNG"), ("png", "svg"))
    'png'
    """
    ending = path.suffix.lstrip(".").lower()
    if ending not in endings:
        raise invalid(name, f"end in {', '.join(f'.{one}' for one in endings)}", str(path))
    return ending

"""Write a file so that it is either whole or not there."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["draft_of", "write_atomically"]

LONGEST_STEM = 40  # characters of the file's name in that of its draft, which must not be too long for the file system


def write_atomically(path: str | Path, content: str | bytes) -> Path:
    """Write text (UTF-8) or bytes in place of what is there; a failed write leaves what was there.

    Parameters
    ----------
    path : path
        The file, in a folder that exists.
    content : str or bytes
        All of it.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If the folder cannot be written to, the disk is full, or the path is that of a device, a pipe or a folder.
    """
    target = Path(path)
    with draft_of(target) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
    return target


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Offer a file beside `path` to write to, which takes its place when the block ends without an error.

    Raises
    ------
    OSError
        If the path is that of a device, a pipe or a folder: renaming the draft would replace `/dev/null` by a file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    draft = path.with_name(f".{path.name[:LONGEST_STEM]}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)

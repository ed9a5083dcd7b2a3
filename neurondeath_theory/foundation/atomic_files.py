"""Write a file so that it is either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["draft_of", "write_atomically"]


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
        If the folder cannot be written to or the disk is full.
    """
    target = Path(path)
    with draft_of(target) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
    return target


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Offer a file beside `path` to write to, which takes its place when the block ends without an error."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)

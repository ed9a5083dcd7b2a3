"""Open zip archives that nobody vouches for: their table of contents is bounded before it is read.

`zipfile` reads the table in one piece and makes an object per entry, ten times the size: a large file that is nothing
but a table would fill the memory.
"""

import zipfile
from typing import BinaryIO

__all__ = ["open_zip"]


def open_zip(file: BinaryIO, *, most_contents: int) -> zipfile.ZipFile:
    """Open an archive for reading.

    Parameters
    ----------
    file : binary file
        The archive.
    most_contents : int
        Largest size of the table of contents, and of what is read at once from an entry, in bytes; an entry takes 46
        bytes and its name.

    Returns
    -------
    ZipFile
        The archive.

    Raises
    ------
    zipfile.BadZipFile
        If it is no archive, or its table is larger.
    """
    return zipfile.ZipFile(_Pieces(file, most_contents))


class _Pieces:
    """A file that refuses to read much at once."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file, self._most_bytes = file, most_bytes

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(min(size, self._most_bytes + 1) if size >= 0 else self._most_bytes + 1)
        if len(piece) > self._most_bytes:
            raise zipfile.BadZipFile(f"a table of contents of more than {self._most_bytes} bytes")
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

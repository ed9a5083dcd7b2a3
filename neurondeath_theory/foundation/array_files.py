"""One numeric array from a .npy or .npz file that nobody vouches for.

The header is read first, and everything that it claims is checked before memory is taken for it: the type of the
numbers, the shape, the limit, the bytes that are really there. Nothing is unpickled. A .npz archive is a zip archive of
.npy files; of it the table of contents is bounded too, and a compressed entry is unpacked no further than it claims.
"""

import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.input_files import input_file
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.zip_contents import open_zip

__all__ = ["MOST_ENTRIES", "read_array_file"]

MOST_ENTRIES = 2**28  # 2 GiB of float64
MOST_BYTES = 8 * MOST_ENTRIES + 2**16  # of a file: all numbers in float64, and the headers
MOST_HEADER = 1024  # bytes; NumPy writes 128 for any array of numbers
PIECE = 2**20  # bytes read at a time, also of the table of contents of an archive
KINDS = {"b": "truth values", "i": "integers", "u": "integers", "f": "real numbers"}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes
ENCRYPTED = 0x1  # bit of a zip entry's flags
DAMAGE = (ValueError, OverflowError, EOFError, zipfile.BadZipFile, zlib.error)
WHOLE = "be a whole .npy or .npz file of numbers"


def read_array_file(name: str, path: Path) -> npt.NDArray[Any]:
    """Read the array of a .npy file, or of a .npz file that holds a single array.

    Parameters
    ----------
    name : str
        Name of the argument in error messages.
    path : Path
        The file; its first bytes decide the format.

    Returns
    -------
    array
        Of booleans, integers or floating-point numbers, of any shape and byte order, at most MOST_ENTRIES entries.

    Raises
    ------
    InvalidArgumentError
        If the file is missing, not a regular file, unreadable, damaged, of other things than numbers, or too large.
    """
    with input_file(name, path, most_bytes=MOST_BYTES, what=".npy or .npz file") as file, _one_line(name, path):
        archive = file.read(4).startswith((b"PK\x03\x04", b"PK\x05\x06"))
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        return _from_archive(file, name, path) if archive else _from_npy(file, size, name, path)


@contextmanager
def _one_line(name: str, path: Path) -> Iterator[None]:
    """Turn what NumPy, zipfile and zlib raise for damaged files into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a forged header is parsed as Python, which may warn
            yield
    except (InvalidArgumentError, OSError):
        raise
    except MemoryError:
        raise invalid(name, "fit in the free memory", str(path)) from None
    except (*DAMAGE, RuntimeError) as error:  # RuntimeError: what zipfile does not support
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "empty or cut short"
        raise invalid(name, WHOLE, str(path), reason=reason) from None


def _from_archive(file: BinaryIO, name: str, path: Path) -> npt.NDArray[Any]:
    with open_zip(file, most_contents=PIECE) as archive:
        entries = archive.infolist()
        if len(entries) != 1:
            names = ", ".join(entry.filename.removesuffix(".npy") for entry in entries[:4])
            reason = f"{len(entries)} arrays: {names}" if entries else "no arrays"
            raise invalid(name, "be an .npz file with a single array", str(path), reason=reason)
        (entry,) = entries
        if entry.flag_bits & ENCRYPTED:
            raise invalid(name, "be an .npz file that is not encrypted", str(path))
        if entry.compress_type not in METHODS:
            reason = f"zip method {entry.compress_type}"
            raise invalid(name, "be an .npz file as NumPy writes it, stored or deflated", str(path), reason=reason)
        with archive.open(entry) as member:
            return _from_npy(member, entry.file_size, name, path)


def _from_npy(file: IO[bytes], size: int, name: str, path: Path) -> npt.NDArray[Any]:
    """Read a .npy file of `size` bytes from a stream."""
    shape, fortran, dtype = _read_header(file)
    if dtype.kind not in KINDS:
        raise invalid(name, "hold booleans, integers or real numbers", str(path), reason=f"dtype {_kind_of(dtype)}")
    if any(isinstance(length, bool) or length < 0 for length in shape):
        raise ValueError(f"shape {shape}")
    entries = math.prod(shape)
    if entries > MOST_ENTRIES:
        raise invalid(name, f"hold at most {MOST_ENTRIES} numbers", str(path), reason=f"shape {shape}")
    expected, held = entries * dtype.itemsize, size - file.tell()
    if held != expected:
        rule = f"hold the {expected} bytes of numbers that its header states"
        raise invalid(name, rule, str(path), reason=f"{held} bytes")
    flat = np.empty(entries, dtype=dtype)
    memory, filled = flat.view(np.uint8).data, 0
    while filled < expected:
        piece = file.read(min(PIECE, expected - filled))
        if not piece:
            raise EOFError
        memory[filled : filled + len(piece)] = piece
        filled += len(piece)
    if file.read(1):  # at the end of an entry, zipfile compares the checksum
        raise ValueError("longer than it states")
    return flat.reshape(shape, order="F" if fortran else "C")


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:  # 3.0 is for the names of fields alone
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    length = 2 if version == (1, 0) else 4
    prefix = file.read(length)
    stated = int.from_bytes(prefix, "little")
    if len(prefix) < length or stated > MOST_HEADER:
        raise ValueError(f"a header of {stated} bytes, more than {MOST_HEADER}" if len(prefix) == length else "")
    header = io.BytesIO(prefix + file.read(stated))
    try:
        shape, fortran, dtype = readers[version](header, max_header_size=MOST_HEADER)
    except Exception:  # a forged header, parsed as Python, raises errors of many classes
        raise ValueError("its header is not one that NumPy writes") from None
    return shape, fortran, dtype


def _kind_of(dtype: np.dtype[Any]) -> str:
    return "object, which would be unpickled" if dtype.hasobject else str(dtype)

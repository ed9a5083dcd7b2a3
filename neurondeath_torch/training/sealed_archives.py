"""Sealed archives: PyTorch's archive of tensors, numbers and strings, with a checksum of the file as its comment.

No code is needed to read one, none in it is run, and none unpacks to more than its own size.
"""

import io
import pickle
import struct
import warnings
import zipfile
import zlib
from typing import Any

import torch

from neurondeath_theory.foundation.errors import InvalidArgumentError

__all__ = ["FAILURES", "MOST_BYTES", "seal", "unseal"]

MOST_BYTES = 2**32
DIGITS = 8  # of the checksum, after what the comment says
LENGTH_BYTES = 2  # the last entry of an archive: the length of its comment
NO_CODE = (dict, list, tuple, str, int, float, bool, type(None))
FAILURES = (  # of reading what is not as it was written
    OSError, RuntimeError, EOFError, pickle.UnpicklingError, LookupError, AttributeError, TypeError, ValueError,
    AssertionError, ArithmeticError, RecursionError, MemoryError, zipfile.BadZipFile, struct.error,
    NotImplementedError, InvalidArgumentError,
)  # fmt: skip


def seal(state: dict[str, Any], comment: bytes) -> bytes:
    """Return the archive of a state; its comment is `comment` and the checksum of the bytes before."""
    archive = io.BytesIO()
    torch.save(state, archive)
    length = len(comment) + DIGITS
    body = archive.getvalue()[:-LENGTH_BYTES] + struct.pack("<H", length)
    if len(body) > MOST_BYTES - length:
        raise RuntimeError(f"it has {len(body)} bytes, more than {MOST_BYTES}")
    return body + comment + f"{zlib.crc32(body):08x}".encode()


def unseal(content: bytes, comment: bytes, device: torch.device | str = "cpu") -> tuple[Any, bool]:
    """Return what an archive contains, with its tensors on a device, and whether it has such a comment.

    Raises
    ------
    FAILURES
        If the checksum differs, or it contains code, compressed parts, or tensors larger than the file.
    """
    sealed = _check_seal(content, comment)
    _check_members(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on formats of other versions of PyTorch
            state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except pickle.UnpicklingError:  # its advice is to run the code in the file
        raise ValueError("it contains code, or something else than numbers and tensors") from None
    _check_values(state, len(content))
    return state, sealed


def _check_seal(content: bytes, comment: bytes) -> bool:
    """Check the checksum; False if there is none."""
    length = len(comment) + DIGITS
    body, end = content[:-length], content[-length:]
    if not end.startswith(comment):
        return False
    if end != comment + f"{zlib.crc32(body):08x}".encode():
        raise ValueError("the checksum differs")
    return True


def _check_members(content: bytes) -> None:
    """Refuse an archive that would unpack to more than its own size."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(content):
                raise ValueError("a part of it is compressed")


def _check_values(state: Any, n_bytes: int) -> None:
    """Refuse objects of other kinds, and tensors that claim more entries than the file could contain."""
    seen: set[int] = set()
    waiting = [state]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.numel() * value.element_size() > n_bytes:
                raise ValueError("a tensor has more entries than the file contains")
        elif isinstance(value, (dict, list, tuple)):
            if id(value) not in seen:
                seen.add(id(value))
                waiting.extend(value)
                waiting.extend(value.values() if isinstance(value, dict) else ())
        elif not isinstance(value, NO_CODE):
            raise ValueError(f"it contains a {type(value).__name__}")

"""Unpack expected files, and nothing else, from a .tar.gz archive.

Members are chosen by their full name and written under names of ours: a path that leads out of the folder, a link or a
device in the archive has no effect. What is unpacked is bounded in size.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from neurondeath.simulations.inputs.web_files import DownloadError
from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.interruption import Interrupted, stop_word

__all__ = ["unpack_members"]

MOST_MEMBER_BYTES = 2**25  # 32 MiB, above the 30.7 MB of a file of CIFAR-10
MOST_OTHER_BYTES = 2**23  # of all other members and headers together


class _BoundedReader(io.RawIOBase):
    """What gzip unpacks, up to a number of bytes."""

    def __init__(self, unpacked: gzip.GzipFile, most_bytes: int) -> None:
        self._unpacked, self._left = unpacked, most_bytes

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read some bytes."""
        piece = self._unpacked.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(piece)
        if self._left < 0:
            raise tarfile.ReadError("more data than published")
        return piece


def unpack_members(
    archive: Path, folder: Path, members: Iterable[str], stopped: Callable[[], int | None]
) -> list[Path]:
    """Unpack the members of an archive into a folder; files that are there and equal are left alone.

    Parameters
    ----------
    archive : Path
        The archive.
    folder : Path
        Where the members go, at the paths of their names.
    members : iterable of str
        Names in the archive.
    stopped : callable
        Returns the number of a signal that asked to stop, or None.

    Returns
    -------
    list of Path
        The files, in the order of `members`.

    Raises
    ------
    DownloadError
        If the archive is damaged, lacks a member, or the folder cannot be written to.
    Interrupted
        If a signal asked to stop.
    """
    wanted = {name: folder / name for name in members}
    missing = set(wanted)
    try:
        with gzip.open(archive) as unpacked:
            most_bytes = len(wanted) * MOST_MEMBER_BYTES + MOST_OTHER_BYTES
            with tarfile.open(fileobj=_BoundedReader(unpacked, most_bytes), mode="r|") as tar:
                for entry in tar:
                    if (number := stopped()) is not None:
                        raise Interrupted(f"{stop_word(number)}; complete files are kept", number)
                    if entry.name not in missing:
                        continue
                    file = tar.extractfile(entry) if entry.isreg() and entry.size <= MOST_MEMBER_BYTES else None
                    if file is None:
                        rule = f"not a plain file of at most {MOST_MEMBER_BYTES} bytes"
                        raise DownloadError(f"{str(archive)!r} is damaged: {entry.name} is {rule}; delete it")
                    _put(wanted[entry.name], file.read())
                    missing.remove(entry.name)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = " ".join(str(error).split()) or "cut short"
        raise DownloadError(f"{str(archive)!r} is damaged ({reason}); delete it and fetch it again") from None
    except OSError as error:
        raise DownloadError(f"{str(folder)!r} cannot be written to ({error.strerror or error})") from None
    if missing:
        raise DownloadError(f"{str(archive)!r} lacks {min(missing)}; delete it and fetch it again")
    return list(wanted.values())


def _put(path: Path, content: bytes) -> None:
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)

"""Compiled kernels on disk: a file is used only if it is whole, ours, and of exactly this kernel and machine.

Numba's own cache trusts its folder: it loads a pickle that somebody else may have written, fails on a damaged file, and
runs machine code in which a bit has flipped. This one keeps one file per kernel and signature:

    MAGIC, the SHA-256 of key and content (32 bytes), the content: the pickle of numba's compiled result

The key names the kernel, the types of its arguments, the versions of Python, numba, LLVM and NumPy, the options that
numba reads from the environment, the processor with its features, and the sources of all kernels; the name of the file
contains a hash of it. Whatever is wrong with a file or the folder, the kernel is compiled again; a cache never fails.

The checksum detects damage, not forgery. So the folder must belong to this user and be writable by nobody else, and so
must each file, checked on the open file: in a shared folder another user's file is never loaded.
"""

import hashlib
import os
import pickle
import platform
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import NullCache

__all__ = ["CacheFolder", "KernelCache"]

NUMBA: Any = numba.core  # its interface has no types
MAGIC = b"neurondeath kernel 1\n"
DIGEST_BYTES = 32
MOST_BYTES = 2**26  # 64 MiB; the largest kernel has less than one
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
SETTINGS = ("BOUNDSCHECK", "OPT", "DEBUGINFO_DEFAULT")  # numba's settings that change code, and that its key lacks


class CacheFolder:
    """The first of some folders that is safe to use, looked for when a kernel is first needed.

    Parameters
    ----------
    candidates : list of Path
        Folders in order of preference; those that are relative, not ours, or writable by others are passed over.
    """

    def __init__(self, candidates: list[Path]) -> None:
        self.candidates = [folder for folder in candidates if folder.is_absolute()]

    @cached_property
    def path(self) -> Path | None:
        """The folder, created if missing; None if none of the candidates can be used."""
        for folder in self.candidates:
            with suppress(OSError):
                folder.parent.mkdir(parents=True, exist_ok=True)
                folder.mkdir(mode=0o700, exist_ok=True)
                if _is_ours(os.lstat(folder), stat.S_ISDIR) and os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                    return folder
        return None

    def files(self) -> list[str]:
        """List the names of the files in it."""
        with suppress(OSError):
            return [] if self.path is None else os.listdir(self.path)
        return []


class KernelCache(NullCache):
    """The compiled versions of one kernel, in the interface of numba's caches.

    Parameters
    ----------
    function : callable
        The kernel.
    sources : str
        Hash of the sources of all kernels.
    folder : CacheFolder
        Where the files are.
    """

    def __init__(self, function: Callable[..., Any], sources: str, folder: CacheFolder) -> None:
        self._kernel = f"{function.__module__}.{function.__qualname__}"
        self._sources, self._folder = sources, folder

    @property
    def cache_path(self) -> str | None:
        """The folder."""
        return None if self._folder.path is None else str(self._folder.path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled result of a signature; None if there is none that can be trusted."""
        folder = self._folder.path
        if folder is None:
            return None
        target_context.refresh()  # registers what compiled code calls; without it the process would crash
        key = self._key(sig, target_context.codegen())
        try:
            content = _read(folder / self._file(key))
            if content is None or _digest(key, content[1]) != content[0]:
                return None
            result = NUMBA.compiler.CompileResult._rebuild(target_context, *pickle.loads(content[1]))
        except Exception:  # a damaged file is found above; this is for what no checksum sees, such as no memory
            return None
        return result if tuple(result.signature.args) == tuple(NUMBA.sigutils.normalize_signature(sig)[0]) else None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled result, if it can be kept: a full disk or a folder that is gone changes nothing."""
        folder = self._folder.path
        if folder is None or data.library.has_dynamic_globals or data.lifted:
            return
        key = self._key(sig, data.codegen)
        with suppress(Exception):
            content = NUMBA.serialize.dumps(data._reduce())
            folder.mkdir(mode=0o700, exist_ok=True)  # it may have been deleted since
            _write(folder / self._file(key), MAGIC + _digest(key, content) + content)

    def flush(self) -> None:
        """Forget all signatures of this kernel."""
        for name in self._folder.files():
            if self._folder.path is not None and name.startswith(f"{self._kernel}-"):
                with suppress(OSError):
                    (self._folder.path / name).unlink()

    def _file(self, key: bytes) -> str:
        return f"{self._kernel}-{hashlib.sha256(key).hexdigest()[:24]}.nbc"

    def _key(self, sig: Any, codegen: Any) -> bytes:
        versions = (platform.python_implementation(), platform.python_version(), numba.__version__)
        settings = [str(getattr(numba.config, name, None)) for name in SETTINGS]
        key = (self._kernel, sig, versions, llvmlite.__version__, np.__version__, settings, codegen.magic_tuple())
        return repr((*key, self._sources)).encode()


def _digest(key: bytes, content: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(key).digest() + content).digest()


def _is_ours(status: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether a file or folder is of the right kind, belongs to this user and is writable by nobody else."""
    if not is_kind(status.st_mode):
        return False
    if not hasattr(os, "geteuid"):  # Windows: the folder is in the user's profile, which others cannot write to
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & OTHERS_WRITE


def _read(path: Path) -> tuple[bytes, bytes] | None:
    """Read checksum and content; None if the file is missing, foreign or of another form."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)  # a named pipe would be waited on
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not _is_ours(status, stat.S_ISREG) or status.st_size > MOST_BYTES or file.read(len(MAGIC)) != MAGIC:
            return None
        digest = file.read(DIGEST_BYTES)
        return digest, file.read(MOST_BYTES)


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically, readable by its owner only."""
    descriptor, draft = tempfile.mkstemp(prefix=".", suffix=".draft", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise

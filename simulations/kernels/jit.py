"""Every option of the just-in-time compiler, and where compiled kernels are kept.

- `nogil`: kernels are single-threaded and release the interpreter; threads run over shards.
- `fastmath={"contract"}`: a * b + c may be one fused operation. Nothing is reordered, no infinity or NaN assumed away,
  so results do not depend on vector width or loop remainders.
- `error_model="numpy"`: division by zero results in infinity, without a branch in inner loops.
- `boundscheck`: off; numba's own NUMBA_BOUNDSCHECK=1 turns it on for the tests.

Numba reuses a cached kernel as long as its own file is unchanged, even if kernels that it calls were edited. So the
name of the cache directory contains a hash of all kernel sources: any edit starts a new directory.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import platformdirs

__all__ = ["cache_directory", "inlined_kernel", "is_compiled", "kernel", "source_hash"]

Function = TypeVar("Function", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


def source_hash() -> str:
    """Hash the sources of all kernels, in order of file name."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_directory() -> Path | None:
    """Return the directory of compiled kernels, created if missing; None if none can be written."""
    root = os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("neurondeath", appauthor=False)
    directory = Path(root) / f"kernels-{source_hash()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if os.access(directory, os.W_OK):
            return directory
    except OSError:
        pass
    return None


_CACHE = cache_directory()


def is_compiled() -> bool:
    """Return whether compiled kernels are already in the cache."""
    return _CACHE is not None and any(_CACHE.rglob("*.nbc"))


def kernel(function: Function) -> Function:
    """Compile a kernel on its first call, keeping the result on disk."""
    return _compiled(function)


def inlined_kernel(function: Function) -> Function:
    """Compile a kernel into every kernel that calls it: for parts of a long kernel that take most of its arrays."""
    return _compiled(function, forceinline=True)


def _compiled(function: Function, **options: Any) -> Function:
    """Compile with the common options and further ones."""
    if _CACHE is None:
        return cast(Function, numba.njit(function, **OPTIONS, **options))
    settings: Any = numba.config
    default_directory = settings.CACHE_DIR
    settings.CACHE_DIR = str(_CACHE)  # read when the function is decorated, so no other user of numba sees it
    try:
        return cast(Function, numba.njit(function, cache=True, **OPTIONS, **options))
    finally:
        settings.CACHE_DIR = default_directory

"""Every option of the just-in-time compiler, and where compiled kernels are kept.

- `nogil`: kernels are single-threaded and release the interpreter; threads run over shards.
- `fastmath={"contract"}`: a * b + c may be one fused operation. Nothing is reordered, no infinity or NaN assumed away,
  so results do not depend on vector width or loop remainders.
  Sums of sparse inference, which promises its results up to rounding only, may also be reordered ("reassoc").
- `error_model="numpy"`: division by zero results in infinity, without a branch in inner loops.
- `boundscheck`: off; numba's own NUMBA_BOUNDSCHECK=1 turns it on for the tests.

Compiled kernels are kept by `kernel_cache` in the folder NUMBA_CACHE_DIR or, if it is not set or not safe to use, in
the user's own cache folder. The name of the subfolder contains a hash of all kernel sources: an edit starts a new one.

A signal that asks to stop ends a compilation at once. NUMBA_NUM_THREADS must be positive, though no kernel uses it.
"""

import hashlib
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import platformdirs

from neurondeath_theory.foundation.interruption import at_once
from neurondeath_theory.foundation.validation import invalid

try:
    import numba
except ValueError as error:  # a variable of numba's that it does not check
    raise invalid("the environment", "hold NUMBA_ variables that numba can read", str(error), "unset them") from None

from neurondeath.simulations.kernels.kernel_cache import CacheFolder, KernelCache

__all__ = ["cache_directories", "inlined_kernel", "is_compiled", "kernel", "reordering_kernel", "source_hash"]

Function = TypeVar("Function", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


def source_hash() -> str:
    """Hash the sources of all kernels, in order of file name."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_directories() -> list[Path]:
    """Return where compiled kernels may be kept, in order of preference; nothing is created."""
    subfolder = f"kernels-{SOURCES}"
    asked = os.environ.get("NUMBA_CACHE_DIR")
    own = Path(platformdirs.user_cache_dir("neurondeath", appauthor=False)) / subfolder
    return [Path(asked).absolute() / subfolder, own] if asked else [own]


SOURCES = source_hash()
CACHE = CacheFolder(cache_directories())


def is_compiled() -> bool:
    """Return whether compiled kernels are already in the cache."""
    return any(name.endswith(".nbc") for name in CACHE.files())


def kernel(function: Function) -> Function:
    """Compile a kernel on its first call, keeping the result on disk."""
    return _compiled(function)


def inlined_kernel(function: Function) -> Function:
    """Compile a kernel into every kernel that calls it: for parts of a long kernel that take most of its arrays."""
    return _compiled(function, forceinline=True)


def reordering_kernel(function: Function) -> Function:
    """Compile a kernel whose sums may be reordered, so that they use whole vector registers."""
    return _compiled(function, fastmath={"contract", "reassoc"})


def _compiled(function: Function, **options: Any) -> Function:
    """Compile with the common options and further ones."""
    dispatcher = numba.njit(function, **(OPTIONS | options))
    if dispatcher is not function:  # with NUMBA_DISABLE_JIT=1 it is
        dispatcher._cache = KernelCache(function, SOURCES, CACHE)  # what numba's `enable_caching` does with its own
        dispatcher.compile = _interruptible(dispatcher.compile)
    return cast(Function, dispatcher)


def _interruptible(compile_signature: Callable[..., Any]) -> Callable[..., Any]:
    """Let signals end a compilation, which takes some seconds and of which nothing is kept."""

    @wraps(compile_signature)
    def compiled(signature: Any) -> Any:
        threads: int = getattr(numba.config, "NUMBA_NUM_THREADS", 1)
        if threads < 1:
            raise invalid("NUMBA_NUM_THREADS", "be at least 1", threads, "unset the environment variable")
        with at_once():
            return compile_signature(signature)

    return compiled

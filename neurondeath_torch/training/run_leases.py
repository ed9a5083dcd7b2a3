"""Leases: while a process trains a run, no other process may train the same run into the same file.

A lease is a locked file `NAME-RUN.lock` beside the file it protects. The system frees the lock when the process ends,
however it ends; a lock file that a killed process has left is taken over by the next one and removed at its end.
Where the system or the file system has no such locks, leases have no effect.
"""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from neurondeath_theory.foundation.visible_text import visible
from neurondeath_torch.training.run_errors import RunBusyError, RunStoreError

if sys.platform != "win32":
    import fcntl

__all__ = ["lease", "remove_free_lock"]

BUSY = (errno.EAGAIN, errno.EACCES)
ATTEMPTS = 1000  # a lock file may be removed by its owner between opening and locking


@contextmanager
def lease(protected: Path, run: str, what: str) -> Iterator[None]:
    """Reserve a run for this process during a block.

    Parameters
    ----------
    protected : path
        The file that only one process may write for this run.
    run : str
        The run, as part of the lock's file name; may be empty.
    what : str
        The run in messages, "run ..., seed ...".

    Raises
    ------
    RunBusyError
        If another process, or another thread, holds the lease.
    RunStoreError
        If the lock cannot be made.
    """
    path = _lock_of(protected, run)
    descriptor = _take(path, protected, what)
    try:
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)  # before it is unlocked: nobody else may own the name then
            os.close(descriptor)


def remove_free_lock(protected: Path, run: str) -> None:
    """Remove the lock file of a run that a killed process has left, if there is one."""
    if _lock_of(protected, run).exists():
        with suppress(RunStoreError), lease(protected, run, ""):
            pass


def _lock_of(protected: Path, run: str) -> Path:
    file = Path(os.path.realpath(protected))  # one name for all links to the file
    return file.with_name(f"{file.name}{f'-{run}' if run else ''}.lock")


def _take(path: Path, protected: Path, what: str) -> int | None:
    """Open and lock the file; None where there are no locks."""
    if sys.platform == "win32":
        return None
    for _ in range(ATTEMPTS):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError as error:
            raise RunStoreError(
                f"cannot make the lock {str(path)!r} ({error.strerror or error}); name a file in a folder you can write"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                _sign(descriptor)
                return descriptor
            os.close(descriptor)  # its owner has just ended and removed it
        except FileNotFoundError:
            os.close(descriptor)
        except OSError as error:
            owner = _owner(descriptor)
            os.close(descriptor)
            if error.errno not in BUSY:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                return None
            raise RunBusyError(
                f"{what} is being trained by {owner} into {str(protected)!r}; wait until that has ended, "
                "or name other files"
            ) from None
    raise RunStoreError(f"the lock {str(path)!r} changes all the time; run the same command again")


def _sign(descriptor: int) -> None:
    with suppress(OSError):  # a full disk; the lock works without a signature
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)


def _owner(descriptor: int) -> str:
    with suppress(OSError):
        signed = os.pread(descriptor, 100, 0).decode(errors="replace")
        if signed.startswith("process "):
            return visible(signed)
    return "another process"

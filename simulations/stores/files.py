"""The files of a store: journals, leftovers of a killed run, network file systems, and reading without write access.

A run that is killed leaves `-wal` (and `-shm`) or, while a store is being created, `-journal` beside the file. They
contain finished work: SQLite merges it at the next opening if it has write access. Without write access, the file and
its leftovers are copied to a temporary folder and read there.
"""

import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

__all__ = [
    "LEFTOVERS",
    "choose_journal",
    "create_file",
    "has_leftovers",
    "leave_one_file",
    "network_file_system",
    "open_reader",
]

LEFTOVERS = ("-wal", "-journal")
NETWORK_TYPES = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.gvfsd-fuse", "fuse.s3fs", "fuse.sshfs",
    "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs",
}  # fmt: skip
CLOSING_ATTEMPTS = 5  # several runs may end at the same time

_warned: set[Path] = set()


def has_leftovers(path: Path) -> bool:
    """Whether a run on this store was killed, or is still writing."""
    sides = (path.with_name(path.name + side) for side in LEFTOVERS)
    return any(side.exists() and side.stat().st_size > 0 for side in sides)


def create_file(path: Path, content: bytes) -> None:
    """Create a file that has all of its content from the first moment; one that appeared meanwhile is kept.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full.
    """
    try:
        descriptor = os.open(path.absolute().parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except (AttributeError, OSError):  # a system or a file system without files that have no name
        _create_by_draft(path, content)
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        with suppress(FileExistsError):  # a folder's descriptor makes Python call linkat, which follows the link
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)


def _create_by_draft(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def network_file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """Return the type of the network file system that contains a path; None for a local or unknown one."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    resolved = path.absolute().resolve()
    longest, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mounted = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        depth = len(mounted.parts)
        if depth >= longest and resolved.is_relative_to(mounted):  # of two mounts on one folder the later one counts
            longest, kind = depth, fields[2]
    return kind if kind in NETWORK_TYPES else None


def open_reader(path: Path, timeout: float) -> tuple[sqlite3.Connection, tempfile.TemporaryDirectory[str] | None]:
    """Open a store for reading; the second value is the folder of a copy, to be removed after use, or None.

    Raises
    ------
    sqlite3.Error
        If it cannot be read.
    """
    try:
        return _probe(_connect(path, "ro", timeout)), None
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        _probe(_connect(path, "rw", timeout)).close()  # merges the leftovers
        return _probe(_connect(path, "ro", timeout)), None
    folder = tempfile.TemporaryDirectory(prefix="neurondeath-")
    try:
        copy = Path(folder.name) / path.name
        for side in ("", *LEFTOVERS):
            if (source := path.with_name(path.name + side)).exists():
                shutil.copyfile(source, copy.with_name(copy.name + side))
        return _probe(_connect(copy, "rw", timeout)), folder
    except BaseException:
        folder.cleanup()
        raise


def choose_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Use write-ahead mode where it works; without it, commits are as safe, but slower."""
    network = network_file_system(path)
    with suppress(sqlite3.OperationalError):  # another process is changing the mode: keep its choice
        connection.execute(f"PRAGMA journal_mode = {'DELETE' if network else 'WAL'}")
    if network is None:
        connection.execute("PRAGMA synchronous = NORMAL")
    elif path not in _warned:
        _warned.add(path)
        print(
            f"warning: the store {str(path)!r} lies on a network file system ({network}), whose locks cannot be "
            "trusted: never write it from two machines; give each a store of its own and use `neurondeath merge`",
            file=sys.stderr,
        )


def leave_one_file(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Merge the write-ahead log into the file and leave that mode, unless another process is using it.

    Runs that end at the same time block each other while both are connected, so each disconnects and tries again.
    Returns the connection, to be closed.
    """
    for attempt in range(CLOSING_ATTEMPTS):
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA busy_timeout = 0")
            if connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete":
                break
        connection.close()
        time.sleep(random.uniform(0.0, 0.004) * 2**attempt)
        try:
            connection = _connect(path, "rw", timeout=0.0)
        except sqlite3.Error:
            break
    return connection


def _connect(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None)


def _probe(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Read a row: SQLite opens the file only at the first query."""
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection

"""The files of a store: creation, leftovers of a killed run, network file systems, reading without changing anything.

A run that is killed leaves `-wal` (and `-shm`) or `-journal` beside the file. They contain finished work: SQLite merges
it when the file is opened for writing. A reader changes nothing: unless a run is writing now, it copies the file and
its leftovers to a temporary folder and reads there.
"""

import errno
import os
import random
import re
import secrets
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

__all__ = [
    "LEFTOVERS",
    "NO_ROOM",
    "choose_journal",
    "connect",
    "create_file",
    "has_leftovers",
    "irregular_side_file",
    "leave_one_file",
    "network_file_system",
    "open_reader",
]

LEFTOVERS = ("-wal", "-journal")
SIDES = (*LEFTOVERS, "-shm")
HEADER_BYTES, WAL_FLAG = 100, 18  # of the file format of SQLite: header, and the byte that is 2 in write-ahead mode
NETWORK_TYPES = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.gvfsd-fuse", "fuse.s3fs", "fuse.sshfs",
    "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs",
}  # fmt: skip
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
COPY_ATTEMPTS = 10
CLOSING_ATTEMPTS = 5  # several runs may end at the same time

_warned: set[Path] = set()


def has_leftovers(path: Path) -> bool:
    """Whether a run on this store was killed, or is still writing."""
    return any(size > 0 for size in _sizes(path)[1:])


def irregular_side_file(path: Path) -> Path | None:
    """Return a file beside a store that has the name of a log but is a pipe, a folder or a device; None without one."""
    for side in SIDES:
        with suppress(OSError):
            if not stat.S_ISREG((file := _side(path, side)).stat().st_mode):
                return file
    return None


def create_file(path: Path, content: bytes) -> None:
    """Create a file that has all of its content from the first moment; one that appeared meanwhile is kept.

    Raises
    ------
    OSError
        If the folder cannot be written to or the disk is full.
    """
    place = Path(os.path.realpath(path))  # a link to nowhere: the file that it names
    try:
        descriptor = os.open(place.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except (AttributeError, OSError):  # a system or a file system without files that have no name
        _create_by_draft(place, content)
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)  # a power failure must not leave an empty file
        try:  # a folder's descriptor makes Python call linkat, which follows the link
            os.link(f"/proc/self/fd/{descriptor}", place, src_dir_fd=descriptor, follow_symlinks=True)
        except FileExistsError:
            pass
        except OSError:  # /proc is missing, or the link is refused
            _create_by_draft(place, content)


def _create_by_draft(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{secrets.token_hex(8)}.draft")
    with draft.open("xb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                if not path.exists():
                    draft.replace(path)
        finally:
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


def open_reader(
    path: Path, timeout: float, longest: int
) -> tuple[sqlite3.Connection, tempfile.TemporaryDirectory[str] | None]:
    """Open a store for reading; the second value is the folder of a copy, to be removed after use, or None.

    SQLite leaves files behind where it reads a file in write-ahead mode that no process has open; then, and if there is
    a journal to be rolled back, a copy is read.

    Raises
    ------
    sqlite3.Error
        If it cannot be read.
    """
    if _readable_in_place(path):
        try:
            return connect(path, "ro", timeout, longest), None
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
    folder = tempfile.TemporaryDirectory(prefix="neurondeath-")
    try:
        copy = Path(folder.name) / "copy.sqlite"
        _copy_all(path, copy)
        return connect(copy, "rw", timeout, longest), folder
    except OSError as error:
        folder.cleanup()
        if error.errno not in NO_ROOM:
            raise
        return connect(path, "ro", timeout, longest), None  # no room for a copy
    except BaseException:
        folder.cleanup()
        raise


def _readable_in_place(path: Path) -> bool:
    """Whether reading a file leaves nothing beside it: it is not in write-ahead mode, or a process has it open."""
    if _side(path, "-shm").exists():
        return True
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError:
        return True  # SQLite names the reason
    return header[WAL_FLAG : WAL_FLAG + 1] != b"\x02" and not _side(path, "-wal").exists()


def _copy_all(path: Path, copy: Path) -> None:
    """Copy a file and its leftovers as they were at one moment, if a run is just ending after some attempts."""
    for _ in range(COPY_ATTEMPTS):
        before = _signature(path)
        for side in ("", *LEFTOVERS):
            _side(copy, side).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(_side(path, side), _side(copy, side))
        if _signature(path) == before:
            return
        time.sleep(random.uniform(0.0, 0.05))


def _signature(path: Path) -> list[tuple[int, int]]:
    found = []
    for side in ("", *LEFTOVERS):
        with suppress(OSError):
            state = _side(path, side).stat()
            found.append((state.st_size, state.st_mtime_ns))
    return found


def _sizes(path: Path) -> list[int]:
    """Return the sizes of a file and of its leftovers, 0 for missing ones."""
    sizes = []
    for side in ("", *LEFTOVERS):
        try:
            sizes.append(_side(path, side).stat().st_size)
        except OSError:
            sizes.append(0)
    return sizes


def _side(path: Path, side: str) -> Path:
    return path.with_name(path.name + side)


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
            connection = connect(path, "rw", 0.0)
        except sqlite3.Error:
            break
    return connection


def connect(path: Path, mode: str, timeout: float, longest: int | None = None) -> sqlite3.Connection:
    """Open an existing file, "ro" or "rw", and read its schema; no value or statement longer than `longest` bytes.

    Raises
    ------
    sqlite3.Error
        If it cannot be opened.
    """
    address = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None)
    try:
        if longest is not None:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        connection.text_factory = _text
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # the file is opened at the first query
    except BaseException:
        connection.close()
        raise
    return connection


def _text(raw: bytes) -> str:
    """Decode a text of a row; what is not UTF-8 becomes surrogates, which no text of ours contains."""
    return raw.decode(errors="surrogateescape")

"""Read files that a user names: regular files of bounded size only, so that nothing waits or fills the memory.

A named pipe without a writer, a terminal or a device would block a reader forever, or never end; a file of many
gigabytes would exhaust the memory before its format could be checked. Both are refused before anything is read.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import invalid

__all__ = ["MOST_TEXT_BYTES", "MOST_TOML_BYTES", "input_file", "read_input_bytes", "read_input_text", "read_toml"]

MOST_TEXT_BYTES = 2**22  # 4 MiB: of a file that is written by hand
MOST_TOML_BYTES = 2**20  # of a TOML file, which Python reads at less than a megabyte per second
DEEPEST_TABLE = 32  # levels of tables and lists within each other; ours have four
# a dotted key of more parts: the time that Python's reader takes grows with the square of their number
PART = r"""(?>[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
DEEP_KEY = re.compile(rf"(?<![\w-])(?:{PART}[ \t]*+\.[ \t]*+){{{DEEPEST_TABLE}}}", re.ASCII)


@contextmanager
def input_file(name: str, path: Path | str, *, most_bytes: int, what: str = "file") -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    Parameters
    ----------
    name : str
        Name of the argument in error messages.
    path : path
        The file.
    most_bytes : int
        Largest size accepted.
    what : str
        What the file should be, for error messages.

    Yields
    ------
    binary file
        The file, at its beginning.

    Raises
    ------
    InvalidArgumentError
        If the file is missing, not a regular file (a folder, a named pipe, a device), unreadable or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise invalid(name, f"name a {what} that exists", str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise _unreadable(name, path, what, error) from None
    try:
        _check_status(name, path, os.fstat(descriptor), most_bytes, what)
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        try:
            yield file
        except OSError as error:
            raise _unreadable(name, path, what, error) from None


def read_input_bytes(name: str, path: Path | str, *, most_bytes: int, what: str = "file") -> bytes:
    """Read a regular file of at most `most_bytes` bytes; raises as `input_file`."""
    with input_file(name, path, most_bytes=most_bytes, what=what) as file:
        return file.read(most_bytes)


def read_input_text(name: str, path: Path | str, *, most_bytes: int = MOST_TEXT_BYTES, what: str = "text file") -> str:
    """Read a UTF-8 text file of at most `most_bytes` bytes.

    Raises
    ------
    InvalidArgumentError
        As `input_file`, or if the file is not UTF-8.
    """
    raw = read_input_bytes(name, path, most_bytes=most_bytes, what=what)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise invalid(name, f"name a {what} in UTF-8", str(path), reason=f"byte {error.start}") from None


def read_toml(name: str, path: Path | str, *, what: str = "TOML file") -> dict[str, Any]:
    """Read a TOML file of at most MOST_TOML_BYTES bytes and DEEPEST_TABLE levels.

    Raises
    ------
    InvalidArgumentError
        As `read_input_text`, or if the file is not TOML or nested too deep.
    """
    text = read_input_text(name, path, most_bytes=MOST_TOML_BYTES, what=what)
    deep = f"be nested at most {DEEPEST_TABLE} levels deep"
    if DEEP_KEY.search(text):
        raise invalid(name, deep, str(path))
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:  # ValueError: numbers of too many digits
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise invalid(name, f"be a valid {what}", str(path), reason=reason) from None
    except RecursionError:
        raise invalid(name, deep, str(path)) from None
    level: list[Any] = [document]
    for _ in range(DEEPEST_TABLE):
        level = [
            item for each in level for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, (dict, list))
        ]  # fmt: skip
        if not level:
            return document
    raise invalid(name, deep, str(path))


def _check_status(name: str, path: Path | str, status: os.stat_result, most_bytes: int, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise invalid(name, f"name a regular {what}", str(path), reason=kind)
    if status.st_size > most_bytes:
        rule = f"name a {what} of at most {most_bytes} bytes"
        raise invalid(name, rule, str(path), reason=f"{status.st_size} bytes")


def _unreadable(name: str, path: Path | str, what: str, error: Exception) -> InvalidArgumentError:
    reason = getattr(error, "strerror", None) or str(error)
    return invalid(name, f"name a readable {what}", str(path), reason=reason)

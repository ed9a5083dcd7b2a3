"""Download one file of known size and checksum, over http or https only.

The size bounds what is read, whatever the server sends. A thread reads from the server, so that the caller can be
interrupted and keeps its time limits even while the system looks up a name or a server sends a header byte by byte.
"""

import hashlib
import queue
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from neurondeath_theory.foundation.atomic_files import draft_of
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.interruption import Interrupted, stop_word
from neurondeath_theory.foundation.progress import new_display
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["DownloadError", "PublishedFile", "check_address", "download"]

SCHEMES = ("http", "https")
LONGEST_ADDRESS = 1000
SILENT_SECONDS = 30.0  # without a byte, after which a server is given up
SLOW_SECONDS = 60.0  # after which a mean speed below LEAST_SPEED is given up
LEAST_SPEED = 4096  # bytes per second
PIECE = 2**16
PIECES_AHEAD = 16
POLL_SECONDS = 0.1  # between looks at the clock and at requests to stop
LONGEST_REASON = 120


class DownloadError(NeuronDeathError):
    """A file could not be fetched, or differs from the published one."""


@dataclass(frozen=True)
class PublishedFile:
    """What is known of a file before it is fetched.

    Attributes
    ----------
    size : int
        Bytes.
    md5 : str
        Checksum, hexadecimal.
    """

    size: int
    md5: str

    def has_content(self, path: Path) -> bool:
        """Whether a regular file is the published one."""
        digest = hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            if path.stat().st_size != self.size:
                return False
            while piece := file.read(PIECE):
                digest.update(piece)
        return digest.hexdigest() == self.md5


def check_address(name: str, address: str) -> str:
    """Accept the address of a folder on a web server.

    Raises
    ------
    InvalidArgumentError
        If it is not http or https, has no host, does not end in "/", or contains a user, a query or other than
        printable ASCII.
    """
    rule = "be an http or https address that ends in /"
    if not isinstance(address, str) or not address.isascii() or len(address) > LONGEST_ADDRESS:
        raise invalid(name, rule, address, "write other characters as %XX")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port  # a port that is no number raises
    except ValueError as error:
        raise invalid(name, rule, address, reason=str(error)) from None
    plain = address.isprintable() and " " not in address and "\\" not in address
    if not plain or parts.scheme not in SCHEMES or not host or "?" in address or "#" in address:
        raise invalid(name, rule, address)
    if "@" in parts.netloc:  # it would be shown in messages
        raise invalid(name, f"{rule}, without a user or password", f"{parts.scheme}://...@{host}")
    if not address.endswith("/"):
        raise invalid(name, rule, address)
    return address


def download(url: str, target: Path, published: PublishedFile, stopped: Callable[[], int | None]) -> None:
    """Download a file; it appears under its name only when it is complete and has the published checksum.

    Parameters
    ----------
    url : str
        Address of the file.
    target : Path
        Where to put it; a file that is there is replaced.
    published : PublishedFile
        Its size and checksum.
    stopped : callable
        Returns the number of a signal that asked to stop, or None.

    Raises
    ------
    DownloadError
        If the server fails, is too slow or sends something else, or the disk is full.
    Interrupted
        If a signal asked to stop.
    """
    digest, received = hashlib.md5(usedforsecurity=False), 0
    display, shown = new_display(), time.monotonic()
    try:
        with draft_of(target) as draft, draft.open("xb") as file:
            for piece in _pieces(url, stopped):
                received += len(piece)
                if received > published.size:
                    raise _another_file(url, f"more than its {published.size} bytes")
                digest.update(piece)
                file.write(piece)
                if time.monotonic() - shown >= display.seconds:
                    shown = time.monotonic()
                    how_far = f"{received / 1e6:.1f} of {published.size / 1e6:.1f} MB"
                    display.update(received / published.size, f"fetching {target.name}", how_far)
            if received < published.size:
                raise DownloadError(f"{url} ended after {received} of {published.size} bytes; try again")
            if digest.hexdigest() != published.md5:
                raise _another_file(url, "its checksum differs")
    except OSError as error:
        raise DownloadError(f"{str(target)!r} cannot be written ({error.strerror or error})") from None
    finally:
        display.close()


def _another_file(url: str, reason: str) -> DownloadError:
    return DownloadError(f"{url} is not the published file: {reason}; name a mirror by its address")


def _pieces(url: str, stopped: Callable[[], int | None]) -> Iterator[bytes]:
    """Read a file from a server piece by piece; bounded in time, not in size."""
    pieces: queue.Queue[bytes | str] = queue.Queue(PIECES_AHEAD)
    is_over = threading.Event()
    threading.Thread(target=_read, args=(url, pieces, is_over), daemon=True).start()
    start = last = time.monotonic()
    received = 0
    try:
        while True:
            number, now = stopped(), time.monotonic()
            if number is not None:
                raise Interrupted(f"{stop_word(number)}; complete files are kept", number)
            if now - last > SILENT_SECONDS:
                raise DownloadError(f"{url} could not be fetched: no answer in {SILENT_SECONDS:g} seconds")
            if now - start > SLOW_SECONDS and received < LEAST_SPEED * (now - start):
                raise DownloadError(f"{url} could not be fetched: less than {LEAST_SPEED} bytes per second")
            try:
                piece = pieces.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(piece, str):
                raise DownloadError(f"{url} could not be fetched ({piece}); check the network or name a mirror")
            if not piece:
                return
            received, last = received + len(piece), time.monotonic()
            yield piece
    finally:
        is_over.set()


def _read(url: str, pieces: "queue.Queue[bytes | str]", is_over: threading.Event) -> None:
    """Put what a server sends into a queue: pieces, at the end an empty one, or in words what went wrong."""

    def put(piece: bytes | str) -> None:
        while not is_over.is_set():
            with suppress(queue.Full):
                pieces.put(piece, timeout=POLL_SECONDS)
                return

    try:
        request = urllib.request.Request(url, headers={"User-Agent": "neurondeath", "Accept-Encoding": "identity"})
        with _web_only().open(request, timeout=SILENT_SECONDS) as response:
            while not is_over.is_set():
                piece = response.read1(PIECE)
                put(piece)
                if not piece:
                    break
    except Exception as error:  # the waiting thread must hear of it, whatever it is
        if isinstance(error, HTTPError):
            error.close()
        reason = error.reason if type(error) is URLError else error
        put(visible(" ".join(str(reason).split()))[:LONGEST_REASON] or type(error).__name__)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects whose answer is closed also if they lead nowhere."""

    def http_error_302(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any) -> Any:
        """Follow a redirect."""
        with fp:
            return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _web_only() -> Any:
    """Return an opener that knows http and https; not file, ftp or data, to which a server could redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener

"""The server of the explorer: for this machine only, GET only, no files.

    /             the page
    /api/about    what runs here
    /api/design   closed forms of a design: its controls as the query
    /api/work     what takes seconds: `kind`, `place` and the controls; ask again until the state is done or refused

A design that the library refuses is answered with its line as `error`. A request is refused when its Host is not this
address (a name that an attacker points to 127.0.0.1), when another site made the browser send it, or when it is not
one that the page sends.
"""

import errno
import http.client
import json
import os
import socketserver
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from neurondeath.explorer.choices import read_choice
from neurondeath.explorer.closed_forms import closed_forms
from neurondeath.explorer.page import page
from neurondeath.explorer.work import WORKS
from neurondeath.explorer.workbench import FAULT, Workbench
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid
from neurondeath_theory.foundation.version import __version__

__all__ = ["ADDRESS", "DEFAULT_PORT", "Explorer"]

ADDRESS = "127.0.0.1"
DEFAULT_PORT = 8377
LARGEST_PORT = 65535
ABOUT = {"program": "neurondeath explore", "version": __version__}
LONGEST_PATH = 2000  # characters
LONGEST_PLACE = 40
MOST_FIELDS = 16
MOST_CONNECTIONS = 32  # at a time; others are closed at once
SILENCE = 5.0  # seconds after which a silent connection is closed
POLL = 0.5  # seconds between looks at the clock
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Explorer(ThreadingHTTPServer):
    """The explorer on a port of 127.0.0.1; a context manager.

    Parameters
    ----------
    port : int
        The port, from 0 to 65535; 0 for one that is free.

    Raises
    ------
    InvalidArgumentError
        If the port is no port, or in use; by an explorer, its address is in the message.

    Examples
    --------
    >>> with Explorer(0) as explorer:
    ...     explorer.address.startswith("http://127.0.0.1:")
    True
    """

    allow_reuse_address = os.name == "posix"  # elsewhere two servers could share a port
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port: int = DEFAULT_PORT) -> None:
        number = check_count("port", port, least=0, most=LARGEST_PORT)
        self._ended = False
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((ADDRESS, number), _Handler)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise _port_refused(number, error) from None
            raise
        self.workbench = Workbench()

    @property
    def address(self) -> str:
        """Address of the page."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def serve(self, seconds: float | None = None) -> None:
        """Serve for some seconds, or until `end` is called or an exception ends it."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._ended and (end is None or time.monotonic() < end):
            self.timeout = POLL if end is None else min(POLL, max(end - time.monotonic(), 0.0))
            self.handle_request()

    def end(self) -> None:
        """Let `serve`, in another thread, return soon."""
        self._ended = True

    def server_bind(self) -> None:
        """Bind without asking for the name of the address, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, if there is room for one."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a connection that broke: a closed tab is no fault."""

    def server_close(self) -> None:
        """Close the port, and end the work."""
        super().server_close()
        if hasattr(self, "workbench"):
            self.workbench.close()

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """Close; after an interruption at once, without waiting for the work."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self.workbench.close(seconds=0.0)
            super().server_close()
        else:
            self.server_close()


class _Refused(Exception):  # noqa: N818 - an answer
    """A request that is not answered: its status, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Explorer
    timeout = SILENCE
    server_version = "neurondeath"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a request."""
        try:
            self._check_sender()
            if len(self.path) > LONGEST_PATH:
                raise _Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"an address has at most {LONGEST_PATH} characters")
            self._answer()
        except _Refused as refused:
            self._send(refused.status, {"error": str(refused)})
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            text = FAULT.format(kind=type(error).__name__, text=str(error))
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": text})

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no GET, or no request at all, in the form of all other answers."""
        status = HTTPStatus(code)
        if status == HTTPStatus.NOT_IMPLEMENTED:
            status, message = HTTPStatus.METHOD_NOT_ALLOWED, "GET only"
        self.close_connection = True
        self._send(status, {"error": message or status.phrase})

    def log_message(self, format: str, *values: Any) -> None:
        """Log nothing."""

    def _check_sender(self) -> None:
        """Refuse requests that another site makes a browser send."""
        port = self.server.server_port
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, f"this server answers to {self.server.address} only")
        site = self.headers.get("Sec-Fetch-Site", "none")
        if self.path.startswith("/api/") and site not in ("none", "same-origin"):
            raise _Refused(HTTPStatus.FORBIDDEN, "another site may not ask")

    def _answer(self) -> None:
        try:
            parts = urlsplit(self.path)
            pairs = parse_qsl(
                parts.query,
                keep_blank_values=True,
                strict_parsing=bool(parts.query),
                errors="strict",
                max_num_fields=MOST_FIELDS,
            )
        except ValueError:
            raise _Refused(HTTPStatus.BAD_REQUEST, "the query is not one that the page sends") from None
        query = dict(pairs)
        if len(query) < len(pairs):
            raise _Refused(HTTPStatus.BAD_REQUEST, "every control is named once")
        if parts.path == "/":
            document, policy = page()
            self._send(HTTPStatus.OK, document, "text/html; charset=utf-8", policy)
        elif parts.path == "/api/about":
            self._send(HTTPStatus.OK, ABOUT)
        elif parts.path in ("/api/design", "/api/work"):
            self._send(HTTPStatus.OK, self._design(query, work=parts.path == "/api/work"))
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _design(self, query: dict[str, str], *, work: bool) -> dict[str, Any]:
        """Answer about a design; what the library refuses is an answer, too."""
        kind, place = (query.pop("kind", ""), query.pop("place", "")) if work else ("", "")
        try:
            if work:
                check_choice("kind", kind, tuple(WORKS))
                if not (place.isascii() and place.isalnum() and len(place) <= LONGEST_PLACE):
                    raise invalid("place", f"be {LONGEST_PLACE} letters and digits at most", place)
            choice = read_choice(query)
            return self.server.workbench.ask(place, kind, choice) if work else closed_forms(choice)
        except NeuronDeathError as error:
            return {"error": str(error)}

    def _send(
        self,
        status: HTTPStatus,
        content: bytes | dict[str, Any],
        kind: str = "application/json",
        policy: str = "default-src 'none'; frame-ancestors 'none'",
    ) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content, allow_nan=False).encode("utf-8")
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": policy, **HEADERS}
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _port_refused(port: int, error: OSError) -> Exception:
    """Explain why a port cannot be had."""
    if error.errno == errno.EACCES:
        return invalid("port", "be one that this user may open", port, "take one above 1023")
    remedy = "pass 0 for a free port"
    if _is_explorer(port):
        return invalid(
            "port", "be free", port, f"an explorer runs at http://{ADDRESS}:{port}/ already: open it, or {remedy}"
        )
    return invalid("port", "be free", port, f"another program uses it: {remedy}")


def _is_explorer(port: int) -> bool:
    """Ask what runs on a port."""
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=1.0)
    try:
        connection.request("GET", "/api/about")
        about = json.loads(connection.getresponse().read(1000))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(about, dict) and about.get("program") == ABOUT["program"]

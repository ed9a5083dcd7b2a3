"""Downloads from servers that send too much, too little, something else, too slowly or nothing, each in one line."""

import hashlib
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from neurondeath.simulations.inputs import web_files
from neurondeath.simulations.inputs.web_files import DownloadError, PublishedFile, download
from neurondeath_theory.foundation.interruption import Interrupted

CONTENT = bytes(range(256)) * 1000
FILE = PublishedFile(len(CONTENT), hashlib.md5(CONTENT).hexdigest())
HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = f"Content-Length: {len(CONTENT)}\r\n\r\n".encode()
SECONDS = 0.4  # stands for the time limits


class Server:
    """A server that answers every request by the same pieces, with pauses between them if they are to be endless."""

    def __init__(self, *pieces, again=False, pause=0.0):
        self.pieces, self.again, self.pause = pieces, again, pause
        self.sent, self.is_over = 0, False

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/file"
        return self

    def __exit__(self, *error):
        self.is_over = True
        self.listener.close()

    def serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with suppress(OSError), connection:
            connection.recv(2**16)
            for piece in self.pieces:
                connection.sendall(piece)
                self.sent += len(piece)
            while self.again and not self.is_over:
                connection.sendall(self.again)
                self.sent += len(self.again)
                time.sleep(self.pause)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(web_files, "SILENT_SECONDS", SECONDS)
    monkeypatch.setattr(web_files, "SLOW_SECONDS", SECONDS)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def refusal(server, folder, url=""):
    """Fetch what must be refused, quickly and leaving nothing; return the line."""
    start = time.monotonic()
    with server, pytest.raises(DownloadError) as caught:
        download(url or server.url, folder / "file", FILE, lambda: None)
    assert time.monotonic() - start < 5
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 300
    assert not list(folder.iterdir())
    return line


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + LENGTH, CONTENT),
        (HEAD + b"\r\n", CONTENT),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e800\r\n", CONTENT[:0x3E800], b"\r\n0\r\n\r\n"),
    ],
    ids=["length", "until the end", "chunked"],
)
def test_sound_answers(folder, pieces):
    (folder / "file").write_bytes(b"an older file")
    with Server(*pieces) as server:
        download(server.url, folder / "file", FILE, lambda: None)
    assert (folder / "file").read_bytes() == CONTENT
    assert len(list(folder.iterdir())) == 1


ANSWERS = {
    "nothing": (),
    "no HTTP": (b"hello\r\n\r\n",),
    "zeros": (bytes(2**17),),
    "cut header": (HEAD,),
    "cut": (HEAD + LENGTH, CONTENT[:-1]),
    "cut without a length": (HEAD + b"\r\n", CONTENT[:-1]),
    "empty": (HEAD + b"Content-Length: 0\r\n\r\n",),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n",),
    "another content": (HEAD + LENGTH, CONTENT[::-1]),
    "wrong length": (HEAD + b"Content-Length: -5\r\n\r\n", CONTENT[:-1]),
    "huge length": (HEAD + b"Content-Length: 999999999999999999999\r\n\r\n", CONTENT[:-1]),
    "length in words": (HEAD + b"Content-Length: many\r\n\r\n", CONTENT[:-1]),
    "wrong chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",),
    "huge chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", CONTENT),
    "negative chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n", CONTENT),
    "many headers": (HEAD, b"A: b\r\n" * 1000, b"\r\n"),
    "long header": (HEAD, b"A" * 2**20),
    "not found": (b"HTTP/1.1 404 Not\x1b[31m Found\r\n\r\n",),
    "error": (b"HTTP/1.1 500 \xff\xfe\r\n\r\n",),
    "word as status": (b"HTTP/1.1 abc OK\r\n\r\n",),
    "to a file": (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",),
    "to ftp": (b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/file\r\n\r\n",),
    "to data": (b"HTTP/1.1 302 Found\r\nLocation: data:text/plain,hello\r\n\r\n",),
    "to itself": (b"HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n",),
    "to nowhere": (b"HTTP/1.1 302 Found\r\nLocation: http://[::/\r\nContent-Length: 0\r\n\r\n",),
    "to nothing": (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",),
    "to a wild port": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:99999/\r\n\r\n",),
    "password wanted": (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\n\r\n",),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_unsound_answers(folder, kind):
    refusal(Server(*ANSWERS[kind]), folder)


def test_the_size_bounds_what_is_read(folder):
    server = Server(HEAD + b"\r\n", again=bytes(2**16))
    assert f"more than its {len(CONTENT)} bytes" in refusal(server, folder)
    assert server.sent < len(CONTENT) + 2**23  # what the system and the queue hold


@pytest.mark.parametrize(
    "server",
    [
        Server(again=b"", pause=0.05),
        Server(HEAD + LENGTH, again=b"", pause=0.05),
        Server(HEAD, again=b"A: b\r\n", pause=0.05),
        Server(HEAD + LENGTH, again=b"x", pause=0.05),
    ],
    ids=["no answer", "no content", "endless header", "byte by byte"],
)
def test_slow_servers_are_given_up(folder, server):
    server.again = server.again or b" "[:0]
    line = refusal(Patient(server), folder)
    assert "could not be fetched" in line


class Patient:
    """A slow server, which goes on until the test is over."""

    def __init__(self, server):
        self.server = server
        if not server.again:
            server.answer = self.wait

    def wait(self, connection):
        with suppress(OSError), connection:
            connection.recv(2**16)
            for piece in self.server.pieces:
                connection.sendall(piece)
            while not self.server.is_over:
                time.sleep(0.05)

    def __enter__(self):
        self.server.__enter__()
        self.url = self.server.url
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)


def test_a_name_that_is_not_found_and_a_port_that_is_closed(folder):
    assert "could not be fetched" in refusal(Server(), folder, "http://127.0.0.1:9/file")
    assert "could not be fetched" in refusal(Server(), folder, "http://name.invalid/file")


def test_a_request_to_stop_leaves_nothing(folder):
    stop = time.monotonic() + 0.2
    server = Patient(Server(HEAD + LENGTH, CONTENT[:1000]))
    with server, pytest.raises(Interrupted, match="terminated") as caught:
        download(server.url, folder / "file", FILE, lambda: 15 if time.monotonic() > stop else None)
    assert caught.value.exit_code == 143
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="the size of files is bounded by RLIMIT_FSIZE")
def test_a_full_disk_leaves_nothing(folder):
    program = """
import resource, signal, sys
from pathlib import Path
from neurondeath.simulations.inputs.web_files import DownloadError, PublishedFile, download
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    download(sys.argv[1], Path(sys.argv[2]), PublishedFile(int(sys.argv[3]), sys.argv[4]), lambda: None)
except DownloadError as error:
    print(error)
"""
    with Server(HEAD + LENGTH, CONTENT) as server:
        arguments = [server.url, str(folder / "file"), str(FILE.size), FILE.md5]
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout
    assert not list(folder.iterdir())

"""Fetching image sets from a local server: complete files are kept, incomplete and wrong ones are not.

Hostile servers are in `test_web_files`.
"""

import gzip
import hashlib
import io
import os
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from neurondeath.__main__ import main
from neurondeath.simulations.inputs import image_downloads, packed_members
from neurondeath.simulations.inputs.image_downloads import MEMBERS, DownloadError, PublishedFile, fetch_images
from neurondeath.simulations.inputs.image_files import read_images, read_labels
from neurondeath_theory.foundation.errors import InvalidArgumentError
from tests.simulations.test_image_files import DIGITS, PICTURES, idx, records

ARCHIVE = "cifar-10-binary.tar.gz"


class Quiet(SimpleHTTPRequestHandler):
    requests: ClassVar[list[str]] = []

    def log_message(self, *arguments):
        self.requests.append(self.path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a folder, with the checksums of its files."""
    folder = tmp_path / "served"
    folder.mkdir()
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 6]) + bytes(range(6))
    served = {name: gzip.compress(labels if "labels" in name else idx(DIGITS)) for name in mnist_names()}
    content = records(PICTURES)
    served[ARCHIVE] = archive((name, content) for name in ("cifar-10-batches-bin/readme.html", *MEMBERS[ARCHIVE]))
    for name, content in served.items():
        (folder / name).write_bytes(content)
    sources = {
        kind: (home, {name: published(served[name]) for name in files})
        for kind, (home, files) in image_downloads.SOURCES.items()
    }
    monkeypatch.setattr(image_downloads, "SOURCES", sources)
    Quiet.requests.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()


def published(content):
    return PublishedFile(len(content), hashlib.md5(content).hexdigest())


def archive(members):
    """Make a .tar.gz archive of names with bytes, or with changes to make to the entry."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                entry.size = len(content)
            else:
                entry.type, entry.linkname = content
            tar.addfile(entry, io.BytesIO(content if isinstance(content, bytes) else b""))
    return file.getvalue()


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def mnist_names():
    return list(image_downloads.SOURCES["mnist"][1])


def test_fetched_files_are_what_the_readers_read(tmp_path, server):
    _, address = server
    fetch_images("mnist", tmp_path / "data", address=address)
    assert read_images("mnist", tmp_path / "data", split="test").tolist() == DIGITS.tolist()
    assert read_labels("mnist", tmp_path / "data").tolist() == list(range(6))
    assert len(fetch_images("cifar10", tmp_path / "data", address=address)) == 6
    assert read_images("cifar10", tmp_path / "data").shape == (25, 3072)
    assert read_images("cifar10", tmp_path / "data", split="test").tolist() == PICTURES.tolist()


def test_complete_files_are_not_fetched_again(tmp_path, server):
    _, address = server
    paths = fetch_images("mnist", tmp_path, address=address)
    assert len(Quiet.requests) == 4
    assert fetch_images("mnist", tmp_path, address=address) == paths
    assert len(Quiet.requests) == 4
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    fetch_images("mnist", tmp_path, address=address)
    assert len(Quiet.requests) == 5


def test_unpacked_files_are_repaired(tmp_path, server):
    _, address = server
    paths = fetch_images("cifar10", tmp_path, address=address)
    whole = paths[0].read_bytes()
    kept = paths[1].stat().st_mtime_ns
    paths[0].write_bytes(whole[:-1] + b"x")
    paths[2].unlink()
    assert fetch_images("cifar10", tmp_path, address=address) == paths
    assert len(Quiet.requests) == 1
    assert paths[0].read_bytes() == paths[2].read_bytes() == whole
    assert paths[1].stat().st_mtime_ns == kept


@pytest.mark.parametrize("change", [lambda raw: b"<html>moved</html>", lambda raw: raw + b"x", lambda raw: raw[:-1]])
def test_a_wrong_file_is_never_kept(tmp_path, server, change):
    folder, address = server
    path = folder / mnist_names()[0]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DownloadError, match=r"not the published file|ended after"):
        fetch_images("mnist", tmp_path / "new" / "data", address=address)
    assert contents(tmp_path) == contents(folder.parent) == ["served", *sorted(f"served/{n}" for n in names_served())]


def test_what_was_there_stays_when_a_fetch_fails(tmp_path, server):
    folder, address = server
    first, second, *_ = mnist_names()
    (folder / second).write_bytes(b"")
    data = tmp_path / "data"
    (data / "mnist").mkdir(parents=True)
    (data / "mnist" / second).write_bytes(b"an older file")
    with pytest.raises(DownloadError):
        fetch_images("mnist", data, address=address)
    assert contents(data) == ["mnist", *sorted((f"mnist/{first}", f"mnist/{second}"))]
    assert (data / "mnist" / second).read_bytes() == b"an older file"


def names_served():
    return [*mnist_names(), ARCHIVE]


FIRST = MEMBERS[ARCHIVE][0]
MOST = 2**16  # bytes of a member, in these tests
BAD_ARCHIVES = {
    "a link": [(FIRST, (tarfile.SYMTYPE, "/etc/passwd"))],
    "a hard link": [("../outside", b""), (FIRST, (tarfile.LNKTYPE, "../outside"))],
    "a device": [(FIRST, (tarfile.CHRTYPE, ""))],
    "a pipe": [(FIRST, (tarfile.FIFOTYPE, ""))],
    "a folder": [(FIRST, (tarfile.DIRTYPE, ""))],
    "paths that lead out": [("../../outside", b"x"), ("/tmp/outside-neurondeath", b"x"), (f"../{FIRST}", b"x")],
    "too large": [(FIRST, bytes(MOST + 1))],
    "others too large": [(f"other{i}", bytes(MOST)) for i in range(8)],
    "nothing": [],
}


@pytest.mark.parametrize("kind", BAD_ARCHIVES)
def test_archives_of_other_things(tmp_path, server, monkeypatch, kind):
    unpack(tmp_path, server, monkeypatch, archive(BAD_ARCHIVES[kind]))


@pytest.mark.parametrize("raw", [b"", b"no archive", archive([(FIRST, b"x" * 5000)])[:-20]], ids=len)
def test_damaged_archives(tmp_path, server, monkeypatch, raw):
    unpack(tmp_path, server, monkeypatch, raw)


def unpack(tmp_path, server, monkeypatch, raw):
    """Fetch an archive that has the published checksum and yet must be refused."""
    folder, address = server
    (folder / ARCHIVE).write_bytes(raw)
    home = image_downloads.SOURCES["cifar10"][0]
    monkeypatch.setattr(packed_members, "MOST_MEMBER_BYTES", MOST)
    monkeypatch.setattr(packed_members, "MOST_OTHER_BYTES", MOST)
    monkeypatch.setitem(image_downloads.SOURCES, "cifar10", (home, {ARCHIVE: published(raw)}))
    with pytest.raises(DownloadError) as caught:
        fetch_images("cifar10", tmp_path / "a" / "data", address=address)
    assert str(caught.value).isprintable()
    left = contents(tmp_path / "a")
    assert left == ["data", f"data/{ARCHIVE}"]


def test_a_missing_server_is_one_line(tmp_path, server, capsys, monkeypatch):
    _, address = server
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch_images("mnist", tmp_path, address=f"{address}nowhere/")
    monkeypatch.setattr(
        "sys.argv", ["neurondeath", "fetch", "mnist", "--data-dir", str(tmp_path), "--address", "http://127.0.0.1:9/"]
    )
    assert main() == 2
    err = capsys.readouterr().err
    assert "could not be fetched" in err
    assert err.count("\n") == 1


def test_the_command_prints_what_it_fetched(tmp_path, server, capsys, monkeypatch):
    _, address = server
    monkeypatch.setenv("NEURONDEATH_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["neurondeath", "fetch", "mnist", "--address", address])
    assert main() == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "mnist" / name) for name in mnist_names()]


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/", "ftp://127.0.0.1/", "data:,/", "nowhere", "nowhere/", "//127.0.0.1/", "http:///", "http://",
        "https://127.0.0.1", "http://user:secret@127.0.0.1/", "http://127.0.0.1:port/", "http://127.0.0.1:99999/",
        "http://127.0.0.1/a b/", "http://127.0.0.1/\n/", "http://127.0.0.1/\r\nHost: x/", "http://[::1/", "http://\u0430/",
        "http://127.0.0.1/?a=/", "http://127.0.0.1/#/", "http://127.0.0.1\\/", "", " ", "http://" + "x" * 5000 + "/",
    ],
)  # fmt: skip
def test_addresses_that_are_none(tmp_path, address):
    with pytest.raises(InvalidArgumentError) as caught:
        fetch_images("mnist", tmp_path / "new", address=address)
    line = str(caught.value)
    assert line.startswith("`address` must be an http or https address that ends in /")
    assert line.isprintable()
    assert "secret" not in line
    assert not list(tmp_path.iterdir())


def test_a_refusal_names_the_option(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "new"
    arguments = ["neurondeath", "fetch", "mnist", "--data-dir", str(folder), "--address"]
    for address in ("file:///etc/", "http://127.0.0.1:9/a\nb/", ""):
        monkeypatch.setattr("sys.argv", [*arguments, address])
        assert main() == 2
        out, err = capsys.readouterr()
        assert err.startswith("neurondeath: `--address` must ")
        assert err.count("\n") == 1
        assert out == ""
    monkeypatch.setattr("sys.argv", ["neurondeath", "fetch", "mnist", "--data-dir", "/dev/null/x"])
    assert main() == 2
    assert capsys.readouterr().err.startswith("neurondeath: `--data-dir` must ")
    assert not folder.exists()


def test_all_data_sets_are_checked_first(tmp_path, capsys, monkeypatch):
    for names in (["mnist", "imagenet"], ["mnist", "mnist"]):
        monkeypatch.setattr("sys.argv", ["neurondeath", "fetch", *names, "--data-dir", str(tmp_path)])
        assert main() == 2
        assert "DATA SET" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_bad_arguments(tmp_path):
    with pytest.raises(InvalidArgumentError, match="mnist, cifar10"):
        fetch_images("imagenet", tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "loop", "pipe", "x" * 300, "new/a\0b", f"new/{'y' * 300}"):
        with pytest.raises(InvalidArgumentError, match="written to"):
            fetch_images("mnist", tmp_path / name)
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    os.mkfifo(tmp_path / "data" / "mnist" / mnist_names()[0])
    with pytest.raises(InvalidArgumentError, match="move away"):
        fetch_images("mnist", tmp_path / "data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file", "loop", "pipe"]

"""Fetching image sets from a local server: complete files are kept, incomplete and wrong ones are not."""

import gzip
import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from neurondeath.__main__ import main
from neurondeath.simulations.inputs import image_downloads
from neurondeath.simulations.inputs.image_downloads import DownloadError, fetch_images
from neurondeath.simulations.inputs.image_files import read_images, read_labels
from neurondeath_theory.foundation.errors import InvalidArgumentError
from tests.simulations.test_image_files import DIGITS, PICTURES, idx, records


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
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(records(PICTURES))
            tar.addfile(entry, io.BytesIO(records(PICTURES)))
    served["cifar-10-binary.tar.gz"] = archive.getvalue()
    for name, content in served.items():
        (folder / name).write_bytes(content)
    sources = {
        kind: (home, {name: f"md5:{hashlib.md5(served[name]).hexdigest()}" for name in files})
        for kind, (home, files) in image_downloads.SOURCES.items()
    }
    monkeypatch.setattr(image_downloads, "SOURCES", sources)
    Quiet.requests.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()


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


def test_a_wrong_file_is_never_kept(tmp_path, server):
    folder, address = server
    (folder / mnist_names()[0]).write_bytes(b"<html>moved</html>")
    with pytest.raises(DownloadError, match="not the published file"):
        fetch_images("mnist", tmp_path, address=address)
    assert not list(tmp_path.glob("mnist/*"))


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


def test_bad_arguments(tmp_path):
    with pytest.raises(InvalidArgumentError, match="mnist, cifar10"):
        fetch_images("imagenet", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgumentError, match="written to"):
        fetch_images("mnist", tmp_path / "file")

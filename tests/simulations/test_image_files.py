"""MNIST and CIFAR-10 files, built byte by byte here; errors for incomplete and wrong files are one line."""

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from neurondeath.simulations.inputs import image_files
from neurondeath.simulations.inputs.image_files import DATA_VARIABLE, read_images, read_labels
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath_theory.foundation.errors import InvalidArgumentError

RNG = np.random.default_rng(0)
DIGITS = RNG.integers(0, 256, (6, 784), dtype=np.uint8)
DIGITS[:, 0] = 7  # a constant pixel
PICTURES = RNG.integers(0, 256, (5, 3072), dtype=np.uint8)


def idx(images, *, magic=2051, count=None, rows=28, columns=28):
    return struct.pack(">IIII", magic, len(images) if count is None else count, rows, columns) + images.tobytes()


def records(images, label=3):
    return b"".join(bytes([label]) + image.tobytes() for image in images)


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("sub", ["", "mnist", "MNIST/raw"])
def test_mnist(tmp_path, packed, sub):
    folder = tmp_path / sub
    folder.mkdir(parents=True, exist_ok=True)
    raw = idx(DIGITS)
    name = "train-images-idx3-ubyte"
    if packed:
        (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
    else:
        (folder / name).write_bytes(raw)
    assert read_images("mnist", tmp_path).tolist() == DIGITS.tolist()


def test_cifar(tmp_path, monkeypatch):
    (tmp_path / "data_batch_1.bin").write_bytes(records(PICTURES[:2]))
    (tmp_path / "data_batch_2.bin.gz").write_bytes(gzip.compress(records(PICTURES[2:], label=9)))
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert read_images("cifar10").tolist() == PICTURES.tolist()


def test_test_images_and_labels_have_files_of_their_own(tmp_path):
    labels = np.array([3, 1, 4, 1, 5, 9], dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(DIGITS))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">II", 2049, 6) + labels.tobytes()))
    assert read_images("mnist", tmp_path, split="test").tolist() == DIGITS.tolist()
    assert read_labels("mnist", tmp_path, split="test").tolist() == labels.tolist()
    with pytest.raises(InvalidArgumentError, match="train-labels"):
        read_labels("mnist", tmp_path)
    (tmp_path / "data_batch_1.bin").write_bytes(records(PICTURES[:2], label=4))
    (tmp_path / "data_batch_3.bin").write_bytes(records(PICTURES[2:3], label=0))
    (tmp_path / "test_batch.bin").write_bytes(records(PICTURES[3:], label=9))
    assert read_labels("cifar10", tmp_path).tolist() == [4, 4, 0]
    assert read_labels("cifar10", tmp_path, split="test").tolist() == [9, 9]
    assert read_images("cifar10", tmp_path, split="test").tolist() == PICTURES[3:].tolist()


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">II", 2051, 6) + bytes(6),
        struct.pack(">II", 2049, 6) + bytes(5),
        struct.pack(">II", 2049, 0),
        struct.pack(">II", 2049, 6) + bytes([0, 1, 2, 3, 4, 10]),
        b"",
    ],
    ids=["images", "torn", "none", "label 10", "empty"],
)
def test_bad_label_files(tmp_path, raw):
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(raw)
    with pytest.raises(InvalidArgumentError, match="fetch it again"):
        read_labels("mnist", tmp_path)


def test_images_are_standardised_over_the_whole_set(tmp_path, monkeypatch):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(DIGITS))
    whole = input_set("mnist", data_dir=tmp_path)
    mean, spread = DIGITS.mean(axis=0), DIGITS.std(axis=0)
    np.testing.assert_allclose(whole.points[:, 1:], ((DIGITS - mean) / np.maximum(spread, 1e-9))[:, 1:], rtol=1e-6)
    assert not whole.points[:, 0].any()
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    some = input_set("mnist:3", seed=1)
    assert some.points.shape == (3, 784)
    assert {row.tobytes() for row in some.points} <= {row.tobytes() for row in whole.points}
    assert some.content_hash == input_set("mnist:3", seed=1).content_hash
    assert len({input_set("mnist:3", seed=seed).content_hash for seed in range(5)}) > 1
    with pytest.raises(InvalidArgumentError, match="at most 6 images"):
        input_set("mnist:7")
    with pytest.raises(InvalidArgumentError, match="dimension 784"):
        input_set("mnist:3", dimension=5)


def test_a_missing_folder_is_named_with_the_remedy(tmp_path):
    with pytest.raises(InvalidArgumentError) as caught:
        input_set("mnist")
    assert DATA_VARIABLE in str(caught.value)
    with pytest.raises(InvalidArgumentError) as caught:
        input_set("cifar10:5", data_dir=tmp_path, name="--inputs")
    message = str(caught.value)
    assert message.startswith("`--inputs`")
    assert str(tmp_path)[-20:] in message
    assert "data_batch_1.bin" in message
    # later batches alone are not the data set
    (tmp_path / "data_batch_2.bin").write_bytes(records(PICTURES))
    with pytest.raises(InvalidArgumentError, match="data_batch_1"):
        input_set("cifar10", data_dir=tmp_path)


WHOLE = idx(DIGITS)
BAD_MNIST = {
    "torn": WHOLE[:-1],
    "too long": WHOLE + b"x",
    "header only": WHOLE[:16],
    "short header": WHOLE[:7],
    "empty": b"",
    "labels": idx(DIGITS, magic=2049),
    "other size": idx(DIGITS, rows=14),
    "no images": idx(DIGITS[:0]),
    "huge count": idx(DIGITS, count=2**32 - 1),
    "text": b"<html>not found, or moved elsewhere</html>",
}


@pytest.mark.parametrize("kind", BAD_MNIST)
@pytest.mark.parametrize("packed", [False, True])
def test_bad_mnist_files(tmp_path, kind, packed):
    path = tmp_path / ("train-images-idx3-ubyte" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(BAD_MNIST[kind]) if packed else BAD_MNIST[kind])
    one_line(tmp_path, "mnist", path)


@pytest.mark.parametrize(
    "raw", [b"", records(PICTURES)[:-1], records(PICTURES) + b"x", records(PICTURES, label=10), b"text"], ids=len
)
def test_bad_cifar_files(tmp_path, raw):
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(raw)
    one_line(tmp_path, "cifar10", path)


@pytest.mark.parametrize("cut", [0, 5, 40, -4])
def test_incomplete_gzip_files(tmp_path, cut):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(WHOLE)[:cut])
    one_line(tmp_path, "mnist", path)


def test_damaged_gzip_files(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    raw = bytearray(gzip.compress(WHOLE))
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(bytes(raw))
    one_line(tmp_path, "mnist", path)


@pytest.mark.parametrize(
    ("name", "spec", "head"),
    [
        ("train-images-idx3-ubyte.gz", "mnist", struct.pack(">IIII", 2051, 6, 28, 28)),
        ("train-images-idx3-ubyte.gz", "mnist", struct.pack(">IIII", 2051, 2**32 - 1, 28, 28)),
        ("train-images-idx3-ubyte.gz", "mnist", struct.pack(">IIII", 2051, 60_000, 2**31, 2**31)),
        ("data_batch_1.bin.gz", "cifar10", b""),
    ],
    ids=["longer", "huge count", "huge images", "records"],
)
def test_packed_zeros_are_not_unpacked_beyond_the_limit(tmp_path, monkeypatch, name, spec, head):
    monkeypatch.setattr(image_files, "MOST_BYTES", 2**20)
    bomb = gzip.compress(head + bytes(2**25))
    (tmp_path / name).write_bytes(bomb)
    tracemalloc.start()
    try:
        one_line(tmp_path, spec, tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_files_above_the_limit_are_not_read(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    with path.open("wb") as file:
        file.truncate(2**40)
    one_line(tmp_path, "mnist", path)
    many = struct.pack(">IIII", 2051, image_files.MOST_BYTES // 784 + 1, 28, 28)
    path.write_bytes(many)
    with pytest.raises(InvalidArgumentError, match=f"at most {image_files.MOST_BYTES // 784} entries"):
        read_images("mnist", tmp_path)


def test_what_is_no_file_is_not_waited_on(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    for make in (os.mkfifo, os.mkdir, lambda path: os.symlink(path, path), lambda path: os.symlink("/dev/zero", path)):
        make(path)
        with pytest.raises(InvalidArgumentError, match="find the mnist files"):
            read_images("mnist", tmp_path)
        path.rmdir() if path.is_dir() else path.unlink()
    for folder in ("x" * 300, "a\0b", "/dev/null", str(tmp_path / "missing")):
        with pytest.raises(InvalidArgumentError, match="find the mnist files"):
            read_images("mnist", folder)


def one_line(folder, spec, path):
    with pytest.raises(InvalidArgumentError) as caught:
        input_set(spec, data_dir=folder)
    message = str(caught.value)
    assert "`inputs` must" in message
    assert "\n" not in message
    assert path.name in message

"""Images and labels in the published files of MNIST and CIFAR-10, plain or gzipped.

    mnist    train-images-idx3-ubyte: magic number 2051, number of images, rows, columns (big-endian words of 32 bits),
             then one byte per pixel; train-labels-idx1-ubyte: magic number 2049, number of labels, then one byte each;
             t10k-... for the test images
    cifar10  data_batch_1.bin .. data_batch_5.bin, test_batch.bin: records of a label byte and 3 x 32 x 32 bytes

The folder that contains them, or a folder above with a subfolder for the data set (`mnist` or `MNIST/raw`, `cifar10` or
`cifar-10-batches-bin`), is an argument or the environment variable NEURONDEATH_DATA.

A file is unpacked no further than MOST_BYTES, and read no further than its header states.
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.input_files import input_file
from neurondeath_theory.foundation.validation import invalid

__all__ = ["DATA_VARIABLE", "IMAGE_SETS", "read_images", "read_labels"]

DATA_VARIABLE = "NEURONDEATH_DATA"
IMAGE_SETS = {"mnist": 28 * 28, "cifar10": 3 * 32 * 32}  # pixel values per image

Bytes = npt.NDArray[np.uint8]

FOLDERS = {
    "mnist": ("", "mnist", "MNIST/raw"),
    "cifar10": ("", "cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"),
}
CIFAR_FILES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
MNIST_IMAGES = {"train": ("train-images-idx3-ubyte",), "test": ("t10k-images-idx3-ubyte",)}
MNIST_LABELS = {"train": ("train-labels-idx1-ubyte",), "test": ("t10k-labels-idx1-ubyte",)}
IDX_IMAGES, IDX_LABELS = 2051, 2049
IDX_WORD = 4  # bytes
CIFAR_RECORD = 1 + IMAGE_SETS["cifar10"]
N_CLASSES = 10
MOST_BYTES = 2**28  # of a file, unpacked; the largest published one has 47 MB


def read_images(kind: str, data_dir: str | Path | None = None, *, split: str = "train", name: str = "inputs") -> Bytes:
    """Read all images of a data set.

    Parameters
    ----------
    kind : {"mnist", "cifar10"}
        The data set.
    data_dir : path, optional
        Folder of the files; by default the environment variable NEURONDEATH_DATA. Of CIFAR-10 all training batches that
        are present are read; the first must be.
    split : {"train", "test"}
        Training or test images.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    uint8 array, shape (n_images, IMAGE_SETS[kind])
        One image per row, pixels in the order of the file; of CIFAR-10 the red plane first, then green, then blue.

    Raises
    ------
    InvalidArgumentError
        If no folder is given, or a file is missing, incomplete or of another format.
    """
    if kind == "cifar10":
        return np.concatenate([records[:, 1:] for records in _cifar_records(data_dir, split, name)])
    (path,) = _find(kind, MNIST_IMAGES[split], data_dir, name)
    return _read_idx(path, IDX_IMAGES, (28, 28), "hold 28 x 28 images in the IDX format", name)


def read_labels(kind: str, data_dir: str | Path | None = None, *, split: str = "train", name: str = "inputs") -> Bytes:
    """Read the labels of the images that `read_images` reads, in the same order.

    Parameters
    ----------
    kind, data_dir, split, name
        As in `read_images`.

    Returns
    -------
    uint8 array, shape (n_images,)
        Classes from 0 to 9.

    Raises
    ------
    InvalidArgumentError
        If no folder is given, or a file is missing, incomplete or of another format.
    """
    if kind == "cifar10":
        return np.concatenate([records[:, 0] for records in _cifar_records(data_dir, split, name)])
    (path,) = _find(kind, MNIST_LABELS[split], data_dir, name)
    labels = _read_idx(path, IDX_LABELS, (), "hold labels in the IDX format", name)[:, 0]
    if labels.max() >= N_CLASSES:
        reason = f"label {labels.max()}"
        raise invalid(name, "hold labels from 0 to 9", str(path), "fetch it again", reason=reason)
    return labels


def _find(kind: str, stems: tuple[str, ...], data_dir: str | Path | None, name: str) -> list[Path]:
    """Find the files of a data set; those after the first may be missing."""
    asked = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
    remedy = f"put the official {stems[0]} (or .gz) there"
    if not asked:
        rule = f"be given a folder with the {kind} files"
        raise invalid(name, rule, kind, f"set {DATA_VARIABLE} or the data folder, and {remedy}, or use digits")
    folder = Path(asked)
    for sub in FOLDERS[kind]:
        found = [path for stem in stems if (path := _plain_or_packed(folder / sub / stem)) is not None]
        if found and found[0].name.startswith(stems[0]):
            return found
    raise invalid(name, f"find the {kind} files in its data folder", str(folder), f"{remedy}, or use digits")


def _plain_or_packed(path: Path) -> Path | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if os.path.isfile(candidate):  # a folder, a pipe, or what cannot be looked at is passed over
            return candidate
    return None


@contextmanager
def _unpacked(path: Path, name: str) -> Iterator[BinaryIO]:
    """Open a file, through gzip if it is packed."""
    with input_file(name, path, most_bytes=MOST_BYTES) as file:
        if path.suffix != ".gz":
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield io.BufferedReader(unpacked)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise invalid(name, "name a complete gzip file", str(path), "fetch it again", reason=str(error)) from None


def _read_idx(path: Path, magic: int, shape: tuple[int, ...], rule: str, name: str) -> Bytes:
    """Read an IDX file whose entries have `shape`, one entry per row."""
    size = IDX_WORD * (2 + len(shape))
    with _unpacked(path, name) as file:
        raw = file.read(size)
        header = np.frombuffer(raw, dtype=">u4").tolist() if len(raw) == size else [0] * (2 + len(shape))
        count = header[1]
        if header[0] != magic or tuple(header[2:]) != shape or count == 0:
            raise invalid(name, rule, str(path), "fetch it again", reason=f"header {header}")
        expected = count * int(np.prod(shape))
        if expected > MOST_BYTES:
            limit = f"hold at most {MOST_BYTES // int(np.prod(shape))} entries"
            raise invalid(name, limit, str(path), reason=f"its header states {count}")
        data = file.read(expected + 1)
    if len(data) != expected:
        received = f"{size + len(data)} bytes" if len(data) < expected else "more"
        rule = f"hold the {size + expected} bytes that its header states"
        raise invalid(name, rule, str(path), "fetch it again", reason=received)
    return np.frombuffer(data, dtype=np.uint8).reshape(count, -1)


def _cifar_records(data_dir: str | Path | None, split: str, name: str) -> list[Bytes]:
    """Read the records of CIFAR-10, one label and its pixels per row, one array per file."""
    return [_read_records(path, name) for path in _find("cifar10", CIFAR_FILES[split], data_dir, name)]


def _read_records(path: Path, name: str) -> Bytes:
    with _unpacked(path, name) as file:
        raw = file.read(MOST_BYTES + 1)
    records, rest = divmod(len(raw), CIFAR_RECORD)
    if len(raw) > MOST_BYTES:
        raise invalid(name, f"hold at most {MOST_BYTES} bytes", str(path), reason="more when unpacked")
    if records == 0 or rest:
        rule = f"hold whole records of {CIFAR_RECORD} bytes"
        raise invalid(name, rule, str(path), "fetch the binary version again", reason=f"{len(raw)} bytes")
    table = np.frombuffer(raw, dtype=np.uint8).reshape(records, CIFAR_RECORD)
    if table[:, 0].max() >= N_CLASSES:
        reason = f"label {table[:, 0].max()}"
        raise invalid(name, "hold labels from 0 to 9", str(path), "fetch it again", reason=reason)
    return table

"""Images in the files of MNIST and CIFAR-10, as they are published, plain or gzipped.

    mnist    train-images-idx3-ubyte: magic number 2051, number of images, rows, columns (big-endian words of 32 bits),
             then one byte a pixel
    cifar10  data_batch_1.bin .. data_batch_5.bin: records of a label byte and 3 x 32 x 32 bytes

The folder that holds them, or a folder above with a subfolder for the data set (`mnist` or `MNIST/raw`, `cifar10` or
`cifar-10-batches-bin`), is an argument or the environment variable NEURONDEATH_DATA.
"""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neurondeath_theory._validation import invalid

__all__ = ["DATA_VARIABLE", "IMAGE_SETS", "read_images"]

DATA_VARIABLE = "NEURONDEATH_DATA"
IMAGE_SETS = {"mnist": 28 * 28, "cifar10": 3 * 32 * 32}  # numbers an image

Bytes = npt.NDArray[np.uint8]

FOLDERS = {"mnist": ("", "mnist", "MNIST/raw"), "cifar10": ("", "cifar10", "cifar-10-batches-bin")}
FILES = {"mnist": ("train-images-idx3-ubyte",), "cifar10": tuple(f"data_batch_{i}.bin" for i in range(1, 6))}
IDX_IMAGES = 2051
IDX_HEADER = 16  # bytes
CIFAR_RECORD = 1 + IMAGE_SETS["cifar10"]


def read_images(kind: str, data_dir: str | Path | None = None, *, name: str = "inputs") -> Bytes:
    """Read all training images of a data set.

    Parameters
    ----------
    kind : {"mnist", "cifar10"}
        The data set.
    data_dir : path, optional
        Folder of the files; by default what NEURONDEATH_DATA says. Of CIFAR-10 the batches that are there are read, at
        least the first.
    name : str
        What the argument is called in error messages.

    Returns
    -------
    uint8 array, shape (n_images, IMAGE_SETS[kind])
        One image a row, pixels as they stand in the file.

    Raises
    ------
    InvalidArgumentError
        If no folder is given, a file is missing, cut short or not what its name says.
    """
    paths = _find(kind, data_dir, name)
    read = _read_idx if kind == "mnist" else _read_cifar
    return np.concatenate([read(path, _read_bytes(path, name), name) for path in paths])


def _find(kind: str, data_dir: str | Path | None, name: str) -> list[Path]:
    """Find the files of a data set; those after the first may be missing."""
    asked = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
    remedy = f"put the official {FILES[kind][0]} (or .gz) there"
    if not asked:
        rule = f"be given a folder with the {kind} files"
        raise invalid(name, rule, kind, f"set {DATA_VARIABLE} or the data folder, and {remedy}, or use digits")
    folder = Path(asked)
    for sub in FOLDERS[kind]:
        found = [path for stem in FILES[kind] if (path := _plain_or_packed(folder / sub / stem)) is not None]
        if found and found[0].name.startswith(FILES[kind][0]):
            return found
    raise invalid(name, f"find the {kind} files in its data folder", str(folder), f"{remedy}, or use digits")


def _plain_or_packed(path: Path) -> Path | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    return None


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise invalid(name, "name a whole gzip file", f"{path} ({error})", "fetch it again") from None
    except OSError as error:
        raise invalid(name, "name a readable file", f"{path} ({error.strerror or error})") from None


def _read_idx(path: Path, raw: bytes, name: str) -> Bytes:
    header = np.frombuffer(raw[:IDX_HEADER], dtype=">u4").tolist() if len(raw) >= IDX_HEADER else [0] * 4
    magic, count, rows, columns = header
    if magic != IDX_IMAGES or rows * columns != IMAGE_SETS["mnist"] or count == 0:
        rule = "hold 28 x 28 images in the IDX format"
        raise invalid(name, rule, f"{path} (header {header})", "fetch it again")
    expected = IDX_HEADER + count * rows * columns
    if len(raw) != expected:
        raise invalid(
            name, f"hold the {expected} bytes its header says", f"{path} ({len(raw)} bytes)", "fetch it again"
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=IDX_HEADER).reshape(count, -1)


def _read_cifar(path: Path, raw: bytes, name: str) -> Bytes:
    records, rest = divmod(len(raw), CIFAR_RECORD)
    if records == 0 or rest:
        rule = f"hold whole records of {CIFAR_RECORD} bytes"
        raise invalid(name, rule, f"{path} ({len(raw)} bytes)", "fetch the binary version again")
    table = np.frombuffer(raw, dtype=np.uint8).reshape(records, CIFAR_RECORD)
    if table[:, 0].max() > 9:
        raise invalid(name, "hold labels from 0 to 9", f"{path} (label {table[:, 0].max()})", "fetch it again")
    return table[:, 1:]

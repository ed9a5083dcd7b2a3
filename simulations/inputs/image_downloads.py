"""Fetch the official files of MNIST and CIFAR-10 into a data folder, with their published sizes and checksums.

A file that is present and complete is not fetched again; an incomplete or wrong one is never kept. If a fetch fails or
is interrupted, temporary files and the folders that it created are removed. Nothing else in the project accesses a
network.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from neurondeath.simulations.inputs.packed_members import unpack_members
from neurondeath.simulations.inputs.web_files import DownloadError, PublishedFile, check_address, download
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.interruption import stop_requests
from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = ["SOURCES", "DownloadError", "fetch_images"]

# data set: (address, {file: size and checksum})
SOURCES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": PublishedFile(9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            "train-labels-idx1-ubyte.gz": PublishedFile(28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
            "t10k-images-idx3-ubyte.gz": PublishedFile(1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
            "t10k-labels-idx1-ubyte.gz": PublishedFile(4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
        },
    ),
    "cifar10": (
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": PublishedFile(170_052_171, "c32a1d4ab5d03f1284b67883e8d87530")},
    ),
}
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
MEMBERS = {"cifar-10-binary.tar.gz": [f"cifar-10-batches-bin/{batch}.bin" for batch in BATCHES]}


def fetch_images(kind: str, data_dir: str | Path, *, address: str | None = None) -> list[Path]:
    """Fetch the files of a data set; files that are present are checked, not fetched again.

    Parameters
    ----------
    kind : {"mnist", "cifar10"}
        The data set.
    data_dir : path
        Folder for the files, created if missing; they are placed where `read_images` finds them.
    address : str, optional
        Address of a mirror, http or https, ending in "/"; by default the address in `SOURCES`.

    Returns
    -------
    list of Path
        The files, unpacked if the data set is an archive.

    Raises
    ------
    InvalidArgumentError
        If there is no such data set, the address is none, or the folder cannot be written to.
    DownloadError
        If the network fails, or a file does not have the published size and checksum.
    Interrupted
        If SIGINT or SIGTERM asked to stop.
    """
    home, files = SOURCES[check_choice("data set", kind, tuple(SOURCES))]
    base = home if address is None else check_address("address", address)
    folder = Path(data_dir) if kind == "cifar10" else Path(data_dir) / kind  # an archive contains its own folder
    found: list[Path] = []
    with stop_requests() as stopped, _created(folder):
        for name, published in files.items():
            target = folder / name
            if not _is_there(target, published):
                download(base + name, target, published, stopped)
            if name in MEMBERS:
                found.extend(unpack_members(target, folder / kind, MEMBERS[name], stopped))
            else:
                found.append(target)
    return found


@contextmanager
def _created(folder: Path) -> Iterator[None]:
    """Create a folder with its parents; after an error those that are still empty are removed."""
    missing: list[Path] = []
    try:
        for path in (folder, *folder.parents):
            if os.path.lexists(path):
                break
            missing.append(path)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        _remove_empty(missing)
        raise _unwritable(folder, error) from None
    try:
        yield
    except BaseException:
        _remove_empty(missing)
        raise


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError, ValueError):
            folder.rmdir()


def _is_there(path: Path, published: PublishedFile) -> bool:
    if not os.path.lexists(path):
        return False
    if not path.is_file():
        raise invalid("data_dir", "have room for the file", str(path), "move away what has its name")
    try:
        return published.has_content(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: Exception) -> InvalidArgumentError:
    reason = getattr(error, "strerror", None) or str(error)
    return invalid("data_dir", "name a folder that can be written to", str(path), reason=reason)

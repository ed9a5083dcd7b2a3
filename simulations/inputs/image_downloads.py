"""Fetch the official files of MNIST and CIFAR-10 into a data folder, checked against their published checksums.

The downloads use pooch (extra `data`): a file that is present and complete is not fetched again, an incomplete or
wrong one is never kept. Nothing else in the project accesses a network.
"""

from pathlib import Path

import pooch

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = ["SOURCES", "DownloadError", "fetch_images"]

# data set: (address, {file: checksum})
SOURCES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "cifar10": (
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
    ),
}


class DownloadError(NeuronDeathError):
    """A file could not be fetched, or differs from the published one."""


def fetch_images(kind: str, data_dir: str | Path, *, address: str | None = None) -> list[Path]:
    """Fetch the files of a data set; files that are present are checked, not fetched again.

    Parameters
    ----------
    kind : {"mnist", "cifar10"}
        The data set.
    data_dir : path
        Folder for the files, created if missing; they are placed where `read_images` finds them.
    address : str, optional
        Address of a mirror, ending in "/"; by default the address in `SOURCES`.

    Returns
    -------
    list of Path
        The files, unpacked if the data set is an archive.

    Raises
    ------
    InvalidArgumentError
        If there is no such data set, or the folder cannot be written to.
    DownloadError
        If the network fails or a file does not have the published checksum.
    """
    home, files = SOURCES[check_choice("data set", kind, tuple(SOURCES))]
    folder = Path(data_dir) if kind == "cifar10" else Path(data_dir) / kind  # an archive contains its own folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise invalid("data_dir", "name a folder that can be written to", str(data_dir), reason) from None
    found: list[Path] = []
    for name, checksum in files.items():
        unpack = pooch.Untar(extract_dir=kind) if name.endswith(".tar.gz") else None
        url = (address or home) + name
        try:
            got = pooch.retrieve(url, checksum, fname=name, path=folder, processor=unpack)
        except OSError as error:  # from the network, the server or the disk
            raise DownloadError(f"{url} could not be fetched ({error}); check the network or name a mirror") from None
        except ValueError as error:  # wrong checksum
            raise DownloadError(f"{url} is not the published file: {error}") from None
        found.extend(Path(path) for path in (got if isinstance(got, list) else [got]))
    return found

"""`neurondeath fetch`: download the image sets."""

import os
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.show import show_path
from neurondeath.simulations.inputs.image_files import DATA_VARIABLE
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import invalid

__all__ = ["fetch"]


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="mnist|cifar10...", help="The data sets.")],
    data_dir: Annotated[Path | None, typer.Option(help=f"Folder to keep them in.  [default: ${DATA_VARIABLE}]")] = None,
    address: Annotated[str | None, typer.Option(help="A mirror's address, ending in /, for one data set.")] = None,
) -> None:
    """Fetch the official files of MNIST or CIFAR-10, checked against their checksums; complete files are kept."""
    folder = data_dir or os.environ.get(DATA_VARIABLE)
    if not folder:
        raise invalid("--data-dir", "be given", None, f"name a folder, or set {DATA_VARIABLE}")
    downloads = import_or_explain("neurondeath.simulations.inputs.image_downloads")
    if address is not None and (len(names) > 1 or not address.endswith("/")):
        raise invalid("--address", "end in / and be given for a single data set", address)
    for name in names:
        for path in downloads.fetch_images(name, folder, address=address):
            show_path(path)

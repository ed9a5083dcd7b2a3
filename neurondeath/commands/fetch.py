"""`neurondeath fetch`: download the image sets."""

import os
from pathlib import Path
from typing import Annotated

import typer

from neurondeath.commands.option_names import option_names
from neurondeath.commands.show import show_path
from neurondeath.simulations.inputs.image_downloads import SOURCES, fetch_images
from neurondeath.simulations.inputs.image_files import DATA_VARIABLE
from neurondeath_theory.foundation.validation import check_choice, invalid

__all__ = ["fetch"]

OPTIONS = {"data_dir": "--data-dir", "address": "--address"}


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="mnist|cifar10...", help="The data sets.")],
    data_dir: Annotated[Path | None, typer.Option(help=f"Folder to keep them in.  [default: ${DATA_VARIABLE}]")] = None,
    address: Annotated[str | None, typer.Option(help="A mirror's address, ending in /, for one data set.")] = None,
) -> None:
    """Fetch the official files of MNIST or CIFAR-10, checked against their checksums; complete files are kept."""
    for name in names:  # all of them before the first download
        check_choice("DATA SET", name, tuple(SOURCES))
    if len(set(names)) < len(names):
        raise invalid("DATA SET", "be named once", " ".join(names))
    folder = data_dir or os.environ.get(DATA_VARIABLE)
    if not folder:
        raise invalid("--data-dir", "be given", None, f"name a folder, or set {DATA_VARIABLE}")
    if address is not None and len(names) > 1:
        raise invalid("--address", "be given for a single data set", address)
    for name in names:
        with option_names(OPTIONS):
            paths = fetch_images(name, folder, address=address)
        for path in paths:
            show_path(path)

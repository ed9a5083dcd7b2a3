"""All figures, made once for all tests: their files, their tables, and the pictures as they are laid out."""

import os
import time

import pytest

from neurondeath.figures.gallery import make_figure
from neurondeath.figures.picture import add_title
from neurondeath.figures.registry import FIGURES, load
from neurondeath.figures.tables import read_table

PATIENCE = 900.0  # seconds for figures that another process makes


@pytest.fixture(scope="session")
def gallery(tmp_path_factory):
    """Make all figures once, in their quick versions; where tests run in several processes, these share the work."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        folder = tmp_path_factory.mktemp("figures")
    else:
        folder = tmp_path_factory.getbasetemp().parent / "figures"
        folder.mkdir(exist_ok=True)
    left, end = list(FIGURES), time.monotonic() + PATIENCE
    while left:
        for name in left:
            make_once(name, folder, f"{worker}.sqlite")
        left = [name for name in left if not (folder / f"{name}.made").exists()]
        if left and time.monotonic() > end:
            pytest.fail(f"another process has not made {', '.join(left)}")
        time.sleep(0.1 if left else 0.0)
    return folder


def make_once(name, folder, store):
    """Make a figure unless another process makes it, or has made it."""
    claim = folder / f"{name}.claim"
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        return
    try:
        make_figure(name, folder, quick=True, store=folder / store)
    except BaseException:
        claim.unlink()  # another process meets the same error, instead of waiting
        raise
    (folder / f"{name}.made").touch()


@pytest.fixture(scope="session")
def tables(gallery):
    return {name: read_table(gallery / f"{name}.csv", figure=name)[0] for name in FIGURES}


@pytest.fixture(scope="session")
def pictures(tables):
    """Return name -> figure with its title, laid out."""
    found = {}
    for name, title in FIGURES.items():
        figure = load(name).draw(tables[name])
        add_title(figure, title)
        figure.draw_without_rendering()
        found[name] = figure
    return found

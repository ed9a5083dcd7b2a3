"""All figures, made once for all tests: their files, their tables, and the pictures as they are laid out."""

import pytest

from neurondeath.figures.gallery import make_figure
from neurondeath.figures.picture import add_title
from neurondeath.figures.registry import FIGURES, load
from neurondeath.figures.tables import read_table


@pytest.fixture(scope="session")
def gallery(tmp_path_factory):
    """Make all figures once, in their quick versions."""
    folder = tmp_path_factory.mktemp("figures")
    for name in FIGURES:
        make_figure(name, folder, quick=True)
    return folder


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

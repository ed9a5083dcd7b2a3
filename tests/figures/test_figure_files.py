"""The files of figures: the same bytes from the same table, captions, the page, torn tables and wrong names."""

import csv
import shutil

import numpy as np
import pytest

import neurondeath.figures.registry
from neurondeath.figures.gallery import STORE, caption, make_figure, write_page
from neurondeath.figures.picture import save
from neurondeath.figures.registry import FIGURES, load
from neurondeath.figures.tables import TableError, read_table, tabulate, write_table
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.output_files import output_folder


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(gallery, tmp_path, name):
    shutil.copy(gallery / f"{name}.csv", tmp_path)
    make_figure(name, tmp_path, redraw=True)
    assert (tmp_path / f"{name}.png").read_bytes() == (gallery / f"{name}.png").read_bytes()
    assert not (tmp_path / STORE).exists()  # nothing was simulated


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_vector_formats_are_byte_stable(gallery, tmp_path, tables, kind):
    module = load("gap_depth")
    first, second = (save(module.draw(tables["gap_depth"]), tmp_path / f"{i}.{kind}") for i in range(2))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_labelled_and_within_a_page(pictures, name):
    figure = pictures[name]
    assert all(axis.get_xlabel() or axis.get_shared_x_axes().get_siblings(axis) != [axis] for axis in figure.axes)
    assert any(axis.get_ylabel() for axis in figure.axes)
    assert figure.get_size_inches()[0] <= 7.0


def test_every_drawn_number_comes_from_the_table(tables):
    table = {name: values.copy() for name, values in tables["data_aware"].items()}
    table["gallot"] = table["gallot"] * 0.5
    (axis,) = load("data_aware").draw(table).axes
    assert any(np.array_equal(line.get_ydata(), table["gallot"]) for line in axis.lines)
    assert not any(np.array_equal(line.get_ydata(), tables["data_aware"]["gallot"]) for line in axis.lines)


@pytest.mark.parametrize("name", FIGURES)
def test_captions_say_what_is_exact_and_how_often_was_sampled(tables, name):
    text = caption(name, tables[name])
    assert "{" not in text
    if "trials" in tables[name]:
        assert f"{int(np.nanmax(tables[name]['trials'])):,}".replace(",", " ") in text
    else:
        assert "nothing sampled" in text.lower()


def test_page_shows_what_is_there(gallery, tmp_path):
    for file in ("gap_depth.csv", "gap_depth.png", "rai.csv"):
        shutil.copy(gallery / file, tmp_path)
    page = write_page(tmp_path).read_text()
    assert "![gap_depth](gap_depth.png)" in page
    assert "Quick version" in page
    assert "## rai" not in page  # no picture of it


def test_tables_read_back_what_was_written(tmp_path):
    table = tabulate([{"set": "a, b", "x": 0.1 + 0.2}, {"set": "c", "x": np.inf, "y": 1e-300}])
    write_table(table, tmp_path / "t.csv", figure="rai", quality="full")
    back, quality = read_table(tmp_path / "t.csv", figure="rai")
    assert quality == "full"
    assert back["set"].tolist() == ["a, b", "c"]
    np.testing.assert_array_equal(back["x"], table["x"])
    np.testing.assert_array_equal(back["y"], [np.nan, 1e-300])
    assert [len(row) for row in csv.reader((tmp_path / "t.csv").read_text().splitlines())][1:] == [3, 3, 3]


@pytest.mark.parametrize("damage", ["cut", "short row", "line gone", "other figure", "binary", "empty", "columns"])
def test_torn_tables_are_refused(gallery, tmp_path, damage):
    text = (gallery / "data_aware.csv").read_text()
    lines = text.splitlines(keepends=True)
    torn = {
        "cut": text[: len(text) // 2],
        "short row": "".join([*lines[:-1], "1.0\n"]),
        "line gone": "".join(lines[:-1]),
        "other figure": text.replace("data_aware", "rai", 1),
        "binary": "\udcff\udcfe",
        "empty": "",
        "columns": text.replace("gallot", "galloot"),
    }[damage]
    (tmp_path / "data_aware.csv").write_bytes(torn.encode(errors="surrogateescape"))
    with pytest.raises(TableError, match="data_aware"):
        make_figure("data_aware", tmp_path, redraw=True)
    assert not (tmp_path / "data_aware.png").exists()


def test_redrawing_needs_a_table(tmp_path):
    with pytest.raises(TableError, match="without --redraw"):
        make_figure("rai", tmp_path, redraw=True)


def test_unknown_figures_and_bad_folders(tmp_path):
    with pytest.raises(InvalidArgumentError, match="figure"):
        make_figure("no_such_figure", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgumentError, match="--out"), output_folder("--out", tmp_path / "file" / "folder"):
        pass
    with output_folder("--out", tmp_path / "new" / "folder"):
        assert (tmp_path / "new" / "folder").is_dir()
    assert not (tmp_path / "new").exists()


def test_the_registry_names_modules():
    for name in neurondeath.figures.registry.FIGURES:
        assert load(name).__doc__

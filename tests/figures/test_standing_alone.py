"""Every figure stands on its own: a claim that fits, all that is drawn named, nothing cut off or covered."""

import struct

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from neurondeath.figures.gallery import make_figure
from neurondeath.figures.picture import COLUMN, add_title, draw_chance, kind_handles, new_figure, series_handles
from neurondeath.figures.registry import FIGURES
from tests.figures.named_marks import legends, unnamed

CHANCE = 0.1


def test_titles_are_short_and_differ():
    assert all(20 <= len(title) <= 75 and not title.endswith(".") for title in FIGURES.values())
    assert len(set(FIGURES.values())) == len(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_the_title_fits_above_the_panels(pictures, name):
    figure = pictures[name]
    assert figure.get_suptitle().split() == FIGURES[name].split()
    title = next(text for text in figure.texts if text.get_text() == figure.get_suptitle()).get_window_extent()
    assert figure.bbox.x0 <= title.x0 < title.x1 <= figure.bbox.x1
    assert title.y1 <= figure.bbox.y1
    assert title.y0 >= max(axis.get_tightbbox().y1 for axis in figure.axes)


@pytest.mark.parametrize("width", [COLUMN, 2.0 * COLUMN])
def test_long_titles_are_broken_into_even_lines(width):
    figure = new_figure(width, 2.0)
    figure.subplots()
    text = "A long title of many words, each of which is to be read, " * 3
    add_title(figure, text)
    figure.draw_without_rendering()
    lines = figure.get_suptitle().split("\n")
    assert " ".join(lines).split() == text.split()
    assert max(map(len, lines)) - min(map(len, lines)) < 0.5 * max(map(len, lines))
    box = next(one for one in figure.texts).get_window_extent()
    assert box.width <= figure.bbox.width
    assert figure.axes[0].get_tightbbox().height > 1.8 * figure.dpi  # the panel keeps its size


def test_titles_can_be_left_out(tmp_path):
    sizes = []
    for redraw in (False, True):
        (path,) = make_figure("collapse", tmp_path, redraw=redraw, titles=not redraw)
        sizes.append(struct.unpack(">II", path.read_bytes()[16:24]))  # of the header of a PNG file
    (width, height), (width_without, height_without) = sizes
    assert width == width_without
    assert height > height_without + 30


@pytest.mark.parametrize("name", FIGURES)
def test_every_mark_is_named(pictures, name):
    assert unnamed(pictures[name]) == []


def test_marks_without_a_name_are_found():
    figure = new_figure(COLUMN, 2.0)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="#000000")
    axis.plot([0, 1], [0, 1], color="#000000", marker="o", linestyle="none")
    figure.legend(handles=series_handles(["series"]))
    assert len(unnamed(figure)) == 2  # neither lines nor markers are explained
    figure.legend(handles=kind_handles(line="exact"))
    assert len(unnamed(figure)) == 1
    figure.legend(handles=kind_handles(marker="sampled"))
    assert unnamed(figure) == []
    axis.fill_between([0, 1], [0, 0], [1, 1], color="#000000")
    axis.axhline(0.5, color="0.6")
    assert len(unnamed(figure)) == 2


@pytest.mark.parametrize("name", FIGURES)
def test_no_band_leaves_its_axes(pictures, name):
    for axis in pictures[name].axes:
        bands = [one for one in axis.collections if isinstance(one, PolyCollection)]
        paths = [(path, band.get_transform()) for band in bands for path in band.get_paths()]
        paths += [(patch.get_path(), patch.get_transform()) for patch in axis.patches]
        for path, transform in paths:
            corners = transform.transform(path.vertices)
            assert (corners >= np.array(axis.bbox.p0) - 1.0).all()
            assert (corners <= np.array(axis.bbox.p1) + 1.0).all()


@pytest.mark.parametrize("name", FIGURES)
def test_accuracy_near_chance_is_compared_with_it(pictures, name):
    figure = pictures[name]
    near = [axis for axis in figure.axes if _shows_accuracy(axis) and _lowest(axis) < 2.0 * CHANCE]
    for axis in near:
        assert any(np.allclose(line.get_ydata(), CHANCE) and len(line.get_ydata()) == 2 for line in axis.lines)
    names = [text.get_text() for legend in legends(figure) for text in legend.get_texts()]
    assert not near or any("chance" in one for one in names)


def test_accuracy_without_its_chance_level_is_found():
    figure = Figure()
    axis = figure.subplots()
    axis.set_ylabel("test accuracy")
    axis.plot([0, 1], [0.1, 0.5])
    assert _shows_accuracy(axis)
    assert _lowest(axis) < 2.0 * CHANCE
    draw_chance(axis, classes=5)
    assert axis.lines[-1].get_ydata() == [0.2, 0.2]


def test_training_figures_come_near_chance(pictures):
    names = ("sparse_training", "sparse_grid", "deeper_sparse_training", "larger_variance", "variance_before_training")
    for name in names:
        assert any(_shows_accuracy(axis) and _lowest(axis) < 2.0 * CHANCE for axis in pictures[name].axes)
    assert "chance" in pictures["alive_and_learning"].axes[-1].get_xlabel()


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_outside_or_covered(pictures, name):
    figure = pictures[name]
    for axis in figure.axes:
        box = axis.get_tightbbox()
        assert box.x0 >= -1.0
        assert box.x1 <= figure.bbox.x1 + 1.0
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= -1.0
        assert box.x1 <= figure.bbox.x1 + 1.0
        assert not any(box.overlaps(axis.get_tightbbox()) for axis in figure.axes)
    for axis in figure.axes:
        if axis.get_legend() is not None:
            box = axis.get_legend().get_window_extent()
            lines = [line for line in axis.lines if len(line.get_xdata())]
            assert not any(
                line.get_path().transformed(line.get_transform()).intersects_bbox(box, False) for line in lines
            )


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_large_enough_in_print(pictures, name):
    texts = [text for text in pictures[name].findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 6.0


def _shows_accuracy(axis):
    return any("test accuracy" in one.get_ylabel() for one in axis.get_shared_y_axes().get_siblings(axis))


def _lowest(axis):
    data = [np.asarray(line.get_ydata(), dtype=float) for line in axis.lines if isinstance(line, Line2D)]
    return min(float(np.nanmin(y)) for y in data if len(y) > 2 or not np.allclose(y, CHANCE))

"""Common parts of all pictures: style, palette, legends, titles, and atomic saving."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from textwrap import wrap
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from matplotlib import rcParams, style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.output_files import check_ending, check_output_file
from neurondeath_theory.foundation.validation import did_you_mean, invalid

__all__ = [
    "COLUMN",
    "FORMATS",
    "KIND",
    "LINE_COLOURS",
    "LINE_STYLES",
    "MARKERS",
    "add_title",
    "chance_handle",
    "check_picture",
    "colour",
    "draw_chance",
    "draw_estimates",
    "house_style",
    "kind_handles",
    "line_handles",
    "line_style",
    "marker",
    "new_figure",
    "own_style",
    "save",
    "series_handles",
    "thinned",
]

FORMATS = ("png", "pdf", "svg")
# Okabe and Ito's palette (2008), safe for colour-blind readers, ordered so that their greys differ
LINE_COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
LINE_STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (3, 1)))
KIND = "0.35"  # in legends: a kind of line, marker or band, whatever the colour of its series
CHANCE: dict[str, Any] = {"color": "0.45", "linestyle": (0, (2, 2)), "linewidth": 0.9}
COLUMN = 3.4  # inches: the width of a column of a two-column paper
UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None}, "svg": {"Date": None}}


_own_style: ContextVar[str | None] = ContextVar("own_style", default=None)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style, and in the user's own above it, and restore matplotlib's settings afterwards."""
    own = _own_style.get()
    with style.context([Path(__file__).with_name("house.mplstyle"), *([] if own is None else [own])]):
        yield


@contextmanager
def own_style(name: str | None, *, argument: str = "style") -> Iterator[None]:
    """Draw in a style of the user's own: the name of one of matplotlib's, or the path of a style sheet.

    Raises
    ------
    InvalidArgumentError
        If there is no such style, or it cannot be read.
    """
    if name is not None and name not in style.available and not Path(name).is_file():
        remedy = did_you_mean(name, style.available) or f"for example {', '.join(sorted(style.available)[-3:])}"
        raise invalid(argument, "be a style of matplotlib or the path of a style sheet", name, remedy)
    token = _own_style.set(name)
    try:
        yield
    finally:
        _own_style.reset(token)


def new_figure(width: float, height: float) -> Figure:
    """Create an empty figure of the given size in inches, which needs no window."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def colour(index: int) -> str:
    """Return the colour of the index-th series."""
    return LINE_COLOURS[index % len(LINE_COLOURS)]


def marker(index: int) -> str:
    """Return the marker of the index-th series."""
    return MARKERS[index % len(MARKERS)]


def line_style(index: int) -> Any:
    """Return the line style of the index-th series, which identifies it without its colour."""
    return LINE_STYLES[index % len(LINE_STYLES)]


def line_handles(labels: Iterable[str]) -> list[Line2D]:
    """Create legend lines for series that differ in colour and line style."""
    return [
        Line2D([], [], color=colour(index), linestyle=line_style(index), label=label)
        for index, label in enumerate(labels)
    ]


def series_handles(labels: Iterable[str], *, lines: bool = True) -> list[Line2D]:
    """Create legend entries for series that differ in colour and marker, and with `lines` in line style."""
    return [
        Line2D(
            [],
            [],
            color=colour(index),
            marker=marker(index),
            linestyle=line_style(index) if lines else "none",
            label=label,
        )
        for index, label in enumerate(labels)
    ]


def kind_handles(
    *, line: str | None = None, marker: str | None = None, hollow: str | None = None, band: str | None = None
) -> list[Artist]:
    """Create grey legend entries that say what lines, filled and hollow markers and bands of all colours are."""
    handles: list[Artist] = [] if line is None else [Line2D([], [], color=KIND, label=line)]
    for label, fill in ((marker, "full"), (hollow, "none")):
        if label is not None:
            handles.append(
                Line2D([], [], color=KIND, marker=MARKERS[0], fillstyle=cast(Any, fill), linestyle="none", label=label)
            )
    if band is not None:
        handles.append(Patch(color=KIND, alpha=0.25, linewidth=0, label=band))
    return handles


def draw_chance(axis: Axes, classes: int = 10, *, upright: bool = False) -> None:
    """Draw the accuracy of guessing among equally frequent classes, behind everything else."""
    (axis.axvline if upright else axis.axhline)(1.0 / classes, zorder=1, **CHANCE)


def chance_handle(classes: int = 10) -> Line2D:
    """Create the legend entry of `draw_chance`."""
    return Line2D([], [], label=f"chance ({1.0 / classes:g})", **CHANCE)


def draw_estimates(
    axis: Axes,
    estimates: Iterable[npt.NDArray[np.float64]],
    index: int,
    *,
    label: str | None = None,
    hollow: bool = False,
) -> None:
    """Draw estimates (x, y, low, high): a marker, full or hollow, at each estimate, a bar over its interval."""
    x, y, low, high = estimates
    axis.errorbar(
        x,
        y,
        yerr=np.maximum([y - low, high - y], 0.0),
        color=colour(index),
        marker=marker(index),
        fillstyle="none" if hollow else "full",
        linestyle="none",
        elinewidth=0.7,
        label=label,
    )


def add_title(figure: Figure, text: str) -> None:
    """Write a title above a figure, in as many lines as its width needs; the figure grows by their height."""
    width, height = figure.get_size_inches()
    with house_style():
        title = figure.suptitle("")
        w_pad, h_pad = (rcParams["figure.constrained_layout.w_pad"], rcParams["figure.constrained_layout.h_pad"])
        title.set_text(_broken(text, title, 0.98 * (width - 2.0 * w_pad) * figure.dpi))
        grown = title.get_window_extent().height / figure.dpi + 2.0 * h_pad
    figure.set_size_inches(width, height + grown)


def _broken(text: str, drawn: Text, room: float) -> str:
    """Break a text into the fewest lines that fit into `room` pixels, as even as the words allow."""
    fitting: dict[int, str] = {}  # by number of lines; the narrowest comes last
    longest = max(len(word) for word in text.split())
    for columns in range(len(text), longest - 1, -1):
        broken = "\n".join(wrap(text, columns, break_long_words=False, break_on_hyphens=False))
        drawn.set_text(broken)
        if drawn.get_window_extent().width <= room:
            fitting[broken.count("\n")] = broken
    return fitting[min(fitting)] if fitting else "\n".join(text.split())


def save(figure: Figure, path: str | Path, *, name: str = "out", dpi: float | None = None) -> Path:
    """Write a picture atomically and undated, in the format of the file ending; `dpi` are dots per inch of a png.

    Raises
    ------
    InvalidArgumentError
        If the ending is not a supported format, or the file cannot be written.
    """
    target, kind = check_picture(name, path)
    buffer = io.BytesIO()
    with house_style():
        more: dict[str, Any] = {} if dpi is None else {"dpi": dpi}
        figure.savefig(buffer, format=kind, metadata=UNDATED[kind], **more)
    return write_atomically(target, buffer.getvalue())


def check_picture(name: str, path: str | Path) -> tuple[Path, str]:
    """Check that a picture can be written to a path, and return the path and the format.

    Raises
    ------
    InvalidArgumentError
        If the ending is not a supported format, or the file cannot be written.
    """
    target = Path(path)
    kind = check_ending(name, target, FORMATS)
    return check_output_file(name, target), kind


def thinned(n_items: int, most: int) -> Sequence[int]:
    """Return at most `most` evenly spaced indices of n_items, including the last."""
    step = -(-n_items // most)
    return range(n_items - 1, -1, -step)[::-1]

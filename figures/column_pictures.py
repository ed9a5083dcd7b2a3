"""Pictures of a result's columns: curves over a column, bars per row, a map of words, histograms.

Each kind is a small object that says which columns go where; `draw(result)` draws them from `result.columns()` alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurondeath.figures.picture import COLUMN, colour, house_style, line_style, marker, new_figure
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE

__all__ = ["Bars", "Curves", "Histograms", "WordMap"]

HEIGHT = 2.6  # inches
MOST_MARKERS = 60  # points of a curve that get a marker
MOST_LABELS = 40  # bars that are labelled
BINS = 30
LONGEST_LABEL = 28  # characters
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Curves of columns over one column, with 95 % intervals where the errors are known.

    Parameters
    ----------
    x : str
        Column along the picture; "" for the number of the row.
    lines : tuple of str
        Columns drawn as curves; those that the result lacks are left out.
    y_label : str
        Label of the axis.
    errors : mapping of str to str
        Column with the standard error of a curve.
    band : tuple of two str
        Columns with the ends of the interval of the first curve.
    log_x, log_y : bool
        Logarithmic axes.
    """

    x: str
    lines: tuple[str, ...]
    y_label: str
    errors: tuple[tuple[str, str], ...] = ()
    band: tuple[str, str] | None = None
    log_x: bool = False
    log_y: bool = False

    def draw(self, result: Any) -> Figure:
        """Draw the curves."""
        columns = result.columns()
        names = [name for name in self.lines if name in columns]
        n_rows = len(columns[names[0]])
        x = _numbers(columns[self.x]) if self.x else np.arange(1.0, n_rows + 1.0)
        errors = dict(self.errors)
        with house_style():
            figure = new_figure(COLUMN, HEIGHT)
            axis = figure.subplots()
            for index, name in enumerate(names):
                y = _numbers(columns[name])
                style = {"marker": marker(index)} if n_rows <= MOST_MARKERS else {"linestyle": line_style(index)}
                axis.plot(x, y, color=colour(index), label=_words(name), **style)
                if name in errors:
                    reach = NORMAL_QUANTILE * _numbers(columns[errors[name]])
                    axis.fill_between(x, y - reach, y + reach, color=colour(index), alpha=0.2, linewidth=0)
            if self.band is not None:
                low, high = (_numbers(columns[end]) for end in self.band)
                axis.fill_between(x, low, high, color=colour(0), alpha=0.2, linewidth=0, label="95 % interval")
            axis.set_xlabel(_words(self.x) if self.x else "number of the row")
            axis.set_ylabel(self.y_label)
            if self.log_x:
                axis.set_xscale("log")
            else:
                axis.xaxis.set_major_locator(MaxNLocator(integer=bool(np.all(x == np.rint(x)))))
            if self.log_y:
                axis.set_yscale("log")
            if len(names) > 1 or self.band is not None:
                axis.legend()
        return figure


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars, one group per row; with `names` empty, one bar per column of the only row.

    Parameters
    ----------
    names : str
        Column with the labels.
    values : tuple of str
        Columns drawn as bars, those of numbers; all numeric ones where empty.
    label : str
        Label of the axis.
    """

    names: str
    values: tuple[str, ...]
    label: str

    def draw(self, result: Any) -> Figure:
        """Draw the bars."""
        columns = result.columns()
        values = [name for name in self.values or columns if _is_numeric(columns[name])]
        if self.names:
            labels = [_shortened(str(name)) for name in columns[self.names]]
            series = {name: _numbers(columns[name]) for name in values}
        else:
            labels = [_words(name) for name in values]
            series = {"": np.array([float(_numbers(columns[name])[0]) for name in values])}
        places = np.arange(len(labels), dtype=np.float64)
        thickness = 0.8 / len(series)
        with house_style():
            figure = new_figure(COLUMN * 1.3, min(max(1.2 + 0.18 * len(labels) * len(series), HEIGHT), 12.0))
            axis = figure.subplots()
            for index, (name, numbers) in enumerate(series.items()):
                offset = (index - (len(series) - 1) / 2.0) * thickness
                known = np.where(np.isfinite(numbers), numbers, 0.0)
                axis.barh(places + offset, known, thickness, color=colour(index + 1), label=_words(name))
            if len(labels) <= MOST_LABELS:
                axis.set_yticks(places, labels)
            axis.invert_yaxis()
            axis.set_axisbelow(True)
            axis.set_xlabel(self.label)
            if len(series) > 1:
                axis.legend()
        return figure


@dataclass(frozen=True, kw_only=True)
class WordMap:
    """A map of words over two columns, whose grid is complete.

    Parameters
    ----------
    x, y, words : str
        Columns along, up, and of the words that are coloured.
    log_x : bool
        Logarithmic axis along the picture.
    """

    x: str
    y: str
    words: str
    log_x: bool = False

    def draw(self, result: Any) -> Figure:
        """Draw the map."""
        columns = result.columns()
        x, y = _numbers(columns[self.x]), _numbers(columns[self.y])
        words = [str(word) for word in columns[self.words]]
        with house_style():
            figure = new_figure(COLUMN, HEIGHT)
            axis = figure.subplots()
            for index, word in enumerate(dict.fromkeys(words)):
                here = np.array([each == word for each in words])
                axis.plot(x[here], y[here], linestyle="none", marker=marker(index), color=colour(index), label=word)
            if self.log_x:
                axis.set_xscale("log")
            axis.set_xlabel(_words(self.x))
            axis.set_ylabel(_words(self.y))
            figure.legend(loc="outside upper center", ncols=3)
        return figure


@dataclass(frozen=True, kw_only=True)
class Histograms:
    """Histograms of columns in one panel.

    Parameters
    ----------
    values : tuple of str
        The columns.
    label : str
        Label of the axis.
    """

    values: tuple[str, ...]
    label: str

    def draw(self, result: Any) -> Figure:
        """Draw the histograms."""
        columns = result.columns()
        with house_style():
            figure = new_figure(COLUMN, HEIGHT)
            axis: Axes = figure.subplots()
            series = [_finite(_numbers(columns[name])) for name in self.values]
            edges = np.histogram_bin_edges(np.concatenate(series), BINS)
            for index, (name, numbers) in enumerate(zip(self.values, series, strict=True)):
                style = {"linestyle": line_style(index), "color": colour(index)}
                axis.hist(numbers, bins=edges.tolist(), histtype="step", label=_words(name), **style)
            axis.set_xlabel(self.label)
            axis.set_ylabel("networks")
            axis.legend()
        return figure


def _numbers(values: Sequence[Any] | npt.NDArray[Any]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values])


def _shortened(label: str) -> str:
    """Keep the end of a long label, which tells paths and modules apart."""
    return label if len(label) <= LONGEST_LABEL else f"...{label[3 - LONGEST_LABEL :]}"


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _is_numeric(values: Sequence[Any] | npt.NDArray[Any]) -> bool:
    kinds = (int, float, np.number)
    return all(value is None or (isinstance(value, kinds) and not isinstance(value, bool)) for value in values)


def _words(name: str) -> str:
    return name.replace("_", " ")


Picture = Curves | Bars | WordMap | Histograms
Pictures = Mapping[str, Picture]

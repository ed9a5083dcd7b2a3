"""Training per epoch: rows of panels, one column per group of networks, one line per setting."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurondeath.figures.picture import (
    chance_handle,
    colour,
    draw_chance,
    kind_handles,
    line_handles,
    line_style,
    new_figure,
)
from neurondeath.figures.tables import Record, Table, distinct, rows
from neurondeath.figures.training.seed_means import Keys, over_seeds

__all__ = ["ACCURACY_AND_SPARSITY", "accuracy_and_sparsity", "draw_training"]

ACCURACY_AND_SPARSITY = {"accuracy": "test accuracy", "sparsity": "activation sparsity"}  # columns and their labels
Row = Mapping[str, Any]

SIZE = (6.9, 3.8)  # inches, for three panels or more; with fewer, each panel keeps its width
LEAST_PANELS = 3


def accuracy_and_sparsity(
    runs: Iterable[Row], panel: str | Callable[[Row], str], series: Callable[[Row], str]
) -> list[Record]:
    """Average the accuracy and the sparsity of a study's rows over seeds, for every series and epoch of a panel.

    `panel` is the name of the only panel, or a function that returns the panel of a row.
    """
    keys: Keys = {"panel": panel if callable(panel) else lambda _: panel, "series": series, "epoch": "epoch"}
    return over_seeds(runs, keys, {"accuracy": "test_accuracy", "sparsity": "activation_sparsity"})


def draw_training(
    table: Table,
    measured: Mapping[str, str],
    limits: Mapping[str, tuple[float | None, float | None]],
    *,
    bands: bool = True,
) -> Figure:
    """Draw the columns of a table over its `epoch`, a column of panels for each `panel`, a line for each `series`.

    Parameters
    ----------
    table : Table
        With `panel`, `series`, `epoch` and, for every NAME of `measured`, NAME, NAME_low and NAME_high.
    measured : mapping
        Column -> label, one per row of panels; all are shares. `accuracy` is shown with its chance level.
    limits : mapping
        Column -> limits of its axis.
    bands : bool
        Shade between low and high, as far as they are shares, from 0 to 1.

    Returns
    -------
    Figure
        Drawn in the current style.
    """
    panels, series = distinct(table["panel"]), sorted(distinct(table["series"]))
    figure = new_figure(SIZE[0] * min(1.0, len(panels) / LEAST_PANELS + 0.1), SIZE[1])
    axes = figure.subplots(len(measured), len(panels), sharex="col", sharey="row", squeeze=False)
    for column, panel in enumerate(panels):
        for number, name in enumerate(series):
            part = rows(table, panel=panel, series=name)
            for axis, value in zip(axes[:, column], measured, strict=True):
                axis.plot(part["epoch"], part[value], color=colour(number), linestyle=line_style(number))
                if bands:  # of shares, which have no values beyond 0 and 1
                    low, high = (np.clip(part[f"{value}_{end}"], 0.0, 1.0) for end in ("low", "high"))
                    axis.fill_between(part["epoch"], low, high, color=colour(number), alpha=0.2, linewidth=0)
        axes[0, column].set_title(panel)
        axes[-1, column].set_xlabel("epoch")
        axes[-1, column].xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for row, (value, label) in enumerate(measured.items()):
        axes[row, 0].set_ylabel(label)
        axes[row, 0].set_ylim(*limits.get(value, (None, None)))  # last, because shared axes scale to all panels
        for axis in axes[row] if value == "accuracy" else ():
            draw_chance(axis)
    handles: list[Artist] = [*line_handles(series), *([chance_handle()] if "accuracy" in measured else [])]
    handles += kind_handles(band="95 % interval of the mean") if bands else []
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure

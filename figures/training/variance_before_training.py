"""Test accuracy after training against the variance of the untrained network, which may have left q*.

Supports price2024 at our size; leaving q* is defined as in the forecasts of `neurondeath train --dry-run`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurondeath.figures.picture import (
    chance_handle,
    colour,
    draw_chance,
    house_style,
    marker,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath.figures.training.sparse_training import clipping
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Test accuracy after training against the variance of the last hidden layer's pre-activations before it, over q*; "
    "{trials} network per point, of sparsity 0.85 at the edge of chaos, trained on MNIST with clipped gradients. "
    "Dotted: off q* by a factor of two. From left: perceptrons of 50 hidden layers of width 300 after 800 updates and, "
    "on all images, after 6 000; of 100 hidden layers after 3 000; 30 convolutions of 64 channels after 1 000. Ratios "
    "beyond 10^12 are drawn at 10^12."
)
STUDIES = {
    "sparse_grid": "50 layers",
    "sparse_long": "50 layers, longer",
    "sparse_training": "100 layers",
    "sparse_convolutions": "30 convolutions",
}
SPARSITY = 0.85
FACTOR = 2.0  # a variance off q* by more than this factor has left it, as in the forecasts
EDGE: dict[str, Any] = {"color": "0.45", "linestyle": ":", "linewidth": 0.8}
LARGEST = 1e12  # largest ratio drawn; unclipped networks reach far more


def compute(quick: bool, store: Path) -> Table:
    """Read the tables of the studies that come with the project, one record per run."""
    records: list[Record] = []
    for study, panel in STUDIES.items():
        table = read_study(study)
        before = {_run(row): row.get("variance_ratio") for row in table.where(epoch=0)}
        for row in table.last_epochs():
            if row.get("model.sparsity", SPARSITY) == SPARSITY:
                ratio, accuracy = before[_run(row)], row["test_accuracy"]
                records.append(
                    {
                        "panel": panel,
                        "series": clipping(row),
                        "ratio": np.nan if ratio is None else ratio,
                        "accuracy": accuracy,
                        "trials": 1,
                    }
                )
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw one panel per study."""
    panels, series = distinct(table["panel"]), sorted(distinct(table["series"]))
    with house_style():
        figure = new_figure(6.9, 2.6)
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
        for axis, panel in zip(axes, panels, strict=True):
            for number, name in enumerate(series):
                part = rows(table, panel=panel, series=name)
                style = {"color": colour(number), "marker": marker(number), "linestyle": "none"}
                ratio = np.minimum(np.nan_to_num(part["ratio"], nan=LARGEST), LARGEST)
                axis.plot(ratio, part["accuracy"], **style)
            for edge in (1.0 / FACTOR, FACTOR):
                axis.axvline(edge, **EDGE)
            draw_chance(axis)
            axis.set_xscale("log")
            axis.set_xticks([1.0, 1e4, 1e8, LARGEST], ["1", "10$^4$", "10$^8$", "≥10$^{12}$"])
            axis.minorticks_off()
            axis.set_title(panel)
            axis.set_xlabel("variance over q*")
        axes[0].set_ylim(0.0, 1.0)
        axes[0].set_ylabel("test accuracy")
        handles = [
            *series_handles(series, lines=False),
            Line2D([], [], label="off q* by a factor of two", **EDGE),
            chance_handle(),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _run(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["experiment"], row["seed"]

"""Synaptic Stripping over width and depth: dead units and test accuracy epoch by epoch, with it and without.

Supports whitaker2023 at our size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from figures.picture import colour, house_style, line_handles, line_style, new_figure
from figures.seed_means import Keys, over_seeds
from figures.tables import Table, distinct, rows, tabulate
from neurondeath_torch.training.study_tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Share of units dead on training images (above) and test accuracy (below) of perceptrons on 4 000 MNIST images, "
    "trained by Adam without a method and with Synaptic Stripping at two stripping factors. Mean over {trials} seeds, "
    "bands: Student's 95 % intervals."
)


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    study = read_study("stripping")
    shares = [{**row, "dead_share": row["dead_units"] / row["units"] if row["units"] else None} for row in study.rows]
    keys: Keys = {"size": _size, "method": _method, "epoch": "epoch"}
    values = {"dead": "dead_share", "accuracy": "test_accuracy"}
    return tabulate(over_seeds(shares, keys, values))


def draw(table: Table) -> Figure:
    """Draw two rows of panels, one column a size of the network."""
    sizes, methods = distinct(table["size"]), distinct(table["method"])
    with house_style():
        figure = new_figure(6.9, 3.8)
        axes = figure.subplots(2, len(sizes), sharex=True, sharey="row", squeeze=False)
        for column, size in enumerate(sizes):
            for number, method in enumerate(methods):
                part = rows(table, size=size, method=method)
                for axis, name in zip(axes[:, column], ("dead", "accuracy"), strict=True):
                    axis.plot(part["epoch"], part[name], color=colour(number), linestyle=line_style(number))
                    low, high = part[f"{name}_low"], part[f"{name}_high"]
                    axis.fill_between(part["epoch"], low, high, color=colour(number), alpha=0.2, linewidth=0)
            axes[0, column].set_title(size)
            axes[1, column].set_xlabel("epoch")
        axes[0, 0].set_ylim(bottom=0.0)  # only now: shared axes scale to all panels
        axes[1, 0].set_ylim(0.85, 1.0)
        axes[0, 0].set_ylabel("share of dead units")
        axes[1, 0].set_ylabel("test accuracy")
        figure.legend(handles=line_handles(methods), loc="outside lower center", ncols=len(methods))
    return figure


def _size(row: Mapping[str, Any]) -> str:
    return f"{row['model.depth']} layers of {row['model.width']}"


def _method(row: Mapping[str, Any]) -> str:
    factor = row.get("method.stripping_factor")
    return "no method" if factor is None else f"stripping, factor {factor:g}"

"""Sparse, deep and as accurate as dense: 100 layers in critical residual streams whose layers are normalised.

Supports T9; the stream is that of `neurondeath_theory.trainability.critical_residual`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurondeath.figures.picture import colour, house_style, line_handles, line_style, new_figure
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath.figures.training.seed_means import over_seeds
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Networks of 100 layers of width 300 in critical residual streams of effective depth 1 with normalised layers, "
    "trained on MNIST by AdamW. Left: share of zeros of every layer on the test images after training; dotted: the "
    "designs' 85 and 90 %. Right: test accuracy. Clipped shifted ReLU (CReLU) and clipped soft threshold (CST) at "
    "sparsity s, and the dense ReLU in the same stream. Mean over {trials} seeds, shaded: 95 % intervals of the mean."
)
SHORT = {"clipped-shifted-relu": "CReLU", "clipped-soft-threshold": "CST"}
LEAST_ACCURACY = 0.9  # the first epochs of some networks are below


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    study = read_study("sparse_and_deep")
    accuracies = over_seeds(study.rows, {"series": _series, "epoch": "epoch"}, {"accuracy": "test_accuracy"})
    return tabulate([*_zeros_by_layer(study.last_epochs()), *accuracies])


def _series(row: Mapping[str, Any]) -> str:
    sparsity = row["model.sparsity"]
    return "dense ReLU" if sparsity is None else f"{SHORT[row['model.activation']]}, s = {sparsity:g}"


def _zeros_by_layer(last: Sequence[Mapping[str, Any]]) -> list[Record]:
    layers = [
        {"series": _series(row), "layer": layer, "seed": row["seed"], "share": float(share)}
        for row in last
        for layer, share in enumerate(row["test_zeros"].split(), start=1)
    ]
    design = {_series(row): row["model.sparsity"] for row in last}
    means = over_seeds(layers, {"series": "series", "layer": "layer"}, {"zeros": "share"})
    return [{**record, "design": design[record["series"]]} for record in means]


def draw(table: Table) -> Figure:
    """Draw zeros over layers beside accuracy over epochs."""
    series = sorted(distinct(table["series"]))
    with house_style():
        figure = new_figure(6.9, 3.2)
        zeros, accuracy = figure.subplots(1, 2)
        for number, name in enumerate(series):
            part = rows(table, series=name)
            for axis, x, y in ((zeros, "layer", "zeros"), (accuracy, "epoch", "accuracy")):
                kept = np.isfinite(part[x])
                axis.plot(part[x][kept], part[y][kept], color=colour(number), linestyle=line_style(number))
                low, high = part[f"{y}_low"][kept], part[f"{y}_high"][kept]
                axis.fill_between(part[x][kept], low, high, color=colour(number), alpha=0.2, linewidth=0)
        for design in np.unique(table["design"][np.isfinite(table["design"])]):
            zeros.axhline(design, color="grey", linestyle=":", linewidth=0.8)
        zeros.set(xlabel="layer", ylabel="share of zeros after training", ylim=(0.0, 1.0))
        accuracy.set(xlabel="epoch", ylabel="test accuracy", ylim=(LEAST_ACCURACY, 1.0))
        accuracy.xaxis.set_major_locator(MaxNLocator(integer=True))
        accuracy.set_xlim(left=1)
        figure.legend(handles=line_handles(series), loc="outside lower center", ncols=3)
    return figure

"""Dynamic dead neuron rate and accuracy as pruning proceeds, with and without Activate-while-Pruning.

Supports liu2022 at our size.
"""

from pathlib import Path

from matplotlib.figure import Figure

from neurondeath.figures.picture import (
    colour,
    house_style,
    kind_handles,
    line_style,
    marker,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Table, distinct, rows, tabulate
from neurondeath.figures.training.seed_means import over_seeds
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Dynamic dead neuron rate (left) and test accuracy (right) at the end of every pruning cycle against the share of "
    "weights that are left; perceptrons of three layers of 100 on 4 000 MNIST images, weights rewound every cycle. "
    "Mean over {trials} seeds, bands: Student's 95 % intervals."
)


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project, the last epoch of every cycle."""
    study = read_study("activation")
    cycle = int(study.rows[0].get("method.every") or study.provenance["configuration"]["grid"]["method"][0]["every"])
    ends = [
        {**row, "left": 1.0 - row["weight_sparsity"]}
        for row in study.rows
        if row["epoch"] > 0 and row["epoch"] % cycle == 0
    ]
    values = {"left": "left", "rate": "dynamic_dnr", "accuracy": "test_accuracy"}
    return tabulate(over_seeds(ends, {"method": "method.kind", "epoch": "epoch"}, values))


def draw(table: Table) -> Figure:
    """Draw two panels against the share of weights left."""
    methods = distinct(table["method"])
    with house_style():
        figure = new_figure(6.6, 2.7)
        axes = figure.subplots(1, 2)
        for axis, name, label in zip(
            axes, ("rate", "accuracy"), ("dynamic dead neuron rate", "test accuracy"), strict=True
        ):
            for number, method in enumerate(methods):
                part = rows(table, method=method)
                axis.plot(
                    part["left"], part[name], color=colour(number), marker=marker(number), linestyle=line_style(number)
                )
                low, high = part[f"{name}_low"], part[f"{name}_high"]
                axis.fill_between(part["left"], low, high, color=colour(number), alpha=0.2, linewidth=0)
            axis.set_xscale("log")
            axis.invert_xaxis()
            axis.set_xlabel("share of weights left")
            axis.set_ylabel(label)
        names = (str(method).replace("-", " ") for method in methods)
        handles = [*series_handles(names), *kind_handles(band="95 % interval of the mean")]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure

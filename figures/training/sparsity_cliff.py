"""Accuracy over activation sparsity: where it falls off, by how the network is made.

Supports shvetsov2026 at our size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neurondeath.figures.picture import (
    chance_handle,
    colour,
    draw_chance,
    house_style,
    kind_handles,
    line_style,
    marker,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Table, rows, tabulate
from neurondeath.figures.training.seed_means import over_seeds
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Test accuracy against the sparsity of the design: 20 layers of 128 clipped shifted ReLUs on 10 000 MNIST images, "
    "4 epochs of Adam; PyTorch's default weights, the edge of chaos, and critical residual streams with normalised "
    "layers. Mean over {trials} seeds, bands: Student's 95 % intervals."
)
DESIGNS = ("critical residual", "edge of chaos", "default weights")


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    ends = read_study("sparsity_cliff").last_epochs()
    return tabulate(over_seeds(ends, {"design": _design, "sparsity": "model.sparsity"}, {"accuracy": "test_accuracy"}))


def _design(row: Mapping[str, Any]) -> str:
    if row["model.residual"]:
        return DESIGNS[0]
    return DESIGNS[1] if row["model.initialisation"] == "edge-of-chaos" else DESIGNS[2]


def draw(table: Table) -> Figure:
    """Draw the accuracy of each design."""
    with house_style():
        figure = new_figure(3.4, 3.1)
        axis = figure.subplots()
        for number, design in enumerate(DESIGNS):
            part = rows(table, design=design)
            axis.plot(
                part["sparsity"],
                part["accuracy"],
                color=colour(number),
                marker=marker(number),
                linestyle=line_style(number),
            )
            low, high = part["accuracy_low"].clip(0.0, 1.0), part["accuracy_high"].clip(0.0, 1.0)
            axis.fill_between(part["sparsity"], low, high, color=colour(number), alpha=0.2, linewidth=0)
        draw_chance(axis)
        axis.set(xlabel="sparsity of the design", ylabel="test accuracy", ylim=(0.0, 1.0))
        handles = [*series_handles(DESIGNS), *kind_handles(band="95 % interval of the mean"), chance_handle()]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure

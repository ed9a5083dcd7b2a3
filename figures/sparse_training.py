"""Training deep networks of sparse activations: accuracy and measured sparsity, clipped and not, epoch by epoch.

Supports price2024 at our size.
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
    "Test accuracy (above) and share of zeros among the activations (below) of networks of 50 hidden layers of width "
    "300 at the edge of chaos, designed at a sparsity of 0.85, trained by Adam on 10 000 MNIST images; unclipped "
    "activations and clipped ones by V'(q*). Mean over {trials} seeds."
)
FAMILIES = {"shifted-relu": "shifted ReLU", "soft-threshold": "soft threshold"}


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    keys: Keys = {"panel": _panel, "clip": _clip, "epoch": "epoch"}
    values = {"accuracy": "test_accuracy", "sparsity": "activation_sparsity"}
    return tabulate(over_seeds(read_study("sparse_designs").rows, keys, values))


def draw(table: Table) -> Figure:
    """Draw two rows of panels, a column a family."""
    panels, clips = distinct(table["panel"]), sorted(distinct(table["clip"]))
    with house_style():
        figure = new_figure(6.9, 3.8)
        axes = figure.subplots(2, len(panels), sharex=True, sharey="row", squeeze=False)
        for column, panel in enumerate(panels):
            for number, clip in enumerate(clips):
                part = rows(table, panel=panel, clip=clip)
                for axis, name in zip(axes[:, column], ("accuracy", "sparsity"), strict=True):
                    axis.plot(part["epoch"], part[name], color=colour(number), linestyle=line_style(number))
            axes[0, column].set_title(panel)
            axes[0, column].set_ylim(0.0, 1.0)
            axes[1, column].set_xlabel("epoch")
        axes[0, 0].set_ylabel("test accuracy")
        axes[1, 0].set_ylabel("activation sparsity")
        figure.legend(handles=line_handles(clips), loc="outside lower center", ncols=len(clips))
    return figure


def _panel(row: Mapping[str, Any]) -> str:
    return FAMILIES[str(row["model.activation"]).removeprefix("clipped-")]


def _clip(row: Mapping[str, Any]) -> str:
    target = row["model.v_prime"]
    return "unclipped" if target is None else f"V' = {target:g}"

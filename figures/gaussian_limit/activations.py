"""The sparsifying activations of price2024 and ReLU, which they generalise.

Supports no claim; it shows the effect of the threshold tau and the clipping height m.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neurondeath.figures.picture import COLUMN, colour, house_style, line_style, new_figure
from neurondeath.figures.tables import Table, distinct, rows, tabulate
from neurondeath_theory.networks import activations as theory

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = "ReLU, shifted ReLU and soft threshold (tau = 1), and their clipped forms (m = 1). Exact, nothing sampled."


def compute(quick: bool, store: Path) -> Table:
    """Evaluate the activations at their ends and kinks, between which they are linear."""
    shown = {
        "ReLU": theory.relu(),
        "shifted ReLU": theory.shifted_relu(1.0),
        "clipped shifted ReLU": theory.clipped_shifted_relu(1.0, 1.0),
        "soft threshold": theory.soft_threshold(1.0),
        "clipped soft threshold": theory.clipped_soft_threshold(1.0, 1.0),
    }
    return tabulate(
        {"activation": name, "x": x, "value": float(phi(x))}
        for name, phi in shown.items()
        for x in sorted({-3.0, 3.0, *phi.kinks})
    )


def draw(table: Table) -> Figure:
    """Draw one-sided activations on the left, odd ones on the right."""
    names = distinct(table["activation"])
    with house_style():
        figure = new_figure(COLUMN, 2.5)
        axes = figure.subplots(1, 2, sharey=True)
        for index, name in enumerate(names):
            part = rows(table, activation=name)
            axis = axes[int("soft" in name)]
            axis.plot(part["x"], part["value"], color=colour(index), linestyle=line_style(index), label=name)
        for axis, kind in zip(axes, ("one-sided", "odd"), strict=True):
            axis.set_title(f"{kind}: $\\tau$ = 1, m = 1")
            axis.set_xlabel("pre-activation z")
            axis.set_xticks(np.arange(-3, 4, 1))
        axes[0].set_ylim(-2.2, 3.2)
        axes[0].set_ylabel("$\\phi$(z)")
        figure.legend(loc="outside lower center", ncols=2)
    return figure

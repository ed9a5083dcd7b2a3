"""Alive is not yet learning: learned accuracy over width and depth, with the survival of images and the forecast.

Supports the forecast of `neurondeath_theory.trainability.learning_verdict` and the living ratio of rister2020.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke

from neurondeath.figures.picture import house_style, new_figure
from neurondeath.figures.tables import Table, tabulate
from neurondeath_theory.trainability.learning_verdict import LEARNS, learning_score
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Test accuracy on the digits after 420 steps of Adam (shades, mean over {trials} seeds) of networks over width and "
    "depth. Dots: the forecast made at birth says that the network learns (median over seeds). Lines on the panel of "
    "He's initialisation: mean share of images that are alive at birth, exactly (1 - 2^-n)^k: far above the region "
    "where networks learn."
)
PANELS = ("he", "tailored slope", "looks-linear", "batch norm", "residual", "critical residual, D = 1")
LIVING = (0.5, 0.9, 0.99)
OUTLINE: list[AbstractPathEffect] = [withStroke(linewidth=2.2, foreground="black")]
LIVING_LINES: dict[str, Any] = {"color": "white", "linewidth": 1.0, "path_effects": OUTLINE}


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    cells: dict[tuple[str, int, int], list[dict[str, float]]] = {}
    for row in read_study("alive_and_learning").rows:
        if row["remedy"] in PANELS:
            score = learning_score(row["root_rank"], row["step_gain"] or 0.0)
            found = {"accuracy": row["test_accuracy"], "score": score}
            cells.setdefault((row["remedy"], row["width"], row["depth"]), []).append(found)
    return tabulate(
        [
            {
                "panel": panel,
                "width": width,
                "depth": depth,
                "accuracy": float(np.mean([one["accuracy"] for one in found])),
                "score": float(np.median([one["score"] for one in found])),
                "living_ratio": float((1.0 - 0.5**width) ** depth),
                "trials": len(found),
            }
            for (panel, width, depth), found in cells.items()
        ]
    )


def draw(table: Table) -> Figure:
    """Draw one map of width and depth per remedy."""
    with house_style():
        figure = new_figure(6.8, 4.6)
        axes = figure.subplots(2, 3, sharex=True, sharey=True)
        for axis, panel in zip(axes.ravel(), PANELS, strict=True):
            image = _draw_panel(axis, {name: values[table["panel"] == panel] for name, values in table.items()}, panel)
        figure.colorbar(image, ax=axes, label="test accuracy (0.1: chance)", location="bottom", shrink=0.5, aspect=30)
        for axis in axes[-1]:
            axis.set_xlabel("depth")
        for axis in axes[:, 0]:
            axis.set_ylabel("width")
        handles = [
            Line2D([], [], color="black", marker=".", markersize=5, linestyle="none", label="forecast: learns"),
            Line2D([], [], label="share of images alive at birth (He)", **LIVING_LINES),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _draw_panel(axis: Axes, rows: Table, panel: str) -> AxesImage:
    widths, depths = np.unique(rows["width"]), np.unique(rows["depth"])
    shades = np.full((len(widths), len(depths)), np.nan)
    places = np.searchsorted(widths, rows["width"]), np.searchsorted(depths, rows["depth"])
    shades[places] = rows["accuracy"]
    image = axis.imshow(shades, origin="lower", aspect="auto", cmap="cividis", vmin=0.1, vmax=1.0)
    learns = rows["score"] >= LEARNS
    axis.plot(places[1][learns], places[0][learns], ".", color="black", markersize=5)
    if panel == "he":
        living = (1.0 - 0.5 ** widths[:, None].astype(float)) ** depths[None, :]
        lines = axis.contour(living, levels=LIVING, colors="white", linewidths=LIVING_LINES["linewidth"])
        lines.set_path_effects(LIVING_LINES["path_effects"])
        for text in axis.clabel(lines, fmt="%g"):
            text.set_path_effects(OUTLINE)
    axis.set_xticks(np.arange(len(depths)), [f"{depth:g}" for depth in depths])
    axis.set_yticks(np.arange(len(widths)), [f"{width:g}" for width in widths])
    axis.grid(visible=False)
    axis.set_title("He" if panel == "he" else panel)
    return image

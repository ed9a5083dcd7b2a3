"""Stability of clipped shifted ReLU designs at the edge of chaos, over sparsity and clipping height.

Stable: q* = 1 attracts every variance. Two fixed points: a second stable one lies above, to which finite networks can
escape. Lines: V'(q*). Supports the trade-off of sparsity and stability: a sparser design needs a lower clip.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neurondeath.figures.picture import COLUMN, house_style, new_figure
from neurondeath.figures.tables import Table, distinct, tabulate
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Clipped shifted ReLU designs at the edge of chaos with q* = 1, over sparsity and clipping height: whether q* is "
    "the only stable fixed point of the variance map (blue) or a second one lies above it (orange). "
    "Lines: slope V'(q*). All exact on a grid, nothing sampled."
)
LEVELS: dict[float, Any] = {0.5: ":", 0.7: "--", 0.9: "-"}


def compute(quick: bool, store: Path) -> Table:
    """Classify designs on a grid of sparsity and clipping height."""
    n_sparsities, n_clips = (11, 11) if quick else (48, 48)
    designs = [
        (sparsity, clip, sparse_design("clipped-shifted-relu", float(sparsity), m=float(clip)))
        for sparsity in np.linspace(0.5, 0.975, n_sparsities)
        for clip in np.linspace(0.1, 3.5, n_clips)
    ]
    return tabulate(
        {
            "sparsity": sparsity,
            "m": clip,
            "v_prime": design.v_prime,
            "stable_points": sum(point.stable for point in design.fixed_points.points),
            "highest_q": max(point.q for point in design.fixed_points.points),
        }
        for sparsity, clip, design in designs
    )


def draw(table: Table) -> Figure:
    """Draw the verdicts as areas, V' as lines."""
    sparsities, clips = (np.array(distinct(table[name])) for name in ("sparsity", "m"))
    shape = (len(sparsities), len(clips))
    several = (table["stable_points"] > 1).astype(float).reshape(shape)
    shades = ("#56B4E9", "#E69F00")
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        axis.pcolormesh(sparsities, clips, several.T, cmap=ListedColormap(shades), vmin=0, vmax=1, shading="nearest")
        slopes = table["v_prime"].reshape(shape).T
        axis.contour(sparsities, clips, slopes, levels=list(LEVELS), colors="black", linestyles=list(LEVELS.values()))
        axis.grid(visible=False)
        axis.set_xlabel("sparsity s")
        axis.set_ylabel("clipping height m (q* = 1)")
        labels = ("one stable fixed point", "a second one above q*")
        handles = [Patch(facecolor=shade, label=label) for shade, label in zip(shades, labels, strict=True)]
        lines = [
            Line2D([], [], color="black", linestyle=style, label=f"V'(q*) = {level}") for level, style in LEVELS.items()
        ]
        figure.legend(handles=[*lines, *handles], loc="outside lower center", ncols=2)
    return figure

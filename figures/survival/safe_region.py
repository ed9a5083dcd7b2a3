"""Which widths and depths are safe for every input set, doomed for every one, or undecided.

Safe: the lower bound reaches 99 %. Doomed: the upper bound stays below it. Undecided: it depends on the inputs.
Supports the design rule n >= log2(k / (1 - P)): the border of the safe region is a line in log depth.
"""

from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from neurondeath.figures.picture import COLUMN, house_style, new_figure
from neurondeath.figures.tables import Table, distinct, tabulate
from neurondeath_theory.survival.safe_sizes import safe_region

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Plain ReLU networks with biases and inputs of both signs, required to be born alive with probability 0.99. "
    "Safe: the lower bound reaches it, for every input set; doomed: the upper bound stays below it; undecided: it "
    "depends on the inputs. Lines: depth at which the lower bound is 0.5, 0.9 and 0.99. All exact, nothing sampled."
)
VERDICTS = ("doomed", "undecided", "safe")
GOAL = 0.99
CONTOURS = ((0.5, ":"), (0.9, "--"), (0.99, "-"))


def compute(quick: bool, store: Path) -> Table:
    """Classify a grid of widths and depths."""
    depths = np.unique(np.geomspace(1, 1e6, 60 if quick else 240).astype(int))
    region = safe_region(np.arange(1, 33), depths, survival=GOAL, bias=True)
    return tabulate(
        {
            "width": width,
            "depth": depth,
            "lower_bound": region.lower[i, j],
            "upper_bound": region.upper[i, j],
            "verdict": str(region.verdict[i, j]),
        }
        for i, width in enumerate(region.widths)
        for j, depth in enumerate(region.depths)
    )


def draw(table: Table) -> Figure:
    """Draw the verdicts as areas, bounds as lines."""
    widths, depths = (np.array(distinct(table[name])) for name in ("width", "depth"))
    shape = (len(widths), len(depths))
    codes = np.array([VERDICTS.index(verdict) for verdict in table["verdict"].tolist()]).reshape(shape)
    shades = ("#D55E00", "#F2F2F2", "#56B4E9")
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        axis.pcolormesh(depths, widths, codes, cmap=ListedColormap(shades), vmin=-0.5, vmax=2.5, shading="nearest")
        for level, style in CONTOURS:
            axis.plot(depths, -np.log2(-np.expm1(np.log(level) / depths)), color="black", linestyle=style)
            axis.plot([], [], color="black", linestyle=style, label=f"lower bound {level:g}")
        axis.set_xscale("log")
        axis.set_xlim(depths[0], depths[-1])
        axis.set_ylim(0.5, 32.5)
        axis.grid(visible=False)
        axis.set_xlabel("depth k (hidden layers)")
        axis.set_ylabel("width n (units per layer)")
        lines, _ = axis.get_legend_handles_labels()
        areas = [
            Patch(facecolor=shade, edgecolor="0.5", label=verdict)
            for verdict, shade in zip(VERDICTS, shades, strict=True)
        ]
        figure.legend(handles=[*areas, *lines], loc="outside lower center", ncols=2)
    return figure

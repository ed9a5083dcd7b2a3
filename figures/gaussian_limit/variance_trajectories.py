"""Variances of finite networks, layer by layer: stable, exploding, and jumping to a second fixed point.

The chain q^1, q^2, .. of one input is sampled from its exact law, from q* = 1 on. Left: unclipped shifted ReLU leaves
q*. Middle: with clipping q stays near q*. Right: at high sparsity and V' near 1 there is a second stable fixed point,
to which networks escape. Supports price2024's argument for clipping, and shows its limit.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neurondeath.figures.picture import COLUMN, colour, house_style, new_figure
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.gaussian_limit.variance_chain import variance_chain

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Pre-activation variance q of one input through networks of width 100 that start at q* = 1. Sampled from the exact "
    "law: {trials} networks per panel; shaded, the middle 90 % of them; lines, 8 single networks and the median. "
    "Grey: the fixed points of the infinitely wide network, exact, solid where stable, dashed where not or touching. "
    "Variances above 1000 are drawn at 1000."
)
WIDTH, DEPTH, SINGLES = 100, 100, 8
LARGEST = 1000.0  # largest variance drawn; exploding networks reach far more


def compute(quick: bool, store: Path) -> Table:
    """Sample three designs."""
    paths = 300 if quick else 4_000
    designs = {
        "unclipped, s = 0.85": sparse_design("shifted-relu", 0.85),
        "s = 0.85, V' = 0.7": sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7),
        "s = 0.9, V' = 0.9": sparse_design("clipped-shifted-relu", 0.9, v_prime=0.9),
    }
    records: list[Record] = []
    for number, (label, design) in enumerate(designs.items()):
        law = (design.activation, design.sigma_w2, design.sigma_b2)
        chain = variance_chain(*law, width=WIDTH, depth=DEPTH, initial_q=design.q, n_paths=paths, seed=number)
        low, median, high = np.quantile(chain.paths, [0.05, 0.5, 0.95], axis=0)
        curves = {"low": low, "median": median, "high": high}
        curves |= {f"network {i}": chain.paths[i] for i in range(SINGLES)}
        records += [
            {"design": label, "curve": curve, "depth": layer + 1, "q": q, "trials": paths}
            for curve, values in curves.items()
            for layer, q in enumerate(values)
        ]
        records += [
            {"design": label, "curve": "stable point" if point.stable else "unstable point", "q": point.q}
            for point in design.fixed_points.points
        ]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw one panel per design."""
    designs = distinct(table["design"])
    with house_style():
        figure = new_figure(2 * COLUMN, 2.5)
        axes = figure.subplots(1, len(designs), sharey=True)
        for axis, label in zip(axes, designs, strict=True):
            part = rows({**table, "q": np.minimum(table["q"], LARGEST)}, design=label)
            low, median, high = (rows(part, curve=curve) for curve in ("low", "median", "high"))
            axis.fill_between(low["depth"], low["q"], high["q"], color=colour(6), alpha=0.35, linewidth=0)
            for number in range(SINGLES):
                single = rows(part, curve=f"network {number}")
                axis.plot(single["depth"], single["q"], color=colour(2), linewidth=0.5)
            axis.plot(median["depth"], median["q"], color="black", linewidth=1.4)
            for curve, style in (("stable point", "-"), ("unstable point", "--")):
                for q in rows(part, curve=curve)["q"]:
                    axis.axhline(q, color="0.45", linestyle=style, linewidth=0.8)
            axis.set_yscale("log")
            axis.set_ylim(0.3, 1.3 * LARGEST)
            axis.set_yticks([1.0, 10.0, 100.0, LARGEST], ["1", "10", "100", f"≥ {LARGEST:g}"])
            axis.minorticks_off()
            axis.set_title(label)
            axis.set_xlabel("layer")
        axes[0].set_ylabel("variance q")
        handles = [
            Line2D([], [], color="black", linewidth=1.4, label="median"),
            Line2D([], [], color=colour(2), linewidth=0.5, label="single networks"),
            Patch(color=colour(6), alpha=0.35, label="middle 90 %"),
            Line2D([], [], color="0.45", linewidth=0.8, label="stable fixed point"),
            Line2D([], [], color="0.45", linewidth=0.8, linestyle="--", label="other fixed point"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure

"""Variance maps V(q) of designs at the edge of chaos with sparsity 0.85: why unclipped activations are unstable.

Without clipping V touches the diagonal at q* and lies above it elsewhere: every upward deviation grows. Clipping bends
V below the diagonal; its slope at q* is the design's V'. Points: one layer of sampled networks, whose mean is V(q)
exactly. Supports the instability of unclipped designs and its remedy (price2024).
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurondeath.figures.picture import (
    COLUMN,
    colour,
    draw_estimates,
    house_style,
    kind_handles,
    line_style,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.gaussian_limit.variance import variance_map
from neurondeath_theory.gaussian_limit.variance_chain import variance_chain

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Variance maps V(q) of shifted ReLU designs at the edge of chaos, sparsity 0.85, q* = 1: unclipped, and clipped "
    "for V'(q*) = 0.5, 0.7 and 0.9. Lines: exact. Grey: V = q. "
    "Points: mean of {trials} sampled layers of 10 units, normal 95 % intervals."
)
DIAGONAL: dict[str, Any] = {"color": "0.6", "linewidth": 0.8}
SPARSITY, WIDTH = 0.85, 10


def compute(quick: bool, store: Path) -> Table:
    """Evaluate the four maps, and sample one step of each."""
    trials = 20_000 if quick else 400_000
    designs = {"unclipped": sparse_design("shifted-relu", SPARSITY)}
    for slope in (0.9, 0.7, 0.5):
        designs[f"V' = {slope}"] = sparse_design("clipped-shifted-relu", SPARSITY, v_prime=slope)
    records: list[Record] = []
    q = np.linspace(0.02, 4.0, 200)
    for number, (label, design) in enumerate(designs.items()):
        law = (design.activation, design.sigma_w2, design.sigma_b2)
        values = variance_map(design.activation, q, design.sigma_w2, design.sigma_b2)
        records += [{"kind": "exact", "design": label, "q": x, "v": v} for x, v in zip(q, values, strict=True)]
        for start in (0.25, 1.0, 2.0, 3.0):
            step = variance_chain(*law, width=WIDTH, depth=2, initial_q=start, n_paths=trials, seed=number)
            mean, reach = step.mean[1], NORMAL_QUANTILE * step.mean_error[1]
            place = {"kind": "sampled", "design": label, "q": start, "v": mean, "trials": trials}
            records.append({**place, "low": mean - reach, "high": mean + reach})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw the maps and the diagonal."""
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        axis.plot([0.0, 4.0], [0.0, 4.0], zorder=0, **DIAGONAL)
        designs = distinct(table["design"])
        for index, label in enumerate(designs):
            exact, sampled = (rows(table, kind=kind, design=label) for kind in ("exact", "sampled"))
            axis.plot(exact["q"], exact["v"], color=colour(index), linestyle=line_style(index))
            draw_estimates(axis, (sampled[name] for name in ("q", "v", "low", "high")), index)
        axis.set_xlim(0.0, 4.0)
        axis.set_ylim(0.0, 6.0)
        axis.set_xlabel("variance q of the pre-activations")
        axis.set_ylabel("V(q), variance of the next layer")
        handles = [
            *series_handles(designs),
            *kind_handles(line="exact", marker="sampled, 95 % intervals"),
            Line2D([], [], label="V = q", **DIAGONAL),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure

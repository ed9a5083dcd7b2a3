"""Effect of the clipping height m on the variance map at q* = 1: slope V' and curvature V'' of sparse designs.

V' rises from 0 to 1 with m, so that every slope has one height; V'' decides whether a second fixed point can appear
above q*. Supports that clipping controls stability (price2024).
"""

from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurondeath.figures.picture import COLUMN, colour, house_style, line_style, new_figure
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath_theory.gaussian_limit.variance import chi1, variance_curvature, variance_slope
from neurondeath_theory.networks.activations import clipped_shifted_relu

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Slope V'(q*) and curvature V''(q*) of clipped shifted ReLU designs at the edge of chaos, q* = 1, against the "
    "clipping height m. Exact, nothing sampled."
)
EDGE: dict[str, Any] = {"color": "0.6", "linewidth": 0.8}


def compute(quick: bool, store: Path) -> Table:
    """Compute designs over the clipping height at four sparsities."""
    records: list[Record] = []
    for sparsity in (0.6, 0.7, 0.85, 0.95):
        tau = NormalDist().inv_cdf(sparsity)  # P(z <= tau) = s at q* = 1
        for m in np.linspace(0.05, 4.0, 40 if quick else 120).tolist():
            phi = clipped_shifted_relu(tau, m)
            sigma_w2 = 1.0 / float(chi1(phi, 1.0))  # the edge of chaos
            slope, curvature = (float(f(phi, 1.0, sigma_w2)) for f in (variance_slope, variance_curvature))
            records.append({"sparsity": sparsity, "m": m, "v_prime": slope, "v_second": curvature})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw slope above curvature."""
    with house_style():
        figure = new_figure(COLUMN, 3.6)
        upper, lower = figure.subplots(2, 1, sharex=True)
        for index, sparsity in enumerate(distinct(table["sparsity"])):
            part = rows(table, sparsity=sparsity)
            style = {"color": colour(index), "linestyle": line_style(index), "label": f"s = {sparsity:g}"}
            upper.plot(part["m"], part["v_prime"], **style)
            lower.plot(part["m"], part["v_second"], **style)
        upper.axhline(1.0, label="V' = 1 (above), V'' = 0 (below)", **EDGE)
        lower.axhline(0.0, **EDGE)
        upper.set_ylabel("V'(q*)")
        lower.set_ylabel("V''(q*)")
        lower.set_xlabel("clipping height m (q* = 1)")
        handles, labels = upper.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure

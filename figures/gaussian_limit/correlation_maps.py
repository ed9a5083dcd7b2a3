"""Correlation maps R(rho) at the edge of chaos: inputs become more alike with every layer, faster at higher sparsity.

R touches the diagonal at rho = 1 with slope chi_1 = 1. Right: the distance to the diagonal, R(rho) - rho. Points: the
average over sampled pairs of pre-activations. Supports price2024's maps, and the collapse of inputs with depth.
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
from neurondeath_theory.gaussian_limit.correlation import correlation_map
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos, sparse_design
from neurondeath_theory.networks.activations import relu

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Correlation maps R at the edge of chaos with q* = 1: ReLU, and clipped shifted ReLU with V'(q*) = 0.7 at two "
    "sparsities s; right, the drift R(rho) - rho of positive rho. Lines: exact. "
    "Points: averages over {trials} sampled pairs, normal 95 % intervals."
)
DIAGONAL: dict[str, Any] = {"color": "0.6", "linewidth": 0.8}
LOWEST = -0.1  # on the axis of R


def compute(quick: bool, store: Path) -> Table:
    """Evaluate three maps, and sample them at a few correlations."""
    trials = 100_000 if quick else 1_000_000
    designs = {"ReLU": edge_of_chaos(relu())}
    for sparsity in (0.7, 0.9):
        designs[f"clipped, s = {sparsity}"] = sparse_design("clipped-shifted-relu", sparsity, v_prime=0.7)
    rng = np.random.default_rng(0)
    records: list[Record] = []
    grid = np.linspace(-1.0, 1.0, 201)
    for label, design in designs.items():
        values = correlation_map(design.activation, grid, design.q, design.sigma_w2, design.sigma_b2)
        records += [{"kind": "exact", "design": label, "rho": x, "r": r} for x, r in zip(grid, values, strict=True)]
        for rho in (-0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9):
            z1, noise = rng.standard_normal((2, trials))
            z2 = rho * z1 + np.sqrt(1.0 - rho**2) * noise
            scale = np.sqrt(design.q)
            products = design.activation(scale * z1) * design.activation(scale * z2)
            sampled = (design.sigma_w2 * products.mean() + design.sigma_b2) / design.q
            reach = NORMAL_QUANTILE * design.sigma_w2 * products.std(ddof=1) / np.sqrt(trials) / design.q
            place = {"kind": "sampled", "design": label, "rho": rho, "trials": trials}
            records.append({**place, "r": sampled, "low": sampled - reach, "high": sampled + reach})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw the maps and their drift."""
    with house_style():
        figure = new_figure(2 * COLUMN, 2.7)
        left, right = figure.subplots(1, 2)
        left.plot([LOWEST, 1.0], [LOWEST, 1.0], zorder=0, **DIAGONAL)
        right.axhline(0.0, zorder=0, **DIAGONAL)
        designs = distinct(table["design"])
        for index, label in enumerate(designs):
            for axis, share, least in ((left, 0.0, -1.0), (right, 1.0, 0.0)):
                parts = (rows(table, kind=kind, design=label) for kind in ("exact", "sampled"))
                exact, sampled = ({name: part[name][part["rho"] >= least] for name in part} for part in parts)
                y = exact["r"] - share * exact["rho"]
                axis.plot(exact["rho"], y, color=colour(index), linestyle=line_style(index))
                values = (sampled[name] - share * sampled["rho"] for name in ("r", "low", "high"))
                draw_estimates(axis, (sampled["rho"], *values), index)
        left.set_ylim(LOWEST, 1.05)
        left.set_ylabel("R($\\rho$), correlation of the next layer")
        right.set_ylabel("R($\\rho$) - $\\rho$")
        for axis in (left, right):
            axis.set_xlabel("correlation $\\rho$ of two inputs' pre-activations")
        handles = [
            *series_handles(designs),
            *kind_handles(line="exact", marker="sampled, 95 % intervals"),
            Line2D([], [], label="no change, R = $\\rho$", **DIAGONAL),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure

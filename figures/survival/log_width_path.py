"""The survival of a single point along n = log2 k + c: it tends to exp(-2^-c), neither 0 nor 1.

Supports that width must grow with the logarithm of depth, and no faster, for a network to survive (rister2020): the
lower bound, exact for one point, keeps its value along the path.
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
from neurondeath.figures.tables import Record, Table, distinct, estimate_record, rows, tabulate
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.width_schedules import log_width_schedule

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(alive) of a plain He network of depth k at one point, along the widths n = log2 k + c. "
    "Exact: the lower bound, which is attained (lines), and its limit exp(-2^-c) (dotted). "
    "Sampled: {trials} networks per point at integer widths, exact 95 % intervals."
)
OFFSETS = (-1, 0, 1, 2, 4)  # values of c
LIMIT: dict[str, Any] = {"color": "0.55", "linestyle": (0, (1, 2)), "linewidth": 0.8}
DEEPEST = 16  # log2 of the depth where lines end


def compute(quick: bool, store: Path) -> Table:
    """Compute five paths; sample them where n and k are integers."""
    trials = 2_000 if quick else 20_000
    records: list[Record] = []
    for c in OFFSETS:
        depths = np.unique(np.geomspace(max(2.0 ** (1 - c), 1.0), 2**DEEPEST, 80).astype(int))
        path = log_width_schedule(depths, c)
        records += [
            {"kind": "exact", "c": c, "depth": k, "survival": p, "limit": path.limit}
            for k, p in zip(path.depths, path.survival, strict=True)
        ]
        for exponent in range(max(0, 1 - c), 8 if quick else 11):
            network = Network([exponent + c] * 2**exponent)
            sampled = simulate(network, np.ones((1, network.input_dim)), trials=trials, store=store)
            records.append({"kind": "sampled", "c": c, "depth": 2**exponent, **estimate_record(sampled)})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(alive) against depth, one line per path."""
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        offsets = distinct(table["c"])
        for index, c in enumerate(offsets):
            exact, sampled = rows(table, kind="exact", c=c), rows(table, kind="sampled", c=c)
            axis.plot(exact["depth"], exact["survival"], color=colour(index), linestyle=line_style(index))
            axis.axhline(exact["limit"][0], zorder=0, **LIMIT)
            values = (sampled[name] for name in ("depth", "alive", "low", "high"))
            draw_estimates(axis, values, index)
        axis.set_xscale("log", base=2)
        axis.set_ylim(-0.02, 1.03)
        axis.set_xlabel("depth k (hidden layers), width n = log$_2$ k + c")
        axis.set_ylabel("P(alive) at one point")
        handles = [
            *series_handles(f"c = {c:g}" for c in offsets),
            *kind_handles(line="exact", marker="sampled, 95 % intervals"),
            Line2D([], [], label="limit exp(-2$^{-c}$)", **LIMIT),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure

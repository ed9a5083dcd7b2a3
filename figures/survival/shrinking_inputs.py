"""P(alive) on inputs that shrink to a point: it falls to the lower bound, which is exact for a single point.

The set is u + r g_i with one fixed point u and 64 fixed Gaussian displacements g_i in 4 dimensions, |u| = 2 (their
typical length); r runs from 0 to a cloud around the origin. Supports that the lower bound of rister2020 is the best
that holds for every set.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

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
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(alive through 10 layers) of plain He networks on 64 points spread by r around a point of length 2. "
    "Lines: the lower bound, exact. Points: {trials} sampled networks each, exact 95 % intervals."
)
DEPTH = 10
DIMENSION = 4
WIDTHS = (2, 3, 5)


def compute(quick: bool, store: Path) -> Table:
    """Sample three widths over the radius."""
    trials = 4_000 if quick else 40_000
    displacements = input_set("gaussian:64", dimension=DIMENSION, seed=1).points
    centre = np.full(DIMENSION, 2.0 / np.sqrt(DIMENSION))
    records: list[Record] = []
    for width in WIDTHS:
        network = Network([width] * DEPTH, input_dim=DIMENSION)
        for radius in np.geomspace(0.003, 30.0, 7 if quick else 13):
            sampled = simulate(network, centre + radius * displacements, trials=trials, store=store)
            place = {"width": width, "radius": radius, "lower_bound": (1.0 - 2.0**-width) ** DEPTH}
            records.append({**place, **estimate_record(sampled)})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(alive) against the radius."""
    with house_style():
        figure = new_figure(COLUMN, 2.7)
        axis = figure.subplots()
        widths = distinct(table["width"])
        for index, width in enumerate(widths):
            part = rows(table, width=width)
            axis.plot(part["radius"], part["lower_bound"], color=colour(index), linestyle=line_style(index))
            values = (part[name] for name in ("radius", "alive", "low", "high"))
            draw_estimates(axis, values, index)
        axis.set_xscale("log")
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel("spread r of the inputs")
        axis.set_ylabel("P(alive)")
        kinds = kind_handles(line="lower bound", marker="sampled, 95 % intervals")
        names = (f"width {width:g}" for width in widths)
        figure.legend(handles=[*series_handles(names), *kinds], loc="outside lower center", ncols=2)
    return figure

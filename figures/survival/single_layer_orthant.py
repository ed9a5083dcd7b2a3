r"""One ReLU layer without biases on the whole non-negative orthant: P(dead) is exactly the upper bound's 2^-(n d).

A layer is dead on the orthant exactly when it is dead on its d axes, W e_i <= 0 for all i: every entry of W is
negative. So the sample on the axes decides the infinite set. A single point dies with probability 2^-n, and 64 random
points of the orthant lie in between. Supports that the upper bound of rister2020 cannot be improved for one layer.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from neurondeath.figures.picture import COLUMN, draw_estimates, house_style, new_figure
from neurondeath.figures.tables import Record, Table, rows, tabulate
from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(dead) of one layer of width n = 2 without biases on the non-negative orthant of dimension d. "
    "Exact: the whole orthant, 2^-nd (the upper bound on survival), and one point, 2^-n (the lower one). "
    "Sampled: the orthant, decided by its axes, and 64 random points of it, {trials} layers per point, "
    "exact 95 % intervals."
)
WIDTH = 2


def compute(quick: bool, store: Path) -> Table:
    """Sample one layer over the input dimension."""
    trials = 20_000 if quick else 1_000_000
    records: list[Record] = []
    for dimension in range(1, 6 if quick else 8):
        network = Network([WIDTH], input_dim=dimension)
        place = {"dimension": dimension, "one_point": 2.0**-WIDTH, "orthant": 2.0 ** -(WIDTH * dimension)}
        axes = simulate(network, np.eye(dimension), trials=trials, store=store)
        points = simulate(network, "orthant:64", trials=trials, store=store)
        records += [{"set": "whole orthant", **place, **_death(axes)}, {"set": "64 points", **place, **_death(points)}]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(dead) against the dimension."""
    with house_style():
        figure = new_figure(COLUMN, 2.7)
        axis = figure.subplots()
        whole, few = rows(table, set="whole orthant"), rows(table, set="64 points")
        axis.plot(few["dimension"], few["one_point"], color="0.5", linestyle="--", label="one point, $2^{-n}$")
        axis.plot(whole["dimension"], whole["orthant"], color="0.3", linestyle="-", label="whole orthant, $2^{-nd}$")
        for index, part in ((1, few), (2, whole)):
            seen = part["dead"] > 0
            label = f"{part['set'][0]}, sampled, 95 %"
            draw_estimates(axis, (part[c][seen] for c in ("dimension", "dead", "low", "high")), index, label=label)
        axis.set_yscale("log")
        axis.set_xticks(whole["dimension"])
        axis.set_ylim(bottom=float(table["orthant"].min()) / 4)
        axis.set_xlabel("input dimension d")
        axis.set_ylabel("P(layer dead)")
        axis.legend(loc="lower left")
    return figure


def _death(simulation: Simulation) -> Record:
    return {
        "dead": float(simulation.death[0]),
        "low": 1.0 - float(simulation.high[0]),
        "high": 1.0 - float(simulation.low[0]),
        "trials": simulation.trials,
    }

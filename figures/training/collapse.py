"""Learning |x| with deep narrow networks: how many are constant from the start, collapse in training, or learn it.

Supports the collapse of lu2018 and lu2019, and shows what sign flips at initialisation change.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurondeath.figures.picture import COLUMN, colour, house_style, new_figure
from neurondeath.figures.tables import Table, tabulate
from neurondeath_theory.foundation.intervals import exact_interval
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Outcomes of ReLU networks of 9 hidden layers of width 2 that learn |x| by Adam, {trials} networks per "
    "initialisation: constant on the training points from the start, constant only after training, learned (squared "
    "error below 0.01), or none of these. Error bars of the share of constant networks: exact 95 % intervals."
)
NAMES = {"he": "He", "he, layer flip": "He,\nlayer flip", "he, neuron flip": "He,\nneuron flip", "rai": "RAI"}
OUTCOMES = ("born constant", "died in training", "rest", "learned")


def compute(quick: bool, store: Path) -> Table:
    """Read the counts of the study that comes with the project."""
    records = []
    for row in read_study("absolute_value").rows:
        n_networks = row["n_networks"]
        low, high = exact_interval(np.array([row["constant"]]), n_networks)
        counts = (row["born_constant"], row["constant"] - row["born_constant"], row["rest"], row["learned"])
        shares = {name: count / n_networks for name, count in zip(OUTCOMES, counts, strict=True)}
        records.append(
            {
                "initialisation": row["initialisation"],
                **shares,
                "constant": row["constant"] / n_networks,
                "low": float(low[0]),
                "high": float(high[0]),
                "trials": n_networks,
            }
        )
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw one stacked bar per initialisation."""
    with house_style():
        figure = new_figure(COLUMN, 2.7)
        axis = figure.subplots()
        axis.set_axisbelow(True)
        place, below = np.arange(len(table["initialisation"])), np.zeros(len(table["initialisation"]))
        for number, outcome in enumerate(OUTCOMES):
            axis.bar(
                place,
                table[outcome],
                0.65,
                bottom=below,
                color=colour(number),
                label=outcome.replace("rest", "none of these"),
            )
            below = below + table[outcome]
        errors = np.maximum([table["constant"] - table["low"], table["high"] - table["constant"]], 0.0)
        bars: dict[str, Any] = {"color": "0.6", "linestyle": "none", "elinewidth": 1.2, "capsize": 2.5}
        axis.errorbar(place, table["constant"], yerr=errors, label="born or died, 95 %", **bars)
        axis.set_xticks(place, [NAMES.get(name, name) for name in table["initialisation"].tolist()])
        axis.set_xlabel("initialisation")
        axis.set_ylabel("share of networks")
        figure.legend(loc="outside lower center", ncols=2)
    return figure

"""Demon Pruning, its ablations and structured pruning: test accuracy against the share of parameters left.

Supports dufort2024 at our size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurondeath.figures.picture import COLUMN, colour, house_style, marker, new_figure
from neurondeath.figures.tables import Table, distinct, rows, tabulate
from neurondeath.figures.training.seed_means import over_seeds
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Test accuracy after training against the share of parameters that are left, LeNet-5 with batch norm on 1,000 "
    "images of MNIST. One marker per setting, mean over {trials} seeds; bars: Student's 95 % intervals of both."
)


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    study = read_study("demon_pruning")
    first = {(row["experiment"], row["seed"]): row["parameters"] for row in study.where(epoch=0)}
    last = [{**row, "left": row["parameters"] / first[row["experiment"], row["seed"]]} for row in study.last_epochs()]
    values = {"left": "left", "accuracy": "test_accuracy"}
    return tabulate(over_seeds(last, {"method": _method, "setting": "experiment"}, values))


def draw(table: Table) -> Figure:
    """Draw accuracy against the share of parameters left."""
    with house_style():
        figure = new_figure(COLUMN, 3.3)
        axis = figure.subplots()
        for number, method in enumerate(distinct(table["method"])):
            part = rows(table, method=method)
            errors = [
                np.maximum([part[name] - part[f"{name}_low"], part[f"{name}_high"] - part[name]], 0.0)
                for name in ("left", "accuracy")
            ]
            axis.errorbar(
                part["left"],
                part["accuracy"],
                xerr=errors[0],
                yerr=errors[1],
                color=colour(number),
                marker=marker(number),
                linestyle="none",
                elinewidth=0.7,
                label=method,
            )
        axis.set_xlim(left=0.0)
        axis.set_xlabel("share of parameters left")
        axis.set_ylabel("test accuracy")
        figure.legend(loc="outside lower center", ncols=2, title="mean of a setting, 95 % intervals")
    return figure


def _method(row: Mapping[str, Any]) -> str:
    """Name a method and its differences from the default Demon Pruning."""
    if row["method.kind"] != "demon-pruning":
        return str(row["method.kind"]).replace("-", " ").replace("none", "no method")
    parts = []
    if row.get("method.schedule") == "constant":
        parts.append("constant")
    if row.get("method.noise") == 0:
        parts.append("no noise")
    return ", ".join(["demon pruning", *parts])

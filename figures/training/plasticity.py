"""What keeps networks learning over a stream of tasks, and what counts at the end of a task say of the next one.

Supports the claims on sokar2023, kumar2023, dohare2024 and farias2024 at our size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurondeath.figures.picture import (
    chance_handle,
    colour,
    draw_chance,
    house_style,
    marker,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Table, rows, tabulate
from neurondeath.figures.training.seed_means import over_seeds
from neurondeath_torch.studies.count_worth import SENSES, count_worth
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Left: accuracy before the steps, mean over the last 20 of 60 tasks of permuted digits, perceptrons of three "
    "layers of 100, Adam; 6 seeds, bars: Student's 95 % intervals. Right: Spearman's rank correlation of a "
    "measure at the end of a task with the accuracy in the next one, over 40 tasks in 42 runs of 7 settings; "
    "bars: 95 % of a bootstrap over runs."
)
METHODS = {
    "none": "no method",
    "l2-init": "L2 init",
    "continual-backprop": "continual backprop",
    "redo": "ReDo",
    "self-normalised-resets": "self-normalised resets",
    "synaptic-stripping": "Synaptic Stripping",
}
MEASURES = {
    "dead_share": "dead",
    "dormant_share": "dormant",
    "gradient_dormant_share": "gradient-dormant",
    "cloned_share": "cloned",
    "feature_rank": "effective rank",
    "weight_size": "weight size",
    "activation_sparsity": "activation sparsity",
}
WORDS = {
    "within": "over the tasks of a run",
    "beyond_time": "the same at a given task number",
    "between": "over the runs",
}


def compute(quick: bool, store: Path) -> Table:
    """Read the tables of the studies that come with the project."""
    ends = read_study("continual_methods").last_epochs()
    records = [
        {"panel": "methods", "sense": "", **record}
        for record in over_seeds(ends, {"what": _method}, {"value": "late_online_accuracy"})
    ]
    found = count_worth(read_study("dead_count_worth"), measures=list(MEASURES))
    for i, (measure, sense) in enumerate(zip(found.measure, found.sense, strict=True)):
        limits = {"value": found.correlation[i], "value_low": found.low[i], "value_high": found.high[i]}
        head = {"panel": "worth", "sense": sense, "what": MEASURES[measure]}
        records.append({**head, **limits, "trials": found.runs[i], "diverged": 0})
    return tabulate(records)


def _method(row: Mapping[str, Any]) -> str:
    if row["tasks.fresh"] in (True, "True"):
        return "fresh weights"
    if row["optimiser.weight_decay"]:
        return f"weight decay {row['optimiser.weight_decay']:g}"
    strength = row["method.strength"] or row["method.rate"]
    return METHODS[row["method.kind"]] + (f" {strength:g}" if strength else "")


def draw(table: Table) -> Figure:
    """Draw the methods in the order of their accuracy, and the worth of the measures."""
    with house_style():
        figure = new_figure(7.0, 3.4)
        left, right = figure.subplots(1, 2)
        methods = rows(table, panel="methods")
        order = np.argsort(methods["value"])
        _draw_bars(left, {name: column[order] for name, column in methods.items()}, np.arange(len(order)), 0)
        left.set_yticks(np.arange(len(order)), methods["what"][order])
        draw_chance(left, upright=True)
        left.set(xlabel="accuracy before the steps, late tasks", ylabel="method", xlim=(0.0, 1.0))
        worth = rows(table, panel="worth")
        names = list(dict.fromkeys(worth["what"]))[::-1]
        for number, sense in enumerate(SENSES):
            part = rows(worth, sense=sense)
            at = np.array([names.index(name) for name in part["what"]]) + 0.22 * (1 - number)
            _draw_bars(right, part, at, number)
        right.set_yticks(range(len(names)), names)
        right.axvline(0.0, color="0.6", linewidth=0.8, zorder=1)
        right.set(xlabel="rank correlation with the next task", ylabel="at the end of a task", xlim=(-1.0, 1.0))
        handles = [
            Line2D([], [], color=colour(0), marker=marker(0), linestyle="none", label="left: mean, 95 % interval"),
            chance_handle(),
            *series_handles([WORDS[sense] for sense in SENSES], lines=False),
            Line2D([], [], color="0.6", linewidth=0.8, label="no correlation"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _draw_bars(axis: Axes, part: Table, at: Any, index: int) -> None:
    """Draw estimates with their intervals along the horizontal axis."""
    value = part["value"]
    axis.errorbar(
        value,
        at,
        xerr=np.maximum([value - part["value_low"], part["value_high"] - value], 0.0),
        color=colour(index),
        marker=marker(index),
        linestyle="none",
        elinewidth=0.7,
    )

"""Dead units at the end of training against learning rate, batch size and weight decay, one varied at a time.

Supports, at our size, the statements of dufort2024 on the noise of stochastic gradients.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from neurondeath.figures.picture import colour, draw_estimates, house_style, new_figure
from neurondeath.figures.tables import Record, Table, rows, tabulate
from neurondeath.figures.training.seed_means import over_seeds
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Units of a perceptron of three hidden layers of 100 that are dead on the training digits, after training by plain "
    "SGD (filled) and before (hollow). Mean over {trials} seeds, Student's 95 % intervals; runs that diverged are left "
    "out. One setting varies at a time; the titles give the values of the others."
)
SETTINGS = {
    "learning rate": "optimiser.learning_rate",
    "batch size": "optimiser.batch_size",
    "weight decay": "optimiser.weight_decay",
}


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    study = read_study("dead_units")
    default = {name: Counter(row[c] for row in study.rows).most_common(1)[0][0] for name, c in SETTINGS.items()}
    last = study.last_epochs()
    ended = {(row["experiment"], row["seed"]) for row in last if row["dead_units"] is not None}
    records: list[Record] = []
    for name, column in SETTINGS.items():
        others = {other: value for other, value in default.items() if other != name}
        for when, chosen in (("after", last), ("before", study.where(epoch=0))):
            picked = [
                row
                for row in chosen
                if all(row[SETTINGS[other]] == value for other, value in others.items())
                and (row["experiment"], row["seed"]) in ended
            ]
            fixed: dict[str, Any] = {"setting": name, "when": when, "others": _words(others)}
            found = over_seeds(picked, {"value": column}, {"dead": "dead_units"})
            records += [{**fixed, **record} for record in sorted(found, key=lambda record: float(record["value"]))]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw one panel per setting."""
    with house_style():
        figure = new_figure(6.9, 2.5)
        axes = figure.subplots(1, len(SETTINGS), sharey=True)
        for number, (axis, setting) in enumerate(zip(axes, SETTINGS, strict=True)):
            part = rows(table, setting=setting)
            after = rows(part, when="after")
            at = {value: place for place, value in enumerate(sorted(set(part["value"].tolist())))}
            place = np.array([at[value] for value in after["value"].tolist()], dtype=float)
            draw_estimates(axis, (place, after["dead"], after["dead_low"], after["dead_high"]), number)
            before = rows(part, when="before")
            axis.plot([at[v] for v in before["value"].tolist()], before["dead"], "o", color=colour(number), mfc="none")
            axis.set_xticks(list(at.values()), [f"{value:g}" for value in at])
            axis.set_xlabel(setting)
            axis.set_title(after["others"][0].item())
        axes[0].set_ylabel("dead units of 300")
    return figure


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name.split()[-1]} {value:g}" for name, value in settings.items()).replace("size", "batches of")

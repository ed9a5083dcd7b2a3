"""Dead units at the end of training against learning rate, batch size and weight decay, one varied at a time.

Supports, at our size, the statements of dufort2024 on the noise of stochastic gradients.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurondeath.figures.picture import draw_estimates, house_style, new_figure
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


CLOSE = 1.6  # ratio of two values whose labels would touch


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
        for axis, setting in zip(axes, SETTINGS, strict=True):
            part = rows(table, setting=setting)
            for number, when in enumerate(("after", "before")):
                values = (rows(part, when=when)[name] for name in ("value", "dead", "dead_low", "dead_high"))
                draw_estimates(axis, values, number, hollow=when == "before", label=f"{when} training, 95 % intervals")
            _scale(axis, sorted(set(part["value"].tolist())))
            axis.set_xlabel(setting)
            axis.set_title(part["others"][0].item())
        axes[0].set_ylabel("dead units of 300")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _scale(axis: Axes, values: list[float]) -> None:
    """Space values by their logarithms, zero apart from them, and label all but those that are too close."""
    if values[0] > 0.0:
        axis.set_xscale("log")
    else:
        axis.set_xscale("symlog", linthresh=values[1], linscale=0.5)
        axis.set_xlim(-0.2 * values[1], 1.3 * values[-1])
    labels: list[str] = []
    shown = -1.0
    for value in values:
        apart = value >= CLOSE * shown
        labels.append(f"{value:g}" if apart else "")
        shown = value if apart else shown
    axis.set_xticks(values, labels)
    axis.minorticks_off()


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name.split()[-1]} {value:g}" for name, value in settings.items()).replace("size", "batches of")

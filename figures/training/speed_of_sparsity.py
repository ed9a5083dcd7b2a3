"""How much faster zeros make inference: dense over sparse time, against the share of zeros and the size of the batch.

Supports price2024's motivation, that sparse activations are cheap, on one processor.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from neurondeath.figures.picture import (
    KIND,
    colour,
    draw_estimates,
    house_style,
    kind_handles,
    line_style,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath.figures.training.seed_means import over_seeds
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Time of dense over time of sparse inference on one thread, of single layers and a critical residual stream of "
    "D = 1: above against the share of zeros, below against the batch, for independent inputs. Points: measured, "
    "geometric means over {trials} networks with Student's 95 % intervals. Lines: predicted from the share of units "
    "that a batch needs (needed_units) and from times of the same machine with no unit and with all units at zero; "
    "stars: predicted crossover, the batch from which on zeros save nothing, where there is one. In the grey part "
    "sparse inference is slower. The prediction is linear in the batch, which the library of matrices is not. "
    "Processor and load are named in the picture; `neurondeath study inference_speed --out DIR` measures on another."
)
SHOWN_BATCHES = (1, 8, 64)
SHOWN_SPARSITIES = (0.5, 0.85, 0.95)
SLOWER = "0.9"  # shade
RATIOS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project; average logarithms of ratios over networks."""
    study = read_study("inference_speed")
    made = study.provenance
    where = f"{made['processor']}, {made['cores']} cores, load {made['load']:g}, {made['date']}"
    measured = [
        {**row, "log_ratio": np.log(row["ratio"]), "log_predicted": np.log(row["ratio_predicted"])}
        for row in study.rows
    ]
    keys = {name: name for name in ("network", "sparsity", "batch")}
    means = over_seeds(measured, keys, {"log_ratio": "log_ratio", "log_predicted": "log_predicted"})
    return tabulate([_record(mean, study.rows, where) for mean in means])


def draw(table: Table) -> Figure:
    """Draw two rows of panels, one column per network."""
    networks = distinct(table["network"])
    with house_style():
        figure = new_figure(6.9, 4.6)
        axes = figure.subplots(2, len(networks), sharey=True)
        for column, network in enumerate(networks):
            part = rows(table, network=network)
            upper, lower = axes[:, column]
            for number, batch in enumerate(SHOWN_BATCHES):
                _draw_series(upper, "sparsity", rows(part, batch=batch), number)
            for number, sparsity in enumerate(SHOWN_SPARSITIES):
                chosen = rows(part, sparsity=sparsity)
                _draw_series(lower, "batch", chosen, number)
                lower.plot(
                    chosen["crossover_predicted"][:1], [1.0], "*", color=colour(number), markersize=9, clip_on=False
                )
            upper.set_title(network)
            upper.set_xlabel("share of zeros")
            lower.set_xscale("log", base=2)
            lower.set_xlabel("batch")
            lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        lowest = 0.9 * float(np.nanmin(np.minimum(table["ratio_low"], table["predicted"])))
        for axis in axes.ravel():
            axis.axhspan(lowest, 1.0, color=SLOWER, zorder=0)
        for axis in axes[:, 0]:
            axis.set_ylabel("dense over sparse time")
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(FixedLocator(list(RATIOS)))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_ylim(lowest, 1.1 * float(np.nanmax(np.maximum(table["ratio_high"], table["predicted"]))))
        _legend(axes[0, 0], [f"batch {batch}" for batch in SHOWN_BATCHES])
        _legend(axes[1, 0], [f"{sparsity:.0%} zeros" for sparsity in SHOWN_SPARSITIES])
        handles = [
            *kind_handles(marker="measured, 95 % intervals", line="predicted"),
            Line2D([], [], color=KIND, marker="*", markersize=9, linestyle="none", label="predicted crossover"),
            Patch(color=SLOWER, label="sparse is slower"),
        ]
        where = f"measured on {distinct(table['measured_on'])[0]}"
        figure.legend(handles=handles, loc="outside lower center", ncols=4, title=where, title_fontsize=7)
    return figure


def _record(mean: Record, study: Any, where: str) -> Record:
    """Return one row of the table: measured ratios with limits, predictions, where it was measured."""
    mine = [row for row in study if all(row[name] == mean[name] for name in ("network", "sparsity", "batch"))]
    crossings = [row["crossover_predicted"] for row in mine]
    known = [value for value in crossings if value is not None]
    ratios = {
        name.replace("log_ratio", "ratio"): float(np.exp(mean[name]))
        for name in ("log_ratio", "log_ratio_low", "log_ratio_high")
    }
    return {
        **{name: mean[name] for name in ("network", "sparsity", "batch")},
        **ratios,
        "predicted": float(np.exp(mean["log_predicted"])),
        "needed": float(np.mean([row["needed"] for row in mine])),
        "needed_predicted": float(np.mean([row["needed_predicted"] for row in mine])),
        "crossover_predicted": float(np.median(known)) if 2 * len(known) > len(crossings) else None,
        "trials": mean["trials"],
        "measured_on": where,
    }


def _draw_series(axis: Axes, x: str, part: Mapping[str, Any], number: int) -> None:
    axis.plot(part[x], part["predicted"], color=colour(number), linestyle=line_style(number))
    draw_estimates(axis, (part[x], part["ratio"], part["ratio_low"], part["ratio_high"]), number)


def _legend(axis: Axes, labels: list[str]) -> None:
    axis.legend(handles=series_handles(labels), loc="upper left" if "batch" in labels[0] else "upper right")

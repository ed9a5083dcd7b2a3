"""Death as a walk absorbed at 0: probability that a noisy weight has died, against time, with and without a pull.

Start w_0 = 1, noise 1: a free walk, a decay (regularisation), a constant pull. Lines are closed forms; the sampled
walks are observed only every STEP, so that slightly fewer of them are seen dead.
Supports the one-dimensional picture of dufort2024.
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
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath.simulations.counter_random import stream_key, stream_normals
from neurondeath_theory.foundation.intervals import exact_interval
from neurondeath_theory.survival.absorbing_walk import absorbed_probability

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(dead by t) of a walk from 1 with unit noise, absorbed at 0: free, with decay 1, with pull 1. Lines: exact for "
    "continuous observation. Points: {trials} sampled walks, observed 256 times per unit of time, so that slightly "
    "fewer of them are seen dead; exact 95 % intervals."
)
LAWS = (("free", 0.0, 0.0), ("decay 1", 1.0, 0.0), ("pull 1", 0.0, 1.0))
STEP = 1.0 / 256
LOOKS = (32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024)  # steps after which the share of dead walks is recorded


def compute(quick: bool, store: Path) -> Table:
    """Sample the three laws with exact steps, and evaluate their closed forms at the same times."""
    trials = 4_000 if quick else 40_000
    records: list[Record] = []
    for number, (law, decay, pull) in enumerate(LAWS):
        weight, dead = np.ones(trials), np.zeros(trials, dtype=bool)
        keep = np.exp(-decay * STEP)
        spread = np.sqrt(-np.expm1(-2.0 * decay * STEP) / (2.0 * decay)) if decay else np.sqrt(STEP)
        key = stream_key(number, "absorbing walk")
        for step in range(1, LOOKS[-1] + 1):
            weight = keep * weight - pull * STEP + spread * stream_normals(key, trials, layer=step)
            dead |= weight <= 0.0
            if step in LOOKS:
                count = np.array([int(dead.sum())])
                low, high = exact_interval(count, trials)
                time = step * STEP
                exact = float(absorbed_probability(1.0, time, decay=decay, pull=pull))
                place = {"law": law, "time": time, "exact": exact, "trials": trials}
                records.append({**place, "dead": count[0] / trials, "low": low[0], "high": high[0]})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(dead by t) against time."""
    with house_style():
        figure = new_figure(COLUMN, 2.7)
        axis = figure.subplots()
        laws = distinct(table["law"])
        for index, law in enumerate(laws):
            part = rows(table, law=law)
            axis.plot(part["time"], part["exact"], color=colour(index), linestyle=line_style(index))
            draw_estimates(axis, (part[name] for name in ("time", "dead", "low", "high")), index)
        axis.set_xscale("log", base=2)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel("time t")
        axis.set_ylabel("P(dead by t)")
        kinds = kind_handles(line="exact, observed without a break", marker="sampled, 95 % intervals")
        figure.legend(handles=[*series_handles(laws), *kinds], loc="outside lower center", ncols=2)
    return figure

"""Sign flips at initialisation: the living ratio without one, with the layer flip and with the neuron flip.

Lines: the guarantee with probability one (flips), or the exact mean (none). Points: sampled means. Supports the
guarantees: 2^-k for the layer flip (rister2020), and the much stronger one of the neuron flip.
"""

from pathlib import Path

from matplotlib.figure import Figure

from neurondeath.figures.picture import (
    COLUMN,
    colour,
    draw_estimates,
    house_style,
    line_handles,
    line_style,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Record, Table, rows, tabulate
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE
from neurondeath_theory.networks.network import Network
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Living ratio of plain He networks of width 4 on 64 Gaussian points, with no sign flip, the layer flip and the "
    "neuron flip. Lines: exact, the guarantee for every single network (flips) or the mean (no flip). "
    "Points: means over {trials} sampled networks, normal 95 % intervals, mostly smaller than the markers."
)
WIDTH, N_POINTS = 4, 64
DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
LABELS = {"none": "no flip", "layer": "layer flip", "neuron": "neuron flip"}


def compute(quick: bool, store: Path) -> Table:
    """Sample the three kinds of flip."""
    records: list[Record] = []
    widths = [WIDTH] * max(DEPTHS)
    for flip in LABELS:
        network = Network(widths, sign_flip=flip)
        sampled = simulate(network, f"gaussian:{N_POINTS}", trials=2_000 if quick else 20_000, store=store)
        sure = None if flip == "none" else sign_flip_guarantee(widths, N_POINTS, flip).living_ratio
        for depth in DEPTHS:
            ratio, reach = sampled.living_ratio[depth - 1], NORMAL_QUANTILE * sampled.living_ratio_stderr[depth - 1]
            line = (1.0 - 2.0**-WIDTH) ** depth if sure is None else sure[depth - 1]
            estimate = {"living_ratio": ratio, "low": ratio - reach, "high": ratio + reach, "trials": sampled.trials}
            records.append({"flip": flip, "depth": depth, "line": line, **estimate})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw living ratios against depth."""
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        for index, flip in enumerate(LABELS):
            part = rows(table, flip=flip)
            axis.plot(part["depth"], part["line"], color=colour(index), linestyle=line_style(index))
            draw_estimates(axis, (part[name] for name in ("depth", "living_ratio", "low", "high")), index)
        handles = series_handles((f"{label}, sampled" for label in LABELS.values()), lines=False)
        handles += line_handles(["no flip, exact mean", "layer flip, guaranteed", "neuron flip, guaranteed"])
        axis.set_ylim(-0.02, 1.03)
        axis.set_xlabel("depth (hidden layers)")
        axis.set_ylabel("living ratio")
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure

"""The mean living ratio against depth: the product of 1 - 2^-n_j for every input set, whatever its shape.

Above: estimates on three very different sets lie on one curve per width. Below: their deviations in standard errors.
Supports that the expected share of living points depends on widths alone (rister2020's lower bound in expectation).
"""

from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neurondeath.figures.picture import (
    COLUMN,
    colour,
    draw_estimates,
    house_style,
    kind_handles,
    line_style,
    marker,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE
from neurondeath_theory.networks.network import Network

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Mean share of the inputs alive through l layers of plain He networks, on two opposite rays, on 64 Gaussian points "
    "and on 64 handwritten digits. Lines: exact, the product of 1 - 2^-n over the layers, for every set. "
    "Points: {trials} sampled networks each, with normal 95 % intervals; below, deviations in standard errors, "
    "of which 95 % should lie in the band (those of one set are correlated)."
)
SETS = {"rays": "two opposite rays", "gaussian:64": "64 Gaussian points", "digits:64": "64 handwritten digits"}
BAND = "0.9"
DEPTHS = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40)
DEPTHS_SHOWN = (1, 2, 5, 10, 20, 40)


def compute(quick: bool, store: Path) -> Table:
    """Sample two widths on three sets."""
    trials = 4_000 if quick else 40_000
    records: list[Record] = []
    for width in (3, 6):
        for spec in SETS:
            dimension = {"rays": 1, "digits:64": 64}.get(spec, width)
            network = Network([width] * max(DEPTHS), input_dim=dimension)
            sampled = simulate(network, spec, trials=trials, store=store)
            records += [
                {
                    "width": width,
                    "set": spec,
                    "depth": depth,
                    "living_ratio": sampled.living_ratio[depth - 1],
                    "stderr": sampled.living_ratio_stderr[depth - 1],
                    "exact": (1.0 - 2.0**-width) ** depth,
                    "trials": sampled.trials,
                }
                for depth in DEPTHS
            ]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw ratios and deviations."""
    with house_style():
        figure = new_figure(COLUMN, 3.9)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        lower.axhspan(-NORMAL_QUANTILE, NORMAL_QUANTILE, color=BAND, zorder=0)
        widths, sets = distinct(table["width"]), distinct(table["set"])
        for number, width in enumerate(widths):
            curve = rows(table, width=width, set=sets[0])
            upper.plot(curve["depth"], curve["exact"], color="0.5", linestyle=line_style(number))
            for index, spec in enumerate(sets):
                part = rows(table, width=width, set=spec)
                reach = NORMAL_QUANTILE * part["stderr"]
                x = part["depth"] * 1.04 ** (index - 1)  # side by side
                y = part["living_ratio"]
                draw_estimates(upper, (x, y, y - reach, y + reach), index, hollow=bool(number))
                deviation = (y - part["exact"]) / part["stderr"]
                lower.plot(
                    x,
                    deviation,
                    linestyle="none",
                    color=colour(index),
                    marker=marker(index),
                    fillstyle="none" if number else "full",
                )
        upper.set_xscale("log")
        upper.set_xticks(DEPTHS_SHOWN, [str(depth) for depth in DEPTHS_SHOWN])
        upper.minorticks_off()
        upper.set_ylim(-0.02, 1.02)
        upper.set_ylabel("mean living ratio")
        lower.set_ylim(-4, 4)
        lower.set_ylabel("deviation\n(std. errors)")
        lower.set_xlabel("depth (hidden layers)")
        handles: list[Artist] = [
            *series_handles((SETS[spec] for spec in sets), lines=False),
            Patch(color=BAND, label="95 % of deviations"),
        ]
        for number, width in enumerate(widths):
            handles.append(Line2D([], [], color="0.5", linestyle=line_style(number), label=f"exact, width {width:g}"))
            handles += kind_handles(**{("marker", "hollow")[number]: f"sampled, width {width:g}"})
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure

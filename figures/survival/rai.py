"""Randomised asymmetric initialisation compared with He's: P(alive) against depth.

RAI (lu2019) gives every unit one positive entry, which makes death rarer; no bound of rister2020 holds for it. Supports
that it raises survival, and that it does not prevent death.
"""

from pathlib import Path

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
    thinned,
)
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(alive) of plain networks with the RAI and the He initialisation on 64 Gaussian points whose dimension is the "
    "width. Line: the lower bound, exact, for He only. Points: {trials} sampled networks each, exact 95 % intervals."
)
DEPTH = 100
INITS = {"he": "He", "rai": "RAI"}


def compute(quick: bool, store: Path) -> Table:
    """Sample both initialisations at three widths."""
    trials = 2_000 if quick else 20_000
    records: list[Record] = []
    for width in (2, 4, 6):
        for init in INITS:
            sampled = simulate(Network([width] * DEPTH, init=init), "gaussian:64", trials=trials, store=store)
            records += [
                {
                    "width": width,
                    "init": init,
                    "depth": layer + 1,
                    "lower_bound": (1.0 - 2.0**-width) ** (layer + 1) if init == "he" else None,
                    "alive": sampled.alive[layer],
                    "low": sampled.low[layer],
                    "high": sampled.high[layer],
                    "trials": sampled.trials,
                }
                for layer in range(DEPTH)
            ]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(alive) against depth: full markers for RAI, hollow ones for He."""
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        shown = list(thinned(DEPTH, 17))
        widths = distinct(table["width"])
        for index, width in enumerate(widths):
            he, rai = rows(table, width=width, init="he"), rows(table, width=width, init="rai")
            axis.plot(he["depth"], he["lower_bound"], color=colour(index), linestyle=line_style(index), linewidth=0.8)
            for part, hollow in ((he, True), (rai, False)):
                values = (part[name][shown] for name in ("depth", "alive", "low", "high"))
                draw_estimates(axis, values, index, hollow=hollow)
        axis.set_ylim(-0.02, 1.03)
        axis.set_xlabel("depth (hidden layers)")
        axis.set_ylabel("P(alive)")
        kinds = kind_handles(marker="RAI, sampled", hollow="He, sampled", line="He, lower bound")
        names = (f"width {width:g}" for width in widths)
        figure.legend(handles=[*series_handles(names), *kinds], loc="outside lower center", ncols=2)
    return figure

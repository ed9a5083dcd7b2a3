"""The born-dead probability for one-dimensional inputs: exact, between the published bounds.

Without biases such an input set is two opposite rays, whose angle is a Markov chain: P(dead) is known exactly where
lu2019 has bounds (shaded). Points: Monte Carlo. Supports those bounds, and the values published for 10 layers.
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
from neurondeath_theory.survival.born_dead import one_dimensional_survival

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Born-dead probability of plain He networks without biases whose input has one dimension. "
    "Exact: P(dead) (lines) and the published bounds (shaded). "
    "Sampled: {trials} networks per width, exact 95 % intervals."
)
DEPTH = 40


def compute(quick: bool, store: Path) -> Table:
    """Compute and sample four widths."""
    trials = 4_000 if quick else 40_000
    records: list[Record] = []
    for width in (2, 3, 5, 8):
        exact = one_dimensional_survival([width] * DEPTH)
        lower, upper = exact.lower, exact.upper
        assert lower is not None  # layers of one width
        assert upper is not None
        sampled = simulate(Network([width] * DEPTH, input_dim=1), "rays", trials=trials, store=store)
        records += [
            {
                "width": width,
                "depth": layer + 1,
                "exact": exact.born_dead[layer],
                "at_least": 1.0 - upper[layer],
                "at_most": 1.0 - lower[layer],
                "dead": sampled.death[layer],
                "low": 1.0 - sampled.high[layer],
                "high": 1.0 - sampled.low[layer],
                "trials": sampled.trials,
            }
            for layer in range(DEPTH)
        ]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(dead) against depth."""
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        widths = distinct(table["width"])
        for index, width in enumerate(widths):
            part = rows(table, width=width)
            axis.fill_between(
                part["depth"], part["at_least"], part["at_most"], color=colour(index), alpha=0.2, linewidth=0
            )
            axis.plot(part["depth"], part["exact"], color=colour(index), linestyle=line_style(index))
            shown = list(thinned(DEPTH, 14))
            values = (part[name][shown] for name in ("depth", "dead", "low", "high"))
            draw_estimates(axis, values, index)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xlabel("hidden layers")
        axis.set_ylabel("P(born dead)")
        kinds = kind_handles(line="exact", marker="sampled, 95 % intervals", band="published bounds")
        names = (f"width {width:g}" for width in widths)
        figure.legend(handles=[*series_handles(names), *kinds], loc="outside lower center", ncols=2)
    return figure

"""Data-dependent lower bounds: de Caen's and Gallot's, from the exact survival of all pairs of points.

Both lie between the bound of a single point and P(alive), which is sampled. Supports that the pairs recover much of
what the data-independent lower bound of rister2020 loses.
"""

from pathlib import Path

from matplotlib.figure import Figure

from neurondeath.figures.picture import COLUMN, colour, draw_estimates, house_style, line_style, new_figure
from neurondeath.figures.tables import Record, Table, estimate_record, tabulate
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.data_aware import data_aware_bounds

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(alive) of plain He networks of width 4 on 100 handwritten digits. "
    "Lines: lower bounds, reduced by their numerical error of about 1e-8. "
    "Points: {trials} sampled networks, exact 95 % intervals."
)
WIDTH = 4
BOUNDS = {
    "gallot": "Gallot bound, all pairs",
    "de_caen": "de Caen bound, all pairs",
    "lower_bound": "one-point bound",
}


def compute(quick: bool, store: Path) -> Table:
    """Bound and sample one width over depth."""
    digits = input_set("digits:100")
    depths = (1, 5, 10, 20, 40) if quick else (1, 2, 3, 5, 7, 10, 14, 20, 28, 40)
    network = Network([WIDTH] * max(depths), input_dim=digits.dimension)
    sampled = simulate(network, digits, trials=4_000 if quick else 40_000, store=store)
    records: list[Record] = []
    for depth in depths:
        found = data_aware_bounds(digits.points, [WIDTH] * depth)
        bounds = {"lower_bound": found.lower, "de_caen": found.de_caen, "gallot": found.gallot}
        records.append({"depth": depth, **bounds, **estimate_record(sampled, depth - 1)})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw bounds and estimates against depth."""
    with house_style():
        figure = new_figure(COLUMN, 2.7)
        axis = figure.subplots()
        draw_estimates(
            axis, (table[name] for name in ("depth", "alive", "low", "high")), 0, label="sampled, 95 % intervals"
        )
        for index, (name, label) in enumerate(BOUNDS.items(), start=1):
            axis.plot(table["depth"], table[name], color=colour(index), linestyle=line_style(index - 1), label=label)
        axis.set_ylim(-0.02, 1.03)
        axis.set_xlabel("depth (hidden layers)")
        axis.set_ylabel("P(alive)")
        figure.legend(loc="outside lower center", ncols=2)
    return figure

"""The gap between P(alive) and its lower bound along n = log2 k + c: it closes while the bound stays positive.

At fixed width both tend to 0 and the gap is uninformative; along n = log2 k + c the bound tends to exp(-2^-c) > 0.
Left: P(alive) above the bound. Right: the gap. Two opposite rays have an exact P(alive); 64 Gaussian points are
sampled. Supports that the lower bound of rister2020 becomes exact with depth.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from neurondeath.figures.picture import COLUMN, colour, draw_estimates, house_style, line_style, new_figure
from neurondeath.figures.tables import Record, Table, distinct, estimate_record, rows, tabulate
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.born_dead import one_dimensional_survival

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(alive) of plain He networks of depth k and width n = log2 k + c, and its gap to the lower bound. "
    "Exact: the lower bound (grey) and P(alive) on two opposite rays (lines). "
    "Sampled: 64 Gaussian points in n dimensions, {trials} networks per point, exact 95 % intervals."
)
OFFSETS = (0, 1)  # values of c


def compute(quick: bool, store: Path) -> Table:
    """Compute both paths at powers of two."""
    trials = 4_000 if quick else 40_000
    records: list[Record] = []
    for c in OFFSETS:
        for exponent in range(3, 7 if quick else 11):
            depth, width = 2**exponent, exponent + c
            rays = one_dimensional_survival([width] * depth)
            sampled = simulate(Network([width] * depth), "gaussian:64", trials=trials, store=store)
            exact = {"rays": rays.exact[-1], "rays_error": rays.error[-1]}
            place = {"c": c, "depth": depth, "width": width, "lower_bound": rays.general_lower[-1]}
            records.append({**place, **exact, **estimate_record(sampled)})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(alive) and the gap."""
    with house_style():
        figure = new_figure(2 * COLUMN, 2.7)
        left, right = figure.subplots(1, 2)
        for index, c in enumerate(distinct(table["c"])):
            part = rows(table, c=c)
            depth, bound = part["depth"], part["lower_bound"]
            left.plot(depth, bound, color="0.6", linestyle=line_style(index), label=f"lower bound, c = {c:g}")
            for axis, base in ((left, np.zeros_like(bound)), (right, bound)):
                label = f"two rays, c = {c:g}"
                axis.plot(depth, part["rays"] - base, color=colour(index), linestyle=line_style(index), label=label)
                values = (part[name] - base for name in ("alive", "low", "high"))
                draw_estimates(axis, (depth, *values), index, label=f"64 Gaussian points, c = {c:g}")
        for axis in (left, right):
            axis.set_xscale("log", base=2)
            axis.set_xlabel("depth k (hidden layers), width n = log$_2$ k + c")
        left.set_ylabel("P(alive)")
        left.set_ylim(0.25, 1.0)
        right.set_yscale("log")
        right.set_ylim(bottom=0.3 * float((table["rays"] - table["lower_bound"]).min()))
        right.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_formatter(NullFormatter())
        right.set_ylabel("P(alive) - lower bound")
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure

"""P(alive) against depth, between its bounds: how survival falls with every layer.

Points: Monte Carlo with exact 95 % intervals. Lines: lower bound (solid) and upper bound (dashed) of rister2020.
Supports the bounds, and that the true value moves from the upper bound to the lower one as depth grows.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurondeath.figures.picture import (
    KIND,
    colour,
    draw_estimates,
    house_style,
    kind_handles,
    new_figure,
    series_handles,
    thinned,
)
from neurondeath.figures.tables import Table, distinct, rows, tabulate
from neurondeath.simulations.estimation.estimates import Simulation
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network

__all__ = ["CAPTION", "compute", "draw", "draw_survival_depth"]

CAPTION = (
    "P(alive through l layers) of plain He networks on 64 Gaussian points whose dimension is the width. "
    "Lines: exact values of the lower bound (solid) and the upper bound (dashed). "
    "Points: {trials} sampled networks per width, with exact 95 % intervals."
)
MOST_MARKERS = 26  # per curve; on longer curves only some points are drawn


def compute(quick: bool, store: Path) -> Table:
    """Simulate four widths."""
    trials = 2_000 if quick else 20_000
    return _table([simulate(Network([n] * 100), "gaussian:64", trials=trials, store=store) for n in (2, 4, 6, 8)])


def draw(table: Table) -> Figure:
    """Draw one panel per input set, one colour per network."""
    return _draw(table, log=False)


def draw_survival_depth(simulations: Sequence[Simulation], *, log: bool = False) -> Figure:
    """Draw one panel per input set, one colour per network.

    Parameters
    ----------
    simulations : sequence of Simulation
        Estimates, of any networks and input sets; at least one.
    log : bool
        Logarithmic scale of P(alive).

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    return _draw(_table(simulations), log=log)


def _table(simulations: Sequence[Simulation]) -> Table:
    return tabulate(
        {
            "curve": f"curve {number}",
            "inputs": simulation.inputs["spec"],
            "n_points": simulation.inputs["n_points"],
            "network": _label(simulation),
            "depth": layer + 1,
            "alive": simulation.alive[layer],
            "low": simulation.low[layer],
            "high": simulation.high[layer],
            "lower_bound": simulation.lower_bound[layer],
            "upper_bound": simulation.upper_bound[layer],
            "trials": simulation.trials,
        }
        for number, simulation in enumerate(simulations)
        for layer in range(simulation.network.depth)
    )


def _draw(table: Table, *, log: bool) -> Figure:
    panels, labels = distinct(table["inputs"]), distinct(table["network"])
    with house_style():
        figure = new_figure(0.6 + 3.0 * len(panels), 2.7)
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, spec in zip(axes, panels, strict=True):
            group = rows(table, inputs=spec)
            for curve in distinct(group["curve"]):
                part = rows(group, curve=curve)
                _draw_curve(axis, part, labels.index(part["network"][0].item()), log)
            axis.set_title(f"inputs: {spec} ({group['n_points'][0]:.0f} points)")
            axis.set_xlabel("depth (hidden layers)")
            if log:
                axis.set_yscale("log")
            else:
                axis.set_ylim(-0.02, 1.03)
        axes[0].set_ylabel("P(alive)")
        handles = [
            *series_handles(labels, lines=False),
            *kind_handles(line="lower bound"),
            Line2D([], [], color=KIND, linestyle="--", label="upper bound"),
            *kind_handles(marker="simulated, 95 %"),
        ]
        n_rows = -(-len(handles) // (3 * len(panels)))
        figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(handles) // n_rows))
    return figure


def _draw_curve(axis: Axes, part: Table, index: int, log: bool) -> None:
    axis.plot(part["depth"], part["lower_bound"], color=colour(index), linestyle="-", linewidth=0.9)
    axis.plot(part["depth"], part["upper_bound"], color=colour(index), linestyle="--", linewidth=0.9)
    shown = np.array([i for i in thinned(len(part["depth"]), MOST_MARKERS) if not log or part["alive"][i] > 0], int)
    draw_estimates(axis, (part[name][shown] for name in ("depth", "alive", "low", "high")), index)


def _label(simulation: Simulation) -> str:
    """Label a network by its width, or its description, and its bias variance."""
    widths = simulation.network.widths
    label = f"width {widths[0]}" if len(set(widths)) == 1 else str(simulation.network)
    return label + (f", bias variance {simulation.network.bias_variance:g}" if simulation.network.has_bias else "")

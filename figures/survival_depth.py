"""P(alive) against depth, between its bounds: how a network's chance to live falls with every layer.

Points: Monte Carlo with exact 95 % intervals. Lines: lower bound (solid) and upper bound (dashed) of rister2020.
Supports the bounds, and that the truth leaves the upper bound for the lower one as depth grows.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.picture import LINE_COLOURS, MARKERS, house_style, new_figure, thinned
from simulations.estimates import Simulation

__all__ = ["draw_survival_depth"]

MOST_MARKERS = 26  # points of a curve before they thin out


def draw_survival_depth(simulations: Sequence[Simulation], *, log: bool = False) -> Figure:
    """Draw one panel an input set, one colour a network.

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
    panels: dict[str, list[Simulation]] = {}
    for simulation in simulations:
        panels.setdefault(simulation.inputs["spec"], []).append(simulation)
    labels = list(dict.fromkeys(_label(simulation) for simulation in simulations))
    with house_style():
        figure = new_figure(0.6 + 3.0 * len(panels), 2.7)
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (spec, group) in zip(axes, panels.items(), strict=True):
            for simulation in group:
                _draw_curve(axis, simulation, labels.index(_label(simulation)), log)
            axis.set_title(f"inputs: {spec} ({group[0].inputs['n_points']} points)")
            axis.set_xlabel("depth (hidden layers)")
            if log:
                axis.set_yscale("log")
            else:
                axis.set_ylim(-0.02, 1.03)
        axes[0].set_ylabel("P(alive)")
        handles = [
            Line2D([], [], color=_colour(i), marker=_marker(i), linestyle="none", label=label)
            for i, label in enumerate(labels)
        ]
        handles += [
            Line2D([], [], color="0.3", linestyle="-", label="lower bound"),
            Line2D([], [], color="0.3", linestyle="--", label="upper bound"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3 * len(panels)))
    return figure


def _draw_curve(axis: Axes, simulation: Simulation, index: int, log: bool) -> None:
    depth = np.arange(1, simulation.network.depth + 1)
    colour = _colour(index)
    axis.plot(depth, simulation.lower_bound, color=colour, linestyle="-", linewidth=0.9)
    axis.plot(depth, simulation.upper_bound, color=colour, linestyle="--", linewidth=0.9)
    shown = [i for i in thinned(len(depth), MOST_MARKERS) if not log or simulation.alive[i] > 0]
    alive = simulation.alive[shown]
    errors = np.maximum([alive - simulation.low[shown], simulation.high[shown] - alive], 0.0)
    axis.errorbar(
        depth[shown], alive, yerr=errors, color=colour, marker=_marker(index), linestyle="none", elinewidth=0.7
    )


def _label(simulation: Simulation) -> str:
    """Name a network by what sets it apart."""
    widths = simulation.network.widths
    label = f"width {widths[0]}" if len(set(widths)) == 1 else str(simulation.network)
    return label + (f", bias variance {simulation.network.bias_variance:g}" if simulation.network.has_bias else "")


def _colour(index: int) -> str:
    return LINE_COLOURS[index % len(LINE_COLOURS)]


def _marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]

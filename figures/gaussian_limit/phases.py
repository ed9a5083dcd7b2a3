"""Phases of wide networks over the standard deviations of weights and biases: ordered, chaotic, unbounded.

Line: the edge of chaos, solid where q is attracting. Supports the choice of variances on that line. For ReLU it is a
single point, at which every q is fixed; a clipped activation has a whole line.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neurondeath.figures.picture import house_style, new_figure
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.gaussian_limit.phase_diagram import PHASES, phase_diagram
from neurondeath_theory.networks.activations import hard_tanh, relu
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Phases of infinitely wide networks over the standard deviations of weights (times the root of the fan-in) and "
    "biases: the variance of the pre-activations drifts from 1 to a limit at which two inputs become alike (ordered) "
    "or different (chaotic), or grows without bound. Line: the edge of chaos, solid where its q is attracting; for "
    "ReLU it is the point (sqrt 2, 0). All exact on a grid, nothing sampled."
)
SHADES = {"ordered": "#56B4E9", "critical": "#000000", "chaotic": "#E69F00", "unbounded": "0.75"}
LARGEST_BIAS = 1.5
EDGES: dict[str, Any] = {"attracting edge": "-", "edge": ":"}  # line styles; a single point is a marker


def compute(quick: bool, store: Path) -> Table:
    """Compute the phases on a grid, and the edge of chaos, for three activations."""
    n_weights, n_biases = (24, 12) if quick else (120, 60)
    records: list[Record] = []
    for name, phi, most in _activations():
        weights, biases = np.linspace(0.05, most, n_weights), np.linspace(0.0, LARGEST_BIAS, n_biases)
        diagram = phase_diagram(phi, weights, biases)
        columns = diagram.columns()
        for sigma_w, sigma_b, phase in zip(columns["sigma_w"], columns["sigma_b"], columns["phase"], strict=True):
            records.append({"activation": name, "sigma_w": sigma_w, "sigma_b": sigma_b, "phase": str(phase)})
        edges = np.unique(diagram.edge.round(12), axis=0) if len(diagram.edge) else diagram.edge
        for sigma_w, sigma_b, _, slope in edges[np.argsort(edges[:, 1], kind="stable")]:
            edge = "attracting edge" if slope < 1.0 else "edge"
            records.append({"activation": name, "sigma_w": sigma_w, "sigma_b": sigma_b, "phase": edge})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw one panel per activation."""
    names = distinct(table["activation"])
    with house_style():
        figure = new_figure(6.9, 2.6)
        axes = figure.subplots(1, len(names), sharey=True)
        for axis, name in zip(axes, names, strict=True):
            part = rows(table, activation=name)
            cells = np.isin(part["phase"], PHASES)
            weights, biases = (np.array(distinct(part[column][cells])) for column in ("sigma_w", "sigma_b"))
            numbers = np.array([PHASES.index(phase) for phase in part["phase"][cells]], dtype=np.float64)
            shades = ListedColormap([SHADES[phase] for phase in PHASES])
            grid = numbers.reshape(len(weights), len(biases)).T
            axis.pcolormesh(weights, biases, grid, cmap=shades, vmin=-0.5, vmax=len(PHASES) - 0.5, shading="nearest")
            for phase, style in EDGES.items():
                here = part["phase"] == phase
                shape = (
                    {"marker": "o", "linestyle": "none", "clip_on": False}
                    if len(set(part["sigma_w"][here])) == 1
                    else {"linestyle": style}
                )
                axis.plot(part["sigma_w"][here], part["sigma_b"][here], color="black", **shape)
            axis.grid(visible=False)
            axis.set_title(name)
            axis.set_xlabel(r"$\sigma_w$")
            axis.set_xlim(weights[0], weights[-1])
            axis.set_ylim(biases[0], biases[-1])
        axes[0].set_ylabel(r"$\sigma_b$")
        handles: list[Any] = [Patch(facecolor=SHADES[phase], label=phase) for phase in PHASES if phase != "critical"]
        drawn = [line for axis in axes for line in axis.lines if len(line.get_xdata())]
        for name, style in EDGES.items():
            label = "edge of chaos, attracting" if "attracting" in name else "edge of chaos, not attracting"
            if any(line.get_linestyle() == style and line.get_marker() == "None" for line in drawn):
                handles.append(Line2D([], [], color="black", linestyle=style, label=label))
        handles.append(Line2D([], [], color="black", marker="o", linestyle="none", label="edge of chaos, single point"))
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
    return figure


def _activations() -> list[tuple[str, PiecewiseLinear, float]]:
    """List names, activations and largest standard deviations of the weights."""
    sparse = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7).activation
    return [("ReLU", relu(), 3.0), ("hard tanh", hard_tanh(), 3.0), ("clipped shifted ReLU, s = 0.85", sparse, 5.0)]

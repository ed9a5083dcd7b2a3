"""Residual, dense, skip and batch norm networks compared with plain ones: survival that does not fall with depth.

Left: P(alive) on 64 Gaussian points, sampled, where alive means that some branch is active at some point (residual,
dense, skip), or that some point is active through all layers (plain, batch norm). Right: P(dead) at a single point,
where it is known exactly: 1 - (1 - 2^-n)^k for plain, 2^-nk for residual and dense networks, and a similar formula for
blocks. Supports that with residual connections survival rises with depth instead of falling.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
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
from neurondeath.figures.tables import Record, Table, rows, tabulate
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network
from neurondeath_theory.remedies.streams_and_batch_norm import dense_survival, residual_survival, skip_survival

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "He networks of width 3; plain, skip (blocks of 2 layers), residual, dense and batch norm. Left: P(alive) on 64 "
    "Gaussian points, sampled (markers side by side). Right: P(dead) at one point; lines are exact (residual and "
    "dense coincide), points sampled. {trials} networks per point, exact 95 % intervals. Alive means that some branch "
    "is active (skip, residual, dense), or that some point is active in every layer (plain, batch norm; no layer of "
    "batch norm is dead on the batch)."
)
WIDTH, BLOCK = 3, 2
DEPTHS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40)
ARCHITECTURES = ("plain", "skip", "residual", "dense", "batch_norm")
DEEPEST = 40


def compute(quick: bool, store: Path) -> Table:
    """Sample all architectures on 64 points and, except batch norm, on one."""
    many, one = (2_000, 20_000) if quick else (20_000, 400_000)
    records: list[Record] = []
    for name in ARCHITECTURES:
        network = Network([WIDTH] * DEEPEST, architecture=name, block_depth=BLOCK if name == "skip" else None)
        sets = {"64 points": ("gaussian:64", many)}
        if name != "batch_norm":  # a batch of one point has no statistics
            sets["one point"] = ("gaussian:1", one)
        for label, (spec, trials) in sets.items():
            sampled = simulate(network, spec, trials=trials, store=store)
            exact = _exact_death(name) if label == "one point" else np.full(DEEPEST, np.nan)
            records += [
                {
                    "set": label,
                    "architecture": name,
                    "depth": depth,
                    "exact_death": exact[depth - 1],
                    "alive": sampled.alive[depth - 1],
                    "death": sampled.death[depth - 1],
                    "low": sampled.low[depth - 1],
                    "high": sampled.high[depth - 1],
                    "trials": sampled.trials,
                }
                for depth in DEPTHS
                if name != "skip" or depth % BLOCK == 0
            ]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(alive) of many points and P(dead) of one."""
    with house_style():
        figure = new_figure(2 * COLUMN, 2.7)
        left, right = figure.subplots(1, 2)
        handles = series_handles(name.replace("_", " ") for name in ARCHITECTURES)
        handles[-1].set_linestyle("none")  # batch norm, of which nothing is exact
        for index, name in enumerate(ARCHITECTURES):
            many = rows(table, set="64 points", architecture=name)
            x = many["depth"] + 0.4 * (index - 2)  # side by side: three of them are at 1
            draw_estimates(left, (x, many["alive"], many["low"], many["high"]), index)
            one = rows(table, set="one point", architecture=name)
            if len(one["depth"]):
                right.plot(one["depth"], one["exact_death"], color=colour(index), linestyle=line_style(index))
                seen = one["death"] > 0
                part = {column: values[seen] for column, values in one.items()}
                draw_estimates(right, (part["depth"], part["death"], 1.0 - part["high"], 1.0 - part["low"]), index)
        left.set_ylim(-0.02, 1.04)
        left.set_ylabel("P(alive), 64 Gaussian points")
        right.set_yscale("log")
        right.set_ylim(1e-7, 1.5)
        right.set_xlim(0, 25)
        right.set_ylabel("P(dead), one point")
        for axis in (left, right):
            axis.set_xlabel("depth (hidden layers)")
        kinds = kind_handles(line="exact (right)", marker="sampled, 95 % intervals")
        figure.legend(handles=[*handles, *kinds], loc="outside lower center", ncols=4)
    return figure


def _exact_death(architecture: str) -> npt.NDArray[np.float64]:
    """Compute P(dead) at one point through 1..DEEPEST layers; for blocks, at the last layer of each."""
    if architecture == "plain":
        return np.asarray(1.0 - (1.0 - 2.0**-WIDTH) ** np.arange(1, DEEPEST + 1))
    if architecture == "residual":
        return np.asarray(10.0 ** residual_survival(WIDTH, DEEPEST).log10_all_dead)
    if architecture == "dense":
        return np.asarray(10.0 ** dense_survival([WIDTH] * DEEPEST).log10_all_dead)
    blocks = 10.0 ** skip_survival([WIDTH] * BLOCK, DEEPEST // BLOCK).log10_all_dead
    return np.repeat(blocks, BLOCK)

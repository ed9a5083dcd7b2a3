"""Critical residual networks: effective depth alone counts at birth, and what finite width adds.

Left: correlation of two points along the stream, against the effective depth passed, for several numbers of branches.
Middle and right: width times the variance of the log size of signal and gradient against effective depth. Supports that
sparse designs stay distinct in deep streams, and that clipping holds the signal but not the gradient.
"""

import math
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
    marker,
    new_figure,
    series_handles,
)
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos, sparse_design
from neurondeath_theory.trainability.critical_residual import critical_residual
from neurondeath_theory.trainability.residual_chain import residual_chain
from neurondeath_theory.trainability.residual_fluctuations import residual_fluctuations

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Critical residual networks at birth. Left: mean correlation of two points against the effective depth t = l D/L "
    "passed after l of L branches; clipped shifted ReLU, s = 0.85, V' = 0.7, D = 4. Line: the limit of many "
    "branches, infinite width, extrapolated from two L. Marks: L branches, exact at infinite width, and sampled "
    "pairs. Middle and right: width times the variance between networks of log q and of the log squared gradient. "
    "Lines: many branches, first order in 1/width, exact. Points: sampled networks with 50 branches. Sampled: width "
    "300 (quick version: 100), {trials} networks or pairs, 95 % intervals."
)
START, REACH = 0.3, 4.0
BRANCHES = (5, 20, 40)
WIDTH = {True: 100, False: 300}
DESIGNS = ("ReLU", "clipped, s = 0.85")
MANY = 400  # branches of the lines

Floats = npt.NDArray[np.float64]


def compute(quick: bool, store: Path) -> Table:
    """Compute the flow and the constants, and sample streams."""
    del store
    width, paths = WIDTH[quick], 200 if quick else 800
    clipped = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    records: list[Record] = []
    line = 20 if quick else 160
    few, many = (critical_residual(clipped, count, REACH, correlation=START).correlation for count in (line, 2 * line))
    records += [  # the error of L branches is of order 1/L
        {
            "panel": "correlation",
            "kind": "limit",
            "x": branch * REACH / line,
            "value": 2.0 * many[2 * branch] - few[branch],
        }
        for branch in range(line + 1)
    ]
    for count in BRANCHES:
        path = (
            few
            if count == line
            else many
            if count == 2 * line
            else critical_residual(clipped, count, REACH, correlation=START).correlation
        )
        for branch in range(0, count + 1, count // 5):
            place = {"panel": "correlation", "branches": count, "x": branch * REACH / count}
            records.append({**place, "kind": "exact", "value": path[branch]})
    sampled = _pairs(clipped, BRANCHES[1], width, paths // 4)
    for branch in range(0, BRANCHES[1] + 1, BRANCHES[1] // 5):
        mean = sampled[branch].mean()
        reach = NORMAL_QUANTILE * sampled[branch].std(ddof=1) / math.sqrt(paths // 4)
        records.append(
            {
                "panel": "correlation",
                "kind": "sampled",
                "branches": BRANCHES[1],
                "x": branch * REACH / BRANCHES[1],
                **_interval(mean, reach),
                "trials": paths // 4,
                "width": width,
            }
        )
    for name, design in zip(DESIGNS, (edge_of_chaos("relu"), clipped), strict=True):
        for depth in np.geomspace(0.125, 8.0, 7 if quick else 25):
            found = residual_fluctuations(design, MANY, depth)
            for panel, value in (("signal", found.signal[-1]), ("gradient", found.gradient[-1])):
                records.append({"panel": panel, "kind": "limit", "design": name, "x": depth, "value": value})
        for number, depth in enumerate((0.125, 0.5, 2.0) if quick else (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)):
            chain = residual_chain(design, width=width, depth=50, effective_depth=depth, n_paths=paths, seed=number)
            for panel, values in (("signal", chain.q[:, -1]), ("gradient", chain.gradient[:, -1])):
                logs = np.log(values)
                variance, fourth = logs.var(ddof=1), np.mean((logs - logs.mean()) ** 4)
                reach = NORMAL_QUANTILE * math.sqrt((fourth - variance**2) / paths)
                estimate = _interval(width * variance, width * reach)
                place = {"panel": panel, "kind": "sampled", "design": name, "x": depth, "width": width}
                records.append({**place, **estimate, "trials": paths})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw the correlation along the stream, and both fluctuations against the effective depth."""
    with house_style():
        figure = new_figure(2 * COLUMN, 2.9)
        first, *others = figure.subplots(1, 3, width_ratios=(1.15, 1.0, 1.0))
        part = rows(table, panel="correlation")
        flow = rows(part, kind="limit")
        first.plot(flow["x"], flow["value"], color="0.45", label="many branches, exact")
        for index, count in enumerate(distinct(rows(part, kind="exact")["branches"])):
            points = rows(part, kind="exact", branches=count)
            first.plot(
                points["x"],
                points["value"],
                color=colour(index),
                marker=marker(index),
                fillstyle="none",
                linestyle="none",
                label=f"L = {count:g}, exact",
            )
        points = rows(part, kind="sampled")
        draw_estimates(
            first,
            (points[name] for name in ("x", "value", "low", "high")),
            4,
            label=f"L = {points['branches'][0]:g}, sampled",
        )
        first.set_title("clipped, D = 4")
        first.set_xlabel("effective depth passed, t")
        first.set_ylabel("correlation of two points")
        first.set_ylim(0.25, 1.0)
        first.legend(loc="lower right")
        for axis, panel, title in zip(others, ("signal", "gradient"), ("signal", "gradient"), strict=True):
            part = rows(table, panel=panel)
            for index, name in enumerate(DESIGNS):
                line = rows(part, kind="limit", design=name)
                axis.plot(line["x"], line["value"], color=colour(index), linestyle=line_style(index))
                points = rows(part, kind="sampled", design=name)
                draw_estimates(axis, (points[column] for column in ("x", "value", "low", "high")), index)
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            axis.set_ylim(0.3, 700.0)
            axis.xaxis.set_major_formatter("{x:g}")
            axis.set_title(title)
            axis.set_xlabel("effective depth D")
        others[0].set_ylabel("width x variance of the log")
        handles = [*series_handles(DESIGNS), *kind_handles(line="many branches, exact", marker="L = 50, sampled")]
        others[0].legend(handles=handles, loc="upper left")
    return figure


def _interval(value: float, reach: float) -> Record:
    return {"value": value, "low": value - reach, "high": value + reach}


def _pairs(design: EdgeOfChaos, branches: int, width: int, pairs: int) -> Floats:
    """Sample the correlation of two streams after every branch, shape (branches + 1, pairs).

    Given both streams the outputs of a branch are Gaussian pairs, one per unit.
    """
    rng = np.random.default_rng(0)
    share = REACH / branches
    h = rng.standard_normal((pairs, 2, width))
    h[:, 1] = START * h[:, 0] + math.sqrt(1.0 - START**2) * h[:, 1]
    found = np.empty((branches + 1, pairs))
    for branch in range(branches + 1):
        gram = h @ h.transpose(0, 2, 1)
        found[branch] = gram[:, 0, 1] / np.sqrt(gram[:, 0, 0] * gram[:, 1, 1])
        features = design.activation(h)
        covariance = design.sigma_w2 / width * (features @ features.transpose(0, 2, 1)) + design.sigma_b2
        root = np.linalg.cholesky(covariance + 1e-12 * np.eye(2))
        h = math.sqrt(1.0 - share) * h + math.sqrt(share) * (root @ rng.standard_normal(h.shape))
    return found

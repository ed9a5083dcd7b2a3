"""The law of the size of a signal through plain He ReLU networks, against depth and width.

Left: quantiles of log q over depth at width 10, sampled, exact, and by the normal law of hanin2018; above them the log
of the mean of q, which stays where it was. Right: standard deviation of log q after 60 layers against width. Supports
that sizes spread between networks by the sum of 1/n over the layers, that the mean is carried by rare networks, and
that the normal law is too narrow in narrow networks.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurondeath.figures.picture import (
    COLUMN,
    KIND,
    colour,
    draw_estimates,
    house_style,
    kind_handles,
    marker,
    new_figure,
)
from neurondeath.figures.tables import Record, Table, rows, tabulate
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE
from neurondeath_theory.gaussian_limit.variance_chain import variance_chain
from neurondeath_theory.networks.activations import relu
from neurondeath_theory.trainability.log_sizes import log_sizes

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Size q of a signal, relative to the input, in plain He ReLU networks without biases where it is alive; gradients "
    "along a fixed direction obey the same law. Left: width 10, quantiles of 5, 50 and 95 %. Right: 60 layers. Solid: "
    "exact. Dashed: normal law of mean -5b/2 and variance 5b, b = depth / width. Dotted: log of the mean of q, exact. "
    "Points: {trials} networks each, sampled from the exact law; 95 % intervals on the right."
)
WIDTH, DEPTH = 10, 60
SHARES = (0.05, 0.5, 0.95)
QUANTILE_95 = 1.6448536269514722  # of the standard normal
DEPTHS = (1, 2, 5, 10, 15, 20, 30, 40, 50, 60)
WIDTHS = (6, 12, 24, 48, 96, 192)


def compute(quick: bool, store: Path) -> Table:
    """Compute both laws, and sample networks."""
    del store
    paths = 400 if quick else 4_000
    records: list[Record] = []
    sampled = _log_sizes(WIDTH, paths, seed=0)
    for depth in DEPTHS:
        law = log_sizes(width=WIDTH, depth=depth)
        deviation = np.sqrt(law.normal_variance[-1])
        alive = sampled[:, depth][np.isfinite(sampled[:, depth])]
        for share, z in zip(SHARES, (-1.0, 0.0, 1.0), strict=True):
            normal = law.normal_mean[-1] + z * QUANTILE_95 * deviation
            place = {"panel": "depth", "width": WIDTH, "depth": depth, "share": share}
            records += [
                {**place, "kind": "exact", "value": law.quantile(share)},
                {**place, "kind": "normal", "value": normal},
                {**place, "kind": "sampled", "value": np.quantile(alive, share), "trials": paths},
            ]
        mean = {"panel": "depth", "kind": "mean", "width": WIDTH, "depth": depth, "value": law.log_mean_size[-1]}
        records.append(mean)
    for width in np.unique(np.geomspace(WIDTHS[0], WIDTHS[-1], 36).round().astype(int)).tolist():
        law = log_sizes(width=width, depth=DEPTH)
        place = {"panel": "width", "width": width, "depth": DEPTH}
        records += [
            {**place, "kind": "exact", "value": law.sd[-1]},
            {**place, "kind": "normal", "value": np.sqrt(law.normal_variance[-1])},
        ]
    for number, width in enumerate(WIDTHS, start=1):
        final = _log_sizes(width, paths, seed=number)[:, DEPTH]
        final = final[np.isfinite(final)]
        spread = final.std(ddof=1)
        fourth = np.mean((final - final.mean()) ** 4)
        reach = NORMAL_QUANTILE * np.sqrt(max(fourth - spread**4, 0.0) / final.size) / (2.0 * spread)
        estimate = {"value": spread, "low": spread - reach, "high": spread + reach, "trials": paths}
        records.append({"panel": "width", "kind": "sampled", "width": width, "depth": DEPTH, **estimate})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw quantiles against depth, and the standard deviation against width."""
    with house_style():
        figure = new_figure(2 * COLUMN, 2.7)
        left, right = figure.subplots(1, 2)
        part = rows(table, panel="depth")
        for index, share in enumerate(SHARES):
            for kind, style in (("exact", "-"), ("normal", "--")):
                line = rows(part, share=share, kind=kind)
                left.plot(line["depth"], line["value"], color=colour(index), linestyle=style)
            points = rows(part, share=share, kind="sampled")
            left.plot(
                points["depth"], points["value"], color=colour(index), marker=marker(index), linestyle="none", zorder=3
            )
            last = rows(part, share=share, kind="exact")
            left.annotate(
                f"{100 * share:g} %",
                (last["depth"][-1], last["value"][-1]),
                textcoords="offset points",
                xytext=(4, 0),
                va="center",
                fontsize=7,
                color=colour(index),
            )
        mean = rows(part, kind="mean")
        left.plot(mean["depth"], mean["value"], color=KIND, linestyle=":")
        left.set_xlim(0, 67)
        left.set_title("width 10: quantiles of log q")
        left.set_xlabel("depth (hidden layers)")
        left.set_ylabel("log q (natural)")
        part = rows(table, panel="width")
        for kind, style in (("exact", "-"), ("normal", "--")):
            line = rows(part, kind=kind)
            right.plot(line["width"], line["value"], color="black", linestyle=style)
        draw_estimates(right, (rows(part, kind="sampled")[name] for name in ("width", "value", "low", "high")), 0)
        right.set_xscale("log", base=2)
        right.set_yscale("log", base=2)
        for ticks in (right.xaxis, right.yaxis):
            ticks.set_major_formatter("{x:g}")
        right.set_title("60 layers")
        right.set_xlabel("width n (units per layer)")
        right.set_ylabel("standard deviation of log q")
        handles = [
            *kind_handles(line="exact"),
            Line2D([], [], color=KIND, linestyle="--", label="normal law"),
            Line2D([], [], color=KIND, linestyle=":", label="log of the mean"),
            *kind_handles(marker="sampled networks"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _log_sizes(width: int, paths: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Sample log(q_l / q_0) of networks, shape (paths, DEPTH + 1); -inf where the signal is dead."""
    chain = variance_chain(relu(), 2.0, 0.0, width=width, depth=DEPTH + 1, initial_q=1.0, n_paths=paths, seed=seed)
    with np.errstate(divide="ignore"):
        return np.log(chain.paths)

"""Narrow sparse networks die: P(alive) at one input after 20 layers, against width and sparsity.

Filled markers: the chain of variances conditioned on survival, weighted by P(some unit active). Hollow markers: sampled
whole networks. Lines: (1 - s^n)^k, the value if the variance stayed at q*. Supports that sparsity requires width: death
adds to the instability of the variance.
"""

import math
from pathlib import Path

import numpy as np
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
from neurondeath.figures.tables import Record, Table, distinct, estimate_record, rows, tabulate
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.intervals import NORMAL_QUANTILE
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.gaussian_limit.sparse_survival import sparse_survival
from neurondeath_theory.networks.network import Network

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "P(alive) through 20 layers of clipped shifted ReLU designs at the edge of chaos, V'(q*) = 0.7, at one input that "
    "starts at q* = 1. Lines: (1 - s^n)^20, exact if the variance never left q*. Filled: conditioned variance chains; "
    "hollow: whole networks (widths up to 32). {trials} samples per point; normal and exact 95 % intervals."
)
DEPTH = 20
SPARSITIES = (0.7, 0.85, 0.95)
WIDEST_NETWORK = 32  # beyond it whole networks cost too much


def compute(quick: bool, store: Path) -> Table:
    """Sample chains and networks over width at three sparsities."""
    paths, trials = (2_000, 4_000) if quick else (10_000, 40_000)
    records: list[Record] = []
    for sparsity in SPARSITIES:
        design = sparse_design("clipped-shifted-relu", sparsity, v_prime=0.7)
        for width in np.geomspace(4, 128, 61):  # integer widths are points of this line
            line = math.exp(DEPTH * math.log1p(-(sparsity**width)))
            records.append({"kind": "fixed variance", "sparsity": sparsity, "width": width, "alive": line})
        for width in (4, 8, 16, 32, 64, 128):
            chain = sparse_survival(design, width, DEPTH, n_paths=paths)
            value, reach = chain.survival[-1], NORMAL_QUANTILE * chain.error[-1]
            place = {"sparsity": sparsity, "width": width}
            estimate = {"alive": value, "low": value - reach, "high": value + reach, "trials": paths}
            records.append({"kind": "chain", **place, **estimate})
            if width > WIDEST_NETWORK:
                continue
            network = Network(
                [width] * DEPTH,
                activation=design.activation,
                init="gaussian",
                weight_variance=design.sigma_w2,
                bias_variance=design.sigma_b2,
            )
            at_q = np.sqrt((design.q - design.sigma_b2) / design.sigma_w2)  # the input whose first variance is q*
            sampled = simulate(network, np.full((1, width), at_q), trials=trials, store=store)
            records.append({"kind": "network", **place, **estimate_record(sampled)})
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw P(alive) against width."""
    with house_style():
        figure = new_figure(COLUMN, 2.9)
        axis = figure.subplots()
        sparsities = distinct(table["sparsity"])
        for index, sparsity in enumerate(sparsities):
            kinds = ("fixed variance", "chain", "network")
            fixed, chain, network = (rows(table, kind=kind, sparsity=sparsity) for kind in kinds)
            axis.plot(fixed["width"], fixed["alive"], color=colour(index), linestyle=line_style(index))
            draw_estimates(axis, (chain[name] for name in ("width", "alive", "low", "high")), index)
            beside = (network["width"] * 1.1, *(network[name] for name in ("alive", "low", "high")))
            draw_estimates(axis, beside, index, hollow=True)
        axis.set_xscale("log", base=2)
        axis.set_ylim(-0.02, 1.03)
        axis.set_xlabel("width n (units per layer)")
        axis.set_ylabel(f"P(alive through {DEPTH} layers)")
        grey = kind_handles(
            line="(1 - s$^n$)$^{20}$: q stays at q*", marker="sampled chains", hollow="sampled networks"
        )
        names = (f"s = {sparsity:g}" for sparsity in sparsities)
        figure.legend(handles=[*series_handles(names), *grey], loc="outside lower center", ncols=2)
    return figure

"""What mirrored (looks-linear) weights keep at birth, next to the He initialisation: sizes, distances, active units.

Four panels over sampled networks: size of one input layer by layer, cosine between two orthogonal inputs, singular
values of the map from the inputs to the last features, and how many units of a pair are active. Supports that a
looks-linear network is a linear map at birth (balduzzi2017): with orthogonal matrices nothing shrinks and no two points
merge, at any depth.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from neurondeath.figures.picture import COLUMN, colour, house_style, kind_handles, line_handles, line_style, new_figure
from neurondeath.figures.tables import Record, Table, distinct, rows, tabulate
from neurondeath_theory.trainability.looks_linear import mirrored_weights

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "ReLU networks of width 64 at birth, inputs of dimension 32. (a) squared size of one input, (b) cosine of two "
    "orthogonal inputs, in x+ - x- where weights are mirrored; median of {trials} sampled networks, shaded the middle "
    "90 %. (c) singular values of the Jacobian from the input to layer 50, medians by rank; those of the orthogonal "
    "network are exactly 1. (d) share of the pairs, units i and i + 32, with 0, 1 or 2 units active, over all layers."
)
HALF, DEPTH = 32, 50
KINDS = ("He", "mirrored, Gaussian", "mirrored, orthogonal")
SMALLEST = 1e-12  # singular value shown; below it rounding rules

Floats = npt.NDArray[np.float64]


def compute(quick: bool, store: Path) -> Table:
    """Sample networks of all three kinds."""
    del store
    networks = 24 if quick else 300
    rng = np.random.default_rng(0)
    records: list[Record] = []
    for kind in KINDS:
        found = [_network(kind, rng) for _ in range(networks)]
        sizes, cosines, values, active = (np.array(one) for one in zip(*found, strict=True))
        for panel, paths in (("size", sizes), ("cosine", cosines)):
            low, median, high = np.nanquantile(paths, [0.05, 0.5, 0.95], axis=0)
            records += [
                {
                    "kind": kind,
                    "panel": panel,
                    "x": layer + 1,
                    "value": median[layer],
                    "low": low[layer],
                    "high": high[layer],
                    "trials": networks,
                }
                for layer in range(DEPTH)
            ]
        middle = np.median(values, axis=0)
        records += [{"kind": kind, "panel": "spectrum", "x": rank + 1, "value": middle[rank]} for rank in range(HALF)]
        share = active.mean(axis=0)
        records += [{"kind": kind, "panel": "active", "x": number, "value": share[number]} for number in range(3)]
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw the four panels."""
    kinds = distinct(table["kind"])
    with house_style():
        figure = new_figure(2 * COLUMN, 4.4)
        axes = dict(zip(("size", "cosine", "spectrum", "active"), figure.subplots(2, 2).ravel(), strict=True))
        bars: list[Any] = []
        for index, kind in enumerate(kinds):
            for panel in ("size", "cosine"):
                path = rows(table, kind=kind, panel=panel)
                axes[panel].fill_between(
                    path["x"], path["low"], path["high"], color=colour(index), alpha=0.15, linewidth=0
                )
                axes[panel].plot(path["x"], path["value"], color=colour(index), linestyle=line_style(index))
            spectrum = rows(table, kind=kind, panel="spectrum")
            axes["spectrum"].plot(
                spectrum["x"],
                np.where(spectrum["value"] > SMALLEST, spectrum["value"], np.nan),
                color=colour(index),
                linestyle=line_style(index),
            )
            active = rows(table, kind=kind, panel="active")
            bar = axes["active"].bar(
                active["x"] + 0.27 * (index - 1),
                active["value"],
                width=0.25,
                color=colour(index),
                hatch=("", "///", "...")[index],
                edgecolor="white",
                linewidth=0,
                label=f"{kind} (d)",
            )
            bars.append(bar)
        axes["size"].set_yscale("log")
        axes["spectrum"].set_yscale("log")
        axes["cosine"].set_ylim(-1.05, 1.05)
        axes["active"].set_xticks([0, 1, 2])
        axes["active"].set_axisbelow(True)
        labels = {
            "size": ("(a) size of one input", "layer", "squared size, layer / input"),
            "cosine": ("(b) two orthogonal inputs", "layer", "cosine"),
            "spectrum": (f"(c) Jacobian through {DEPTH} layers", "rank", "singular value"),
            "active": ("(d) units active in a pair", "active units", "share of pairs"),
        }
        for panel, (title, x, y) in labels.items():
            axes[panel].set_title(title)
            axes[panel].set_xlabel(x)
            axes[panel].set_ylabel(y)
        pairs = zip(line_handles(kinds), bars, strict=True)
        handles = [*(one for pair in pairs for one in pair), *kind_handles(band="middle 90 %")]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _network(kind: str, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Sample a network: sizes and cosines per layer, singular values, shares of pairs by number of active units."""
    inputs = np.linalg.qr(rng.standard_normal((HALF, 2)))[0]
    weights = _weights(kind, rng)
    x, jacobian = inputs, np.eye(HALF)
    sizes, cosines, counts = np.empty(DEPTH), np.empty(DEPTH), np.zeros(3)
    for layer, matrix in enumerate(weights):
        z = matrix @ x
        on = z[:, 0] > 0.0
        x, jacobian = np.maximum(z, 0.0), (matrix @ jacobian) * on[:, None]
        counts += np.bincount(on[:HALF].astype(int) + on[HALF:], minlength=3)
        seen = x if kind == "He" else x[:HALF] - x[HALF:]
        norms = np.linalg.norm(seen, axis=0)
        sizes[layer] = np.sum(x[:, 0] ** 2)
        cosines[layer] = seen[:, 0] @ seen[:, 1] / (norms[0] * norms[1]) if norms.all() else math.nan
    values: Floats = np.asarray(np.linalg.svd(jacobian, compute_uv=False), dtype=np.float64)
    return sizes, cosines, values, counts / (HALF * DEPTH)


def _weights(kind: str, rng: np.random.Generator) -> list[Floats]:
    """Draw the weights of all hidden layers."""
    if kind == "He":
        fan_ins = [HALF] + [2 * HALF] * (DEPTH - 1)
        gains = [1.0] + [2.0] * (DEPTH - 1)
        return [
            math.sqrt(gain / fan_in) * rng.standard_normal((2 * HALF, fan_in))
            for fan_in, gain in zip(fan_ins, gains, strict=True)
        ]
    draws = rng.standard_normal((DEPTH, HALF, HALF))
    halves = np.linalg.qr(draws)[0] if "orthogonal" in kind else draws / math.sqrt(HALF)
    return mirrored_weights([*halves, np.ones((1, HALF))])[:-1]

"""What holds the zeros of sparse deep streams in training, normalised layers and little else, and how they learn.

The stream is that of `neurondeath_theory.trainability.critical_residual`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurondeath.figures.picture import colour, house_style, kind_handles, line_handles, line_style, marker, new_figure
from neurondeath.figures.tables import Table, distinct, rows, tabulate
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Share of zeros of every layer on the test images, after 2 epochs of MNIST, in networks of 100 layers of width "
    "300: clipped shifted ReLU in critical residual streams of effective depth 1, designed at a sparsity s (dotted). "
    "Nothing held, biases left as drawn, or layers normalised, one seed each; test accuracy in the legend of each "
    "panel. Right: test accuracy over 6 epochs with normalised layers, beside dense ReLU in the same stream; odd: "
    "clipped soft threshold; mean of {trials} seeds, band: least to largest."
)
LEARNING = "layers normalised"
DENSE = "dense ReLU"
HELD = ("nothing held", "biases fixed", "layers normalised")
DESIGN: dict[str, Any] = {"color": "0.6", "linestyle": ":", "linewidth": 1.4}


def compute(quick: bool, store: Path) -> Table:
    """Read the tables of the studies that come with the project."""
    records: list[dict[str, Any]] = []
    for row in read_study("sparse_and_deep_holding").last_epochs():
        for layer, share in enumerate(row["test_zeros"].split(), start=1):
            records.append(
                {
                    "panel": f"s = {row['model.sparsity']:g}",
                    "design": row["model.sparsity"],
                    "series": _held(row),
                    "layer": layer,
                    "epoch": row["epoch"],
                    "zeros": float(share),
                    **_over_seeds([row["test_accuracy"]]),
                    "trials": 0,
                }
            )
    learning: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in read_study("sparse_and_deep").rows:
        if row["epoch"] > 0:
            learning.setdefault((_series(row), row["epoch"]), []).append(row)
    for (series, epoch), seeds in learning.items():
        sparsity = seeds[0]["model.sparsity"]
        records.append(
            {
                "panel": LEARNING,
                "design": 0.5 if sparsity is None else sparsity,
                "series": series,
                "layer": 0,
                "epoch": epoch,
                "zeros": sum(row["test_sparsity"] for row in seeds) / len(seeds),
                **_over_seeds([row["test_accuracy"] for row in seeds]),
                "trials": len(seeds),
            }
        )
    return tabulate(records)


def _over_seeds(accuracies: Sequence[float]) -> dict[str, float]:
    return {
        "accuracy": sum(accuracies) / len(accuracies),
        "accuracy_least": min(accuracies),
        "accuracy_largest": max(accuracies),
    }


def _series(row: Mapping[str, Any]) -> str:
    sparsity = row["model.sparsity"]
    return DENSE if sparsity is None else f"s = {sparsity:g}{_odd(row)}"


def _odd(row: Mapping[str, Any]) -> str:
    return ", odd" if row["model.activation"] == "clipped-soft-threshold" else ""


def _held(row: Mapping[str, Any]) -> str:
    if row["model.normalise"] == "layers":
        return HELD[2]
    return HELD[1] if row["model.fixed_biases"] else HELD[0]


def draw(table: Table) -> Figure:
    """Draw zeros over layers, a panel for each sparsity, and the accuracy over epochs."""
    panels = distinct(table["panel"])
    with house_style():
        figure = new_figure(6.9, 3.2)
        axes = figure.subplots(1, len(panels))
        for axis, panel in zip(axes, panels[:-1], strict=False):
            for number, name in enumerate(HELD):
                part = rows(table, panel=panel, series=name)
                label = f"{100.0 * part['accuracy'][0]:.1f} %"
                axis.plot(part["layer"], part["zeros"], color=colour(number), linestyle=line_style(number), label=label)
            axis.axhline(rows(table, panel=panel)["design"][0], zorder=3, **DESIGN)
            axis.set(title=panel, xlabel="layer", ylim=(0.0, 1.0))
            axis.legend(title="test accuracy", loc="lower left")
        axes[0].set_ylabel("share of zeros after training")
        _learning(axes[-1], rows(table, panel=LEARNING))
        designed = Line2D([], [], label="designed sparsity s", **DESIGN)
        handles = [*line_handles(HELD), designed, *kind_handles(band="range over seeds")]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _learning(axis: Axes, table: Table) -> None:
    """Draw the accuracy of sparse and dense networks."""
    for number, name in enumerate(sorted(distinct(table["series"]), reverse=True), start=len(HELD)):
        shade = "0.4" if name == DENSE else colour(number)
        part = rows(table, series=name)
        least, largest = part["accuracy_least"], part["accuracy_largest"]
        axis.fill_between(part["epoch"], least, largest, color=shade, alpha=0.2, linewidth=0)
        axis.plot(part["epoch"], part["accuracy"], color=shade, marker=marker(number), label=name)
    axis.set(title=LEARNING, xlabel="epoch", ylabel="test accuracy", ylim=(0.9, 1.0))
    axis.legend(loc="lower right")

"""What holds the zeros of sparse deep streams in training: normalised layers, and little else.

The stream is that of `neurondeath_theory.trainability.critical_residual`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurondeath.figures.picture import colour, house_style, line_handles, line_style, new_figure
from neurondeath.figures.tables import Table, distinct, rows, tabulate
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Share of zeros of every layer on the test images, after 2 epochs of MNIST, in networks of 100 layers of width "
    "300: clipped shifted ReLU in critical residual streams of effective depth 1, designed at a sparsity s (dotted). "
    "Nothing held, biases left as drawn, or layers normalised; test accuracy in the legend of each panel. {trials} "
    "seed."
)
HELD = ("nothing held", "biases fixed", "layers normalised")
DESIGN: dict[str, Any] = {"color": "0.6", "linestyle": ":", "linewidth": 1.4}


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    records = []
    for row in read_study("sparse_and_deep_holding").last_epochs():
        for layer, share in enumerate(row["test_zeros"].split(), start=1):
            records.append(
                {
                    "panel": f"s = {row['model.sparsity']:g}",
                    "design": row["model.sparsity"],
                    "series": _held(row),
                    "layer": layer,
                    "zeros": float(share),
                    "accuracy": row["test_accuracy"],
                    "trials": 1,
                }
            )
    return tabulate(records)


def _held(row: Mapping[str, Any]) -> str:
    if row["model.normalise"] == "layers":
        return HELD[2]
    return HELD[1] if row["model.fixed_biases"] else HELD[0]


def draw(table: Table) -> Figure:
    """Draw zeros over layers, a panel for each sparsity."""
    panels = distinct(table["panel"])
    with house_style():
        figure = new_figure(6.9, 3.2)
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, panel in zip(axes, panels, strict=True):
            for number, name in enumerate(HELD):
                part = rows(table, panel=panel, series=name)
                label = f"{100.0 * part['accuracy'][0]:.1f} %"
                axis.plot(part["layer"], part["zeros"], color=colour(number), linestyle=line_style(number), label=label)
            axis.axhline(rows(table, panel=panel)["design"][0], zorder=3, **DESIGN)
            axis.set(title=panel, xlabel="layer", ylim=(0.0, 1.0))
            axis.legend(title="test accuracy", loc="lower left")
        axes[0].set_ylabel("share of zeros after training")
        handles = [*line_handles(HELD), Line2D([], [], label="designed sparsity s", **DESIGN)]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure

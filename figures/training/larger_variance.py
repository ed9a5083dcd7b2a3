"""Effect of a larger variance q* on training, at a fixed clipping height and at a fixed m / sqrt(q*).

Supports dent2026 at our size.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neurondeath.figures.picture import house_style
from neurondeath.figures.tables import Table, tabulate
from neurondeath.figures.training.training_panels import ACCURACY_AND_SPARSITY, accuracy_and_sparsity, draw_training
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Test accuracy (above) and share of zeros among the activations (below) of networks of 50 hidden layers of width "
    "300 of clipped shifted ReLU at the edge of chaos, designed at a sparsity of 0.9, over the variance q*. Left: "
    "the clipping height is fixed at m = 2, so that a larger q* clips more of the activations; right: m grows like "
    "sqrt(q*), so that only the scale changes. Gradient descent with momentum and clipped gradients on 10 000 MNIST "
    "images. Mean over {trials} seeds, shaded: 95 % intervals of the mean."
)
PANELS: dict[str, Callable[[float, float], bool]] = {
    "m = 2 held": lambda m, q: m == 2.0,
    "m / sqrt(q*) = 2 held": lambda m, q: m == 2.0 * q**0.5,
}


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project; the design at q* = 1 appears in both panels."""
    records = []
    for panel, belongs in PANELS.items():
        chosen = [row for row in read_study("larger_variance").rows if belongs(row["model.m"], row["model.q"])]
        records += accuracy_and_sparsity(chosen, panel, _variance)
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw two rows of panels, one column per fixed quantity."""
    with house_style():
        return draw_training(table, ACCURACY_AND_SPARSITY, {"accuracy": (0.0, 0.5)})


def _variance(row: Mapping[str, Any]) -> str:
    return f"q* = {row['model.q']:g}"

"""Training sparse networks with clipped gradients: two sparsities, two families, unclipped and clipped by V'(q*).

Supports price2024 at our size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neurondeath.figures.picture import house_style
from neurondeath.figures.tables import Table, tabulate
from neurondeath.figures.training.sparse_training import clipping, family
from neurondeath.figures.training.training_panels import ACCURACY_AND_SPARSITY, accuracy_and_sparsity, draw_training
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Test accuracy (above) and share of zeros among the activations (below) of networks of 50 hidden layers of width "
    "300 at the edge of chaos, designed at sparsities s of 0.7 and 0.85, trained by gradient descent with momentum and "
    "clipped gradients on 10 000 MNIST images; unclipped activations and clipped ones by V'(q*). Mean over {trials} "
    "seeds."
)


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    return tabulate(accuracy_and_sparsity(read_study("sparse_grid").rows, _panel, clipping))


def draw(table: Table) -> Figure:
    """Draw two rows of panels, one column per family and sparsity."""
    with house_style():
        return draw_training(table, ACCURACY_AND_SPARSITY, {"accuracy": (0.0, 1.0)}, bands=False)


def _panel(row: Mapping[str, Any]) -> str:
    return f"{family(row)}, s = {row['model.sparsity']:g}"

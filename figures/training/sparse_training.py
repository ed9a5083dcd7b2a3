"""Training deep networks of sparse activations: accuracy and measured sparsity, clipped and unclipped, per epoch.

Supports price2024 at our size.
"""

from collections.abc import Mapping
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
    "300 at the edge of chaos, designed at a sparsity of 0.85, trained by Adam on 10 000 MNIST images; unclipped "
    "activations and clipped ones by V'(q*). Mean over {trials} seeds."
)
FAMILIES = {"shifted-relu": "shifted ReLU", "soft-threshold": "soft threshold"}


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    return tabulate(accuracy_and_sparsity(read_study("sparse_designs").rows, family, clipping))


def draw(table: Table) -> Figure:
    """Draw two rows of panels, one column per family."""
    with house_style():
        return draw_training(table, ACCURACY_AND_SPARSITY, {"accuracy": (0.0, 1.0)}, bands=False)


def clipping(row: Mapping[str, Any]) -> str:
    """Describe the clipping of a study's network."""
    target = row["model.v_prime"]
    return "unclipped" if target is None else f"V' = {target:g}"


def family(row: Mapping[str, Any]) -> str:
    """Name the activation family of a study's network, clipped or not."""
    return FAMILIES[str(row["model.activation"]).removeprefix("clipped-")]

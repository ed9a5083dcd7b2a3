"""Training for longer, at the published depth, and convolutions: clipped networks learn, unclipped ones late or not.

Supports price2024 at our size.
"""

from pathlib import Path

from matplotlib.figure import Figure

from neurondeath.figures.picture import house_style
from neurondeath.figures.tables import Table, tabulate
from neurondeath.figures.training.sparse_training import clipping
from neurondeath.figures.training.training_panels import ACCURACY_AND_SPARSITY, accuracy_and_sparsity, draw_training
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Test accuracy (above) and share of zeros among the activations (below) of deep networks of shifted ReLU at the "
    "edge of chaos, designed at a sparsity of 0.85, trained by gradient descent with momentum and clipped gradients "
    "on MNIST; activations unclipped or clipped at V'(q*) = 0.7. Left: 50 hidden layers of width 300 on all 60 000 "
    "images; middle: 100 hidden layers on 10 000; right: 30 convolutions of 64 channels on 10 000. Mean over {trials} "
    "seeds, shaded: 95 % intervals of the mean."
)
STUDIES = {
    "sparse_long": "50 layers",
    "sparse_training": "100 layers",
    "sparse_convolutions": "30 convolutions",
}


def compute(quick: bool, store: Path) -> Table:
    """Read the tables of the studies that come with the project."""
    records = []
    for study, panel in STUDIES.items():
        records += accuracy_and_sparsity(read_study(study).rows, panel, clipping)
    return tabulate(records)


def draw(table: Table) -> Figure:
    """Draw two rows of panels, one column per kind of network."""
    with house_style():
        return draw_training(table, ACCURACY_AND_SPARSITY, {"accuracy": (0.0, 1.0)})

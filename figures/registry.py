"""The figures by room and name: a figure lives in the module of its name, imported when the figure is made.

A figure module offers `CAPTION`, what the picture shows, exact and sampled, with {trials} where numbers of trials go;
`compute(quick, store)`, its table; and `draw(table)`, its picture, from the table alone.
"""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from matplotlib.figure import Figure

from neurondeath.figures.tables import Table
from neurondeath_theory.foundation.validation import check_choice

__all__ = ["FIGURES", "FigureModule", "load"]

BY_ROOM = {
    "survival": {
        "survival_depth": "P(alive) against depth, between its bounds",
        "gap_depth": "the lower bound becomes exact along n = log2 k + c",
        "single_layer_orthant": "one layer on the whole orthant: the upper bound is exact",
        "shrinking_inputs": "the lower bound is exact for inputs that shrink to a point",
        "log_width_path": "the width that a depth needs: n = log2 k + c",
        "living_ratio": "the mean living ratio, the same for every input set",
        "safe_region": "which widths and depths are safe, doomed or undecided",
        "one_dimensional_input": "exact born-dead probability between the published bounds",
        "data_aware": "lower bounds that look at the data",
        "sign_flip": "sign flips at initialisation and what they guarantee",
        "architectures": "residual, dense and batch norm networks beside plain ones",
        "rai": "randomised asymmetric initialisation beside He's",
        "absorbing_walk": "a weight that noise may kill",
    },
    "gaussian_limit": {
        "activations": "the sparsifying activations",
        "variance_maps": "variance maps of sparse designs at the edge of chaos",
        "slope_against_clip": "what the clipping height does to the variance map",
        "correlation_maps": "correlation maps at the edge of chaos",
        "variance_trajectories": "variances of finite networks: stable, exploding, jumping",
        "sparsity_clip_phase": "which sparsity and clipping height are stable",
        "sparse_survival": "narrow sparse networks die",
    },
    "training": {
        "collapse": "learning |x|: what becomes of deep narrow networks",
        "sparse_training": "training 50 layers of sparse activations, clipped and not",
        "sparse_grid": "training sparse networks with clipped gradients, at two sparsities",
        "deeper_sparse_training": "longer, at 100 layers, and convolutions: clipped networks beside unclipped ones",
        "variance_before_training": "who has left q* before training, and who comes back",
        "larger_variance": "training at a larger variance q*, and what has to be held",
        "dead_units_learning_rate_batch": "dead units against learning rate, batch size and weight decay",
        "stripping": "Synaptic Stripping: dead units and accuracy, with it and without",
        "demon_pruning": "Demon Pruning: accuracy against what is left of the network",
        "dead_neuron_rate": "dynamic dead neuron rate as pruning proceeds",
    },
}
FIGURES = {name: title for room in BY_ROOM.values() for name, title in room.items()}


class FigureModule(Protocol):
    """What a figure's module offers."""

    CAPTION: str

    def compute(self, quick: bool, store: Path) -> Table:
        """Compute the figure's data; simulations are kept in the store."""

    def draw(self, table: Table) -> Figure:
        """Draw the picture from its data alone."""


def load(name: str) -> FigureModule:
    """Import a figure's module.

    Raises
    ------
    InvalidArgumentError
        If there is no such figure.
    """
    check_choice("figure", name, list(FIGURES))
    room = next(room for room, figures in BY_ROOM.items() if name in figures)
    return cast(FigureModule, import_module(f"neurondeath.figures.{room}.{name}"))

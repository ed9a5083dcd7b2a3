"""The figures by folder and name: each is defined in the module of its name, which is imported on demand.

A figure module defines `CAPTION`, which states what is shown, exact or sampled, with {trials} in place of the numbers
of trials; `compute(quick, store)`, which returns its table; and `draw(table)`, which draws the picture from the table
alone.
"""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from matplotlib.figure import Figure

from neurondeath.figures.tables import Table
from neurondeath_theory.foundation.validation import check_choice

__all__ = ["FIGURES", "FigureModule", "load"]

BY_FOLDER = {
    "survival": {
        "survival_depth": "P(alive) against depth, between its bounds",
        "gap_depth": "the lower bound becomes exact along n = log2 k + c",
        "single_layer_orthant": "one layer on the whole orthant: the upper bound is exact",
        "shrinking_inputs": "the lower bound is exact for inputs that shrink to a point",
        "log_width_path": "the width that a depth needs: n = log2 k + c",
        "living_ratio": "the mean living ratio, the same for every input set",
        "safe_region": "which widths and depths are safe, doomed or undecided",
        "one_dimensional_input": "exact born-dead probability between the published bounds",
        "data_aware": "data-dependent lower bounds",
        "sign_flip": "sign flips at initialisation and what they guarantee",
        "architectures": "residual, dense and batch norm networks compared with plain ones",
        "rai": "randomised asymmetric initialisation compared with He's",
        "absorbing_walk": "death of a single weight under noise",
    },
    "gaussian_limit": {
        "activations": "the sparsifying activations",
        "variance_maps": "variance maps of sparse designs at the edge of chaos",
        "slope_against_clip": "effect of the clipping height on the variance map",
        "correlation_maps": "correlation maps at the edge of chaos",
        "variance_trajectories": "variances of finite networks: stable, exploding, jumping",
        "sparsity_clip_phase": "which sparsity and clipping height are stable",
        "phases": "ordered, chaotic and unbounded phases of wide networks",
        "sparse_survival": "narrow sparse networks die",
    },
    "trainability": {
        "log_size": "the law of the size of signal and gradient, against depth and width",
        "effective_depth": "critical residual networks: effective depth alone counts",
        "looks_linear": "mirrored weights keep sizes and distances at birth",
    },
    "training": {
        "alive_and_learning": "learned accuracy over width and depth, with survival and the forecast",
        "collapse": "learning |x|: outcomes of deep narrow networks",
        "sparse_training": "training 50 layers of sparse activations, clipped and unclipped",
        "sparse_grid": "training sparse networks with clipped gradients, at two sparsities",
        "deeper_sparse_training": "longer training, 100 layers, convolutions: clipped and unclipped networks",
        "sparse_and_deep": "100 layers, 85 and 90 % sparse: what holds their zeros in training",
        "variance_before_training": "test accuracy against the variance before training",
        "larger_variance": "training at a larger variance q*, at fixed m or fixed m / sqrt(q*)",
        "dead_units_learning_rate_batch": "dead units against learning rate, batch size and weight decay",
        "stripping": "Synaptic Stripping: dead units and accuracy, with and without it",
        "demon_pruning": "Demon Pruning: accuracy against the share of parameters left",
        "dead_neuron_rate": "dynamic dead neuron rate as pruning proceeds",
        "speed_of_sparsity": "how much faster zeros make inference, measured and predicted",
    },
}
FIGURES = {name: title for titles in BY_FOLDER.values() for name, title in titles.items()}


class FigureModule(Protocol):
    """Interface of a figure module."""

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
    folder = next(folder for folder, titles in BY_FOLDER.items() if name in titles)
    return cast(FigureModule, import_module(f"neurondeath.figures.{folder}.{name}"))

"""The figures by folder and name: each is defined in the module of its name, which is imported on demand.

A figure module defines `CAPTION`, which states what is shown, exact or sampled, with {trials} in place of the numbers
of trials; `compute(quick, store)`, which returns its table; and `draw(table)`, which draws the picture from the table
alone. The title of a figure is its claim: what the picture shows, in at most 75 characters.
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
        "survival_depth": "P(alive) starts near its upper bound and nears the lower one with depth",
        "gap_depth": "Along n = log2 k + c the gap to the lower bound closes with depth",
        "single_layer_orthant": "One layer dies on the whole orthant exactly as the upper bound says",
        "shrinking_inputs": "Inputs that shrink to a point survive as seldom as the lower bound says",
        "log_width_path": "A width of log2 k + c holds P(alive) at its limit as depth k grows",
        "living_ratio": "The mean living ratio depends on the widths alone, not on the inputs",
        "safe_region": "Widths that are safe at depth k, whatever the inputs, grow like log2 k",
        "one_dimensional_input": "The exact born-dead probability lies between the published bounds",
        "data_aware": "Lower bounds that see pairs of inputs come closer to P(alive)",
        "sign_flip": "Sign flips keep inputs alive at depths where most die without them",
        "architectures": "Residual, dense and skip networks stay alive where plain ones die",
        "rai": "RAI networks stay alive deeper than He networks of the same width",
        "absorbing_walk": "A weight under noise dies at 0; weight decay or a pull hastens it",
    },
    "gaussian_limit": {
        "activations": "A threshold sets small values to zero, and clipping bounds large ones",
        "variance_maps": "Clipping bends the variance map below V = q, so that q* = 1 is stable",
        "slope_against_clip": "A lower clip flattens the variance map at q*; a high one bends it upward",
        "correlation_maps": "Inputs become more alike with every layer, faster at higher sparsity",
        "variance_trajectories": "Without a clip the variance explodes; a clip at V' = 0.9 lets it jump",
        "sparsity_clip_phase": "The sparser the design, the lower the clip that keeps one fixed point",
        "phases": "The edge of chaos is one point for ReLU, a line for bounded activations",
        "sparse_survival": "Sparse networks need width: narrow ones die within 20 layers",
    },
    "trainability": {
        "log_size": "Signals spread with depth, in narrow networks beyond the normal law",
        "effective_depth": "In residual networks effective depth sets signals and gradients at birth",
        "looks_linear": "Mirrored orthogonal weights keep sizes and angles exactly at birth",
    },
    "training": {
        "alive_and_learning": "Networks stop learning at depths where their inputs are still alive",
        "collapse": "Sign flips end death at birth, but over a third still die in training",
        "sparse_training": "Trained by Adam, sparse networks learn if clipped at V' of 0.5 or 0.7",
        "sparse_grid": "With clipped gradients unclipped networks learn too, V' = 0.9 not always",
        "deeper_sparse_training": "Clipped networks learn sooner; at 100 layers unclipped ones hardly learn",
        "sparse_and_deep": "Normalised, 100 sparse layers hold their zeros and learn like dense ones",
        "sparsity_cliff": "How sparse a network may be is decided by its design: streams fall off last",
        "plasticity": "Plain training stops learning; dead counts tell which networks, not when",
        "variance_before_training": "Networks that begin at q* learn; those far from it learn less surely",
        "larger_variance": "A larger q* helps only where it clips more: fixed m, not m / sqrt(q*)",
        "dead_units_learning_rate_batch": "Large learning rates, small batches and strong decay kill units",
        "stripping": "Stripping lowers the share of dead units at the same test accuracy",
        "demon_pruning": "Demon Pruning keeps the accuracy down to a third of the parameters",
        "dead_neuron_rate": "Pruning lowers the dead neuron rate, Activate-while-Pruning more",
        "speed_of_sparsity": "Zeros speed up inference, most in small batches of very sparse networks",
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

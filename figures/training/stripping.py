"""Synaptic Stripping over width and depth: dead units and test accuracy per epoch, with and without it.

Supports whitaker2023 at our size.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neurondeath.figures.picture import house_style
from neurondeath.figures.tables import Table, tabulate
from neurondeath.figures.training.seed_means import Keys, over_seeds
from neurondeath.figures.training.training_panels import draw_training
from neurondeath_torch.studies.tables import read_study

__all__ = ["CAPTION", "compute", "draw"]

CAPTION = (
    "Share of units dead on training images (above) and test accuracy (below) of perceptrons on 4 000 MNIST images, "
    "trained by Adam without a method and with Synaptic Stripping at two stripping factors. Mean over {trials} seeds, "
    "bands: Student's 95 % intervals."
)
MEASURED = {"dead": "share of dead units", "accuracy": "test accuracy"}


def compute(quick: bool, store: Path) -> Table:
    """Read the table of the study that comes with the project."""
    study = read_study("stripping")
    shares = [{**row, "dead_share": row["dead_units"] / row["units"] if row["units"] else None} for row in study.rows]
    keys: Keys = {"panel": _size, "series": _method, "epoch": "epoch"}
    values = {"dead": "dead_share", "accuracy": "test_accuracy"}
    return tabulate(over_seeds(shares, keys, values))


def draw(table: Table) -> Figure:
    """Draw two rows of panels, one column per network size."""
    with house_style():
        return draw_training(table, MEASURED, {"dead": (0.0, None), "accuracy": (0.0, 1.0)})


def _size(row: Mapping[str, Any]) -> str:
    return f"{row['model.depth']} layers of {row['model.width']}"


def _method(row: Mapping[str, Any]) -> str:
    factor = row.get("method.stripping_factor")
    return "no method" if factor is None else f"stripping, factor {factor:g}"

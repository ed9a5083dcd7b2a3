"""An audit as a picture: measurement beside theory, activation by activation."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurondeath_theory._validation import check_choice, invalid

if TYPE_CHECKING:
    from neurondeath_torch.watching.auditing import Audit

__all__ = ["FORMATS", "check_picture", "draw_audit", "save_picture"]

FORMATS = ("png", "pdf", "svg")
BLACK, ORANGE = "#000000", "#D55E00"  # Okabe and Ito's palette (2008): told apart by colour-blind readers and in grey
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "neurondeath",
}
UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Producer": None}, "svg": {"Date": None}}
NAMED = 12  # activations that are named on the axis; of more the places alone


def draw_audit(audit: "Audit") -> Figure:
    """Draw sparsity, q, correlation, and dead units with the living ratio against the place of the activation.

    Parameters
    ----------
    audit : Audit
        What `audit` gave.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels; markers are measured, dashed lines predicted, interrupted where there is no prediction.
    """
    layers = audit.layers
    with rc_context(STYLE):
        figure = Figure(figsize=(6.8, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, 2, sharex=True).ravel()
        for axis, name, predicted, title in (
            (axes[0], "sparsity", "predicted_sparsity", "share of zeros"),
            (axes[1], "q", "predicted_q", "mean square q of pre-activations"),
            (axes[2], "correlation", "predicted_correlation", "mean correlation between points"),
            (axes[3], "living_ratio", "expected_living_ratio", "share of points alive"),
        ):
            measured = [getattr(layer, name) for layer in layers]
            _draw(axis, measured, [getattr(layer, predicted) for layer in layers])
            axis.set_title(title)
        axes[3].bar(
            np.arange(1, len(layers) + 1),
            [layer.dead / layer.units for layer in layers],
            color="0.8",
            label="share of dead units",
            zorder=0,
        )
        if all(layer.q > 0.0 for layer in layers):
            axes[1].set_yscale("log")
        for axis in (axes[0], axes[3]):
            axis.set_ylim(-0.03, 1.05)
        for axis in axes[2:]:
            _name_places(axis, [layer.activation for layer in layers])
        entries = dict(zip(*axes[3].get_legend_handles_labels()[::-1], strict=True))
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3)
    return figure


def save_picture(figure: Figure, path: str | Path) -> Path:
    """Write a picture in the format its ending names, undated, whole or not at all.

    Raises
    ------
    InvalidArgumentError
        If the ending names no format we write, or the folder does not exist.
    """
    target, kind = check_picture("path", path)
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format=kind, metadata=UNDATED[kind])
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.write_bytes(buffer.getvalue())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def check_picture(name: str, path: str | Path) -> tuple[Path, str]:
    """Accept the path of a picture that can be written, and give it with its format."""
    target = Path(path)
    kind = target.suffix.lstrip(".").lower()
    check_choice(f"{name} ending", kind, FORMATS)
    if not target.parent.is_dir():
        raise invalid(name, "name a file in a folder that exists", str(target), f"make {target.parent} first")
    return target, kind


def _draw(axis: Axes, measured: Sequence[float | None], predicted: Sequence[float | None]) -> None:
    places = np.arange(1, len(measured) + 1)
    axis.plot(places, _gaps(predicted), color=ORANGE, linestyle="--", marker="_", label="random weights")
    axis.plot(places, _gaps(measured), color=BLACK, linestyle="none", marker="o", label="measured")


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _name_places(axis: Axes, names: Sequence[str]) -> None:
    if len(names) <= NAMED:
        axis.set_xticks(range(1, len(names) + 1), names, rotation=30, ha="right")
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("activation, in order of execution")

"""Picture of an audit: measurements and theory for each activation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurondeath.figures.picture import colour, house_style, new_figure
from neurondeath_torch.auditing.audit import Audit

__all__ = ["draw_audit"]

MOST_NAMES = 12  # with more activations the axis shows their positions only


def draw_audit(audit: Audit) -> Figure:
    """Draw sparsity, q, correlation, dead units and living ratio against the position of the activation.

    Parameters
    ----------
    audit : Audit
        What `audit` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels; markers are measured, dashed lines predicted, interrupted where there is no prediction.
    """
    layers = audit.layers
    with house_style():
        figure = new_figure(6.8, 4.4)
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


def _draw(axis: Axes, measured: Sequence[float | None], predicted: Sequence[float | None]) -> None:
    places = np.arange(1, len(measured) + 1)
    axis.plot(places, _gaps(predicted), color=colour(1), linestyle="--", marker="_", label="random weights")
    axis.plot(places, _gaps(measured), color=colour(0), linestyle="none", marker="o", label="measured")


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _name_places(axis: Axes, names: Sequence[str]) -> None:
    if len(names) <= MOST_NAMES:
        axis.set_xticks(range(1, len(names) + 1), names, rotation=30, ha="right")
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("activation, in order of execution")

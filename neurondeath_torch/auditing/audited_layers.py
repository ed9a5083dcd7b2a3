"""One activation of an audit: measurements and theoretical predictions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_torch.watching.dead_unit_report import described

__all__ = ["AuditedLayer", "notable_layers"]


@dataclass(frozen=True, kw_only=True)
class AuditedLayer:
    """One activation of an audit; missing predictions are None, and `reason` explains why.

    Attributes
    ----------
    activation : str
        The activation, as in `DeadUnitReport`.
    layer : str or None
        Weight layer that feeds it.
    units, dead : int
        Units, and units never active on the data.
    sparsity, predicted_sparsity : float, float or None
        Share of zeros.
    q, predicted_q : float, float or None
        Mean square of the pre-activations.
    correlation, predicted_correlation : float or None
        Mean over pairs of points of the probe of the correlation (cosine) of their pre-activations.
    living_ratio : float or None
        Share of points alive up to and including this activation; None where samples were regrouped on the way.
    expected_living_ratio : float or None
        Its mean over random weights, given the inputs of each layer; a lower bound where `bounds_only`.
    death_probability : float or None
        Probability that, under random weights, a point alive before this activation has no active unit here; an upper
        bound where `bounds_only`, as positions of a feature map are not independent.
    sigma_w2, sigma_b2 : float or None
        Fan-in times the mean square of the layer's weights, and the mean square of its biases.
    off_centre : float or None
        Distance of the mean weight from 0, in standard errors.
    basis : str
        What the predictions are computed from: the data, the previous layer's prediction, or the layer's measured
        inputs.
    bounds_only : bool
        Whether the activation has several positions per point.
    form : PiecewiseLinear or None
        The activation as the theory describes it.
    reason : str
        Why there is no prediction; empty otherwise.
    kind : str
        The function of the activation, such as relu.
    """

    activation: str
    layer: str | None
    units: int
    dead: int
    sparsity: float
    predicted_sparsity: float | None
    q: float
    predicted_q: float | None
    correlation: float | None
    predicted_correlation: float | None
    living_ratio: float | None
    expected_living_ratio: float | None
    death_probability: float | None
    sigma_w2: float | None
    sigma_b2: float | None
    off_centre: float | None
    basis: str
    bounds_only: bool
    form: PiecewiseLinear | None
    reason: str
    kind: str = ""

    @property
    def label(self) -> str:
        """Module path and kind, for sentences."""
        return described(self.activation, self.kind)


def notable_layers(layers: Sequence[AuditedLayer], most: int) -> list[int]:
    """Pick the layers that say most of a deep network: the first, the last, and those that differ most.

    Parameters
    ----------
    layers : sequence of AuditedLayer
        In the order of execution.
    most : int
        Number of layers to pick, at least 2.

    Returns
    -------
    list of int
        Indices in order; all if there are no more. Layers count by their share of dead units, the points lost there,
        how far their zeros are from the predicted share, and a tenth of the change of log q since the layer before.
    """
    if len(layers) <= most:
        return list(range(len(layers)))
    weights = [_weight(layer, layers[index - 1] if index else None) for index, layer in enumerate(layers)]
    inner = sorted(range(1, len(layers) - 1), key=lambda index: (-weights[index], index))
    return sorted([0, *inner[: most - 2], len(layers) - 1])


def _weight(layer: AuditedLayer, before: AuditedLayer | None) -> float:
    weight = layer.dead / max(layer.units, 1)
    if layer.predicted_sparsity is not None:
        weight += abs(layer.sparsity - layer.predicted_sparsity)
    if before is not None and layer.living_ratio is not None and before.living_ratio is not None:
        weight += abs(before.living_ratio - layer.living_ratio)
    if before is not None and layer.q > 0.0 and before.q > 0.0:
        weight += abs(math.log(layer.q / before.q)) / 10.0
    return weight

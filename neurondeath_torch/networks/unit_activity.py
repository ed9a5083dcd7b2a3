"""Measure which units of which weight layers are active on the data.

A unit belongs to a weight layer (linear or convolution) and is measured after the activation that follows it, possibly
with normalisation, dropout, pooling, sums and scalings in between. A layer without a following activation, such as the
output layer, has no units here; smooth activations count, since their units can be dormant though never dead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.data_passes import run_over
from neurondeath_torch.networks.layer_units import LayerUnits, chosen_layers, follow_units
from neurondeath_torch.networks.tensor_flow import Flow
from neurondeath_torch.networks.watched_modules import Watch

__all__ = ["MIN_POINTS", "LayerActivity", "measure_activity"]

MIN_POINTS = 20  # by default, from which a unit that is never active is called dead: it fires on less than about 26 %


@dataclass(kw_only=True)
class LayerActivity:
    """Activity of a layer's units in one pass over the data; tensors have shape (n_units,).

    Attributes
    ----------
    active : bool Tensor
        Units that were active (not zero) at least once.
    total : float Tensor
        Sum of the absolute activations.
    seen : int
        Numbers summed per unit: samples times positions.
    """

    active: Tensor
    total: Tensor
    seen: int


def measure_activity(
    model: nn.Module,
    data: Any,
    layers: Iterable[str] | None = None,
    *,
    required: bool = True,
    min_points: int = 1,
    watch: Watch = (),
) -> dict[str, LayerActivity]:
    """Run the data through the model in evaluation mode and measure which units of its weight layers are active.

    Parameters
    ----------
    model : torch.nn.Module
        The model; not changed, including batch-norm statistics.
    data : Tensor or iterable of batches
        The deciding data.
    layers : iterable of str, optional
        Names of the weight layers to measure; all that are followed by an activation if not given.
    required : bool
        Whether to refuse a model without any such layer.
    min_points : int
        Points that the data must hold.
    watch : sequence of str or type
        Names or classes of further modules whose outputs are activations.

    Returns
    -------
    dict
        Layer name -> activity, in the order of execution.

    Raises
    ------
    InvalidArgumentError
        If the data hold no point or fewer than `min_points`, an activation is NaN or infinite, a named layer has no
        activation, or none has.
    """
    recorder = _Recorder(model)
    names, count = follow_units(model, recorder, lambda: run_over(model, data), watch)
    if count < min_points:
        rule = f"hold at least {min_points} points to call a unit dead"
        raise invalid("data", rule, count, "pass more points, or lower min_points")
    seen = {name: recorder.seen[name] for name in names if name in recorder.seen}
    if layers is not None or required:
        wanted = chosen_layers(model, seen, layers)
        seen = {name: activity for name, activity in seen.items() if name in wanted}
    for name, activity in seen.items():
        if not bool(torch.isfinite(activity.total).all()):
            raise invalid("model", "have finite activations on the data", f"NaN or infinity after `{name}`")
        # clones, which can be changed in place: tensors made by listeners are inference tensors
        activity.active, activity.total = activity.active.clone(), activity.total.clone()
    return seen


class _Recorder(LayerUnits):
    """Listener that sums the activity of every layer whose units reach an activation."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.seen: dict[str, LayerActivity] = {}

    def activated(self, site: str, h: Tensor, flow: Flow | None) -> None:
        for layer, units in self.layer_units(h, flow):
            wide = torch.float32 if h.device.type == "mps" else torch.float64  # MPS has no float64
            active, total = (units != 0).any(3).any(1).any(0), units.abs().sum((0, 1, 3), dtype=wide)
            seen = units.numel() // max(units.shape[2], 1)
            before = self.seen.get(layer)
            if before is None:
                self.seen[layer] = LayerActivity(active=active, total=total, seen=seen)
            else:
                before.active |= active
                before.total += total
                before.seen += seen

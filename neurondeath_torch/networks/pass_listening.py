"""What a traced forward pass reports: the calls of its weight layers, its activations, its beginning and end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from neurondeath_torch.networks.activation_calls import Activation
from neurondeath_torch.networks.tensor_flow import Flow

__all__ = ["LayerCall", "Listener"]


@dataclass(frozen=True)
class LayerCall:
    """A call of a weight layer, before it is executed.

    Parameters
    ----------
    name : str
        Name of the layer.
    x, weight, bias : Tensor
        Its arguments; `weight` as used, with masks and parametrisations applied.
    flow : Flow or None
        Origin of x.
    spatial, groups, transposed : int, int, bool
        Number of spatial axes, groups, and whether the units are on the second axis of the weight.
    rerun : callable
        Applies the same operation to another x and weight, without a bias.
    """

    name: str
    x: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    flow: Flow | None
    spatial: int
    groups: int
    transposed: bool
    rerun: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Listener:
    """Base class for observers of a forward pass; methods are no-ops."""

    outputs_only = False  # True saves the cost of `layer_called` and `about_to_activate`

    def started(self) -> None:
        """Handle the start of a forward pass."""

    def layer_called(self, call: LayerCall) -> None:
        """Handle a call of a weight layer, before it is executed."""

    def reads_unwatched(self, call: LayerCall) -> None:
        """Handle a call of a weight layer that reads what no known activation explains."""

    def about_to_activate(self, site: str, z: torch.Tensor, flow: Flow | None, activation: Activation) -> None:
        """Handle the input of an activation, before an in-place activation overwrites it."""

    def activated(self, site: str, h: torch.Tensor, flow: Flow | None) -> None:
        """Handle the output of an activation."""

    def activated_smoothly(self, h: torch.Tensor, flow: Flow | None) -> None:
        """Handle the output of an activation that is zero on no interval; other listeners see an ordinary operation."""

    def returned(self, inputs: tuple[Any, Mapping[str, Any]], output: Any) -> None:
        """Handle the arguments and the output of a forward pass."""

    def finished(self) -> None:
        """Handle the end of a forward pass; not called if the pass raises an error."""

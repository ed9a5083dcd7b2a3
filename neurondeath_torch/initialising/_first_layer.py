"""Measure the inputs of a model's first layer on data."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.data_passes import call, evaluating
from neurondeath_torch.networks.input_data import Points, on_device
from neurondeath_torch.networks.weight_layers import WeightLayer

__all__ = ["first_layer_power"]


class _Reached(Exception):  # noqa: N818 - a signal, not an error
    """The first layer has been called."""


def first_layer_power(model: nn.Module, layers: Sequence[WeightLayer], points: Points) -> tuple[WeightLayer, float]:
    """Find the layer that runs first, and the mean squared length of the inputs of one of its units.

    Raises
    ------
    InvalidArgumentError
        If no layer is called, or its inputs are all zero or not finite.
    """
    reached: list[tuple[WeightLayer, torch.Tensor]] = []

    def remember(layer: WeightLayer) -> Any:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            reached.append((layer, inputs[0].detach()))
            raise _Reached

        return hook

    handles = [layer.module.register_forward_pre_hook(remember(layer)) for layer in layers]
    try:
        with torch.no_grad(), evaluating(model):
            call(model, on_device(points, layers[0].module.weight.device))
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    if not reached:
        raise invalid("model", "call one of its layers on the data", type(model).__name__)
    layer, inputs = reached[0]
    squares = (inputs if inputs.dtype == torch.float64 else inputs.float()).square()
    if isinstance(layer.module, nn.Linear):
        power = layer.fan_in * float(squares.mean())
    else:  # sums over the patches that the convolution reads, padding included
        ones = torch.ones_like(layer.module.weight[:: max(1, layer.n_units // layer.module.groups)]).to(squares)
        sums = layer.module._conv_forward(squares, ones, None)
        power = float(sums.mean())
    if not (math.isfinite(power) and power > 0.0):
        raise invalid("first_layer_data", "give the first layer finite inputs that are not all zero", power)
    return layer, power

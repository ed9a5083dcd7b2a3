"""Measure the mean square of a layer's outputs on data, to bring it to a given value by one factor."""

import math
from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.initialising._forward_graph import Node
from neurondeath_torch.networks.data_passes import call, device_of, evaluating, keeping_random_state
from neurondeath_torch.networks.input_data import Points, copied_points, on_device, split_points

__all__ = ["measured_factor"]

POINTS_PER_PASS = 256


def measured_factor(model: nn.Module, start: Node, points: Points, q: float) -> float:
    """Return the factor that brings the outputs of a layer to mean square q over the data.

    Raises
    ------
    InvalidArgumentError
        If the outputs are all zero or not finite.
    """
    total, count = 0.0, 0

    def measure(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total, count
        total += float(output.detach().double().square().sum())
        count += output.numel()

    assert start.module is not None
    handle = start.module.register_forward_hook(measure)
    try:
        with torch.no_grad(), evaluating(model), keeping_random_state(model):
            for chunk in split_points(copied_points(points), POINTS_PER_PASS):
                call(model, on_device(chunk, device_of(model)))
    finally:
        handle.remove()
    mean = total / max(count, 1)
    if not (math.isfinite(mean) and mean > 0.0):
        raise invalid("first_layer_data", f"give {start.name} finite outputs that are not all zero", mean)
    return math.sqrt(q / mean)

"""Record a model's forward pass on given inputs, or on inputs made to fit its first layer."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.initialising._forward_graph import Node, record_graph
from neurondeath_torch.networks.data_passes import call, device_of, evaluating, keeping_random_state
from neurondeath_torch.networks.input_data import Inputs, Points, copied_points, on_device, split_points
from neurondeath_torch.networks.weight_layers import WeightLayer, every_weight_layer

__all__ = ["trial_run"]

TRACED = 2  # points that suffice
SIDES = (32, 28, 64, 224, 16, 8, 96, 128, 256)  # of images, tried in turn
REMEDY = "pass first_layer_data=, inputs of the model"


def trial_run(model: nn.Module, points: Points | None) -> tuple[Node, ...]:
    """Run a checked model once in evaluation mode and return its graph, which has at least one layer.

    Parameters
    ----------
    model : torch.nn.Module
        The model; its modes and the random state are restored.
    points : tensor, mapping of tensors or None
        Inputs, joined; without them, zeros of the sizes that its layers take are passed, in the order in which layers
        are registered and for convolutions with sides of 32, 28, 64, 224, 16, 8, 96, 128 and 256, until the model runs.

    Raises
    ------
    InvalidArgumentError
        If there is no layer, or the model cannot be run.
    """
    layers = every_weight_layer(model)
    if not layers:
        raise invalid("model", "have a Linear or convolutional layer", type(model).__name__)
    reason: Exception | None = None
    for inputs in [_first_points(model, points)] if points is not None else _made_to_fit(layers):
        try:
            with evaluating(model), keeping_random_state(model):
                nodes = record_graph(model, layers, inputs, partial(call, model, inputs))
        except Exception as error:  # whatever a model raises on inputs of the wrong shape
            reason = reason or error
            continue
        if any(node.kind == "layer" for node in nodes):
            return nodes
        raise invalid("model", "call its layers as modules", type(model).__name__)
    name = "first_layer_data" if points is not None else "model"
    rule = "be inputs that the model takes" if points is not None else "run on zeros of the size of a layer's inputs"
    remedy = "" if points is not None else REMEDY
    raise invalid(name, rule, type(reason).__name__, remedy, reason=str(reason)) from reason


def _first_points(model: nn.Module, points: Points) -> Inputs:
    return copied_points(on_device(split_points(points, TRACED)[0], device_of(model)))


def _made_to_fit(layers: Sequence[WeightLayer]) -> Iterator[torch.Tensor]:
    seen: set[tuple[int, ...]] = set()
    for layer in layers:
        for shape in _shapes(layer.module):
            if shape not in seen:
                seen.add(shape)
                yield layer.module.weight.detach().new_zeros(TRACED, *shape)


def _shapes(layer: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) -> list[tuple[int, ...]]:
    """Shapes of one input of a layer."""
    if isinstance(layer, nn.Linear):
        return [(layer.in_features,)]
    n_axes = layer.weight.ndim - 2
    return [(layer.in_channels, *[side] * n_axes) for side in (SIDES[:2] if n_axes == 3 else SIDES)]

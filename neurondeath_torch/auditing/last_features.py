"""The features of the last hidden layer: what the last layer of weights of a model reads."""

from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.data_passes import call
from neurondeath_torch.networks.input_data import Points, n_points
from neurondeath_torch.networks.weight_layers import every_weight_layer

__all__ = ["last_features"]


def last_features(model: nn.Module, points: Points) -> tuple[str, torch.Tensor]:
    """Run a model once, in its present mode, and return what its last linear or convolutional layer reads.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    points : tensor or mapping of tensors
        One batch of inputs, on its device.

    Returns
    -------
    name : str
        The layer that was called last.
    features : tensor, shape (n_points, n_features)
        Its inputs, flattened, in double precision on the CPU.

    Raises
    ------
    InvalidArgumentError
        If no such layer is called, or it does not read one entry per point along the first axis.

    Examples
    --------
    >>> name, features = last_features(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.ones(5, 4))
    >>> name, features.shape
    ('2', torch.Size([5, 3]))
    """
    layers: dict[nn.Module, str] = {layer.module: layer.name for layer in every_weight_layer(model)}
    read: list[tuple[str, torch.Tensor]] = []

    def note(module: nn.Module, inputs: Any) -> None:
        read[:] = [(layers[module], inputs[0])] if inputs else read

    handles = [module.register_forward_pre_hook(note) for module in layers]
    try:
        with torch.no_grad():
            call(model, points)
    finally:
        for handle in handles:
            handle.remove()
    if not read:
        raise invalid("model", "call a Linear or convolutional layer", type(model).__name__)
    name, features = read[0]
    if len(features) != n_points(points):
        rule = "have a last layer of weights that reads one entry per point along its first axis"
        raise invalid("model", rule, f"{name}: {len(features)} entries for {n_points(points)} points")
    return name, features.detach().flatten(1).double().cpu()

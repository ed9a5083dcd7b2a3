"""List the linear and convolutional layers of a model: names, widths, fan-ins, and obstacles to changing them.

A unit is an output feature of a Linear layer or an output channel of a convolution; its fan-in is the number of its
incoming weights, for a convolution in_channels / groups times the kernel's size. Layers are listed in the order in
which the model registers them.

`Conv1D` of Hugging Face transformers, of which GPT-2 is built, is a linear layer whose weight is transposed, shape
(inputs, units). It is recognised by its name and its tensors, so that transformers need not be installed. Its units are
watched, removed and reset; the initialisers leave it unchanged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.conv import _ConvNd

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.model_checks import plain_model

__all__ = [
    "KINDS",
    "WEIGHT_LAYERS",
    "WeightLayer",
    "describe_left_alone",
    "every_weight_layer",
    "input_width",
    "is_transposed_linear",
    "is_weight_layer",
    "position_axes",
    "unit_axis",
    "unit_count",
    "weight_layers",
]

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
WEIGHT_LAYERS = (nn.Linear, _ConvNd)  # all layers with units, including transposed convolutions
MODULES_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class WeightLayer:
    """One layer of weights.

    Attributes
    ----------
    name : str
        Its name in the model, as in `model.get_submodule(name)`.
    module : Linear, Conv1d, Conv2d or Conv3d
        The layer itself; its weight has shape (n_units, ...) with fan_in entries per unit.
    n_units : int
        Number of units.
    fan_in : int
        Incoming weights per unit.
    obstacle : str
        Why its weights cannot be changed in place; empty if they can.
    """

    name: str
    module: Layer
    n_units: int
    fan_in: int
    obstacle: str = ""


def is_transposed_linear(module: object) -> bool:
    """Whether a module is a `Conv1D` of transformers: a linear layer with a weight of shape (inputs, units)."""
    if not isinstance(module, nn.Module) or all(kind.__name__ != "Conv1D" for kind in type(module).__mro__):
        return False
    weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
    return weight is not None and weight.ndim == 2 and bias is not None and bias.shape == weight.shape[1:]


def is_weight_layer(module: object) -> bool:
    """Whether a module is a layer with units: linear, convolutional, or a `Conv1D` of transformers."""
    return isinstance(module, WEIGHT_LAYERS) or is_transposed_linear(module)


def unit_axis(module: nn.Module) -> int:
    """Return the axis of a layer's weight that holds its units: 1 for transposed layers, else 0.

    Examples
    --------
    >>> unit_axis(nn.Linear(2, 3)), unit_axis(nn.ConvTranspose1d(2, 3, 1))
    (0, 1)
    """
    return 1 if getattr(module, "transposed", False) or is_transposed_linear(module) else 0


def unit_count(module: nn.Module) -> int:
    """Return the number of units, by the layer's own account."""
    if isinstance(module, nn.Linear):
        return module.out_features
    if isinstance(module, _ConvNd):
        return module.out_channels
    return int(module._parameters["weight"].shape[1])  # type: ignore[union-attr]


def input_width(module: nn.Module) -> int:
    """Return the number of features or channels that are read, by the layer's own account."""
    if isinstance(module, nn.Linear):
        return module.in_features
    if isinstance(module, _ConvNd):
        return module.in_channels
    return int(module._parameters["weight"].shape[0])  # type: ignore[union-attr]


def position_axes(module: nn.Module) -> int:
    """Return how many trailing axes of a layer's inputs are positions; the axis before them holds the features."""
    return len(module.kernel_size) if isinstance(module, _ConvNd) else 0


def weight_layers(model: nn.Module) -> tuple[tuple[WeightLayer, ...], Mapping[str, str]]:
    """List the layers whose weights can be set or negated in place, and all other modules with parameters.

    Parameters
    ----------
    model : torch.nn.Module
        Any model; one compiled by `torch.compile` is unwrapped, since it shares its parameters.

    Returns
    -------
    tuple
        The layers, and a mapping from the names of all other modules with parameters of their own to the reason why
        they are not listed.

    Raises
    ------
    InvalidArgumentError
        As for `plain_model`, or if there is no such layer.

    Examples
    --------
    >>> layers, others = weight_layers(nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8)))
    >>> [(layer.name, layer.n_units, layer.fan_in) for layer in layers], dict(others)
    ([('0', 8, 18)], {'1': 'BatchNorm2d, not a linear or convolutional layer'})
    """
    every = every_weight_layer(model)
    others = {layer.name: layer.obstacle for layer in every if layer.obstacle}
    for name, module in plain_model(model).named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if own and not isinstance(module, KINDS) and "parametrizations" not in name.split("."):
            others[name] = f"{type(module).__name__}, not a linear or convolutional layer"
    layers = tuple(layer for layer in every if not layer.obstacle)
    if not layers:
        kinds = ", ".join(kind.__name__ for kind in KINDS)
        found = others or type(model).__name__
        raise invalid("model", f"have a layer ({kinds}) with weights of its own", found)
    return layers, others


def every_weight_layer(model: nn.Module) -> list[WeightLayer]:
    """List all linear and convolutional layers, including those whose weights cannot be changed in place.

    Raises
    ------
    InvalidArgumentError
        As `plain_model`.
    """
    model = plain_model(model)
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    return [
        WeightLayer(
            name=name,
            module=module,
            n_units=module.weight.shape[0],
            fan_in=math.prod(module.weight.shape[1:]),
            obstacle=_why_not(module, owners),
        )
        for name, module in model.named_modules()
        if isinstance(module, KINDS)
    ]


def describe_left_alone(left_alone: Mapping[str, str]) -> str:
    """Describe in one line which modules were left unchanged, and why.

    Examples
    --------
    >>> describe_left_alone({"norm": "LayerNorm", "head": "the output, as asked"})
    'left alone: norm: LayerNorm; head: the output, as asked'
    """
    shown = [f"{name}: {reason}" for name, reason in list(left_alone.items())[:MODULES_SHOWN]]
    more = len(left_alone) - len(shown)
    return "left alone: " + "; ".join([*shown, f"{more} more in `left_alone`"] if more else shown)


def _why_not(module: nn.Module, owners: Mapping[int, list[str]]) -> str:
    """Explain why a layer's weights cannot be set in place; empty if they can."""
    weight = module._parameters.get("weight")
    if weight is None:
        return "its weight is computed from other parameters (a parametrisation or weight norm)"
    if not weight.dtype.is_floating_point:
        return f"its weights are of type {weight.dtype}"
    if 0 in weight.shape:
        return "it has no weights"
    if module.bias is not None and "bias" not in module._parameters:
        return "its bias is computed from other parameters"
    shared = [name for parameter in module.parameters(recurse=False) for name in owners[id(parameter)]]
    if len(shared) > len(list(module.parameters(recurse=False))):
        return "it shares its parameters: " + ", ".join(sorted(set(shared)))
    return ""

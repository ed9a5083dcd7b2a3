"""Names of the layers and activations that a model calls, from the modules that call them."""

import torch
from torch import nn

from neurondeath_torch.networks.weight_layers import is_weight_layer

__all__ = ["CallNames"]


class CallNames:
    """Names calls after the modules of a model, which are listed once.

    Parameters
    ----------
    model : nn.Module
        The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self.of_module = {module: name for name, module in model.named_modules()}
        self._of_parameter = {id(parameter): name for name, parameter in model.named_parameters()}
        self._labels: dict[tuple[nn.Module, str], str] = {}

    def is_parameter(self, weight: torch.Tensor) -> bool:
        """Whether a weight is a parameter of the model, and not computed from others."""
        return id(weight) in self._of_parameter

    def layer(self, owner: nn.Module, function: str, weight: torch.Tensor) -> str:
        """Name a weight layer after its module, else after its weight, else after the calling module and function."""
        if is_weight_layer(owner):
            return self.of_module[owner] or "model"
        known = self._of_parameter.get(id(weight))
        return known if known is not None else ".".join(filter(None, [self.of_module[owner], function]))

    def activation(self, owner: nn.Module, function: str) -> str:
        """Name an activation after its module if the module does nothing else, otherwise after module and function."""
        known = self._labels.get((owner, function))
        if known is None:
            path = self.of_module[owner]
            bare = isinstance(owner, nn.PReLU) or not any(True for _ in owner.parameters())
            simple = path and bare and not any(True for _ in owner.children())
            known = path if simple else ".".join(filter(None, [path, function]))
            self._labels[owner, function] = known
        return known

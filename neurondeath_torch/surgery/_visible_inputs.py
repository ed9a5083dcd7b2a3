"""A model with identities on its inputs, so that a graph of its operations shows inputs that are added or joined."""

from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_torch.networks.called_batches import CalledBatch
from neurondeath_torch.networks.data_passes import call, evaluating
from neurondeath_torch.networks.input_data import Inputs

__all__ = ["WithVisibleInputs"]

NORMS = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


class WithVisibleInputs(nn.Module):
    """A model that is called as before; `inputs` holds the identities.

    Parameters
    ----------
    model : torch.nn.Module
        The model; not changed.
    inputs : tensor, mapping or CalledBatch
        A batch that it will be called on.
    """

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.model = model
        self.inputs = nn.ModuleDict()
        arguments, keywords = _arguments(model, inputs)
        for name, value in {**{str(i): value for i, value in enumerate(arguments)}, **keywords}.items():
            kind = NORMS.get(getattr(value, "ndim", 0))
            if kind is not None and isinstance(value, Tensor) and value.is_floating_point():
                identity = kind(value.shape[1], eps=0.0, device=value.device, dtype=value.dtype)
                self.inputs[f"{name}_"] = identity  # a key of a ModuleDict must not be the name of a method

    def __getattr__(self, name: str) -> Any:
        """Return what the model has, for functions that run it in their own way."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("model"), name)

    def forward(self, *arguments: Any, **keywords: Any) -> Any:
        """Run the model on the inputs behind their identities."""
        shown = [self._shown(str(i), value) for i, value in enumerate(arguments)]
        return self.model(*shown, **{name: self._shown(name, value) for name, value in keywords.items()})

    def _shown(self, name: str, value: Any) -> Any:
        return self.inputs[f"{name}_"](value) if f"{name}_" in self.inputs else value


def _arguments(model: nn.Module, inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what the model is called with on a batch."""
    if isinstance(inputs, Tensor):
        return (inputs,), {}
    if not isinstance(inputs, CalledBatch):
        return (), {name: value for name, value in inputs.items() if name.isidentifier()}
    seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    handle = model.register_forward_pre_hook(lambda _, given, named: seen.append((given, named)), with_kwargs=True)
    try:
        with evaluating(model), torch.no_grad():
            call(model, inputs)
    finally:
        handle.remove()
    return seen[0] if seen else ((), {})

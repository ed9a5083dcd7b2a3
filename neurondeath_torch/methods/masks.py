"""Masks that keep pruned weights at zero through every optimiser step.

Momentum may move a pruned weight, so the masks are applied again after each step: by a call of `apply`, or by a hook on
the optimiser. Gradients are not changed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.surgery.optimiser_state import check_optimiser

__all__ = ["WeightMasks"]


class WeightMasks:
    """Permanent masks over the weights of a model's layers.

    Parameters
    ----------
    model : torch.nn.Module
        The model; its layers are looked up by name each time, so that replaced parameters are found too.
    layers : iterable of str
        Names of the layers, as in `model.named_modules()`, each with a floating-point `weight`.

    Examples
    --------
    >>> layer = nn.Linear(3, 1)
    >>> masks = WeightMasks(nn.Sequential(layer), ["0"])
    >>> masks.set("0", np.array([[True, False, True]]))
    >>> layer.weight[0, 1].item(), masks.n_pruned, masks.n_weights
    (0.0, 1, 3)
    """

    def __init__(self, model: nn.Module, layers: Iterable[str]) -> None:
        self._model = model
        self._pruned: dict[str, Tensor] = {}
        for name in layers:
            weight = self.weight(name)
            twin = next((other for other in self._pruned if self.weight(other) is weight), None)
            if twin is not None:
                raise invalid("layers", "name layers with weights of their own", f"{name} and {twin}", "name one")
            self._pruned[name] = torch.zeros_like(weight, dtype=torch.bool)

    @property
    def layers(self) -> list[str]:
        """Names of the masked layers."""
        return list(self._pruned)

    @property
    def n_weights(self) -> int:
        """Number of weights under a mask, pruned or not."""
        return sum(mask.numel() for mask in self._pruned.values())

    @property
    def n_pruned(self) -> int:
        """Number of pruned weights."""
        return sum(int(mask.sum()) for mask in self._pruned.values())

    def weight(self, layer: str) -> nn.Parameter:
        """Return the weight Parameter of a layer."""
        module = dict(self._model.named_modules()).get(layer)
        weight = getattr(module, "weight", None)
        if not isinstance(weight, nn.Parameter) or not weight.is_floating_point():
            raise invalid("layers", "name layers with a floating-point weight", layer, "see model.named_modules()")
        return weight

    def kept(self, layer: str) -> npt.NDArray[np.bool_]:
        """Return a layer's mask as an array, True for weights not pruned."""
        kept: npt.NDArray[np.bool_] = ~self._pruned[layer].cpu().numpy()
        return kept

    def set(self, layer: str, kept: npt.NDArray[np.bool_]) -> None:
        """Set a layer's mask, True for weights not pruned, and apply it to the weights."""
        if kept.shape != tuple(self._pruned[layer].shape):
            raise invalid("kept", f"have the shape {tuple(self._pruned[layer].shape)} of `{layer}`", kept.shape)
        self._pruned[layer] = torch.from_numpy(~kept.astype(bool)).to(self.weight(layer).device)
        self.apply()

    def apply(self) -> None:
        """Set every pruned weight to zero."""
        modules = dict(self._model.named_modules())
        for name, pruned in self._pruned.items():
            weight: Tensor = modules[name].weight
            if weight.shape != pruned.shape:
                received = f"{tuple(weight.shape)} instead of {tuple(pruned.shape)}"
                raise invalid("model", f"keep the shape of `{name}` while its weights are masked", received)
            if pruned.device != weight.device:  # the model has been moved
                pruned = self._pruned[name] = pruned.to(weight.device)
            with torch.no_grad():
                weight.masked_fill_(pruned, 0.0)

    def hold(self, optimiser: torch.optim.Optimizer) -> RemovableHandle:
        """Apply the masks after each step of an optimiser until the returned handle's `remove()` is called."""

        def after_step(*_: Any) -> None:
            self.apply()

        return check_optimiser(optimiser, self._model).register_step_post_hook(after_step)

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of the masks by layer name, True for pruned weights."""
        return {name: pruned.clone() for name, pruned in self._pruned.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore masks saved by `state_dict`, and apply them to the weights."""
        shapes = {name: tuple(pruned.shape) for name, pruned in self._pruned.items()}
        saved = {name: tuple(pruned.shape) for name, pruned in state.items()}
        if shapes != saved:
            raise invalid("state", "hold the masks of this model's layers", saved, "build the same model first")
        self._pruned = {
            name: state[name].to(device=pruned.device, dtype=torch.bool, copy=True)
            for name, pruned in self._pruned.items()
        }
        self.apply()

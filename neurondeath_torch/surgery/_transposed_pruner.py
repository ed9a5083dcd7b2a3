"""How Torch-Pruning cuts a `Conv1D` of Hugging Face transformers, whose weight has shape (inputs, units)."""

from collections.abc import Sequence

import torch
import torch_pruning
from torch import nn

from neurondeath_torch.networks.weight_layers import input_width, is_transposed_linear, unit_count

__all__ = ["TransposedPruner", "transposed_pruners"]


class TransposedPruner(torch_pruning.BasePruningFunc):  # type: ignore[misc]
    """Cut units or inputs of linear layers with a transposed weight."""

    def prune_out_channels(self, layer: nn.Module, idxs: Sequence[int]) -> nn.Module:
        """Remove units: columns of the weight and entries of the bias."""
        weight, bias = layer._parameters["weight"], layer._parameters["bias"]
        assert weight is not None  # a Conv1D has both
        assert bias is not None
        kept = _kept(weight.shape[1], idxs, weight)
        layer._parameters["weight"] = nn.Parameter(weight.detach()[:, kept])
        layer._parameters["bias"] = nn.Parameter(bias.detach()[kept])
        return layer

    def prune_in_channels(self, layer: nn.Module, idxs: Sequence[int]) -> nn.Module:
        """Remove inputs: rows of the weight."""
        weight = layer._parameters["weight"]
        assert weight is not None
        layer._parameters["weight"] = nn.Parameter(weight.detach()[_kept(len(weight), idxs, weight)])
        return layer

    def get_out_channels(self, layer: nn.Module) -> int:
        """Return the number of units."""
        return unit_count(layer)

    def get_in_channels(self, layer: nn.Module) -> int:
        """Return the number of inputs."""
        return input_width(layer)


def transposed_pruners(model: nn.Module) -> dict[type[nn.Module], TransposedPruner]:
    """Return a pruner for each class of such layers in a model."""
    return {type(module): TransposedPruner() for module in model.modules() if is_transposed_linear(module)}


def _kept(length: int, gone: Sequence[int], like: torch.Tensor) -> torch.Tensor:
    kept = torch.ones(length, dtype=torch.bool, device=like.device)
    kept[list(gone)] = False
    return kept

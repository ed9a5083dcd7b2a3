"""How Torch-Pruning cuts the modules of sparse autoencoders: thresholds per feature, and decoders tied to encoders."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch_pruning.pruner.function import BasePruningFunc

from neurondeath_torch.networks.sparse_codes import JumpReLU, TiedLinear

__all__ = ["SPARSE_CODE_PRUNERS"]


class _ThresholdPruner(BasePruningFunc):  # type: ignore[misc]
    """Cut the thresholds of features that go; one threshold for all stays."""

    def prune_out_channels(self, layer: JumpReLU, idxs: Sequence[int]) -> JumpReLU:
        raw = layer.raw_threshold
        if raw.ndim:
            gone = torch.zeros(len(raw), dtype=torch.bool, device=raw.device)
            gone[list(idxs)] = True
            layer.raw_threshold = nn.Parameter(raw.data[~gone], requires_grad=raw.requires_grad)
        return layer

    prune_in_channels = prune_out_channels

    def get_out_channels(self, layer: JumpReLU) -> int | None:
        return len(layer.raw_threshold) if layer.raw_threshold.ndim else None

    get_in_channels = get_out_channels


class _TiedPruner(BasePruningFunc):  # type: ignore[misc]
    """A tied layer reads the features that its source writes: the cut of the source cuts it."""

    def prune_out_channels(self, layer: TiedLinear, idxs: Sequence[int]) -> TiedLinear:
        return layer

    def prune_in_channels(self, layer: TiedLinear, idxs: Sequence[int]) -> TiedLinear:
        return layer

    def get_out_channels(self, layer: TiedLinear) -> int:
        return layer.source.in_features

    def get_in_channels(self, layer: TiedLinear) -> int:
        return layer.source.out_features


SPARSE_CODE_PRUNERS: dict[type[nn.Module], Any] = {JumpReLU: _ThresholdPruner(), TiedLinear: _TiedPruner()}

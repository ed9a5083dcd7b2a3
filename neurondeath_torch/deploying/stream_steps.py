"""Steps of critical residual streams: those of the package's own modules, and those that hooks make of other layers."""

import math
from typing import Any

import torch
from torch import nn

from neurondeath_torch.deploying.chain_builder import ChainBuilder, row_of
from neurondeath_torch.networks.critical_residual import CriticalResidual
from neurondeath_torch.networks.normalised_layers import GAIN, TINY_DEVIATION, Normalisation
from neurondeath_torch.networks.residual_stream import TINY, StreamBranch, StreamStart

__all__ = ["StreamReader", "critical_residual_steps"]


def critical_residual_steps(
    chain: ChainBuilder, source: int, name: str, module: CriticalResidual, activate: Any
) -> int:
    """Add the steps of a `CriticalResidual`; `activate(value, module)` adds those of its activation."""
    share = module.effective_depth / module.depth
    keep, scale = math.sqrt(1.0 - share), math.sqrt(share)

    def active(h: int, layer: int) -> int:
        gain = None if module.gains is None else module.gains[layer]
        return int(activate(_read(chain, h, module._read, gain), module.activation))

    def product(value: int, part: str, layer: Any) -> int:
        return chain.product(value, f"{name}.{part}" if name else part, layer.weight, layer.bias)

    h = source if module.first is None else product(source, "first", module.first)
    h = _rescaled(chain, h, module.design.q)
    for number, layer in enumerate(module.layers):
        branch = product(active(h, number), f"layers.{number}", layer)
        h = chain.add("sum", h, branch, numbers=(keep, scale))
    return h if module.last is None else product(active(h, module.depth), "last", module.last)


class StreamReader:
    """Follows the streams of rewired layers from one to the next."""

    def __init__(self, chain: ChainBuilder) -> None:
        self._chain = chain
        self._held: dict[int, tuple[int, float]] = {}  # identity of the stream -> value, factor

    def after(self, module: nn.Module, value: int) -> int:
        """Add what the hooks of a layer make of its output; return what the next layer reads."""
        for hook in module._forward_hooks.values():
            if isinstance(hook, StreamStart):
                value = self._start(hook, value)
            elif isinstance(hook, StreamBranch):
                held, keep = self._held[id(hook.stream)]
                value = self._chain.add("sum", held, value, numbers=(keep, hook.scale))
            else:
                continue
            self._held[id(hook.stream)] = (value, hook.keep)
            value = _read(self._chain, value, hook.read, module._buffers.get(GAIN))
        return value

    def _start(self, hook: StreamStart, value: int) -> int:
        if hook.q is not None:
            return _rescaled(self._chain, value, hook.q)
        return self._chain.add("sum", value, value, numbers=(0.5 * hook.factor, 0.5 * hook.factor))


def _rescaled(chain: ChainBuilder, value: int, q: float) -> int:
    return chain.add("rescale", value, numbers=(math.sqrt(q), TINY))


def _read(chain: ChainBuilder, value: int, how: Normalisation | None, gain: torch.Tensor | None) -> int:
    """Add the normalisation of what a layer reads."""
    if how is None:
        return value
    size = math.sqrt(2.0 * how.q / math.pi) * (1.0 if gain is None else float(row_of(gain)[0]))
    return chain.add("centre", value, numbers=(size, TINY_DEVIATION))

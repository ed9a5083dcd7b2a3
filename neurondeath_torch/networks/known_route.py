"""The route through a model that takes the same one in every pass: recorded once, so that later passes need no tracing.

A stack (`nn.Sequential`, nested or not) of layers, ReLUs, norms and other modules of PyTorch without a choice of their
own calls the same functions in the same order for all inputs of one kind. After a traced pass, what is seen at its
ReLUs says all; that costs one hook per ReLU instead of a look at every function call.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from neurondeath_torch.networks.module_hooks import LAYERS, NAMELESS
from neurondeath_torch.networks.tensor_flow import Flow

__all__ = ["KnownRoute"]

RECTIFIERS = frozenset({nn.ReLU, nn.ReLU6})


class KnownRoute:
    """What a traced pass met, if the next pass must meet the same.

    Parameters
    ----------
    model : nn.Module
        The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._possible = all(_is_plain(module) for module in model.modules())
        self.visits: dict[nn.Module, list[tuple[str, Flow]]] = {}  # ReLU -> name and origin of each of its calls
        self._weights: list[tuple[nn.Module, torch.Tensor]] = []
        self._members: list[tuple[nn.Module, tuple[nn.Module, ...]]] = []
        self._kind: Any = None

    def begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Begin to record a pass."""
        self.visits, self._kind = {}, None
        if self._possible and len(args) == 1 and not kwargs and isinstance(args[0], torch.Tensor):
            self._kind = _kind(args[0])

    def visit(self, owner: nn.Module, site: str, flow: Flow) -> None:
        """Record the call of an activation."""
        if type(owner) in RECTIFIERS:
            self.visits.setdefault(owner, []).append((site, flow))
        else:
            self.spoil()

    def spoil(self) -> None:
        """Forget the pass: something was met that must be looked at in every pass."""
        self._kind = None

    def end(self) -> bool:
        """Finish recording; return whether the next pass is known."""
        if self._kind is None:
            return False
        modules = list(self._model.modules())
        self._members = [(m, tuple(m.children())) for m in modules if isinstance(m, nn.Sequential)]
        self._weights = [(m, m.get_parameter("weight")) for m in modules if type(m) in LAYERS]
        return True

    def holds(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether a pass on these arguments takes the route."""
        if self._kind is None or kwargs or len(args) != 1 or not isinstance(args[0], torch.Tensor):
            return False
        if _kind(args[0]) != self._kind:
            return False
        if any(module._parameters.get("weight") is not weight for module, weight in self._weights):
            return False
        return all(tuple(module._modules.values()) == members for module, members in self._members)


def _kind(x: torch.Tensor) -> tuple[Any, ...]:
    return type(x), x.ndim, x.shape[1:], x.dtype, x.device, torch.is_autocast_enabled(x.device.type)


def _is_plain(module: nn.Module) -> bool:
    kind = type(module)
    hooked = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    if hooked or not (kind in RECTIFIERS or kind in LAYERS or kind in NAMELESS):
        return False
    return kind not in LAYERS or module._parameters.get("weight") is not None

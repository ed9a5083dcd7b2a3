"""The flows of the tensors of one forward pass, by the tensors themselves."""

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from neurondeath_torch.networks.tensor_flow import Flow, tensors_of

__all__ = ["TensorFlows"]


class TensorFlows:
    """Keeps the flow of every tensor as long as the tensor lives; an address that is used again says nothing."""

    def __init__(self) -> None:
        self._flows: dict[int, tuple[weakref.ref[torch.Tensor], Flow]] = {}

    def record(self, result: Any, flow: Flow) -> None:
        """Record the flow of a tensor, or of all tensors in what an operation returned."""
        if isinstance(result, torch.Tensor):  # by far the most frequent
            self._flows[id(result)] = (weakref.ref(result), flow)
            return
        for tensor in tensors_of((result,), {}):
            self._flows[id(tensor)] = (weakref.ref(tensor), flow)

    def of(self, tensor: torch.Tensor) -> Flow | None:
        """Return the flow of a tensor; None if it does not come from the model's input."""
        known = self._flows.get(id(tensor))
        return known[1] if known is not None and known[0]() is tensor else None

    def of_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Flow | None:
        """Return the common flow of the arguments of a call."""
        if len(args) == 1 and not kwargs and isinstance(args[0], torch.Tensor):
            return self.of(args[0])
        return self.common(tensors_of(args, kwargs))

    def common(self, tensors: Iterable[torch.Tensor]) -> Flow | None:
        """Return the common flow of tensors; None if none of them comes from the model's input."""
        flows: list[Flow] = []
        for tensor in tensors:
            flow = self.of(tensor)
            if flow is not None and flow not in flows:
                flows.append(flow)
        if len(flows) < 2:
            return flows[0] if flows else None
        layers = {flow.layer for flow in flows}
        return Flow(
            origins=frozenset().union(*(flow.origins for flow in flows)),
            layer=layers.pop() if len(layers) == 1 else None,
            spatial=flows[0].spatial,
            steps=tuple(dict.fromkeys(step for flow in flows for step in flow.steps)),
            unit_layers=frozenset().union(*(flow.unit_layers for flow in flows)),
            weighted=any(flow.weighted for flow in flows),
            activated=all(flow.activated for flow in flows),
        )

"""Find what is constant on all data: inputs of weight layers that no known activation explains, and the outputs.

A column of a weight layer's input that holds the same number at all points (and positions) carries nothing from point
to point, whatever made it so: an operation that is not known as an activation, a saturated smooth activation, a number
too small for its type. Columns behind a known activation are counted there. Outputs count as equal when their spread
over the points is below their precision.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neurondeath_torch.networks.data_passes import output_tensors
from neurondeath_torch.networks.forward_tracing import LayerCall, Listener
from neurondeath_torch.networks.tensor_flow import tensors_of

__all__ = ["Constants"]

PRECISION = 16.0  # spread of equal outputs, in units of the last place of their largest value


@dataclass
class _Range:
    """Least and largest value of every column so far, and how many values of each were seen."""

    low: torch.Tensor
    high: torch.Tensor
    seen: int

    def include(self, low: torch.Tensor, high: torch.Tensor, seen: int) -> None:
        self.low, self.high = torch.minimum(self.low, low), torch.maximum(self.high, high)
        self.seen += seen


class Constants(Listener):
    """Listener that follows the range of unexplained inputs and of the outputs; a pass is added when it is finished.

    Parameters
    ----------
    choose : callable
        What the model returns -> its outputs.
    """

    outputs_only = True

    def __init__(self, choose: Callable[[Any], Any] = lambda output: output) -> None:
        self._choose = choose
        self._inputs: dict[str, _Range] = {}
        self._outputs: list[_Range] | None = None
        self._points: list[_Range] | None = None
        self._comparable = True  # whether all passes had outputs of one shape
        self._differ = False  # whether the points differ
        self._outputs_differ = False  # by more than their precision, after which they need not be looked at
        self._pending: list[tuple[str, torch.Tensor, torch.Tensor, int]] = []
        self._returned: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])

    def state(self) -> dict[str, Any]:
        """Return the ranges as plain numbers and tensors."""
        return {
            "inputs": {name: _plain(one) for name, one in self._inputs.items()},
            "outputs": None if self._outputs is None else [_plain(one) for one in self._outputs],
            "points": None if self._points is None else [_plain(one) for one in self._points],
            "comparable": self._comparable,
            "differ": self._differ,
            "outputs_differ": self._outputs_differ,
        }

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take over the ranges of a state."""
        self._inputs = {name: _range(one, device) for name, one in state["inputs"].items()}
        self._outputs = None if state["outputs"] is None else [_range(one, device) for one in state["outputs"]]
        self._points = None if state["points"] is None else [_range(one, device) for one in state["points"]]
        self._comparable, self._differ = bool(state["comparable"]), bool(state["differ"])
        self._outputs_differ = bool(state["outputs_differ"])

    def started(self) -> None:
        """Discard the data of an earlier pass that did not finish."""
        self._pending.clear()

    def reads_unwatched(self, call: LayerCall) -> None:
        """Record the range of every column."""
        axis = call.x.ndim - 1 - call.spatial
        if axis < 0 or call.x.numel() == 0:
            return
        columns = call.x.detach().movedim(axis, 0).flatten(1) if call.x.ndim > 1 else call.x.detach().unsqueeze(1)
        self._pending.append((call.name, columns.amin(1), columns.amax(1), columns.shape[1]))

    def returned(self, inputs: tuple[Any, Mapping[str, Any]], output: Any) -> None:
        """Keep the points and the outputs until the pass is finished."""
        if not (self._differ and self._outputs_differ):
            self._returned = list(tensors_of(*inputs)), output_tensors(self._choose(output))

    def finished(self) -> None:
        """Add the pass to the earlier ones."""
        for name, low, high, seen in self._pending:
            known = self._inputs.get(name)
            if known is not None and known.low.shape == low.shape:
                known.include(low, high, seen)
            else:
                self._inputs[name] = _Range(low, high, seen)
        self._pending.clear()
        if self._differ and self._outputs_differ:
            return
        points, outputs = self._returned
        self._returned = ([], [])
        if not self._differ:  # points of other shapes differ too
            self._points, same_shape = _extended(self._points, points)
            self._differ = not same_shape or any(bool((one.low != one.high).any()) for one in self._points)
        self._outputs, same_shape = _extended(self._outputs, outputs)
        self._comparable &= same_shape
        self._outputs_differ = not all(_is_equal(one) for one in self._outputs)

    def inputs(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Return, for layers that have some, which unexplained inputs were constant though the points differ."""
        if not self._differ:
            return {}
        found = {name: (one.low == one.high).cpu().numpy() for name, one in self._inputs.items() if one.seen > 1}
        return {name: columns for name, columns in found.items() if columns.any()}

    def outputs_are_equal(self) -> bool:
        """Whether the outputs were equal for all points up to rounding, though the points differ."""
        if self._outputs_differ or not self._comparable or not self._outputs or not self._differ:
            return False
        return all(one.seen > 1 and _is_equal(one) for one in self._outputs)


def _extended(known: list[_Range] | None, tensors: list[torch.Tensor]) -> tuple[list[_Range], bool]:
    """Add rows to the ranges over rows; return them, and whether the rows have the shapes of those before."""
    rows = [tensor.detach().flatten(1) if tensor.ndim > 1 else tensor.detach().unsqueeze(-1) for tensor in tensors]
    kept = [one for one in rows if one.numel() and not one.is_complex() and one.dtype != torch.bool]
    found = [_Range(one.amin(0), one.amax(0), len(one)) for one in kept]
    if known is None:
        return found, True
    if [one.low.shape for one in known] != [one.low.shape for one in found]:
        return known, False
    for before, one in zip(known, found, strict=True):
        before.include(one.low, one.high, one.seen)
    return known, True


def _plain(one: _Range) -> tuple[torch.Tensor, torch.Tensor, int]:
    return one.low.cpu().clone(), one.high.cpu().clone(), one.seen


def _range(one: tuple[torch.Tensor, torch.Tensor, int], device: torch.device) -> _Range:
    low, high, seen = one
    return _Range(low.to(device, copy=True), high.to(device, copy=True), int(seen))


def _is_equal(one: _Range) -> bool:
    spread, size = (one.high - one.low).abs().max(), torch.maximum(one.high.abs(), one.low.abs()).max()
    if not one.low.dtype.is_floating_point:
        return bool(spread == 0)
    return bool(spread <= PRECISION * torch.finfo(one.low.dtype).eps * size)

"""Record on which point every input channel of a layer was first different from zero."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_torch.networks.called_batches import batch_tensors
from neurondeath_torch.networks.silence import new_firing_bound
from neurondeath_torch.surgery.unit_coupling import Coupling

__all__ = ["FirstFirings"]

NEVER = torch.iinfo(torch.int64).max


class FirstFirings:
    """Counts the points of the batches that a model reads, and notes the first that makes a channel nonzero."""

    def __init__(self) -> None:
        self.n_points = 0
        self._n_batch = 0
        self._first: dict[nn.Module, Tensor] = {}  # numbers from 1
        self._unclear: set[nn.Module] = set()  # layers whose inputs do not have the points along axis 0

    def begin(self, model: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Begin a batch: a forward pre-hook of the whole model."""
        self.n_points += self._n_batch
        first = next(iter(batch_tensors([*arguments, keywords])), None)
        self._n_batch = len(first) if first is not None and first.ndim else 0

    def see(self, layer: nn.Module, x: Tensor, axis: int) -> None:
        """Record the inputs of a layer whose channels lie along an axis."""
        if axis < 1 or len(x) != self._n_batch or not len(x):
            self._unclear.add(layer)
            return
        fired = (x != 0).movedim(axis, 1)
        fired = fired.flatten(2).any(2) if fired.ndim > 2 else fired
        number = torch.where(fired.any(0), fired.to(torch.uint8).argmax(0) + (self.n_points + 1), NEVER)
        known = self._first.setdefault(layer, number)
        if known.shape == number.shape:
            self._first[layer] = torch.minimum(known, number)
        else:
            self._unclear.add(layer)

    def moved_share(self, couplings: Iterable[Coupling]) -> float | None:
        """Bound the share of inputs on which units fire that are silent so far; None if a layer is unclear."""
        numbers: list[np.ndarray[Any, Any]] = []
        for coupling in couplings:
            for part in coupling.readers:
                if part.module in self._unclear or part.module not in self._first:
                    return None
                first = self._first[part.module].cpu().numpy()[part.channels]
                numbers.append(np.where(first == NEVER, 0, first))
        n = self.n_points + self._n_batch
        return new_firing_bound(np.concatenate(numbers), n) if numbers and n else None

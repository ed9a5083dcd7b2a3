"""Methods that prune weights permanently: the common part of Synaptic Stripping and global pruning."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from neurondeath_torch.methods.masks import WeightMasks
from neurondeath_torch.methods.training_method import TrainingMethod

__all__ = ["MaskingMethod"]


class MaskingMethod(TrainingMethod):
    """Base class of methods with permanent masks, which `after_step` applies and which are saved and restored.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training.
    optimiser : torch.optim.Optimizer or None
        If given, the masks are applied after each of its steps without a call of `after_step`.
    layers : iterable of str
        Names of the layers whose weights may be pruned.
    """

    acts_after_steps = True

    def __init__(self, model: nn.Module, optimiser: torch.optim.Optimizer | None, layers: Iterable[str]) -> None:
        super().__init__(model, optimiser)
        self._masks = WeightMasks(self._model, layers)
        if self._optimiser is not None:
            self._masks.hold(self._optimiser)

    @property
    def n_pruned(self) -> int:
        """Number of weights pruned so far."""
        return self._masks.n_pruned

    @property
    def masks(self) -> WeightMasks:
        """The permanent masks."""
        return self._masks

    def after_step(self) -> None:
        """Set the pruned weights back to zero."""
        super().after_step()
        self._masks.apply()

    @property
    def _needs_steps(self) -> bool:
        return self._optimiser is None

    def state_dict(self) -> dict[str, Any]:
        """Return counters, record and masks."""
        return {**super().state_dict(), "masks": self._masks.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state and apply its masks to the model's weights."""
        super().load_state_dict(state)
        self._masks.load_state_dict(state["masks"])

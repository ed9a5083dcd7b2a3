"""Synaptic Stripping: reactivate dead units by pruning their lowest incoming weights [whitaker2023].

Every few epochs each unit that is dead on the deciding data loses its lowest incoming weights: those strictly below a
quantile of its remaining nonzero weights, that is the smallest signed values, usually the most negative. With
non-negative inputs its pre-activation rises until the unit is active again and learns. Masks are permanent; biases and
live units are not changed. The caller chooses the deciding data: use training or validation data, since choosing
weights by test data leaks (the released code of the paper does).
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.validation import check_count, check_real
from neurondeath_torch.methods.masking_method import MaskingMethod
from neurondeath_torch.methods.pruning_rules import stripped
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.model_checks import check_model
from neurondeath_torch.networks.unit_activity import MIN_POINTS, measure_activity
from neurondeath_torch.networks.weight_layers import unit_axis

__all__ = ["SynapticStripping"]


class SynapticStripping(MaskingMethod):
    """Prune the lowest incoming weights of dead units every few epochs.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training.
    optimiser : torch.optim.Optimizer, optional
        If given, the masks are applied after each of its steps without a call of `after_step`.
    data : Tensor or iterable of batches
        The deciding data, read once at each stripping; a tensor (one batch), or batches that are tensors, (inputs,
        targets) or dicts of keyword arguments. Measured in evaluation mode; batch-norm statistics are not changed.
    every : int
        Epochs between two strippings.
    stripping_factor : float
        Quantile in [0, 1] of a dead unit's remaining nonzero weights, below which they are pruned.
    layers : iterable of str, optional
        Only strip these layers; all weight layers that an activation follows if not given.
    min_points : int
        Points that the deciding data must hold at least.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model cannot be used, or no layer is followed by an activation.

    Notes
    -----
    Source: whitaker2023 (arXiv 2302.05818). A layer whose activation reads a sum (a residual stream) is stripped by
    the units of that sum. Pruned weights still get gradients; they are set back to zero after the step.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU(), nn.Linear(2, 1))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.tensor([[-3.0, -2.0, 1.0], [1.0, -1.0, 1.0]]))
    >>> stripping = SynapticStripping(model, data=torch.ones(20, 3))
    >>> stripping.after_epoch()
    >>> model[0].weight.tolist(), stripping.n_pruned
    ([[0.0, -2.0, 1.0], [1.0, -1.0, 1.0]], 1)
    """

    acts_after_epochs = True

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        *,
        data: Any,
        every: int = 1,
        stripping_factor: float = 0.05,
        layers: Iterable[str] | None = None,
        min_points: int = MIN_POINTS,
        call: Call | None = None,
    ) -> None:
        data = called(model, data, call)
        names, least = None if layers is None else list(layers), check_count("min_points", min_points)
        super().__init__(model, optimiser, measure_activity(check_model(model), data, names, min_points=least))
        self._data = data
        self._every = check_count("every", every)
        self._factor = check_real("stripping_factor", stripping_factor, low=0.0, high=1.0)

    def after_epoch(self) -> None:
        """Strip the dead units, if it is due."""
        super().after_epoch()
        if self._epochs % self._every == 0:
            self.strip()

    def strip(self) -> None:
        """Strip the dead units now."""
        for layer, activity in measure_activity(self._model, self._data, self._masks.layers).items():
            dead = ~activity.active.cpu().numpy()
            if not dead.any():
                continue
            axis = unit_axis(self._model.get_submodule(layer))
            weight = self._masks.weight(layer).detach().transpose(0, axis)
            values = weight.to("cpu", torch.promote_types(weight.dtype, torch.float32)).numpy()
            kept = self._masks.kept(layer)
            after = stripped(values, kept.swapaxes(0, axis), dead, stripping_factor=self._factor).swapaxes(0, axis)
            n_pruned = int(kept.sum() - after.sum())
            if n_pruned:
                self._masks.set(layer, after)
            self._record("strip", layer, units=int(dead.sum()), weights=n_pruned)

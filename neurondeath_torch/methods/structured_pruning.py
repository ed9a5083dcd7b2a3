"""Structured-pruning baseline: remove the units with the smallest weights, dead or not, in rounds.

A unit's score is the Euclidean norm of all rows that write it (several layers along a residual stream), divided by the
mean score of its layer, so that layers of different scale are comparable. Each round removes the lowest share of the
hidden units of the whole model, with all weights that belong to them.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_torch.methods.pruning_rules import lowest_units
from neurondeath_torch.methods.training_method import TrainingMethod
from neurondeath_torch.networks.data_passes import example_inputs
from neurondeath_torch.surgery.removal import Removal, remove_units
from neurondeath_torch.surgery.unit_coupling import Coupling, CouplingGraph

__all__ = ["StructuredPruning"]


class StructuredPruning(TrainingMethod):
    """Remove the units with the smallest weights every few epochs.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its layers shrink in place.
    optimiser : torch.optim.Optimizer or None
        Updated at every removal.
    data : Tensor or iterable of batches
        The first batch is used to trace the model.
    share : float
        Share in (0, 1) of the remaining hidden units that a round removes; no layer loses its last unit.
    every : int
        Epochs between rounds.
    rounds : int, optional
        Number of rounds; unlimited if not given.
    layers : iterable of str, optional
        Only remove units of these layers.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, or no layer has units that can be removed.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2))
    >>> pruning = StructuredPruning(model, None, data=torch.randn(8, 4), share=0.3)
    >>> pruning.after_epoch()
    >>> model[0].out_features
    7
    """

    acts_after_epochs = True

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        *,
        data: Any,
        share: float = 0.1,
        every: int = 1,
        rounds: int | None = None,
        layers: Iterable[str] | None = None,
    ) -> None:
        super().__init__(model, optimiser)
        self._data = data
        self._share = check_real("share", share, low=0.0, high=1.0, low_open=True, high_open=True)
        self._every = check_count("every", every)
        self._rounds = None if rounds is None else check_count("rounds", rounds)
        self._layers = None if layers is None else set(layers)
        if not self._removable():
            raise invalid("layers", "name layers whose units can be removed", sorted(self._layers or []) or "all")

    def after_epoch(self) -> None:
        """Remove the smallest units, if it is due."""
        super().after_epoch()
        done = self._epochs // self._every
        if self._epochs % self._every == 0 and (self._rounds is None or done <= self._rounds):
            self.remove()

    def remove(self) -> Removal:
        """Remove the lowest share of the units now."""
        couplings = self._removable()
        scores = [unit_scores(coupling) for coupling in couplings]
        count = round(self._share * sum(len(score) for score in scores))
        chosen = lowest_units(scores, count)
        units = {coupling.layer: flags for coupling, flags in zip(couplings, chosen, strict=True)}
        removal = remove_units(self._model, units, data=self._data, optimiser=self._optimiser)
        for layer, gone in zip(removal.layers, removal.removed, strict=True):
            self._record("remove", layer, units=len(gone))
        return removal

    def _removable(self) -> list[Coupling]:
        graph = CouplingGraph(self._model, example_inputs(self._model, self._data))
        return [
            coupling
            for coupling in graph.couplings()
            if not coupling.obstacle
            and (self._layers is None or any(part.name in self._layers for part in coupling.writers))
        ]


@torch.no_grad()
def unit_scores(coupling: Coupling) -> npt.NDArray[np.float64]:
    """Compute the norm of the rows that write each unit, relative to the layer's mean; shape (n_units,)."""
    squares = np.zeros(coupling.n_units)
    for part in coupling.writers:
        weight = part.module.weight
        assert isinstance(weight, nn.Parameter)  # a coupling with computed weights has an obstacle
        axis = 1 if getattr(part.module, "transposed", False) else 0
        rows = weight.detach().transpose(0, axis).flatten(1).double().square().sum(1).cpu().numpy()
        np.add.at(squares, part.units, rows[part.channels])
    norms = np.sqrt(squares)
    mean = norms.mean()
    relative: npt.NDArray[np.float64] = norms / mean if mean > 0 else norms
    return relative

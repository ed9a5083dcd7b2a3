"""Structured-pruning baseline: remove the units with the lowest scores, dead or not, in rounds.

The scores are those of `unit_scores`; by default that is the scale of the norm that follows a layer, or the size of the
incoming weights where none does. Each round removes the lowest share of the hidden units of the whole model, with all
weights that belong to them.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_choice, check_count, check_real, invalid
from neurondeath_torch.methods.loss_gradients import check_loss, loss_gradients
from neurondeath_torch.methods.pruning_rules import lowest_units
from neurondeath_torch.methods.training_method import TrainingMethod
from neurondeath_torch.methods.unit_scores import SCORES, scored_parameters, unit_scores
from neurondeath_torch.networks.data_passes import evaluating, example_inputs
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.surgery.removal import Removal, remove_units
from neurondeath_torch.surgery.resetting import stream_seed
from neurondeath_torch.surgery.unit_coupling import Coupling, CouplingGraph

__all__ = ["StructuredPruning"]


class StructuredPruning(TrainingMethod):
    """Remove the units with the lowest scores every few epochs.

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
    score : {"scale", "weights", "group", "taylor", "random"}
        What a unit is worth: see `unit_scores`; "random" removes units at random, the control of all others.
    loss : callable, optional
        Needed for "taylor": a function without arguments that computes the loss, for instance on a batch; called in
        evaluation mode.
    layers : iterable of str, optional
        Only remove units of these layers.
    seed : int
        Seed of the random scores.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`.

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
        score: str = "group",
        loss: Callable[[], Tensor] | None = None,
        layers: Iterable[str] | None = None,
        seed: int = 0,
        call: Call | None = None,
    ) -> None:
        super().__init__(model, optimiser)
        self._data = called(model, data, call)
        self._share = check_real("share", share, low=0.0, high=1.0, low_open=True, high_open=True)
        self._every = check_count("every", every)
        self._rounds = None if rounds is None else check_count("rounds", rounds)
        self._score = check_choice("score", score, (*SCORES, "random"))
        self._loss = check_loss(loss, 'score="taylor"') if self._score == "taylor" else loss
        self._layers = None if layers is None else set(layers)
        self._seed = check_count("seed", seed, least=0)
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
        scores = self._scores(couplings)
        count = round(self._share * sum(len(score) for score in scores))
        chosen = lowest_units(scores, count)
        units = {coupling.layer: flags for coupling, flags in zip(couplings, chosen, strict=True)}
        removal = remove_units(self._model, units, data=self._data, optimiser=self._optimiser)
        for layer, gone in zip(removal.layers, removal.removed, strict=True):
            self._record("remove", layer, units=len(gone))
        return removal

    def _scores(self, couplings: Sequence[Coupling]) -> list[npt.NDArray[np.float64]]:
        if self._score == "random":  # one stream per round, so that a resumed training draws the same numbers
            rng = np.random.default_rng(stream_seed(self._seed, self._steps, self._epochs))
            return [rng.random(coupling.n_units) for coupling in couplings]
        gradients = None
        if self._score == "taylor":
            assert self._loss is not None  # checked in __init__
            weights = [weight for weight in scored_parameters(couplings) if weight.requires_grad]
            with evaluating(self._model):
                found = loss_gradients(self._loss, weights)
            gradients = {weight: torch.zeros_like(weight) for weight in scored_parameters(couplings)}
            gradients.update(zip(weights, found, strict=True))
        return [unit_scores(coupling, self._score, gradients) for coupling in couplings]

    def _removable(self) -> list[Coupling]:
        graph = CouplingGraph(self._model, example_inputs(self._model, self._data))
        return [
            coupling
            for coupling in graph.couplings()
            if not coupling.obstacle
            and (self._layers is None or any(part.name in self._layers for part in coupling.writers))
        ]

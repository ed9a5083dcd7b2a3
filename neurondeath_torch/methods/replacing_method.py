"""Methods that replace single units while the model trains: what Continual Backprop and resets by silence share.

The traffic of the units is seen in the training batches themselves. A unit is replaced by `UnitResetter`: new incoming
weights from the layer's own law, zero outgoing weights, no optimiser memory, Adam's steps from the start.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_count, invalid
from neurondeath_torch.methods.misuse import replaced_parameter
from neurondeath_torch.methods.training_method import TrainingMethod
from neurondeath_torch.methods.unit_traffic import Sent, UnitTraffic
from neurondeath_torch.surgery.adam_steps import correct_adam_steps
from neurondeath_torch.surgery.resetting import UnitResetter, stream_seed

__all__ = ["ReplacingMethod"]


class ReplacingMethod(TrainingMethod):
    """Base class: watches the units in every training batch, and resets those that `_choose` names after a step.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its layers keep their sizes.
    optimiser : torch.optim.Optimizer or None
        Its state for replaced units is set to zero.
    data : Tensor or iterable of batches
        Used once, to trace the model.
    layers : iterable of str, optional
        Only these layers; all weight layers that an activation follows if not given.
    initialise : callable, optional
        As for `reset_units`.
    seed : int
        Seed of the new weights.
    """

    acts_after_steps = True

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        *,
        data: Any,
        layers: Iterable[str] | None,
        initialise: Callable[[nn.Module], Any] | None,
        seed: int,
    ) -> None:
        super().__init__(model, optimiser)
        self._initialise = initialise
        self._seed = check_count("seed", seed, least=0)
        self._resetter = UnitResetter(model, data)
        self._traffic = UnitTraffic(model, data, self._resetter, layers)
        if self._optimiser is not None:  # its state may be loaded next
            correct_adam_steps(self._optimiser)
        self._state: dict[str, dict[str, Tensor]] = {
            layer: self._new_state(self._traffic.n_units(layer), self._device(layer)) for layer in self._traffic.layers
        }

    @property
    def left_alone(self) -> dict[str, str]:
        """Layers that an activation follows but whose units are not replaced, and why."""
        return dict(self._traffic.left_alone)

    def after_step(self) -> None:
        """Update the record of every unit, and replace those that the rule names."""
        super().after_step()
        if not self._traffic.is_intact:
            self._refuse_change()
        sent = self._traffic.take()
        if not sent:
            self._loop.warn("no batch was seen in training mode since the last step; call model.train()")
            return
        units = {}
        for layer, found in sent.items():
            chosen = self._choose(layer, found)
            if len(chosen):
                units[layer] = chosen.cpu().numpy()
        if units:
            self._replace(units)

    def state_dict(self) -> dict[str, Any]:
        """Return counters, record and what is known of every unit."""
        units = {layer: {key: value.clone() for key, value in one.items()} for layer, one in self._state.items()}
        return {**super().state_dict(), "units": units}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; the model must be the same."""
        super().load_state_dict(state)
        here = {layer: {key: tuple(v.shape) for key, v in one.items()} for layer, one in self._state.items()}
        there = {layer: {key: tuple(v.shape) for key, v in one.items()} for layer, one in state["units"].items()}
        if here != there:
            raise invalid("state", f"fit a model with the layers {list(here)}", list(there), "build the same model")
        self._state = {
            layer: {key: value.to(self._device(layer), copy=True) for key, value in one.items()}
            for layer, one in state["units"].items()
        }

    def _new_state(self, n_units: int, device: torch.device) -> dict[str, Tensor]:
        """Return what is known of the units of one layer at the start; tensors with one row per unit, or scalars."""
        raise NotImplementedError

    def _choose(self, layer: str, sent: Sent) -> Tensor:
        """Update the state of a layer, and return the indices of the units to replace."""
        raise NotImplementedError

    def _device(self, layer: str) -> torch.device:
        device: torch.device = next(self._model.get_submodule(layer).parameters()).device
        return device

    def _replace(self, units: Mapping[str, Any]) -> None:
        self._refuse_change()
        # one random stream per step, so that a resumed training draws the same numbers
        seed = stream_seed(self._seed, self._steps) % 2**31
        reset = self._resetter.reset(units, optimiser=self._optimiser, initialise=self._initialise, seed=seed)
        for layer, gone, weights in zip(reset.layers, reset.units, reset.weights, strict=True):
            self._record("reset", layer, units=len(gone), weights=weights)

    def _refuse_change(self) -> None:
        changed = replaced_parameter(self._known, self._parameters())
        if changed:
            received = f"`{changed}`, which was replaced"
            raise invalid("model", "keep its parameters while units are replaced", received, "build the method again")

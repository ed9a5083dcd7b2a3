"""Interface between training-time methods and a training loop, and a method that does nothing.

    for epoch in range(epochs):
        for x, y in loader:
            optimiser.zero_grad()
            loss = criterion(model(x), y) + method.penalty()
            loss.backward()
            optimiser.step()
            method.after_step()
        method.after_epoch()

A method changes only what its documentation names. `state_dict` and `load_state_dict` make a resumed training equal to
an uninterrupted one, provided that model and optimiser are restored too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.model_checks import check_model

__all__ = ["Event", "MethodReport", "NoMethod", "TrainingMethod"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One action of a method on one layer.

    Attributes
    ----------
    step, epoch : int
        Optimiser steps and epochs finished before.
    action : str
        "strip", "prune", "activate", "remove" or "reset".
    layer : str
        The layer; those that write the same units are joined by " + ".
    units : int
        Number of units affected; 0 where weights are chosen without regard to units.
    weights : int
        Number of weights pruned or redrawn; 0 where whole units were removed.
    """

    step: int
    epoch: int
    action: str
    layer: str
    units: int
    weights: int


@dataclass(frozen=True, kw_only=True)
class MethodReport(Result):
    """Record of the actions of a method, one row per event.

    Attributes
    ----------
    method : str
        The method's class.
    steps, epochs : int
        Optimiser steps and epochs counted.
    events : tuple of Event
        In the order they happened.
    """

    method: str
    steps: int
    epochs: int
    events: tuple[Event, ...]

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per event."""
        return {name: [getattr(event, name) for event in self.events] for name in Event.__dataclass_fields__}

    def __str__(self) -> str:
        done: dict[str, list[int]] = {}
        for event in self.events:
            counts = done.setdefault(event.action, [0, 0])
            counts[0] += event.units
            counts[1] += event.weights
        what = "; ".join(f"{action}: {units} units, {weights} weights" for action, (units, weights) in done.items())
        return f"{self.method} after {self.steps} steps, {self.epochs} epochs: {what or 'nothing done'}"


class TrainingMethod:
    """Base class of the methods: counts steps and epochs, keeps the record, saves and restores its state.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; neither compiled nor wrapped.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = check_model(model)
        self._steps = 0
        self._epochs = 0
        self._events: list[Event] = []

    def penalty(self) -> Tensor:
        """Return the term to add to the loss of the next step, a scalar on the model's device."""
        return torch.zeros((), device=next((p.device for p in self._model.parameters()), None))

    def after_step(self) -> None:
        """Update the method after an optimiser step."""
        self._steps += 1

    def after_epoch(self) -> None:
        """Update the method after an epoch."""
        self._epochs += 1

    def report(self) -> MethodReport:
        """Return the record of all actions."""
        return MethodReport(
            method=type(self).__name__, steps=self._steps, epochs=self._epochs, events=tuple(self._events)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the full state as plain numbers, strings and tensors that `torch.save` can write."""
        return {
            "method": type(self).__name__,
            "steps": self._steps,
            "epochs": self._epochs,
            "events": [dict(vars(event)) for event in self._events],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state saved by `state_dict`; restore the model and its optimiser first.

        Raises
        ------
        InvalidArgumentError
            If the state is of another method, or does not fit the model.
        """
        method = state.get("method") if isinstance(state, Mapping) else None
        if method != type(self).__name__:
            raise invalid("state", f"be the state of {type(self).__name__}", method or type(state).__name__)
        missing = [key for key in self.state_dict() if key not in state]
        if missing:
            raise invalid("state", f"hold `{missing[0]}`", f"keys {sorted(state)}", "it may be from another version")
        self._steps = int(state["steps"])
        self._epochs = int(state["epochs"])
        self._events = [Event(**event) for event in state["events"]]

    def _record(self, action: str, layer: str, *, units: int = 0, weights: int = 0) -> None:
        if units or weights:
            self._events.append(
                Event(step=self._steps, epoch=self._epochs, action=action, layer=layer, units=units, weights=weights)
            )


class NoMethod(TrainingMethod):
    """The baseline: a method that changes nothing.

    Examples
    --------
    >>> method = NoMethod(nn.Linear(2, 1))
    >>> method.after_step(); method.after_epoch()
    >>> print(method.report())
    NoMethod after 1 steps, 1 epochs: nothing done
    """

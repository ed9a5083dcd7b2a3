"""Interface between training-time methods and a training loop, and a method that does nothing.

    method = Method(model, optimiser, data=data, ...)
    for epoch in range(epochs):
        for x, y in loader:
            optimiser.zero_grad()
            loss = criterion(model(x), y) + method.penalty()
            loss.backward()
            optimiser.step()
            method.after_step()
        method.after_epoch()

    print(method.report())

Every method is called in this way, whether it has a penalty or not and whether it acts after steps or after epochs;
calls that are missing or in the wrong order give a `MisuseWarning`. Arguments are the model, then the optimiser, then
keywords: the deciding data, the method's own settings, `layers`, `seed` and `min_points` where there are such.

A method changes only what its documentation names. `state_dict` and `load_state_dict` make a resumed training equal to
an uninterrupted one, provided that model and optimiser are restored too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.methods.misuse import LoopWatch, replaced_parameter
from neurondeath_torch.networks.model_checks import check_model
from neurondeath_torch.surgery.optimiser_state import check_optimiser

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
    misuse : tuple of str
        What the training loop does wrong, as far as it can be seen; empty if nothing is.
    """

    method: str
    steps: int
    epochs: int
    events: tuple[Event, ...]
    misuse: tuple[str, ...] = ()

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
        tail = "".join(f"; misuse: {line}" for line in self.misuse)
        return f"{self.method} after {self.steps} steps, {self.epochs} epochs: {what or 'nothing done'}{tail}"


class TrainingMethod:
    """Base class of the methods: counts steps and epochs, keeps the record, saves and restores its state.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; neither compiled nor wrapped.
    optimiser : torch.optim.Optimizer, optional
        Its optimiser, which holds parameters of the model.

    Raises
    ------
    InvalidArgumentError
        If the model or the optimiser cannot be used.

    Notes
    -----
    A method of one's own overrides `after_step`, `after_epoch` and `_penalty`, calling the base class first, and states
    in `acts_after_steps` and `acts_after_epochs` which calls it cannot do without.
    """

    acts_after_steps: ClassVar[bool] = False
    acts_after_epochs: ClassVar[bool] = False

    def __init__(self, model: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> None:
        self._model = check_model(model)
        self._optimiser = None if optimiser is None else check_optimiser(optimiser, model)
        self._steps = 0
        self._epochs = 0
        self._events: list[Event] = []
        self._loop = LoopWatch(type(self).__name__, self._optimiser)
        self._accept_model()

    def penalty(self) -> Tensor:
        """Return the term to add to the loss of the next step, a scalar on the model's device."""
        term = self._penalty()
        if term is None:
            return torch.zeros((), device=next((p.device for p in self._model.parameters()), None))
        self._loop.made_penalty(term)
        return term

    def after_step(self) -> None:
        """Update the method after an optimiser step."""
        self._loop.after_step(every_step=self._needs_steps, penalised=self._penalty_due)
        self._steps += 1

    def after_epoch(self) -> None:
        """Update the method after an epoch."""
        self._loop.after_epoch(every_step=self._needs_steps)
        self._check_optimiser_follows()
        self._epochs += 1

    def report(self) -> MethodReport:
        """Return the record of all actions, with what the training loop does wrong."""
        misuse = list(self._loop.lines)
        if self._needs_epochs and self._steps and not self._epochs:
            misuse.append("after_epoch() was not called yet; call it at the end of each epoch")
        return MethodReport(
            method=type(self).__name__,
            steps=self._steps,
            epochs=self._epochs,
            events=tuple(self._events),
            misuse=tuple(misuse),
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
        self._accept_model()

    def _penalty(self) -> Tensor | None:
        """Compute the term to add to the loss; None if there is none at this step."""
        return None

    @property
    def _penalty_due(self) -> bool:
        """Whether the loss of the current step must contain a penalty."""
        return False

    @property
    def _needs_steps(self) -> bool:
        """Whether `after_step` must be called after each step."""
        return self.acts_after_steps

    @property
    def _needs_epochs(self) -> bool:
        """Whether `after_epoch` must be called after each epoch."""
        return self.acts_after_epochs

    def _parameters(self) -> dict[str, nn.Parameter]:
        return dict(self._model.named_parameters(remove_duplicate=False))

    def _held(self) -> set[nn.Parameter]:
        """Return the parameters that the optimiser updates."""
        groups = [] if self._optimiser is None else self._optimiser.param_groups
        return {parameter for group in groups for parameter in group["params"]}

    def _accept_model(self) -> None:
        """Remember the model's parameters as they are now, after a change that the method made or knows of."""
        held = self._held()
        self._known = self._parameters()
        self._trained = [name for name, parameter in self._known.items() if parameter in held]

    def _check_optimiser_follows(self) -> None:
        """Warn if parameters were replaced and the optimiser still updates the old ones."""
        if self._optimiser is None or not replaced_parameter(self._known, self._parameters()):
            return
        held, now = self._held(), self._parameters()
        lost = [name for name in self._trained if name in now and now[name] not in held]
        if lost:
            self._loop.warn(
                f"the optimiser does not hold `{lost[0]}`, which was replaced; pass optimiser= to what replaces it"
            )
        self._accept_model()

    def _record(self, action: str, layer: str, *, units: int = 0, weights: int = 0) -> None:
        if units or weights:
            self._events.append(
                Event(step=self._steps, epoch=self._epochs, action=action, layer=layer, units=units, weights=weights)
            )


class NoMethod(TrainingMethod):
    """The baseline: a method that changes nothing.

    Parameters
    ----------
    model, optimiser
        As for every method.

    Examples
    --------
    >>> method = NoMethod(nn.Linear(2, 1))
    >>> method.after_step(); method.after_epoch()
    >>> print(method.report())
    NoMethod after 1 steps, 1 epochs: nothing done
    """

"""Notice that a training loop does not call a method as it must be called, and warn once in one line.

A method sees the optimiser's steps by hooks on it, whether its penalty was differentiated by a hook on the penalty, and
its own calls. From these follow: a penalty that is in no loss, `after_step` before the step or not after each one,
`after_epoch` that is never called, parameters that were replaced between two calls. Without an optimiser the order of
the calls cannot be seen. Each finding is reported once, as a `MisuseWarning` and in the report of the method.
"""

import re
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LoopWatch", "MisuseWarning", "replaced_parameter"]


class MisuseWarning(UserWarning):
    """A training loop does not call a method as it must, so that the method does not do what it is for."""


class LoopWatch:
    """Observer of the calls that a training loop makes.

    Parameters
    ----------
    method : str
        Name of the method, for the warnings.
    optimiser : torch.optim.Optimizer or None
        Its steps are counted until this object is deleted.
    """

    def __init__(self, method: str, optimiser: torch.optim.Optimizer | None) -> None:
        self.lines: list[str] = []
        self._kinds: set[str] = set()
        self._method = method
        self._optimiser = None if optimiser is None else weakref.ref(optimiser)
        self._n_steps = 0  # of the optimiser since the last `after_step`
        self._n_steps_of_epoch = 0
        self._n_calls_of_epoch = 0
        self._early: tuple[weakref.ref[Tensor], int] | None = None  # gradient at a call without a step before it
        self._made = self._differentiated = False
        if optimiser is not None:
            for register, hook in (
                (optimiser.register_step_pre_hook, _weakly(self, "_before_optimiser_step")),
                (optimiser.register_step_post_hook, _weakly(self, "_after_optimiser_step")),
            ):
                weakref.finalize(self, register(hook).remove)

    def warn(self, line: str) -> None:
        """Report a finding, once per kind: lines that differ in a number only are one."""
        kind = re.sub(r"\d+", "", line)
        if kind not in self._kinds:
            self._kinds.add(kind)
            self.lines.append(line)
            warnings.warn(f"{self._method}: {line}", MisuseWarning, stacklevel=2)

    def made_penalty(self, term: Tensor) -> None:
        """Follow a penalty that was returned to the loop."""
        if term.requires_grad:
            self._made = True
            term.register_hook(_weakly(self, "_penalty_differentiated"))  # type: ignore[no-untyped-call]

    def after_step(self, *, every_step: bool, penalised: bool) -> None:
        """Handle a call of `after_step`.

        Parameters
        ----------
        every_step : bool
            Whether the method must be called after each step.
        penalised : bool
            Whether the loss of the step must contain the penalty.
        """
        real = self._optimiser is None or self._n_steps > 0
        if penalised and real and not self._made:
            self.warn("penalty() was not called for a step; write loss = loss + method.penalty()")
        elif penalised and real and not self._differentiated:
            self.warn("penalty() is in no loss that was differentiated; write (loss + method.penalty()).backward()")
        if every_step and self._n_steps > 1:
            self.warn(f"after_step() was called once in {self._n_steps} optimiser steps; call it after each step")
        self._early = None
        if self._n_steps == 0 and (gradient := self._gradient()) is not None:
            self._early = weakref.ref(gradient), gradient._version
        self._n_steps = 0
        self._n_calls_of_epoch += 1
        self._made = self._differentiated = False

    def after_epoch(self, *, every_step: bool) -> None:
        """Handle a call of `after_epoch`; arguments as for `after_step`."""
        stepped = self._n_steps_of_epoch or self._made
        if every_step and stepped and not self._n_calls_of_epoch:
            self.warn("after_step() was not called in an epoch; call it after each optimiser.step()")
        self._n_steps = self._n_steps_of_epoch = self._n_calls_of_epoch = 0

    def _gradient(self) -> Tensor | None:
        optimiser = None if self._optimiser is None else self._optimiser()
        groups: Iterable[Mapping[str, Any]] = () if optimiser is None else optimiser.param_groups
        return next((p.grad for group in groups for p in group["params"] if p.grad is not None), None)

    def _before_optimiser_step(self) -> None:
        if self._early is not None and (gradient := self._gradient()) is not None:
            reference, version = self._early
            if reference() is gradient and gradient._version == version:  # no backward pass between the two calls
                self.warn("after_step() was called before optimiser.step(); call it after the step")

    def _after_optimiser_step(self) -> None:
        self._n_steps += 1
        self._n_steps_of_epoch += 1
        self._early = None

    def _penalty_differentiated(self) -> None:
        self._differentiated = True


def replaced_parameter(before: Mapping[str, nn.Parameter], after: Mapping[str, nn.Parameter]) -> str:
    """Return the name of the first parameter that is another object, or missing, on one side; empty if none is.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> known = dict(layer.named_parameters())
    >>> layer.bias = nn.Parameter(torch.zeros(1))
    >>> replaced_parameter(known, dict(layer.named_parameters()))
    'bias'
    """
    return next((name for name in {**before, **after} if before.get(name) is not after.get(name)), "")


def _weakly(watch: LoopWatch, name: str) -> Callable[..., None]:
    """Return a hook that does not keep the observer alive."""
    reference = weakref.ref(watch)

    def hook(*_: Any) -> None:
        alive = reference()
        if alive is not None:
            getattr(alive, name)()

    return hook

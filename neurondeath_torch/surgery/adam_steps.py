r"""Adam's steps for weights that were reset: bias correction by the age of each weight, not by that of its tensor.

Adam counts steps per tensor. With moments m and v set to zero at step s and the counter at t, its step

    lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

corrects neither average for its short memory: the first step of a reset weight is 3.2 times the learning rate with the
usual betas, the tenth 6.5 times. A new weight would take the same step with k = t - s in place of t. The moments
themselves do not depend on the counter, so that the step is corrected after the optimiser has taken it: the difference
of the two steps is added to the weights. Step s is kept in the optimiser's state, under "reset_step", one number per
weight, until beta2^k is below float precision; it is saved with it, cut with it and belongs to no other optimiser.
"""

import math
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW

__all__ = ["RESET_STEP", "correct_adam_steps", "record_reset"]

RESET_STEP = "reset_step"
NEGLIGIBLE = 1e-8  # beta2^k, at which a correction is below the precision of a step

_corrected: "weakref.WeakSet[torch.optim.Optimizer]" = weakref.WeakSet()


@dataclass(frozen=True)
class _Reset:
    """The reset weights of one parameter, and when they were reset."""

    source: "weakref.ref[Tensor]"
    version: int
    entries: tuple[Tensor, ...]
    steps: Tensor
    latest: float


def record_reset(optimiser: torch.optim.Optimizer, parameter: nn.Parameter, cleared: Tensor) -> None:
    """Record that weights were reset, if the optimiser is Adam or AdamW and has taken a step with them.

    Parameters
    ----------
    optimiser : torch.optim.Optimizer
        Its state for the parameter is extended.
    parameter : Parameter
        The parameter.
    cleared : bool Tensor
        Weights that were reset; broadcasts to the parameter's shape.
    """
    state = optimiser.state.get(parameter, {})
    if not isinstance(optimiser, (Adam, AdamW)) or "exp_avg" not in state:
        return
    if RESET_STEP not in state:
        state[RESET_STEP] = torch.zeros_like(state["exp_avg"], dtype=torch.float32)
    state[RESET_STEP].masked_fill_(cleared.to(parameter.device), float(state["step"]))
    correct_adam_steps(optimiser)


def correct_adam_steps(optimiser: torch.optim.Optimizer) -> None:
    """Correct the steps of reset weights from now on; needed again for an optimiser that loads a saved state.

    Parameters
    ----------
    optimiser : torch.optim.Optimizer
        Adam or AdamW; others are left alone.

    Examples
    --------
    >>> weight = nn.Parameter(torch.zeros(1))
    >>> optimiser = Adam([weight], lr=0.1)
    >>> for _ in range(100):
    ...     weight.grad = torch.ones(1)
    ...     optimiser.step()
    >>> for moment in ("exp_avg", "exp_avg_sq"):
    ...     optimiser.state[weight][moment].zero_()
    tensor([0.])
    tensor([0.])
    >>> record_reset(optimiser, weight, torch.tensor([True]))
    >>> before = weight.item()
    >>> optimiser.step()
    >>> round(before - weight.item(), 5)
    0.1
    """
    if isinstance(optimiser, (Adam, AdamW)) and optimiser not in _corrected:
        _corrected.add(optimiser)
        correction = _Correction()
        optimiser.register_step_pre_hook(correction.before)
        optimiser.register_step_post_hook(correction.after)


class _Correction:
    """Hooks around the steps of one optimiser."""

    def __init__(self) -> None:
        self._resets: dict[int, _Reset] = {}
        self._taken: dict[Tensor, float] = {}

    def before(self, optimiser: torch.optim.Optimizer, *_: Any) -> None:
        """Record how many steps each parameter with reset weights has taken; a step may leave some out."""
        self._taken = {p: float(state["step"]) for p, state in optimiser.state.items() if RESET_STEP in state}

    @torch.no_grad()
    def after(self, optimiser: torch.optim.Optimizer, *_: Any) -> None:
        """Correct the step of the reset weights, and forget those that need no correction any more."""
        resets: dict[int, _Reset] = {}
        groups = {parameter: group for group in optimiser.param_groups for parameter in group["params"]}
        for parameter, before in self._taken.items():
            state, group = optimiser.state.get(parameter, {}), groups.get(parameter)
            if group is None or RESET_STEP not in state:
                continue
            reset = self._reset(state[RESET_STEP])
            step = float(state["step"])
            if (step - reset.latest) * math.log(group["betas"][1]) < math.log(NEGLIGIBLE):
                del state[RESET_STEP]
                continue
            resets[id(state[RESET_STEP])] = reset
            if step != before:
                _correct(parameter, state, group, reset, step)
        self._resets, self._taken = resets, {}

    def _reset(self, steps: Tensor) -> _Reset:
        known = self._resets.get(id(steps))
        if known is not None and known.source() is steps and known.version == steps._version:
            return known
        entries = steps.nonzero(as_tuple=True)
        chosen = steps[entries].to(_precise(steps))
        latest = float(chosen.max()) if chosen.numel() else -math.inf
        return _Reset(weakref.ref(steps), steps._version, entries, chosen, latest)


def _correct(parameter: Tensor, state: dict[str, Any], group: dict[str, Any], reset: _Reset, step: float) -> None:
    """Replace the step that was taken by that of weights as old as they are."""
    beta1, beta2 = (float(beta) for beta in group["betas"])
    second = state["max_exp_avg_sq"] if group["amsgrad"] else state["exp_avg_sq"]
    kind = _precise(parameter)
    m, v = state["exp_avg"][reset.entries].to(kind), second[reset.entries].to(kind)
    ages = step - reset.steps
    taken = m / (1.0 - beta1**step) / ((v / (1.0 - beta2**step)).sqrt() + group["eps"])
    due = m / (1.0 - beta1**ages) / ((v / (1.0 - beta2**ages)).sqrt() + group["eps"])
    weights = parameter[reset.entries]
    parameter[reset.entries] = (weights.to(kind) + float(group["lr"]) * (taken - due)).to(parameter.dtype)


def _precise(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64  # MPS has no float64

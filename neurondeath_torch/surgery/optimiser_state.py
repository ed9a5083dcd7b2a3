"""Keep an optimiser's state consistent with parameters that shrink or are reset.

Optimisers hold their state per Parameter object, and parameter groups hold the objects themselves. When units are
removed, each shrunk Parameter replaces the old one in its group and inherits the entries of momentum and second moments
that belong to the weights that remain; when units are reset, the entries of their weights are set to zero. Step
counters, shared by a whole parameter, are kept; what Adam derives from them is corrected for each weight that was reset
(see `adam_steps`). Learning-rate schedulers hold the optimiser and its groups, so they
continue unchanged.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_instance, invalid
from neurondeath_torch.surgery.adam_steps import record_reset

__all__ = ["check_entries", "check_optimiser", "clear_entries", "replace_parameters"]


def check_optimiser(optimiser: Any, model: nn.Module) -> torch.optim.Optimizer:
    """Check that an optimiser belongs to the model and keeps its state per weight, and return it.

    Raises
    ------
    InvalidArgumentError
        If it is not a torch optimiser, its state cannot be cut per weight (LBFGS keeps flat histories), or it holds no
        parameter of the model.
    """
    check_instance("optimiser", optimiser, torch.optim.Optimizer, "a torch.optim.Optimizer")
    if isinstance(optimiser, torch.optim.LBFGS):
        raise invalid("optimiser", "keep its state per weight", "LBFGS", "use SGD, Adam, AdamW or RMSprop")
    held = {parameter for group in optimiser.param_groups for parameter in group["params"]}
    if not any(parameter in held for parameter in model.parameters()):
        raise invalid(
            "optimiser", "hold parameters of the model", type(optimiser).__name__, "it may belong to another model"
        )
    return optimiser  # type: ignore[no-any-return]


def replace_parameters(
    optimiser: torch.optim.Optimizer, replaced: Mapping[nn.Parameter, tuple[nn.Parameter, Tensor]]
) -> None:
    """Replace parameters of an optimiser by new ones, with the state of the weights that remain.

    Parameters
    ----------
    optimiser : torch.optim.Optimizer
        Changed in place; parameters it does not hold are skipped.
    replaced : mapping
        Old parameter -> (new parameter, flat int64 positions in the old one of each entry of the new one).

    Raises
    ------
    InvalidArgumentError
        If a state tensor has neither one entry nor the parameter's shape (factored second moments).

    Examples
    --------
    >>> old, new = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
    >>> optimiser = torch.optim.SGD([old], lr=0.1, momentum=0.9)
    >>> optimiser.state[old]["momentum_buffer"] = torch.tensor([1.0, 2.0, 3.0])
    >>> replace_parameters(optimiser, {old: (new, torch.tensor([0, 2]))})
    >>> optimiser.param_groups[0]["params"][0] is new, optimiser.state[new]["momentum_buffer"].tolist()
    (True, [1.0, 3.0])
    """
    check_entries(optimiser, list(replaced))
    for group in optimiser.param_groups:
        group["params"] = [replaced[p][0] if p in replaced else p for p in group["params"]]
    for old, (new, positions) in replaced.items():
        if old not in optimiser.state:
            continue
        state = optimiser.state.pop(old)
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == old.shape and value.dim():
                state[key] = value.flatten()[positions.to(value.device)].view(new.shape)
        optimiser.state[new] = state


def clear_entries(optimiser: torch.optim.Optimizer, parameter: nn.Parameter, cleared: Tensor) -> None:
    """Set the state of chosen weights of one parameter to zero, if the optimiser holds any, as if they were new.

    Parameters
    ----------
    optimiser : torch.optim.Optimizer
        Changed in place.
    parameter : Parameter
        The parameter itself, not a copy.
    cleared : bool Tensor
        Weights that were reset; broadcasts to the parameter's shape.
    """
    check_entries(optimiser, [parameter])
    for value in optimiser.state.get(parameter, {}).values():
        if isinstance(value, Tensor) and value.shape == parameter.shape and value.dim():
            value.masked_fill_(cleared.to(value.device), 0.0)
    record_reset(optimiser, parameter, cleared)


def check_entries(optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
    """Check that the state is kept per weight, before anything is changed."""
    for parameter in parameters:
        for key, value in optimiser.state.get(parameter, {}).items():
            if isinstance(value, Tensor) and value.shape != parameter.shape and value.numel() > 1:
                received = f"`{key}` of shape {tuple(value.shape)} for weights of shape {tuple(parameter.shape)}"
                raise invalid("optimiser", "keep its state per weight", received, "use SGD, Adam, AdamW or RMSprop")

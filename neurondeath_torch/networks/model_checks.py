"""Check that a model can be traced and changed: not scripted, wrapped, sharded, lazy or without data.

Of a model compiled by `torch.compile` the tools take the original, which shares its parameters; what is compiled inside
a model, or in place, is refused.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from neurondeath_theory.foundation.validation import check_instance, invalid

__all__ = ["check_model", "original_model", "plain_model"]

WRAPPED = ("not be wrapped for parallel use", "pass `model.module`, which sees the data of one process")
SHARDED = ("not be sharded", "pass a copy with complete parameters")
REFUSED = {
    "DataParallel": WRAPPED,
    "DistributedDataParallel": WRAPPED,
    "FullyShardedDataParallel": SHARDED,
    "FSDPModule": SHARDED,
}


def check_model(model: Any, *, compiled_parts: bool = False) -> nn.Module:
    """Check that a model's forward pass can be traced and its parameters changed in place, and return it.

    Parameters
    ----------
    model : nn.Module
        The model.
    compiled_parts : bool
        Whether compiled modules in it are accepted, which is possible where parameters are only set.

    Raises
    ------
    InvalidArgumentError
        If it is not a module, or is compiled, scripted, wrapped, sharded, lazy or without data (meta).
    """
    module = check_instance("model", model, nn.Module, "a torch.nn.Module")
    for part in module.modules():
        ancestors = {ancestor.__name__ for ancestor in type(part).__mro__}
        in_place = getattr(part, "_compiled_call_impl", None) is not None
        if (in_place or "OptimizedModule" in ancestors) and not compiled_parts:
            rule = "not be compiled" if part is module else "not be compiled inside"
            kind = f"{type(part).__name__}, compiled in place" if in_place else type(part).__name__
            raise invalid("model", rule, kind, "pass the module before torch.compile")
        for name in ancestors & REFUSED.keys():
            rule, remedy = REFUSED[name]
            raise invalid("model", rule, type(part).__name__, remedy)
        if isinstance(part, torch.jit.ScriptModule):
            raise invalid("model", "not be scripted or traced", type(part).__name__, "pass the original module")
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise invalid("model", "have initialised parameters", f"lazy {name}", "run one batch through it first")
        if tensor.is_meta:
            remedy = "use model.to_empty(device=...) and initialise it"
            raise invalid("model", "hold its parameters", f"{name} on the meta device", remedy)
    return module


def original_model(model: Any) -> Any:
    """Return the module that `torch.compile` was given, which shares its parameters; anything else unchanged.

    Examples
    --------
    >>> model = nn.Linear(2, 3)
    >>> original_model(torch.compile(model, backend="eager")) is model, original_model(model) is model
    (True, True)
    """
    compiled = any(kind.__name__ == "OptimizedModule" for kind in type(model).__mro__)
    return model._orig_mod if compiled else model


def plain_model(model: Any) -> nn.Module:
    """Check a model whose parameters are only set, and unwrap a compiled one, which shares its parameters.

    Raises
    ------
    InvalidArgumentError
        As `check_model`, but compiled parts are accepted.
    """
    return check_model(getattr(model, "_orig_mod", model), compiled_parts=True)

"""Which models can be worked on: a module of one process, not compiled or scripted, that holds its numbers."""

from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from neurondeath_theory.foundation.validation import check_instance, invalid

__all__ = ["check_model", "plain_model"]

WRAPPED = ("not be wrapped for parallel use", "give `model.module`, which sees the data of one process")
SHARDED = ("not be sharded", "give a copy that holds whole parameters")
REFUSED = {
    "DataParallel": WRAPPED,
    "DistributedDataParallel": WRAPPED,
    "FullyShardedDataParallel": SHARDED,
    "FSDPModule": SHARDED,
}


def check_model(model: Any, *, compiled_parts: bool = False) -> nn.Module:
    """Accept a model whose forward pass can be watched and whose parameters can be changed in place.

    Parameters
    ----------
    model : nn.Module
        The model.
    compiled_parts : bool
        Whether compiled modules in it are accepted, as they may be where parameters are only set.

    Raises
    ------
    InvalidArgumentError
        If it is no module, is compiled, scripted, wrapped, sharded, lazy or without data (meta).
    """
    module = check_instance("model", model, nn.Module, "a torch.nn.Module")
    for part in module.modules():
        ancestors = {ancestor.__name__ for ancestor in type(part).__mro__}
        in_place = getattr(part, "_compiled_call_impl", None) is not None
        if (in_place or "OptimizedModule" in ancestors) and not compiled_parts:
            rule = "not be compiled" if part is module else "not be compiled inside"
            kind = f"{type(part).__name__}, compiled in place" if in_place else type(part).__name__
            raise invalid("model", rule, kind, "give the module as it was before torch.compile")
        for name in ancestors & REFUSED.keys():
            rule, remedy = REFUSED[name]
            raise invalid("model", rule, type(part).__name__, remedy)
        if isinstance(part, torch.jit.ScriptModule):
            raise invalid("model", "not be scripted or traced", type(part).__name__, "give the module it came from")
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise invalid("model", "have initialised parameters", f"lazy {name}", "run one batch through it first")
        if tensor.is_meta:
            remedy = "use model.to_empty(device=...) and fill them"
            raise invalid("model", "hold its numbers", f"{name} on the meta device", remedy)
    return module


def plain_model(model: Any) -> nn.Module:
    """Accept a model whose parameters are only set, and unwrap a compiled one, which shares its parameters.

    Raises
    ------
    InvalidArgumentError
        As `check_model`, but compiled parts may stay.
    """
    return check_model(getattr(model, "_orig_mod", model), compiled_parts=True)

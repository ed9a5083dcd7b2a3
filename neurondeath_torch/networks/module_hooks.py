"""Decide how closely each module of a traced model is followed: a hook can cost more than a small layer takes.

Modules of PyTorch that make one call of a function are followed by that call; where its name is needed, a note on
entry says whose call comes next. All others, such as modules with a forward pass of their own, get hooks on entry, on
return and on errors.
"""

from collections.abc import Iterable
from enum import Enum

from torch import nn

__all__ = ["LAYERS", "NAMELESS", "Following", "following_of"]


class Following(Enum):
    """How a module is followed."""

    CALL = "its calls are seen; no name is needed"
    ENTRY = "its one call is seen; it is named on entry"
    WHOLE = "from entry to return"


LAYERS = frozenset(
    {nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d}
)
ONE_CALL = LAYERS | (
    {nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.LogSigmoid, nn.Mish}
    | {nn.PReLU, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Softshrink, nn.Softsign}
    | {nn.Tanh, nn.Tanhshrink, nn.Threshold}
)
NAMELESS = frozenset(
    {nn.Sequential, nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d}
    | {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm}
)


def following_of(
    root: nn.Module, modules: Iterable[nn.Module], whole: Iterable[nn.Module]
) -> dict[nn.Module, Following]:
    """Return how each module is followed.

    Parameters
    ----------
    root : nn.Module
        The model, always followed whole.
    modules : iterable of nn.Module
        The model and all that it contains.
    whole : iterable of nn.Module
        Further modules to be followed whole.
    """
    named = {root, *whole}
    return {module: Following.WHOLE if module in named else _following(module) for module in modules}


def _following(module: nn.Module) -> Following:
    kind = type(module)  # not a subclass, such as a parametrised layer, whose forward may do anything
    hooked = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    if hooked or (kind not in ONE_CALL and kind not in NAMELESS):
        return Following.WHOLE
    return Following.ENTRY if kind in ONE_CALL else Following.CALL

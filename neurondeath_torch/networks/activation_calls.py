"""Recognise calls and modules that are activations with exact zeros, and their forms in the theory.

ReLU and related activations are recognised as functions, whatever calls them: `nn.ReLU` does so through `F.relu`. Our
own modules are treated as one operation, and so are the smooth ones of Hugging Face transformers. Arguments decide, not
names: a leaky ReLU of slope 0 is a ReLU, a soft threshold of 0 the identity. Activations that are zero on no interval
(GELU, leaky ReLU) have no dead units.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from neurondeath_theory.networks import activations as theory
from neurondeath_theory.networks.network_bounds import quiet_set
from neurondeath_torch.networks.activations import PiecewiseLinear, to_theory
from neurondeath_torch.networks.smooth_leaky import SmoothLeaky
from neurondeath_torch.networks.sparse_codes import JumpReLU, TopK
from neurondeath_torch.networks.thresholded_activations import (
    ClippedShiftedReLU,
    ClippedSoftThreshold,
    ShiftedReLU,
    SoftThreshold,
)

__all__ = ["OWN", "RECTIFYING", "Activation", "activation_of_call", "activation_of_module"]


class Activation(NamedTuple):
    """An activation: its name, its form in the theory, or the reason why its units cannot be dead."""

    name: str
    form: theory.PiecewiseLinear | None = None
    never_zero: str = ""


NEVER_ZERO = frozenset(
    {"celu", "celu_", "elu", "elu_", "gelu", "leaky_relu", "leaky_relu_", "logsigmoid", "mish", "prelu", "rrelu"}
    | {"rrelu_", "selu", "selu_", "sigmoid", "silu", "softplus", "softsign", "tanh", "tanh_", "tanhshrink"}
)
# smooth or leaky activation -> place and names of the arguments that, where all are 0, make it a ReLU; their default
SLOPES: dict[str, tuple[tuple[int, str, float], ...]] = {
    "elu": ((1, "alpha", 1.0),),
    "leaky_relu": ((1, "negative_slope", 0.01),),
    "prelu": ((1, "weight", 0.25),),
    "rrelu": ((1, "lower", 1.0 / 8.0), (2, "upper", 1.0 / 3.0)),
}
# activations of transformers that are composed of several calls, by the names of their classes
SMOOTH_MODULES = frozenset(
    {"NewGELUActivation", "FastGELUActivation", "QuickGELUActivation", "AccurateGELUActivation", "GELUActivation"}
    | {"ClippedGELUActivation", "GELUTanh", "MishActivation", "LaplaceActivation"}
)
OWN = (ClippedShiftedReLU, ClippedSoftThreshold, PiecewiseLinear, ShiftedReLU, SoftThreshold)
RELU = Activation("relu", theory.relu())  # built once, since it is used at every call
# functions that can hold single units at zero, without being a known activation
RECTIFYING = frozenset(
    {"maximum", "minimum", "fmax", "fmin", "where", "masked_fill", "masked_fill_", "heaviside", "gt", "ge", "lt", "le"}
    | {"__gt__", "__ge__", "__lt__", "__le__", "clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_"}
)
CLAMPS = ("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_")


def activation_of_call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Activation | None:
    """Recognise a function call as an activation; None if it is not a known one."""
    if name in NEVER_ZERO:
        return _leaky(name.rstrip("_"), args, kwargs)
    if name in ("relu", "relu_"):
        return RELU
    if name == "relu6":
        return Activation("relu6", theory.clipped_shifted_relu(0.0, 6.0))
    if name in CLAMPS:
        low, high = _given(args, kwargs, 1, "min"), _given(args, kwargs, 2, "max")
        return _clamp("clamp", low, None if name.startswith("clamp_min") else high)
    if name in ("hardtanh", "hardtanh_"):
        return _clamp("hardtanh", _given(args, kwargs, 1, "min_val", -1.0), _given(args, kwargs, 2, "max_val", 1.0))
    if name in ("threshold", "threshold_", "_threshold", "_threshold_"):
        level, value = _given(args, kwargs, 1, "threshold"), _given(args, kwargs, 2, "value")
        return Activation("threshold", theory.relu() if level == 0 else None) if value == 0 else None
    if name in ("softshrink", "hardshrink"):
        level = float(_given(args, kwargs, 1, "lambd", 0.5))
        if level == 0.0:
            return _never_zero(name, f"{name} at 0")
        return Activation(name, theory.soft_threshold(level) if name == "softshrink" else None)
    return Activation("hardswish") if name in ("hardswish", "hardswish_") else None


def activation_of_module(module: nn.Module) -> Activation | None:
    """Recognise a module that is treated as one operation: one of our own, or a smooth one of transformers."""
    name = type(module).__name__
    if isinstance(module, (TopK, JumpReLU)):  # not continuous, or not functions of one unit
        plain = isinstance(module, JumpReLU) and not bool(module.raw_threshold.detach().any())
        return Activation(name, theory.relu() if plain else None)
    if isinstance(module, SmoothLeaky):
        return _never_zero(type(module).__name__, type(module).__name__)
    if not isinstance(module, OWN):
        return _never_zero(name, name) if name in SMOOTH_MODULES else None
    form = to_theory(module)
    if quiet_set(form):
        return Activation(name, form)
    return Activation(name, never_zero=f"{form} is zero on no interval, so its units are never dead")


def _leaky(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Activation:
    """Judge an activation that is zero on no interval, unless its slopes are 0."""
    slopes = [_given(args, kwargs, *place) for place in SLOPES.get(name, ())]
    rectifies = [_all_zero(slope) for slope in slopes]
    if slopes and all(rectifies):
        return Activation(name, theory.relu())
    if name == "prelu" and isinstance(slopes[0], torch.Tensor) and bool((slopes[0] == 0).any()):
        return Activation(name)  # some of its units rectify
    return _never_zero(name, name)


def _never_zero(name: str, what: str) -> Activation:
    return Activation(name, never_zero=f"{what} is zero on no interval, so its units are never dead")


def _all_zero(slope: Any) -> bool:
    return not bool(slope.detach().any()) if isinstance(slope, torch.Tensor) else slope == 0


def _clamp(name: str, low: Any, high: Any) -> Activation | None:
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor) or low is None or low != 0:
        return None
    if high is None:
        return Activation(name, theory.relu())
    return Activation(name, theory.clipped_shifted_relu(0.0, float(high))) if high > 0 else None


def _given(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str, default: Any = None) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)

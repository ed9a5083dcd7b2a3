"""Recognise calls and modules that are activations with exact zeros, and their forms in the theory.

ReLU and related activations are recognised as functions, whatever calls them: `nn.ReLU` does so through `F.relu`. Our
own modules are treated as one operation. Activations that are zero on no interval (GELU, leaky ReLU) have no dead
units.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from neurondeath_theory.networks import activations as theory
from neurondeath_theory.networks.network_bounds import quiet_set
from neurondeath_torch.networks.activations import PiecewiseLinear, to_theory
from neurondeath_torch.networks.thresholded_activations import (
    ClippedShiftedReLU,
    ClippedSoftThreshold,
    ShiftedReLU,
    SoftThreshold,
)

__all__ = ["OWN", "Activation", "activation_of_call", "activation_of_module"]


class Activation(NamedTuple):
    """An activation: its name, its form in the theory, or the reason why its units cannot be dead."""

    name: str
    form: theory.PiecewiseLinear | None = None
    never_zero: str = ""


NEVER_ZERO = (
    *("celu", "celu_", "elu", "elu_", "gelu", "leaky_relu", "leaky_relu_", "logsigmoid", "mish", "prelu", "rrelu"),
    *("rrelu_", "selu", "selu_", "sigmoid", "silu", "softplus", "softsign", "tanh", "tanh_", "tanhshrink"),
)
OWN = (ClippedShiftedReLU, ClippedSoftThreshold, PiecewiseLinear, ShiftedReLU, SoftThreshold)
RELU = Activation("relu", theory.relu())  # built once, since it is used at every call
CLAMPS = ("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_")


def activation_of_call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Activation | None:
    """Recognise a function call as an activation; None if it is not a known one."""
    if name in NEVER_ZERO:
        plain = name.rstrip("_")
        return Activation(plain, never_zero=f"{plain} is zero on no interval, so its units are never dead")
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
    if name == "softshrink":
        return Activation("softshrink", theory.soft_threshold(float(_given(args, kwargs, 1, "lambd", 0.5))))
    if name in ("hardshrink", "hardswish", "hardswish_"):
        return Activation(name.rstrip("_"))
    return None


def activation_of_module(module: nn.Module) -> Activation | None:
    """Recognise one of our own modules, which are treated as one operation."""
    if not isinstance(module, OWN):
        return None
    form, name = to_theory(module), type(module).__name__
    if quiet_set(form):
        return Activation(name, form)
    return Activation(name, never_zero=f"{form} is zero on no interval, so its units are never dead")


def _clamp(name: str, low: Any, high: Any) -> Activation | None:
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor) or low is None or low != 0:
        return None
    if high is None:
        return Activation(name, theory.relu())
    return Activation(name, theory.clipped_shifted_relu(0.0, float(high))) if high > 0 else None


def _given(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str, default: Any = None) -> Any:
    return args[place] if len(args) > place else kwargs.get(name, default)

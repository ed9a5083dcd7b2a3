"""Find the activation modules of a model, and compare them with the activation of a design."""

import numpy as np
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.networks.activation_calls import OWN
from neurondeath_torch.networks.activations import to_theory
from neurondeath_torch.networks.model_checks import plain_model
from neurondeath_torch.networks.weight_layers import KINDS

__all__ = ["check_model_activations", "is_activation", "same_function"]

NOT_HIDDEN = (nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax, nn.MultiheadAttention)
OUTPUT_ONLY = (nn.Sigmoid, nn.Tanh, nn.LogSigmoid, nn.Softplus)  # allowed after the last layer
RELATIVE_TOLERANCE = 1e-5  # above the rounding error of float32 parameters


def is_activation(module: nn.Module) -> bool:
    """Check whether a module is an elementwise activation."""
    named = type(module).__module__ == "torch.nn.modules.activation" and not isinstance(module, NOT_HIDDEN)
    return named or isinstance(module, OWN)


def same_function(first: theory.PiecewiseLinear, second: theory.PiecewiseLinear) -> bool:
    """Check whether two activations have the same kinks, slopes and value at 0."""
    return all(
        len(a) == len(b) and np.allclose(a, b, rtol=RELATIVE_TOLERANCE, atol=RELATIVE_TOLERANCE * 1e-3)
        for a, b in (
            (first.kinks, second.kinks),
            (first.slopes, second.slopes),
            ((first.value_at_zero,), (second.value_at_zero,)),
        )
    )


def check_model_activations(model: nn.Module, design: theory.PiecewiseLinear) -> tuple[str, ...]:
    """Check that a model's activation modules are the design's; return a note if the model has none.

    Raises
    ------
    InvalidArgumentError
        If an activation differs; the message names each one.
    """
    modules = list(plain_model(model).named_modules())
    weights = [index for index, (_, module) in enumerate(modules) if isinstance(module, KINDS)]
    last = weights[-1] if weights else -1
    found, wrong = 0, []
    for index, (name, module) in enumerate(modules):
        if not is_activation(module) or (index > last and isinstance(module, OUTPUT_ONLY)):
            continue
        found += 1
        try:
            phi = to_theory(module)
        except InvalidArgumentError:
            wrong.append(f"{name}: {type(module).__name__}")
            continue
        if not same_function(phi, design):
            wrong.append(f"{name}: {phi}")
    if wrong:
        remedy = "replace them by from_theory(design.activation), or pass check_activations=False"
        raise invalid("model", f"have the design's activation {design} throughout", ", ".join(wrong), remedy)
    return () if found else ("no activation module found: it was not checked that the model uses the design's",)

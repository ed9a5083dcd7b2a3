"""The c of phi(u) - phi(-u) = c u, the identity that lets a pair of mirrored units pass on a linear function."""

import numpy as np
import torch
from torch import nn

from neurondeath_theory.networks import activations as theory
from neurondeath_torch.initialising._forward_graph import Node
from neurondeath_torch.networks.data_passes import evaluating

__all__ = ["mirror_gain"]

# x g(x) with g(x) + g(-x) = 1, and the integrals of such g
SMOOTH = frozenset({"gelu", "silu", "softplus", "log_sigmoid_forward", "hardswish"})
GRID = (0.01, 0.1, 0.3, 0.7, 1.0, 1.7, 2.5, 3.3, 5.0, 6.5, 9.0, 14.0)
TOLERANCE = 1e-5  # relative; float32 parameters round


def mirror_gain(activation: Node) -> float | None:
    """Return c of an activation in a forward pass; None if it does not keep the identity, or keeps it with c = 0.

    Examples
    --------
    >>> mirror_gain(Node("activation", "1", form=theory.leaky_relu(0.25)))
    1.25
    >>> mirror_gain(Node("activation", "1", form=theory.soft_threshold(1.0)))
    """
    if activation.form is not None:
        return _piecewise_gain(activation.form)
    if activation.module is not None:
        return _sampled_gain(activation.module)
    beta = [value for value in activation.arguments if isinstance(value, (int, float))]
    plain = activation.name != "softplus" or not beta or beta[0] == 1
    return 1.0 if activation.name in SMOOTH and plain else None


def _piecewise_gain(phi: theory.PiecewiseLinear) -> float | None:
    gain = phi.slopes[0] + phi.slopes[-1]  # the slope of phi(u) - phi(-u) far out
    at = np.abs(np.array([*phi.kinks, 1.0]))
    difference = np.asarray(phi(at)) - np.asarray(phi(-at))
    kept = bool(np.all(np.abs(difference - gain * at) <= TOLERANCE * np.maximum(at, np.abs(difference))))
    return gain if kept and gain != 0.0 else None


def _sampled_gain(module: nn.Module) -> float | None:
    """Sample a smooth activation, such as GELU or SiLU, for which c is 1."""
    if isinstance(module, (nn.RReLU, nn.PReLU)):  # random in training; a slope per channel
        return None
    device = next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    wide = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    u = torch.tensor(GRID, dtype=wide, device=device)
    try:
        with torch.no_grad(), evaluating(module):
            difference = module.forward(u) - module.forward(-u)  # past the module's hooks
    except (RuntimeError, TypeError, ValueError):
        return None
    if difference.shape != u.shape:
        return None
    gain = float(difference[-1] / u[-1])
    kept = bool(((difference - gain * u).abs() <= TOLERANCE * u).all())
    return gain if kept and gain != 0.0 else None

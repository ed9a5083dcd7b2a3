r"""Piecewise-linear activations as modules, and conversion between modules and the activations of the theory.

The kinds with a threshold are in `thresholded_activations`; `PiecewiseLinear` is any other, with the slope on the left
at a kink, as the theory has it.
"""

from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.validation import check_flag, check_instance, invalid
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.networks.half_precision import in_single
from neurondeath_torch.networks.thresholded_activations import (
    ClippedShiftedReLU,
    ClippedSoftThreshold,
    ShiftedReLU,
    SoftThreshold,
    as_number,
)

__all__ = ["PiecewiseLinear", "from_theory", "to_theory"]


class PiecewiseLinear(nn.Module):
    """Any continuous piecewise-linear activation of the theory, without parameters.

    Parameters
    ----------
    activation : neurondeath_theory.networks.activations.PiecewiseLinear
        The function.

    Raises
    ------
    InvalidArgumentError
        If it is not such an activation.

    Examples
    --------
    >>> PiecewiseLinear(theory.absolute_value())(torch.tensor([-2.0, 0.0, 3.0])).tolist()
    [2.0, 0.0, 3.0]
    """

    def __init__(self, activation: theory.PiecewiseLinear) -> None:
        super().__init__()
        self.activation = _check_activation(activation)
        at, value = activation.anchors  # a point of every piece and the value at it
        self.pieces = tuple(zip(activation.slopes, at.tolist(), value.tolist(), strict=True))
        self.kinks = activation.kinks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the activation to every entry of a floating-point tensor of any shape."""
        wide = in_single(x)
        y = self._piece(0, wide)
        for piece, kink in enumerate(self.kinks, start=1):
            y = torch.where(wide > kink, self._piece(piece, wide), y)
        return torch.where(wide.isnan(), wide, y).to(x.dtype)

    def _piece(self, piece: int, x: torch.Tensor) -> torch.Tensor:
        slope, at, value = self.pieces[piece]
        # flat pieces need a separate case, since 0 * inf is NaN for infinite x
        return torch.full_like(x, value) if slope == 0.0 else slope * (x - at) + value

    def extra_repr(self) -> str:
        """Show the function's name."""
        return str(self.activation)


def from_theory(activation: theory.PiecewiseLinear, *, learnable: bool = False) -> nn.Module:
    """Return the module that computes an activation of the theory.

    Parameters
    ----------
    activation : neurondeath_theory.networks.activations.PiecewiseLinear
        The function; for a design, its `activation`.
    learnable : bool
        Whether its thresholds are parameters; only for the four thresholded kinds.

    Returns
    -------
    torch.nn.Module
        PyTorch's own module for the identity and ReLU, one of this module's classes otherwise.

    Raises
    ------
    InvalidArgumentError
        If it is not such an activation, or has no learnable thresholds.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> from_theory(sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7).activation)
    ClippedShiftedReLU(tau=1.03643, m=1.17037)
    """
    phi = _check_activation(activation)
    check_flag("learnable", learnable)
    module = _thresholded(phi, learnable)
    if module is not None:
        return module
    if learnable:
        raise invalid("learnable", f"be False for {phi}, which has no threshold", learnable)
    if phi == theory.identity():
        return nn.Identity()
    return nn.ReLU() if phi == theory.relu() else PiecewiseLinear(phi)


def _thresholded(phi: theory.PiecewiseLinear, learnable: bool) -> nn.Module | None:
    """Build the module of a thresholded kind; None for other kinds, for ReLU and for the identity."""
    if phi in (theory.relu(), theory.identity()):
        return None
    if phi.family == "hard-tanh":
        return ClippedSoftThreshold(0.0, phi.parameters["limit"], learnable=learnable)
    kinds: dict[str, Any] = {
        "shifted-relu": ShiftedReLU,
        "soft-threshold": SoftThreshold,
        "clipped-shifted-relu": ClippedShiftedReLU,
        "clipped-soft-threshold": ClippedSoftThreshold,
    }
    module: nn.Module | None = kinds[phi.family](**phi.parameters, learnable=learnable) if phi.family in kinds else None
    return module


def to_theory(module: nn.Module) -> theory.PiecewiseLinear:
    """Return the theory's description of a piecewise-linear activation module, with its current thresholds.

    Parameters
    ----------
    module : torch.nn.Module
        One of this module's classes, or PyTorch's ReLU, ReLU6, LeakyReLU, PReLU with one slope, Hardtanh, Hardsigmoid,
        Softshrink or Identity.

    Returns
    -------
    neurondeath_theory.networks.activations.PiecewiseLinear
        The function.

    Raises
    ------
    InvalidArgumentError
        If the module is none of these.

    Examples
    --------
    >>> print(to_theory(nn.ReLU6()))
    clipped_shifted_relu(tau=0, m=6)
    """
    match module:
        case PiecewiseLinear():
            return module.activation
        case ClippedShiftedReLU():
            return theory.clipped_shifted_relu(as_number(module.tau), as_number(module.m))
        case ClippedSoftThreshold():
            return theory.clipped_soft_threshold(as_number(module.tau), as_number(module.m))
        case ShiftedReLU():
            return theory.shifted_relu(as_number(module.tau))
        case SoftThreshold():
            return theory.soft_threshold(as_number(module.tau))
        case nn.ReLU():
            return theory.relu()
        case nn.Hardtanh():  # includes ReLU6
            low, high = float(module.min_val), float(module.max_val)
            if low == 0.0:
                return theory.clipped_shifted_relu(0.0, high)
            return theory.PiecewiseLinear([low, high], [0.0, 1.0, 0.0], min(max(0.0, low), high))
        case nn.LeakyReLU():
            return theory.leaky_relu(float(module.negative_slope))
        case nn.PReLU() if module.num_parameters == 1:
            return theory.leaky_relu(as_number(module.weight))
        case nn.Hardsigmoid():
            return theory.PiecewiseLinear([-3.0, 3.0], [0.0, 1.0 / 6.0, 0.0], 0.5, name="hard_sigmoid")
        case nn.Softshrink():
            return theory.soft_threshold(float(module.lambd))
        case nn.Identity():
            return theory.identity()
    rule = "be a piecewise-linear activation module"
    raise invalid("module", rule, type(module).__name__, "describe yours by PiecewiseLinear")


def _check_activation(activation: theory.PiecewiseLinear) -> theory.PiecewiseLinear:
    what = "an activation such as neurondeath_theory.networks.activations.shifted_relu(1.0)"
    return check_instance("activation", activation, theory.PiecewiseLinear, what)

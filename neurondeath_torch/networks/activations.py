r"""Sparsifying activations as modules, and conversion between modules and the activations of the theory.

    ShiftedReLU          max(x - tau, 0)
    SoftThreshold        sign(x) max(|x| - tau, 0)
    ClippedShiftedReLU   min(max(x - tau, 0), m)
    ClippedSoftThreshold sign(x) min(max(|x| - tau, 0), m)
    PiecewiseLinear      any other continuous piecewise-linear function

Gradients are exact away from the kinks. At a kink the gradient is 0 where the unit switches on (as relu'(0) = 0 in
PyTorch) and 1 where it reaches its clipping height, so a unit is off at its threshold and not yet clipped at its
height; `PiecewiseLinear` uses the slope on the left, as the theory does. NaN is propagated.

bfloat16 and float16 inputs, under autocast or not, are converted to float32, and the result is rounded once, so that a
threshold is not rounded to the input's precision; the output has the input's dtype.

Thresholds are plain numbers, shown by `repr` and not part of the state, unless `learnable=True`: then they are
parameters `raw_tau` and `raw_m`. Where the function is defined for positive values only, the module computes with
|raw|: the start value is kept exactly, the constraint always holds, and a value that an optimiser moves across 0 is
reflected instead of being stuck. `tau` and `m` return the values in use.

Training moves the share of zeros, because it moves the layer's inputs. With `hold_zeros=s` the threshold follows them:
after every pass in training mode

    tau <- tau + HOLD_RATE * sd(x) * (s - share of zeros of the pass)

over all entries of the pass, so that tau tends to the s-quantile of x (of |x| for soft thresholds) within some ten
steps, whatever the scale of x. tau is then a buffer `raw_tau`, part of the state, and constant in evaluation mode; no
gradient reaches it.

Source: price2024 (arXiv 2402.16184), section 2.
"""

from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.validation import check_flag, check_instance, check_real, invalid
from neurondeath_theory.networks import activations as theory

__all__ = [
    "ClippedShiftedReLU",
    "ClippedSoftThreshold",
    "PiecewiseLinear",
    "ShiftedReLU",
    "SoftThreshold",
    "from_theory",
    "to_theory",
]

HALF_PRECISION = (torch.bfloat16, torch.float16)
HOLD_RATE = 0.5  # of a held threshold, in standard deviations per unit of the share of zeros
OPEN_SHARE: dict[str, Any] = {"low": 0.0, "high": 1.0, "low_open": True, "high_open": True}
Number = float | torch.Tensor


class _Thresholded(nn.Module):
    """Base class of activations with a threshold tau and possibly m, plain numbers, parameters, or tau held."""

    _reflected: tuple[str, ...] = ()  # thresholds that are defined for positive values only
    raw_tau: Any  # a number, a parameter or, where it is held, a buffer

    def __init__(self, learnable: bool, hold_zeros: float | None, **thresholds: float) -> None:
        super().__init__()
        self.learnable = check_flag("learnable", learnable)
        self.hold_zeros = None if hold_zeros is None else check_real("hold_zeros", hold_zeros, **OPEN_SHARE)
        if self.learnable and self.hold_zeros is not None:
            raise invalid("hold_zeros", "be left out with learnable=True", hold_zeros, "a threshold is held or learned")
        for name, value in thresholds.items():
            setattr(self, f"raw_{name}", nn.Parameter(torch.tensor(value)) if self.learnable else value)
        if self.hold_zeros is not None:
            del self.raw_tau
            self.register_buffer("raw_tau", torch.tensor(thresholds["tau"]))

    def _threshold(self, name: str) -> Number:
        raw: Number = getattr(self, f"raw_{name}")
        if not isinstance(raw, torch.Tensor) or name not in self._reflected:
            return raw
        return torch.where(raw < 0.0, -raw, raw)  # |raw|, with gradient 1 at 0, so that the optimiser can leave 0

    @property
    def tau(self) -> Number:
        """Threshold in use."""
        return self._threshold("tau")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the activation to every entry of a floating-point tensor of any shape."""
        wide = x.float() if x.dtype in HALF_PRECISION else x
        y = self._value(wide)
        if self.hold_zeros is not None and self.training and x.numel():
            self._follow(wide.detach(), y.detach(), self.hold_zeros)
        return y.to(x.dtype)

    @torch.no_grad()
    def _follow(self, x: torch.Tensor, y: torch.Tensor, wanted: float) -> None:
        """Move the threshold so that the share of zeros tends to the wanted one."""
        step = HOLD_RATE * x.std(correction=0) * (wanted - (y == 0.0).float().mean())
        moved = self.raw_tau + step.to(self.raw_tau.dtype)
        if "tau" in self._reflected:
            moved = moved.clamp(min=0.0)
        self.raw_tau = torch.where(moved.isfinite(), moved, self.raw_tau)  # as it is where x overflows

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the thresholds in use."""
        names = [name for name in ("tau", "m") if hasattr(self, f"raw_{name}")]
        shown = [f"{name}={_plain(self._threshold(name)):g}" for name in names]
        further = ["learnable=True"] if self.learnable else []
        further += [] if self.hold_zeros is None else [f"hold_zeros={self.hold_zeros:g}"]
        return ", ".join([*shown, *further])


class ShiftedReLU(_Thresholded):
    """Shifted rectifier max(x - tau, 0).

    Parameters
    ----------
    tau : float
        Threshold, any finite number.
    learnable : bool
        Whether the threshold is a parameter, `raw_tau`.
    hold_zeros : float, optional
        Share of zeros in (0, 1) that the threshold keeps during training; see the module docstring.

    Raises
    ------
    InvalidArgumentError
        If tau is not finite, or the share out of its domain.

    Examples
    --------
    >>> phi = ShiftedReLU(1.0)
    >>> phi(torch.tensor([-2.0, 1.0, 3.0])).tolist()
    [0.0, 0.0, 2.0]
    >>> phi
    ShiftedReLU(tau=1)
    """

    def __init__(self, tau: float, *, learnable: bool = False, hold_zeros: float | None = None) -> None:
        super().__init__(learnable, hold_zeros, tau=check_real("tau", tau))

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x - self.tau)


class SoftThreshold(_Thresholded):
    """Soft threshold sign(x) max(|x| - tau, 0).

    Parameters
    ----------
    tau : float
        Threshold of at least 0.
    learnable : bool
        Whether the threshold is a parameter, `raw_tau`; its absolute value is used.
    hold_zeros : float, optional
        Share of zeros in (0, 1) that the threshold keeps during training; see the module docstring.

    Raises
    ------
    InvalidArgumentError
        If tau is negative or not finite, or the share out of its domain.

    Examples
    --------
    >>> SoftThreshold(1.0)(torch.tensor([-3.0, 0.5, 3.0])).tolist()
    [-2.0, 0.0, 2.0]
    """

    _reflected = ("tau",)

    def __init__(self, tau: float, *, learnable: bool = False, hold_zeros: float | None = None) -> None:
        super().__init__(learnable, hold_zeros, tau=check_real("tau", tau, low=0.0))

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        tau = self.tau
        return torch.relu(x - tau) - torch.relu(-x - tau)


class _Clipped(_Thresholded):
    """Base class of thresholded activations clipped at height m."""

    @property
    def m(self) -> Number:
        """Clipping height in use."""
        return self._threshold("m")

    def _cut(self, y: torch.Tensor) -> torch.Tensor:
        height = self.m
        return torch.where(y > height, height, y)


class ClippedShiftedReLU(_Clipped):
    """Shifted rectifier clipped at height m, min(max(x - tau, 0), m).

    Parameters
    ----------
    tau : float
        Threshold, any finite number.
    m : float
        Clipping height above 0.
    learnable : bool
        Whether both are parameters, `raw_tau` and `raw_m`; the absolute value of `raw_m` is used.
    hold_zeros : float, optional
        Share of zeros in (0, 1) that the threshold keeps during training; see the module docstring.

    Raises
    ------
    InvalidArgumentError
        If tau is not finite, m is not positive and finite, or the share out of its domain.

    Examples
    --------
    >>> ClippedShiftedReLU(1.0, 1.5)(torch.tensor([-2.0, 2.0, 9.0])).tolist()
    [0.0, 1.0, 1.5]
    """

    _reflected = ("m",)

    def __init__(self, tau: float, m: float, *, learnable: bool = False, hold_zeros: float | None = None) -> None:
        super().__init__(
            learnable, hold_zeros, tau=check_real("tau", tau), m=check_real("m", m, low=0.0, low_open=True)
        )

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        return self._cut(torch.relu(x - self.tau))


class ClippedSoftThreshold(_Clipped):
    """Soft threshold clipped at height m, sign(x) min(max(|x| - tau, 0), m).

    Parameters
    ----------
    tau : float
        Threshold of at least 0.
    m : float
        Clipping height above 0.
    learnable : bool
        Whether both are parameters, `raw_tau` and `raw_m`; their absolute values are used.
    hold_zeros : float, optional
        Share of zeros in (0, 1) that the threshold keeps during training; see the module docstring.

    Raises
    ------
    InvalidArgumentError
        If tau is negative or m not positive, one is not finite, or the share out of its domain.

    Examples
    --------
    >>> ClippedSoftThreshold(1.0, 1.5)(torch.tensor([-9.0, 0.5, 2.0])).tolist()
    [-1.5, 0.0, 1.0]
    """

    _reflected = ("tau", "m")

    def __init__(self, tau: float, m: float, *, learnable: bool = False, hold_zeros: float | None = None) -> None:
        shift, height = check_real("tau", tau, low=0.0), check_real("m", m, low=0.0, low_open=True)
        super().__init__(learnable, hold_zeros, tau=shift, m=height)

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        tau = self.tau
        return self._cut(torch.relu(x - tau)) - self._cut(torch.relu(-x - tau))


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
        wide = x.float() if x.dtype in HALF_PRECISION else x
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


def from_theory(
    activation: theory.PiecewiseLinear, *, learnable: bool = False, hold_zeros: float | None = None
) -> nn.Module:
    """Return the module that computes an activation of the theory.

    Parameters
    ----------
    activation : neurondeath_theory.networks.activations.PiecewiseLinear
        The function; for a design, its `activation`.
    learnable : bool
        Whether its thresholds are parameters; only for the four thresholded kinds.
    hold_zeros : float, optional
        Share of zeros that the threshold keeps during training; only for them. For a design, its `sparsity`.

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
    module = _thresholded(phi, {"learnable": learnable, "hold_zeros": hold_zeros})
    if module is not None:
        return module
    if learnable:
        raise invalid("learnable", f"be False for {phi}, which has no threshold", learnable)
    if hold_zeros is not None:
        raise invalid("hold_zeros", f"be left out for {phi}, which has no threshold", hold_zeros)
    if phi == theory.identity():
        return nn.Identity()
    return nn.ReLU() if phi == theory.relu() else PiecewiseLinear(phi)


def _thresholded(phi: theory.PiecewiseLinear, options: dict[str, Any]) -> nn.Module | None:
    """Build the module of a thresholded kind; None for other kinds, for ReLU and for the identity."""
    if phi in (theory.relu(), theory.identity()):
        return None
    if phi.family == "hard-tanh":
        return ClippedSoftThreshold(0.0, phi.parameters["limit"], **options)
    kinds: dict[str, Any] = {
        "shifted-relu": ShiftedReLU,
        "soft-threshold": SoftThreshold,
        "clipped-shifted-relu": ClippedShiftedReLU,
        "clipped-soft-threshold": ClippedSoftThreshold,
    }
    module: nn.Module | None = kinds[phi.family](**phi.parameters, **options) if phi.family in kinds else None
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
            return theory.clipped_shifted_relu(_plain(module.tau), _plain(module.m))
        case ClippedSoftThreshold():
            return theory.clipped_soft_threshold(_plain(module.tau), _plain(module.m))
        case ShiftedReLU():
            return theory.shifted_relu(_plain(module.tau))
        case SoftThreshold():
            return theory.soft_threshold(_plain(module.tau))
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
            return theory.leaky_relu(_plain(module.weight))
        case nn.Hardsigmoid():
            return theory.PiecewiseLinear([-3.0, 3.0], [0.0, 1.0 / 6.0, 0.0], 0.5, name="hard_sigmoid")
        case nn.Softshrink():
            return theory.soft_threshold(float(module.lambd))
        case nn.Identity():
            return theory.identity()
    rule = "be a piecewise-linear activation module"
    raise invalid("module", rule, type(module).__name__, "describe yours by PiecewiseLinear")


def _plain(value: Number) -> float:
    return float(value.detach() if isinstance(value, torch.Tensor) else value)


def _check_activation(activation: theory.PiecewiseLinear) -> theory.PiecewiseLinear:
    what = "an activation such as neurondeath_theory.networks.activations.shifted_relu(1.0)"
    return check_instance("activation", activation, theory.PiecewiseLinear, what)

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

Source: price2024 (arXiv 2402.16184), section 2.
"""

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
Number = float | torch.Tensor


class _Thresholded(nn.Module):
    """Base class of activations with a threshold tau and possibly m, plain numbers or parameters."""

    _reflected: tuple[str, ...] = ()  # thresholds that are defined for positive values only

    def __init__(self, learnable: bool, **thresholds: float) -> None:
        super().__init__()
        self.learnable = check_flag("learnable", learnable)
        for name, value in thresholds.items():
            setattr(self, f"raw_{name}", nn.Parameter(torch.tensor(value)) if self.learnable else value)

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
        return self._value(wide).to(x.dtype)

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the thresholds in use."""
        names = [name for name in ("tau", "m") if hasattr(self, f"raw_{name}")]
        shown = [f"{name}={_plain(self._threshold(name)):g}" for name in names]
        return ", ".join([*shown, "learnable=True"] if self.learnable else shown)


class ShiftedReLU(_Thresholded):
    """Shifted rectifier max(x - tau, 0).

    Parameters
    ----------
    tau : float
        Threshold, any finite number.
    learnable : bool
        Whether the threshold is a parameter, `raw_tau`.

    Raises
    ------
    InvalidArgumentError
        If tau is not finite.

    Examples
    --------
    >>> phi = ShiftedReLU(1.0)
    >>> phi(torch.tensor([-2.0, 1.0, 3.0])).tolist()
    [0.0, 0.0, 2.0]
    >>> phi
    ShiftedReLU(tau=1)
    """

    def __init__(self, tau: float, *, learnable: bool = False) -> None:
        super().__init__(learnable, tau=check_real("tau", tau))

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

    Raises
    ------
    InvalidArgumentError
        If tau is negative or not finite.

    Examples
    --------
    >>> SoftThreshold(1.0)(torch.tensor([-3.0, 0.5, 3.0])).tolist()
    [-2.0, 0.0, 2.0]
    """

    _reflected = ("tau",)

    def __init__(self, tau: float, *, learnable: bool = False) -> None:
        super().__init__(learnable, tau=check_real("tau", tau, low=0.0))

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

    Raises
    ------
    InvalidArgumentError
        If tau is not finite or m is not positive and finite.

    Examples
    --------
    >>> ClippedShiftedReLU(1.0, 1.5)(torch.tensor([-2.0, 2.0, 9.0])).tolist()
    [0.0, 1.0, 1.5]
    """

    _reflected = ("m",)

    def __init__(self, tau: float, m: float, *, learnable: bool = False) -> None:
        super().__init__(learnable, tau=check_real("tau", tau), m=check_real("m", m, low=0.0, low_open=True))

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

    Raises
    ------
    InvalidArgumentError
        If tau is negative or m not positive, or one is not finite.

    Examples
    --------
    >>> ClippedSoftThreshold(1.0, 1.5)(torch.tensor([-9.0, 0.5, 2.0])).tolist()
    [-1.5, 0.0, 1.0]
    """

    _reflected = ("tau", "m")

    def __init__(self, tau: float, m: float, *, learnable: bool = False) -> None:
        shift, height = check_real("tau", tau, low=0.0), check_real("m", m, low=0.0, low_open=True)
        super().__init__(learnable, tau=shift, m=height)

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
    match phi.family:
        case "shifted-relu":
            return ShiftedReLU(**phi.parameters, learnable=learnable)
        case "soft-threshold":
            return SoftThreshold(**phi.parameters, learnable=learnable)
        case "clipped-shifted-relu":
            return ClippedShiftedReLU(**phi.parameters, learnable=learnable)
        case "clipped-soft-threshold":
            return ClippedSoftThreshold(**phi.parameters, learnable=learnable)
        case "hard-tanh":
            return ClippedSoftThreshold(0.0, phi.parameters["limit"], learnable=learnable)
    return None


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

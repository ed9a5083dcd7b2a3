r"""Activations with a threshold: shifted ReLU, soft threshold, their clipped forms; thresholds fixed or learned.

    ShiftedReLU          max(x - tau, 0)
    SoftThreshold        sign(x) max(|x| - tau, 0)
    ClippedShiftedReLU   min(max(x - tau, 0), m)
    ClippedSoftThreshold sign(x) min(max(|x| - tau, 0), m)

Gradients are exact away from the kinks. At a kink the gradient is 0 where the unit switches on (as relu'(0) = 0 in
PyTorch) and 1 where it reaches its clipping height, so a unit is off at its threshold and not yet clipped at its
height. NaN is propagated.

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

from neurondeath_theory.foundation.validation import check_flag, check_real
from neurondeath_torch.networks.half_precision import in_single

__all__ = ["ClippedShiftedReLU", "ClippedSoftThreshold", "ShiftedReLU", "SoftThreshold", "as_number"]

Number = float | torch.Tensor


def as_number(value: Number) -> float:
    """Return a threshold in use as a plain number."""
    return float(value.detach() if isinstance(value, torch.Tensor) else value)


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
        wide = in_single(x)
        return self._value(wide).to(x.dtype)

    def _value(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the thresholds in use."""
        names = [name for name in ("tau", "m") if hasattr(self, f"raw_{name}")]
        shown = [f"{name}={as_number(self._threshold(name)):g}" for name in names]
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
        if isinstance(height, torch.Tensor):
            return torch.where(y > height, height, y)
        return y.clamp(max=height)  # the same, with fewer passes over memory backward


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

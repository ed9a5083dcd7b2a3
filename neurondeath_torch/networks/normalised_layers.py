r"""What the layers of a stream read when they are normalised: brought to q*, with the design's share of zeros.

    read = g sqrt(2 q* / pi) (h - mean of h) / (mean absolute deviation of h)

over all units and positions of an input. For Gaussian h and g = 1 this is variance q*. In training h gets heavy tails;
the mean absolute deviation follows the bulk, which decides the zeros, better than the standard deviation does. What is
left of the deviation is taken up by the gain g of the layer, a number in the model's state that starts at 1: every pass
in training mode multiplies it by exp(RATE (zeros - design)), so that the share of zeros stays the design's, and without
a pass of its own. It has no gradient. Activations whose zeros do not depend on the scale, such as ReLU, have g = 1.

In a model that is cast to bfloat16 the gain moves only where zeros are 0.02 (too few) to 0.04 (too many) off; under
autocast it stays in the precision of the weights.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import nn

from neurondeath_theory.gaussian_limit.moments import inactive_probability
from neurondeath_theory.networks.network_bounds import quiet_set
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_torch.networks.half_precision import in_single

__all__ = ["GAIN", "Normalisation", "centred", "forget_gain", "prepare_gain"]

GAIN = "stream_gain"  # name of the buffer
RATE = 0.1  # the share of zeros then follows in about 40 passes
LEAST_GAIN, LARGEST_GAIN = 0.1, 10.0
TINY_DEVIATION = 1e-20  # below which all entries count as equal and stay as they are: 0, with finite gradients


@dataclass(frozen=True)
class Normalisation:
    """How the layers of a stream are normalised.

    Parameters
    ----------
    q : float
        q* of the design.
    quiet : tuple of float or None
        Interval around 0 on which the activation is 0; None if 0 is not inside one.
    zeros : float
        Share of zeros of the design.
    """

    q: float
    quiet: tuple[float, float] | None
    zeros: float

    @classmethod
    def of(cls, phi: PiecewiseLinear, q: float) -> Self:
        """Return the normalisation for an activation at q*."""
        around = [(low, high) for low, high in quiet_set(phi) if low < 0.0 < high]
        return cls(q, around[0] if around else None, float(inactive_probability(phi, q)))

    def read(self, h: torch.Tensor, gain: torch.Tensor | None, training: bool) -> torch.Tensor:
        """Return what the activation reads, and adapt the gain in training."""
        if gain is None:
            return centred(h, self.q)
        result = centred(h, self.q, gain)
        if training:
            self._adapt(result, gain)
        return result

    @torch.no_grad()
    def _adapt(self, read: torch.Tensor, gain: torch.Tensor) -> None:
        assert self.quiet is not None
        low, high = self.quiet
        with torch._C.DisableTorchFunction():  # not an operation of the model, for those who watch it
            zeros = ((read >= low) & (read <= high)).float().mean()
            gain.mul_(torch.exp(RATE * (zeros - self.zeros)).to(gain.dtype)).clamp_(LEAST_GAIN, LARGEST_GAIN)


def centred(h: torch.Tensor, q: float, gain: torch.Tensor | None = None) -> torch.Tensor:
    """Bring every input (axis 0) to mean 0 and the mean absolute deviation of a Gaussian of variance q, times a gain.

    Over all its entries, in at least single precision.
    """
    wide, axes = in_single(h), tuple(range(1, h.ndim))
    off = wide - wide.mean(axes, keepdim=True)
    deviation = torch.linalg.vector_norm(off, 1, axes, keepdim=True) / off[:1].numel()
    deviation = torch.where(deviation > TINY_DEVIATION, deviation, 1.0)
    size = math.sqrt(2.0 * q / math.pi)
    return (off * ((size if gain is None else size * gain.to(wide.dtype)) / deviation)).to(h.dtype)


def prepare_gain(layer: nn.Module, normalisation: Normalisation) -> None:
    """Register the gain of what is read after a layer, as a part of its state."""
    if normalisation.quiet is not None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        layer.register_buffer(GAIN, torch.ones((), device=weight.device))


def forget_gain(layer: nn.Module | None) -> None:
    """Remove it."""
    if layer is not None and GAIN in layer._buffers:
        delattr(layer, GAIN)

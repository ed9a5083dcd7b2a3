r"""The critical residual stream as forward hooks on the layers of a model, and its arithmetic.

    start    the layer that begins the stream: its output h_0 is brought to mean square q* at every input,
             h_0 <- h_0 sqrt(q* / mean h_0^2), the mean over all units and positions of that input; or is multiplied
             by a fixed factor
    branch   every following layer: its output becomes h <- sqrt(1 - a^2) h + a (W phi(h) + b)

Where layers are normalised, phi reads what `normalised_layers` makes of h; the stream itself is left as it is.

Where layers compute in half precision, under autocast too, the stream is kept in single precision, so that the
roundings of its sums do not pile up over the layers; what a layer reads has the type of its output.

The stream is passed from layer to layer by an object that their hooks share. It holds sqrt(1 - a^2) h from the moment a
layer returns until the next one has used it, separately in every thread, and nothing between two forward passes; so
copies, pickles and `torch.compile` see ordinary hooks, and activations may overwrite h in place. A layer of the stream
cannot be called alone.

Zero padding: where a share m of the kernel lies inside the image, W phi(h) is divided by sqrt(m), not the bias; see
`neurondeath_theory.trainability.padded_residual`.
"""

import math
import threading
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_torch.networks.half_precision import in_single
from neurondeath_torch.networks.normalised_layers import GAIN, Normalisation

__all__ = [
    "BORDER",
    "Stream",
    "StreamBranch",
    "StreamStart",
    "border_factor",
    "corrected",
    "forget_border",
    "normalised",
    "prepare_border",
    "stream_layer",
    "with_branch",
]

BORDER = "border_factor"  # name of the buffer, which is not part of the state
TINY = 1e-20  # mean square below which an input stays as it is: zero stays zero, with finite gradients
CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


class Stream(threading.local):
    """The scaled stream between two layers, one for every thread."""

    held: torch.Tensor | None = None

    def __reduce__(self) -> tuple[type["Stream"], tuple[()]]:
        """Copy and pickle without the stream, which belongs to a forward pass."""
        return Stream, ()


class StreamStart:
    """Forward hook of the layer that begins a stream.

    Parameters
    ----------
    stream : Stream
        The stream.
    keep : float
        sqrt(1 - a^2).
    q : float or None
        Mean square that every input is brought to; None for a fixed factor.
    factor : float
        The fixed factor.
    read : Normalisation or None
        How what the next layer's activation reads is normalised, if it is.
    """

    def __init__(
        self, stream: Stream, keep: float, q: float | None, factor: float = 1.0, *, read: Normalisation | None = None
    ) -> None:
        self.stream, self.keep, self.q, self.factor, self.read = stream, keep, q, factor, read

    def __call__(self, module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        """Return the start of the stream, as the next layer's activation reads it."""
        h = in_single(corrected(module, inputs, output))
        h = self.factor * h if self.q is None else normalised(h, self.q)
        self.stream.held = self.keep * h
        return _as_read(h, module, self.read).to(output.dtype)


class StreamBranch:
    """Forward hook of a layer that adds to a stream.

    Parameters
    ----------
    stream : Stream
        The stream.
    keep, scale : float
        sqrt(1 - a^2) and a.
    last : bool
        Whether the stream ends here.
    read : Normalisation or None
        How what the next layer's activation reads is normalised, if it is.
    """

    def __init__(
        self, stream: Stream, keep: float, scale: float, last: bool, *, read: Normalisation | None = None
    ) -> None:
        self.stream, self.keep, self.scale, self.last, self.read = stream, keep, scale, last, read

    def __call__(self, module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        """Return the stream after this layer, as the next layer's activation reads it."""
        held = self.stream.held
        if held is None:
            raise AssumptionError("a layer of a residual stream must be called after the layer before it, in its model")
        if held.shape != output.shape:
            shapes = f"{tuple(held.shape)} and {tuple(output.shape)}"
            raise AssumptionError(f"all layers of a residual stream must keep their width and positions; got {shapes}")
        h = with_branch(held, output, self.scale, layer_border(module, inputs, output), module.bias)
        self.stream.held = None if self.last else self.keep * h
        return _as_read(h, module, self.read).to(output.dtype)


def _as_read(h: torch.Tensor, module: nn.Module, how: Normalisation | None) -> torch.Tensor:
    return h if how is None else how.read(h, module._buffers.get(GAIN), module.training)


def stream_layer(model: nn.Module) -> str | None:
    """Return the name of a module that has such a hook; None if the model has no stream."""
    for name, module in model.named_modules():
        if any(isinstance(hook, (StreamStart, StreamBranch)) for hook in module._forward_hooks.values()):
            return name or type(module).__name__
    return None


def normalised(h: torch.Tensor, q: float) -> torch.Tensor:
    """Bring every input (axis 0) to mean square q over all its entries, in at least single precision."""
    wide = in_single(h)
    square = wide.square().mean(dim=tuple(range(1, h.ndim)), keepdim=True)
    return (wide * (math.sqrt(q) * torch.rsqrt(square + TINY))).to(h.dtype)


def corrected(layer: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    """Divide a zero-padded convolution, not its bias, by the root of the share of the kernel inside the image."""
    factor = layer_border(layer, inputs, output)
    if factor is None:
        return output
    return with_branch(torch.zeros_like(output), output, 1.0, factor, layer.bias)


def layer_border(layer: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor | None:
    """Return the factor of a layer's outputs, shape (1, *positions); None where it is 1 everywhere."""
    kept: torch.Tensor | None = getattr(layer, BORDER, None)
    if kept is None or kept.shape[1:] == output.shape[1 - kept.ndim :]:
        return kept
    return border_factor(layer, tuple((inputs[0] if inputs else output).shape[1 - kept.ndim :]))


def with_branch(
    held: torch.Tensor, output: torch.Tensor, scale: float, factor: torch.Tensor | None, bias: Any
) -> torch.Tensor:
    """Add a branch, `output` times `scale`, to the stream; `factor` multiplies `output` apart from its bias."""
    if factor is None:
        return torch.add(held, output, alpha=scale)
    factor = factor.to(output.dtype)  # under autocast it has another type
    if bias is not None:
        held = held + bias.to(output.dtype).view(-1, *[1] * (factor.ndim - 1)) * (scale * (1.0 - factor))
    return torch.addcmul(held, output, factor, value=scale)


def border_factor(layer: nn.Module, size: tuple[int, ...]) -> torch.Tensor:
    """Return 1 / sqrt(share of the kernel inside the image), shape (1, *positions), in single precision.

    Parameters
    ----------
    layer : Conv1d, Conv2d or Conv3d
        A zero-padded convolution.
    size : tuple of int
        Lengths of its input image.
    """
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    with torch.no_grad():
        ones = torch.ones(1, 1, *size, device=weight.device)
        kernel = torch.ones(1, 1, *weight.shape[2:], device=weight.device)
        geometry: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
        share = CONVOLUTIONS[len(size)](ones, kernel, **geometry)[0] / kernel.numel()
        return torch.where(share > 0.0, share.clamp(min=TINY).rsqrt(), 1.0)


def prepare_border(layer: nn.Module, size: tuple[int, ...]) -> None:
    """Store the factors of a zero-padded convolution for images of one size, as a buffer outside the state."""
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) and layer.padding_mode == "zeros":
        factor = border_factor(layer, size)
        if bool((factor != 1.0).any()):
            layer.register_buffer(BORDER, factor.to(layer.weight.dtype), persistent=False)


def forget_border(layer: nn.Module | None) -> None:
    """Remove that buffer."""
    if layer is not None and BORDER in layer._buffers:
        delattr(layer, BORDER)

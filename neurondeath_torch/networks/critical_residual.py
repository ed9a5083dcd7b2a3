r"""Critical residual networks as modules: many layers of one width that keep variance, zeros and gradients at birth.

    h_0 = x brought to mean square q*,    h_l = sqrt(1 - a^2) h_{l-1} + a (W_l phi(h_{l-1}) + b_l),    a^2 = D / L

with the variances of an edge-of-chaos design. Inputs are brought to q* one by one, by a norm without parameters (the
mean over all their entries). Convolutions keep the size of the image; with zero padding their sums, not the biases, are
divided by the root of the share of the kernel inside the image. To rewire a model that exists, use `residual_`.

Training changes the size of the stream, and with it the share of zeros of an activation with a threshold. With
normalise="layers" every activation reads the stream brought to mean 0 and to q*, for every input over all its entries,
times a gain that follows the share of zeros (see `normalised_layers`). At birth this is the same design, since the
entries of h are Gaussian of variance q* up to O(1/n); in training it holds the zeros, whatever the size of the stream.

Weights are drawn when a module is built, like those of PyTorch's layers: from `generator`, or else from PyTorch's
global state. Theory: `neurondeath_theory.trainability.critical_residual` and `padded_residual`.
"""

import math
from typing import Any, Literal

import torch
from torch import nn

from neurondeath_theory.foundation.validation import check_choice, check_count, check_instance, check_real, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, edge_of_chaos
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.networks.activations import from_theory, to_theory
from neurondeath_torch.networks.half_precision import in_single
from neurondeath_torch.networks.normalised_layers import Normalisation
from neurondeath_torch.networks.residual_stream import border_factor, normalised, with_branch

__all__ = ["CriticalResidual", "CriticalResidualConv2d"]

PADDINGS = ("zeros", "circular")
NORMALISE = ("input", "layers")
Activation = EdgeOfChaos | theory.PiecewiseLinear | nn.Module


class _Residual(nn.Module):
    """Base class: the stream, its activation and its design."""

    layers: nn.ModuleList
    gains: torch.Tensor | None

    def __init__(
        self, depth: int, activation: Activation | None, effective_depth: float, normalise: str, device: Any
    ) -> None:
        super().__init__()
        self.design, self.activation = _design_of(activation)
        self.depth = check_count("depth", depth)
        self.effective_depth = check_real("effective_depth", effective_depth, low=0.0, low_open=True)
        if self.effective_depth > self.depth:
            rule = f"be at most the depth, {self.depth}"
            raise invalid("effective_depth", rule, self.effective_depth, "D = L is the plain network")

        self.normalise = check_choice("normalise", normalise, NORMALISE)
        design, layers = self.design, self.normalise == "layers"
        self._read = Normalisation.of(design.activation, design.q) if layers else None
        held = self._read is not None and self._read.quiet is not None
        self.register_buffer("gains", torch.ones(self.depth + 1, device=device) if held else None)

    def _active(self, h: torch.Tensor, layer: int, dtype: torch.dtype) -> torch.Tensor:
        """Return the outputs of the units at a layer of the stream, in the type of the layers."""
        if self._read is not None:
            h = self._read.read(h, None if self.gains is None else self.gains[layer], self.training)
        active: torch.Tensor = self.activation(h.to(dtype))
        return active

    def _stream(self, h: torch.Tensor, border: torch.Tensor | None = None) -> torch.Tensor:
        share = self.effective_depth / self.depth
        keep, scale = math.sqrt(1.0 - share), math.sqrt(share)
        dtype = h.dtype
        h = normalised(in_single(h), self.design.q)
        for number, layer in enumerate(self.layers):
            h = with_branch(keep * h, layer(self._active(h, number, dtype)), scale, border, layer.bias)
        return h.to(dtype)

    def extra_repr(self) -> str:
        """Show the depths and the design's variances."""
        design = self.design
        return (
            f"depth={self.depth}, effective_depth={self.effective_depth:g}, q={design.q:g}, "
            f"sigma_w2={design.sigma_w2:.5g}, sigma_b2={design.sigma_b2:.5g}, normalise={self.normalise!r}"
        )


class CriticalResidual(_Residual):
    """A perceptron whose hidden layers form a critical residual stream.

    Parameters
    ----------
    width : int
        Units of every layer.
    depth : int
        Number of branches L.
    activation : EdgeOfChaos, PiecewiseLinear or torch.nn.Module, optional
        A design, or an activation, whose design at q* = 1 is used; ReLU by default. A module is used in every branch.
    effective_depth : float
        D, in (0, depth].
    in_features : int, optional
        Size of the inputs of a first linear layer; without it, inputs have size `width` and begin the stream.
    out_features : int, optional
        Size of the outputs of a last linear layer on phi(h_L); without it, h_L is returned.
    normalise : {"input", "layers"}
        Whether only inputs are brought to q*, or what every layer reads, which holds the zeros in training.
    generator : torch.Generator, optional
        Source of the weights.
    device, dtype
        Of the parameters.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or the activation has no edge of chaos.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    >>> model = CriticalResidual(32, 50, design, in_features=8, out_features=4)
    >>> model(torch.ones(5, 8)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self,
        width: int,
        depth: int,
        activation: Activation | None = None,
        effective_depth: float = 1.0,
        *,
        in_features: int | None = None,
        out_features: int | None = None,
        normalise: Literal["input", "layers"] = "input",
        generator: torch.Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(depth, activation, effective_depth, normalise, device)
        self.width = check_count("width", width, least=2 if normalise == "layers" else 1)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        inputs = None if in_features is None else check_count("in_features", in_features)
        outputs = None if out_features is None else check_count("out_features", out_features)
        self.first = None if inputs is None else nn.Linear(inputs, self.width, **made)
        self.layers = nn.ModuleList(nn.Linear(self.width, self.width, **made) for _ in range(self.depth))
        self.last = None if outputs is None else nn.Linear(self.width, outputs, **made)
        _draw(self, self.design, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map inputs of shape (n, ..., in_features or width) to outputs of shape (n, ..., out_features or width)."""
        h = self._stream(x if self.first is None else self.first(x))
        if self.last is None:
            return h
        result: torch.Tensor = self.last(self._active(h, self.depth, h.dtype))
        return result


class CriticalResidualConv2d(_Residual):
    """A critical residual stream of convolutions of stride 1 that keep the size of the image.

    Parameters
    ----------
    channels : int
        Channels of the stream.
    depth : int
        Number of branches L.
    kernel_size : int
        Side of the kernel, odd.
    activation : EdgeOfChaos, PiecewiseLinear or torch.nn.Module, optional
        As for `CriticalResidual`.
    effective_depth : float
        D, in (0, depth].
    padding_mode : {"zeros", "circular"}
        Padding; zeros are corrected at the border.
    normalise : {"input", "layers"}
        As for `CriticalResidual`.
    generator : torch.Generator, optional
        Source of the weights.
    device, dtype
        Of the parameters.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or the activation has no edge of chaos.

    Examples
    --------
    >>> block = CriticalResidualConv2d(16, 10)
    >>> h = block(torch.ones(2, 16, 8, 8))
    >>> h.shape
    torch.Size([2, 16, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        depth: int,
        kernel_size: int = 3,
        activation: Activation | None = None,
        effective_depth: float = 1.0,
        *,
        padding_mode: Literal["zeros", "circular"] = "zeros",
        normalise: Literal["input", "layers"] = "input",
        generator: torch.Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(depth, activation, effective_depth, normalise, device)
        self.channels, size = check_count("channels", channels), check_count("kernel_size", kernel_size)
        if size % 2 == 0:
            raise invalid("kernel_size", "be odd, so that the image keeps its size", size)
        check_choice("padding_mode", padding_mode, PADDINGS)
        self.padding_mode = padding_mode
        self.layers = nn.ModuleList(
            nn.Conv2d(
                self.channels,
                self.channels,
                size,
                padding=size // 2,
                padding_mode=self.padding_mode,
                device=device,
                dtype=dtype,
            )
            for _ in range(self.depth)
        )
        _draw(self, self.design, generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images of shape (n, channels, height, width) to images of the same shape."""
        zeros = self.padding_mode == "zeros"
        return self._stream(x, border_factor(self.layers[0], tuple(x.shape[2:])) if zeros else None)


def _design_of(activation: Activation | None) -> tuple[EdgeOfChaos, nn.Module]:
    """Return the design, and the module that computes its activation."""
    if isinstance(activation, EdgeOfChaos):
        return activation, from_theory(activation.activation)
    if activation is None or isinstance(activation, theory.PiecewiseLinear):
        phi = activation or theory.relu()
        return edge_of_chaos(phi), from_theory(phi)
    module = check_instance("activation", activation, nn.Module, "an edge-of-chaos design or an activation")
    return edge_of_chaos(to_theory(module)), module


def _draw(model: nn.Module, design: EdgeOfChaos, generator: torch.Generator | None) -> None:
    """Draw all layers with the variances of a design."""
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            fan_in = layer.weight[0].numel()
            nn.init.normal_(layer.weight, 0.0, math.sqrt(design.sigma_w2 / fan_in), generator=generator)
            assert layer.bias is not None
            if design.sigma_b2 > 0.0:
                nn.init.normal_(layer.bias, 0.0, math.sqrt(design.sigma_b2), generator=generator)
            else:
                nn.init.zeros_(layer.bias)

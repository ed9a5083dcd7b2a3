r"""Parts of sparse autoencoders: TopK, JumpReLU, and a decoder with the weights of its encoder.

    TopK       keeps the k largest features of a point, as far as they are above 0
    JumpReLU   x where x > theta, else 0; theta >= 0, one for all features or one per feature
    TiedLinear x -> x W + b, with W the weight of another linear layer

The features of a point are the last axis. A feature that is never among the k largest, or never above its threshold, is
a dead unit as any other: the monitor, the audit and the surgery treat the modules as activations. An autoencoder needs
no class of its own:

    features = TopK(32)(encoder(x - b))
    reconstruction = decoder(features) + b

JumpReLU has no gradient with respect to theta where it is smooth. A learnable theta gets the straight-through estimate
of its source, $-\theta / \epsilon$ within $\epsilon / 2$ of the threshold and 0 elsewhere, $\epsilon$ the bandwidth.

Sources: TopK, Makhzani, Frey 2013 (arXiv 1312.5663), Gao et al. 2024 (arXiv 2406.04093); JumpReLU, Rajamanoharan et
al. 2024 (arXiv 2407.14435).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neurondeath_theory.foundation.validation import (
    check_count,
    check_flag,
    check_instance,
    check_real,
    check_reals,
    invalid,
)
from neurondeath_torch.networks.half_precision import in_single

__all__ = ["JumpReLU", "TiedLinear", "TopK"]


class TopK(nn.Module):
    """Keep the k largest features of every point, and set the others to 0.

    Parameters
    ----------
    k : int
        Features to keep, at least 1; where there are fewer, all are kept.
    rectify : bool
        Whether features that are kept must be above 0.

    Raises
    ------
    InvalidArgumentError
        If `k` is not a whole number of at least 1.

    Examples
    --------
    >>> TopK(2)(torch.tensor([[3.0, 1.0, 2.0], [-1.0, 4.0, -2.0]])).tolist()
    [[3.0, 0.0, 2.0], [0.0, 4.0, 0.0]]
    """

    def __init__(self, k: int, *, rectify: bool = True) -> None:
        super().__init__()
        self.k = check_count("k", k)
        self.rectify = check_flag("rectify", rectify)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it along the last axis of a tensor of any shape."""
        values, places = x.topk(min(self.k, x.shape[-1]), dim=-1)
        return torch.zeros_like(x).scatter(-1, places, values.relu() if self.rectify else values)

    def extra_repr(self) -> str:
        """Show the number of features kept."""
        return f"k={self.k}" + ("" if self.rectify else ", rectify=False")


class JumpReLU(nn.Module):
    """Set features up to a threshold to 0, and leave those above it as they are.

    Parameters
    ----------
    threshold : float or sequence of float, shape (n_features,)
        Threshold of at least 0: one number, or one per feature.
    learnable : bool
        Whether an optimiser changes it.
    bandwidth : float
        Width, above 0, of the window around the threshold in which a learnable threshold gets a gradient.

    Raises
    ------
    InvalidArgumentError
        If a threshold is negative or not finite, or the bandwidth is not positive.

    Notes
    -----
    The parameter `raw_threshold` is held in the state; its absolute value, `threshold`, is used, so that a value that
    an optimiser moves across 0 is reflected. At the threshold a feature is off, and its gradient 0.

    Examples
    --------
    >>> JumpReLU(1.0)(torch.tensor([-2.0, 1.0, 3.0])).tolist()
    [0.0, 0.0, 3.0]
    >>> JumpReLU([0.0, 1.0], learnable=True)
    JumpReLU(threshold of 2 features from 0 to 1, learnable=True)
    """

    def __init__(
        self, threshold: float | Sequence[float] | Tensor, *, learnable: bool = False, bandwidth: float = 1e-3
    ) -> None:
        super().__init__()
        values = check_reals("threshold", _plain(threshold), low=0.0)
        if values.ndim > 1 or values.size == 0:
            raise invalid("threshold", "be one number, or one per feature", f"shape {values.shape}")
        start = torch.from_numpy(np.array(values)).to(torch.get_default_dtype())
        self.raw_threshold = nn.Parameter(start, requires_grad=check_flag("learnable", learnable))
        self.bandwidth = check_real("bandwidth", bandwidth, low=0.0, low_open=True)

    @property
    def threshold(self) -> Tensor:
        """Threshold in use."""
        raw = self.raw_threshold
        return torch.where(raw < 0.0, -raw, raw)  # |raw|, with gradient 1 at 0

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to a floating-point tensor of any shape, features along the last axis."""
        wide = in_single(x)
        theta = self.threshold.to(wide.dtype)
        y = torch.where(wide <= theta, 0.0, wide)  # NaN is propagated
        if torch.is_grad_enabled() and theta.requires_grad:
            level = theta.detach()
            near = (wide.detach() - level).abs() < self.bandwidth / 2.0
            y = y + near * (-level / self.bandwidth) * (theta - level)  # adds 0, with the gradient of the estimate
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """Show the threshold in use."""
        theta = self.threshold.detach()
        if theta.ndim:
            shown = f"threshold of {len(theta)} features from {float(theta.min()):g} to {float(theta.max()):g}"
        else:
            shown = f"threshold={float(theta):g}"
        return shown + (", learnable=True" if self.raw_threshold.requires_grad else "")


class TiedLinear(nn.Module):
    """Linear layer whose weight is the transpose of another layer's: a decoder tied to its encoder.

    Parameters
    ----------
    source : torch.nn.Linear
        The layer whose weight is used; it must be a part of the same model. It is not registered as a part of this
        module, and its weight stands in the state once.
    bias : bool
        Whether to add a bias of shape (source.in_features,), 0 at first.

    Raises
    ------
    InvalidArgumentError
        If `source` is not a linear layer with a weight of its own.

    Examples
    --------
    >>> encoder = nn.Linear(3, 8)
    >>> decoder = TiedLinear(encoder)
    >>> decoder(torch.ones(2, 8)).shape, [name for name, _ in decoder.named_parameters()]
    (torch.Size([2, 3]), ['bias'])
    """

    source: nn.Linear

    def __init__(self, source: nn.Linear, *, bias: bool = True) -> None:
        super().__init__()
        check_instance("source", source, nn.Linear, "a torch.nn.Linear")
        weight = source._parameters.get("weight")
        if weight is None:
            raise invalid("source", "have a weight of its own", type(source).__name__, "remove its parametrisation")
        object.__setattr__(self, "source", source)  # a reference only
        wanted = check_flag("bias", bias)
        self.bias = nn.Parameter(weight.new_zeros(source.in_features)) if wanted else None

    def forward(self, x: Tensor) -> Tensor:
        """Map features, along the last axis, back to the inputs of the source."""
        return functional.linear(x, self.source.weight.t(), self.bias)

    def extra_repr(self) -> str:
        """Show its size."""
        source = self.source
        return f"in_features={source.out_features}, out_features={source.in_features}, bias={self.bias is not None}"


def _plain(threshold: object) -> object:
    return threshold.detach().cpu().double().numpy() if isinstance(threshold, Tensor) else threshold

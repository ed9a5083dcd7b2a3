r"""Smooth-Leaky: an activation whose slope has a floor and changes smoothly [Lillo and Cheney 2026, arXiv 2509.22562].

    f(x) = a x + (1 - a) x s(c x / p),   s the logistic function

behaves like a x far below zero and like x far above it; no unit can die, and none is cut off at once. `smooth_leaky_`
replaces the ReLUs of a model by it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_real, invalid
from neurondeath_torch.networks.half_precision import in_single
from neurondeath_torch.networks.model_checks import check_model

__all__ = ["Replaced", "SmoothLeaky", "smooth_leaky_"]


class SmoothLeaky(nn.Module):
    """The activation as a module.

    Parameters
    ----------
    slope : float
        a, the slope far below zero, in [0, 1].
    curvature, width : float
        c and p, both above 0; only c / p matters.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain.

    Notes
    -----
    Source: arXiv 2509.22562, equation 1, with the values of its figure 5. bfloat16 and float16 are computed in float32.

    Examples
    --------
    >>> SmoothLeaky()(torch.tensor([-100.0, 0.0, 100.0])).tolist()
    [-10.0, 0.0, 100.0]
    """

    def __init__(self, slope: float = 0.1, curvature: float = 5.0, width: float = 3.0) -> None:
        super().__init__()
        self.slope = check_real("slope", slope, low=0.0, high=1.0)
        self.curvature = check_real("curvature", curvature, low=0.0, low_open=True)
        self.width = check_real("width", width, low=0.0, low_open=True)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to every entry of a floating-point tensor of any shape."""
        wide = in_single(x)
        gate = torch.sigmoid((self.curvature / self.width) * wide)
        return (wide * (self.slope + (1.0 - self.slope) * gate)).to(x.dtype)

    def extra_repr(self) -> str:
        """Show the parameters."""
        return f"slope={self.slope:g}, curvature={self.curvature:g}, width={self.width:g}"


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """The activations that `smooth_leaky_` replaced.

    Attributes
    ----------
    modules : tuple of str
        Names of the modules that were replaced.
    """

    modules: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.modules)} activations replaced: {', '.join(self.modules)}"


def smooth_leaky_(
    model: nn.Module,
    *,
    slope: float = 0.1,
    curvature: float = 5.0,
    width: float = 3.0,
    kinds: Iterable[type[nn.Module]] = (nn.ReLU,),
) -> Replaced:
    """Replace the rectifiers of a model in place.

    Parameters
    ----------
    model : torch.nn.Module
        The model; its weights are not changed.
    slope, curvature, width
        As for `SmoothLeaky`.
    kinds : iterable of type
        Classes of the modules to replace. Activations that are called as functions in a forward pass are no modules
        and stay.

    Returns
    -------
    Replaced
        What was replaced.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, or no such module is in the model.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> print(smooth_leaky_(model))
    1 activations replaced: 1
    >>> model[1]
    SmoothLeaky(slope=0.1, curvature=5, width=3)
    """
    check_model(model)
    classes = tuple(kinds)
    if not classes or not all(isinstance(kind, type) and issubclass(kind, nn.Module) for kind in classes):
        raise invalid("kinds", "hold classes of modules", classes, "pass [nn.ReLU]")
    SmoothLeaky(slope, curvature, width)  # refuses before anything is changed
    found: dict[nn.Module, nn.Module] = {}
    names = []
    for parent_name, parent in list(model.named_modules()):
        for name, child in list(parent._modules.items()):
            if child is not None and isinstance(child, classes):
                if child not in found:  # a module that is used twice stays one module
                    found[child] = SmoothLeaky(slope, curvature, width).train(child.training)
                setattr(parent, name, found[child])
                names.append(f"{parent_name}.{name}" if parent_name else name)
    if not names:
        wanted = ", ".join(kind.__name__ for kind in classes)
        remedy = "activations called as functions are no modules"
        raise invalid("model", f"hold modules of the classes {wanted}", type(model).__name__, remedy)
    return Replaced(modules=tuple(names))

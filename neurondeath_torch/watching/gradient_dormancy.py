r"""Gradient-dormant units (GraMa): units on which the loss hardly depends [Liu et al. 2025, arXiv 2505.24061].

A unit i of a layer is tau-gradient-dormant when its mean absolute gradient $g_i = E|\partial L / \partial h_i|$, over
samples and positions, with h the output of its activation, is at most tau times the mean of g over the layer. Dormancy
asks what a unit sends, this asks what the loss would do with it: a unit that nothing reads is found, and the definition
serves every activation. A dead unit that is read is not gradient-dormant.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_real, invalid
from neurondeath_torch.networks.data_passes import evaluating
from neurondeath_torch.networks.layer_units import LayerUnits, chosen_layers, follow_units
from neurondeath_torch.networks.model_checks import check_model
from neurondeath_torch.networks.tensor_flow import Flow, split_units
from neurondeath_torch.watching.definitions import dormancy

__all__ = ["gradient_dormant", "gradient_sizes"]


def gradient_dormant(
    model: nn.Module, loss: Callable[[], Tensor], tau: float = 0.0, *, layers: Iterable[str] | None = None
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which units of each layer are tau-gradient-dormant.

    Parameters
    ----------
    model : torch.nn.Module
        The model, run in evaluation mode; neither it nor its gradients are changed.
    loss : callable
        A function without arguments that calls the model and returns a scalar, such as the mean loss of a batch.
    tau : float
        Threshold, at least 0.
    layers : iterable of str, optional
        Only these layers; all weight layers that an activation follows if not given.

    Returns
    -------
    dict of str to bool array, shape (n_units,)
        Layer -> flags; in a layer without any gradient all units are dormant.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, a named layer is followed by no activation, or a gradient is not finite.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> with torch.no_grad():
    ...     model[2].weight[0, 1] = 0.0
    >>> x = torch.randn(20, 3)
    >>> gradient_dormant(model, lambda: model(x).square().mean())["0"].tolist()
    [False, True, False]
    """
    level = check_real("tau", tau, low=0.0)
    return {layer: dormancy(sizes) <= level for layer, sizes in gradient_sizes(model, loss, layers=layers).items()}


def gradient_sizes(
    model: nn.Module, loss: Callable[[], Tensor], *, layers: Iterable[str] | None = None
) -> dict[str, npt.NDArray[np.float64]]:
    """Compute the mean absolute gradient of every unit; arguments and errors as for `gradient_dormant`."""
    check_model(model)
    recorder = _Gradients(model)
    with evaluating(model), torch.enable_grad():
        names, value = follow_units(model, recorder, loss)
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        raise invalid("loss", "return a scalar that depends on the model", type(value).__name__)
    wanted = chosen_layers(model, [name for name in names if name in recorder.held], layers)
    held = [(name, *entry) for name in wanted for entry in recorder.held[name]]
    gradients = torch.autograd.grad(value, [h for _, h, _ in held], allow_unused=True)
    sums: dict[str, tuple[npt.NDArray[np.float64], int]] = {}
    for (name, h, flow), gradient in zip(held, gradients, strict=True):
        units = split_units(torch.zeros_like(h) if gradient is None else gradient, flow)
        total = units.abs().sum((0, 1, 3)).double().cpu().numpy()
        before, seen = sums.get(name, (np.zeros(len(total)), 0))
        sums[name] = before + total, seen + units.numel() // max(units.shape[2], 1)
    for name, (total, _) in sums.items():
        if not np.isfinite(total).all():
            raise invalid("loss", "have finite gradients", f"NaN or infinity after `{name}`")
    return {name: total / max(seen, 1) for name, (total, seen) in sums.items()}


class _Gradients(LayerUnits):
    """Listener that keeps the output of every activation that holds units of a weight layer."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.held: dict[str, list[tuple[Tensor, Flow]]] = {}

    def activated(self, site: str, h: Tensor, flow: Flow | None) -> None:
        for layer, _ in self.layer_units(h, flow):
            if flow is not None and h.requires_grad:
                self.held.setdefault(layer, []).append((h, flow))

"""Plain residual networks: shortcuts around the layers of a chain that keep their width."""

from typing import cast

from torch import Tensor, nn

__all__ = ["ResidualLayer", "with_shortcuts"]


class ResidualLayer(nn.Sequential):
    """A layer with a shortcut around it: x + phi(W x + b)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the input and the layer's output, which have the same shape."""
        return x + cast(Tensor, super().forward(x))  # type: ignore[no-untyped-call]


def with_shortcuts(chain: nn.Sequential) -> nn.Sequential:
    """Put a shortcut around every layer of a plain chain that keeps its width and is followed by an activation.

    Parameters
    ----------
    chain : nn.Sequential
        A perceptron or plain convolutions; its modules are used again.

    Examples
    --------
    >>> from neurondeath_torch.training.models import perceptron
    >>> chain = with_shortcuts(perceptron((1, 2, 2), 10, width=4, depth=3))
    >>> [type(module).__name__ for module in chain]
    ['Flatten', 'ResidualLayer', 'ResidualLayer', 'ResidualLayer', 'Linear']
    """
    groups: list[list[nn.Module]] = []  # of a layer and what follows it
    for module in chain:
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.Flatten)) or not groups:
            groups.append([])
        groups[-1].append(module)
    parts = [ResidualLayer(*group) if _keeps_width(group) else nn.Sequential(*group) for group in groups]
    return nn.Sequential(*(part if isinstance(part, ResidualLayer) or len(part) > 1 else part[0] for part in parts))


def _keeps_width(group: list[nn.Module]) -> bool:
    layer = group[0]
    if len(group) == 1 or not isinstance(layer, (nn.Linear, nn.Conv2d)):
        return False
    if isinstance(layer, nn.Linear):
        return layer.in_features == layer.out_features
    return layer.in_channels == layer.out_channels and layer.stride == (1, 1)

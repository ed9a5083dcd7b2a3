"""The loss of a batch: cross-entropy of classes, squared error of numbers."""

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

__all__ = ["loss_of", "n_right"]


def loss_of(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """Compute the loss of outputs.

    Parameters
    ----------
    outputs : tensor, shape (n, n_outputs)
        Logits of classes, or one number per point.
    targets : tensor, shape (n,)
        Classes, as whole numbers, or floating-point numbers.
    reduction : {"mean", "sum"}
        Over the points.

    Returns
    -------
    tensor, scalar
        Cross-entropy of classes, squared error of numbers.

    Examples
    --------
    >>> import torch
    >>> loss_of(torch.tensor([[1.0], [4.0]]), torch.tensor([1.0, 2.0])).item()
    2.0
    """
    if targets.is_floating_point():
        return F.mse_loss(outputs.squeeze(1), targets, reduction=reduction)
    return F.cross_entropy(outputs, targets, reduction=reduction)


def n_right(outputs: Tensor, targets: Tensor) -> Tensor | None:
    """Count the right classes, as a scalar tensor; None if the targets are numbers.

    Examples
    --------
    >>> import torch
    >>> n_right(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1])).item()
    1
    """
    return None if targets.is_floating_point() else (outputs.argmax(dim=1) == targets).sum()

"""Gradients of a loss that the caller supplies, without a trace in the gradients of the training."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from neurondeath_theory.foundation.validation import invalid

__all__ = ["check_loss", "loss_gradients"]


def check_loss(loss: Callable[[], Tensor] | None, reason: str) -> Callable[[], Tensor]:
    """Check that a loss was given, and return it.

    Parameters
    ----------
    loss : callable or None
        A function without arguments.
    reason : str
        What needs it, such as `base="gradient"`.

    Raises
    ------
    InvalidArgumentError
        If it is no function.
    """
    if not callable(loss):
        raise invalid("loss", f"be a function without arguments for {reason}", loss, "lambda: criterion(model(x), y)")
    return loss


def loss_gradients(loss: Callable[[], Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Compute the gradients of a loss with respect to weights; zeros for weights that it does not depend on.

    Parameters
    ----------
    loss : callable
        Returns a scalar that depends on the model.
    weights : sequence of Tensor
        Leaves with gradients; their `.grad` is not changed.

    Raises
    ------
    InvalidArgumentError
        If the loss returns no differentiable scalar.

    Examples
    --------
    >>> w, v = torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> [gradient.tolist() for gradient in loss_gradients(lambda: (3 * w).sum(), [w, v])]
    [[3.0, 3.0], [0.0]]
    """
    value = loss()
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        raise invalid("loss", "return a scalar that depends on the model", type(value).__name__)
    gradients = torch.autograd.grad(value, list(weights), allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for g, w in zip(gradients, weights, strict=True)]

"""Sums over the entries of parameters that a loss may contain as a penalty, in few operations."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from neurondeath_theory.foundation.validation import check_choice

__all__ = ["NORMS", "penalty_sum"]

NORMS = ("l1", "l2", "half-l2", "positive-l2", "half-positive-l2")
FEW = 2**16  # entries, up to which one operation on a copy is faster than one per parameter


def penalty_sum(parameters: Sequence[Tensor], norm: str) -> Tensor:
    """Sum |p|, p^2 or max(p, 0)^2 over all entries of parameters.

    Parameters
    ----------
    parameters : sequence of Tensor
        At least one.
    norm : {"l1", "l2", "half-l2", "positive-l2", "half-positive-l2"}
        Absolute values, squares, squares of positive values, or half of these squares.

    Returns
    -------
    Tensor
        A differentiable scalar.

    Raises
    ------
    InvalidArgumentError
        If the norm is not known.

    Examples
    --------
    >>> p = torch.tensor([1.0, -2.0])
    >>> [penalty_sum([p], norm).item() for norm in NORMS]
    [3.0, 5.0, 2.5, 1.0, 0.5]
    """
    kind = check_choice("norm", norm, NORMS)
    parts = list(parameters)
    if len(parts) > 1 and sum(part.numel() for part in parts) <= FEW and len({_kind(part) for part in parts}) == 1:
        parts = [torch.cat([part.flatten() for part in parts])]
    terms = [_term(part, kind) for part in parts]
    total = terms[0] if len(terms) == 1 else torch.stack([term.to(terms[0].device) for term in terms]).sum()
    return 0.5 * total if kind.startswith("half-") else total


def _term(part: Tensor, kind: str) -> Tensor:
    if kind == "l1":
        return cast(Tensor, torch.linalg.vector_norm(part, ord=1))
    values = part.clamp(min=0.0) if "positive" in kind else part
    return values.square().sum()


def _kind(part: Tensor) -> tuple[torch.device, torch.dtype]:
    return part.device, part.dtype

"""Follow the axis of a tensor that holds the units through reshaping, without a guess from its length.

The axis is given by the number of axes behind it; -1 stands for a single unit without an axis of its own, as after
`squeeze`. An operation is applied to a stand-in without data whose axes have lengths of their own, so that the result
shows where each axis went; views into given sizes are read off the lengths, since they keep the order of the entries.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_map

__all__ = ["REORDERING", "SINGLE", "followed", "keeps_order"]

SINGLE = -1  # axes behind the units where a single unit has none
LENGTHS = (10007, 10009, 10037, 10039, 10061, 10067, 10069, 10079, 10091, 10093)  # primes: no product equals another
RESHAPING = frozenset({"view", "reshape", "view_as", "reshape_as", "flatten", "unflatten", "ravel", "_unsafe_view"})
# functions that move axes even where the shape stays the same
MOVING = frozenset(
    {"permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "adjoint", "T", "mT", "H", "mH"}
    | {"transpose_", "swapaxes_", "swapdims_", "t_", "rot90"}
)


# functions that may change the order of units along their axis
REORDERING = frozenset(
    {"__getitem__", "index_select", "gather", "take_along_dim", "flip", "fliplr", "flipud", "roll", "rot90"}
    | {"channel_shuffle", "native_channel_shuffle"}
)


def followed(
    name: str,
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    tensors: tuple[torch.Tensor, torch.Tensor],
    behind: int,
) -> int | None:
    """Return the number of axes behind the units after a call.

    Parameters
    ----------
    name, func, args, kwargs
        The call.
    tensors : tuple of Tensor
        The argument that holds the units, and the (first) result.
    behind : int
        Number of axes behind the units in the argument; -1 for a single unit without an axis.

    Returns
    -------
    int or None
        The number in the result; None if the units are gone or cannot be followed.
    """
    before, after = tensors
    axis = before.ndim - 1 - behind
    if behind == SINGLE:
        return SINGLE if name not in ("stack", "cat", "concat", "concatenate") else None
    if axis < 0:
        return None
    if name not in MOVING:
        kept = before.shape[axis:]
        if after.shape == before.shape or (after.ndim >= before.ndim and after.shape[after.ndim - len(kept) :] == kept):
            return behind
        if name in RESHAPING:
            return _reshaped(before.shape, after.shape, axis)
    return _moved(func, args, kwargs, before, after, axis)


def keeps_order(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    before: torch.Tensor,
    axes: tuple[int, int],
) -> bool:
    """Apply a call to the numbers of the units in their place, and see whether unit i is still the i-th.

    `axes` are the numbers of axes behind the units, before and after the call.
    """
    behind, behind_after = axes
    if SINGLE in axes:
        return True
    axis = before.ndim - 1 - behind
    shape = [-1 if i == axis else 1 for i in range(before.ndim)]
    numbers = torch.arange(before.shape[axis], device=before.device).view(shape).expand(before.shape)
    try:
        result = func(*tree_map(lambda value: numbers if value is before else value, args), **kwargs)
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False
    rows = result.movedim(result.ndim - 1 - behind_after, 0).flatten(1)
    return bool((rows == torch.arange(len(rows), device=rows.device).unsqueeze(1)).all())


def _reshaped(before: torch.Size, after: torch.Size, axis: int) -> int | None:
    """Find the axis of the result that holds the units and nothing else; the same order of entries is given."""
    length, inner = before[axis], math.prod(before[axis + 1 :])
    found = [i for i, n in enumerate(after) if n == length and math.prod(after[i + 1 :]) == inner]
    if found:
        return len(after) - 1 - found[0]
    return SINGLE if length == 1 else None


def _moved(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    before: torch.Tensor,
    after: torch.Tensor,
    axis: int,
) -> int | None:
    """Apply the call to a stand-in and look where the axis of the units went."""
    if before.ndim > len(LENGTHS):
        return None
    lengths = [1 if n == 1 and i != axis else LENGTHS[i] for i, n in enumerate(before.shape)]
    shape = before.shape

    def stand_in(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return torch.empty(lengths if value.shape == shape else value.shape, dtype=value.dtype, device="meta")

    try:
        result = func(*tree_map(stand_in, args), **tree_map(stand_in, dict(kwargs)))
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
        return _kept(before, after, axis)
    first = result[0] if isinstance(result, (tuple, list)) and result else result
    if not isinstance(first, torch.Tensor):
        return None
    if first.ndim != after.ndim:  # an axis of length 1 that was squeezed
        return SINGLE if before.shape[axis] == 1 else None
    at = [i for i, n in enumerate(first.shape) if n == LENGTHS[axis]]
    if at:
        return first.ndim - 1 - at[0]
    return _kept(before, after, axis) if first.ndim == before.ndim else None


def _kept(before: torch.Tensor, after: torch.Tensor, axis: int) -> int | None:
    """Keep the axis where the number of axes stays, as under pooling, padding and slices."""
    return before.ndim - 1 - axis if after.ndim == before.ndim else None

"""A batch together with the function that runs a model on it, for models that are not called as `model(batch)`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid

__all__ = ["CalledBatch", "batch_tensors", "changed_tensors", "cut_batch", "joined_batches", "moved"]

FORMS = "give batches of one structure: the same keys, the same number of entries"


@dataclass(frozen=True, eq=False)
class CalledBatch:
    """A batch and how to run a model on it.

    Parameters
    ----------
    batch : object
        The batch as the data give it: tensors, or lists, tuples, mappings and objects that hold some.
    run : callable
        (model, batch) -> what the model returns.
    """

    batch: Any
    run: Callable[[nn.Module, Any], Any]


def batch_tensors(batch: Any) -> list[Tensor]:
    """Return the tensors of a batch, whatever holds them, in order.

    Examples
    --------
    >>> [len(tensor) for tensor in batch_tensors({"x": torch.ones(3), "more": (torch.ones(2), "text")})]
    [3, 2]
    """
    if isinstance(batch, Tensor):
        return [batch]
    if isinstance(batch, CalledBatch):
        return batch_tensors(batch.batch)
    if isinstance(batch, Mapping):
        return [tensor for value in batch.values() for tensor in batch_tensors(value)]
    if isinstance(batch, (list, tuple)):
        return [tensor for value in batch for tensor in batch_tensors(value)]
    if is_dataclass(batch) and not isinstance(batch, type):
        return [tensor for one in fields(batch) for tensor in batch_tensors(getattr(batch, one.name))]
    return []


def moved(batch: Any, device: torch.device) -> Any:
    """Move everything of a batch that can be moved to a device; the rest is passed on unchanged."""
    return _mapped(batch, lambda tensor: tensor.to(device), lambda other: _moved_object(other, device))


def cut_batch(batch: Any, start: int, stop: int) -> Any:
    """Return the points from `start` to `stop` of a batch whose tensors hold one entry per point."""
    return changed_tensors(batch, lambda tensor: tensor[start:stop])


def changed_tensors(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to the tensors of a batch; what is no tensor, list, tuple, mapping or dataclass stays."""
    return _mapped(batch, change, lambda other: other)


def joined_batches(name: str, batches: list[Any], join: Callable[[str, list[Tensor]], Tensor]) -> Any:
    """Join batches of one structure, tensor by tensor.

    Parameters
    ----------
    name : str
        Name of the argument in error messages.
    batches : list
        The batches.
    join : callable
        Joins tensors along their first axis.

    Raises
    ------
    InvalidArgumentError
        If the structures differ, or what is no tensor differs from batch to batch.
    """
    first = batches[0]
    if any(type(batch) is not type(first) for batch in batches):
        raise invalid(name, FORMS, sorted({type(batch).__name__ for batch in batches}))
    if isinstance(first, Tensor):
        return join(name, batches)
    if isinstance(first, Mapping):
        if any(batch.keys() != first.keys() for batch in batches):
            raise invalid(name, FORMS, sorted({str(sorted(map(str, batch))) for batch in batches}))
        return {key: joined_batches(name, [batch[key] for batch in batches], join) for key in first}
    if isinstance(first, (list, tuple)):
        if any(len(batch) != len(first) for batch in batches):
            raise invalid(name, FORMS, sorted({len(batch) for batch in batches}))
        parts = [joined_batches(name, list(entries), join) for entries in zip(*batches, strict=True)]
        return _rebuilt(first, parts)
    if len(batches) > 1 and any(batch != first for batch in batches):
        raise invalid(name, "hold tensors, or the same value in all batches", type(first).__name__)
    return first


def _mapped(batch: Any, change: Callable[[Tensor], Tensor], otherwise: Callable[[Any], Any]) -> Any:
    """Apply a function to every tensor of a batch, in a batch of the same structure."""
    if isinstance(batch, Tensor):
        return change(batch)
    if type(batch) is dict or (isinstance(batch, Mapping) and not hasattr(batch, "to")):
        return {key: _mapped(value, change, otherwise) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return _rebuilt(batch, [_mapped(value, change, otherwise) for value in batch])
    if is_dataclass(batch) and not isinstance(batch, type) and not hasattr(batch, "to"):
        named = {one.name: getattr(batch, one.name) for one in fields(batch) if one.init}
        return replace(batch, **{name: _mapped(value, change, otherwise) for name, value in named.items()})
    return otherwise(batch)


def _rebuilt(like: Any, parts: list[Any]) -> Any:
    if isinstance(like, tuple):
        return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)
    return parts


def _moved_object(value: Any, device: torch.device) -> Any:
    """Move an object that can be moved, such as the encoding of a tokeniser."""
    return value.to(device) if hasattr(value, "to") else value

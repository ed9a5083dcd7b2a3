"""Data passed by a user: a tensor, or batches in the common forms; read batch by batch, or joined.

A batch is a tensor, a tuple or list whose first entry is the inputs, or a mapping, which is passed to the model by
keyword without its labels.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from neurondeath_theory.foundation.validation import invalid

__all__ = ["InputData", "Inputs", "Points", "input_batches", "joined_inputs", "n_points", "on_device", "split_points"]

# keys of a mapping that are not passed to the model's forward
TARGET_KEYS = frozenset({"label", "labels", "target", "targets", "y"})
FORMS = "give batches that are all tensors, tuples that begin with the inputs, or mappings with the same keys"

InputData = Tensor | Iterable[Any]
Inputs = Tensor | Mapping[str, Any]  # one batch, as the model takes it
Points = Tensor | Mapping[str, Tensor]


def input_batches(data: Any, *, name: str = "data", once: bool = False) -> Iterator[Inputs]:
    """Yield the inputs of a tensor (one batch) or of an iterable of batches, on their own devices.

    Parameters
    ----------
    data : tensor or iterable
        The data.
    name : str
        Name of the argument in error messages.
    once : bool
        Whether the data are read only this time, so that an iterator is accepted.

    Raises
    ------
    InvalidArgumentError
        If there is no batch or a batch has none of these forms.
    """
    if isinstance(data, Tensor):
        yield data
        return
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        remedy = "a batch is a tensor, (inputs, targets) or a dict of tensors"
        raise invalid(name, "be a tensor or an iterable of batches", type(data).__name__, remedy)
    if isinstance(data, Iterator) and not once:
        raise invalid(name, "be readable more than once", type(data).__name__, "pass a list or a DataLoader")
    empty = True
    for batch in data:
        empty = False
        inputs = batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch
        if isinstance(inputs, Mapping):
            yield {key: value for key, value in inputs.items() if key not in TARGET_KEYS}
        elif isinstance(inputs, Tensor):
            yield inputs
        else:
            raise invalid(name, FORMS, type(inputs).__name__)
    if empty:
        remedy = "a generator can be read only once: pass a list" if isinstance(data, Iterator) else ""
        raise invalid(name, "hold at least one batch", "no batch", remedy)


def joined_inputs(name: str, data: InputData) -> Points:
    """Join all inputs of a loader along their first axis, one entry per point.

    Parameters
    ----------
    name : str
        Name of the argument in error messages.
    data : tensor or iterable
        A tensor of points, or batches.

    Returns
    -------
    tensor or mapping of tensors
        The points, on their own device; a single tensor is returned unchanged.

    Raises
    ------
    InvalidArgumentError
        As `input_batches`, or if there is no point, batches have different forms or shapes, or a number is not finite.
    """
    batches = list(input_batches(data, name=name, once=True))
    tensors = [batch for batch in batches if isinstance(batch, Tensor)]
    mappings = [batch for batch in batches if isinstance(batch, Mapping)]
    if not mappings:
        return _joined(name, tensors)
    keys = mappings[0].keys()
    if tensors or any(batch.keys() != keys for batch in mappings):
        raise invalid(name, FORMS, sorted({type(batch).__name__ for batch in batches}))
    if not keys or not all(isinstance(batch[key], Tensor) for batch in mappings for key in keys):
        raise invalid(name, "give mappings of tensors apart from the labels", list(keys))
    points = {key: _joined(name, [batch[key] for batch in mappings]) for key in keys}
    if len({len(tensor) for tensor in points.values()}) > 1:
        lengths = {key: len(tensor) for key, tensor in points.items()}
        raise invalid(name, "have the same number of points in all its tensors", lengths)
    return points


def n_points(points: Points) -> int:
    """Count the points."""
    return len(points if isinstance(points, Tensor) else next(iter(points.values())))


def on_device(inputs: Inputs, device: torch.device) -> Inputs:
    """Move inputs to a device."""
    if isinstance(inputs, Tensor):
        return inputs.to(device)
    return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in inputs.items()}


def split_points(points: Points, size: int) -> list[Points]:
    """Cut the points into chunks of at most `size`."""
    starts = range(0, n_points(points), size)
    if isinstance(points, Tensor):
        return [points[start : start + size] for start in starts]
    return [{key: tensor[start : start + size] for key, tensor in points.items()} for start in starts]


def _joined(name: str, batches: list[Tensor]) -> Tensor:
    if any(batch.ndim == 0 for batch in batches):
        raise invalid(name, "hold batches of points", "a single number")
    shapes = {tuple(batch.shape[1:]) for batch in batches}
    if len(shapes) > 1:
        raise invalid(name, "hold batches of one shape except along their first axis", sorted(shapes))
    points = batches[0] if len(batches) == 1 else torch.cat(batches)
    if points.numel() == 0:
        raise invalid(name, "hold at least one point", f"shape {tuple(points.shape)}")
    if points.dtype.is_floating_point and not bool(points.isfinite().all()):
        raise invalid(name, "hold finite numbers only", "NaN or infinity", "drop or repair those points")
    return points.detach()

"""Data passed by a user: a tensor, or batches in the common forms; read batch by batch, or joined.

A batch is a tensor, a tuple or list whose first entry is the inputs, or a mapping, which is passed to the model by
keyword without its labels. A `CalledBatch` is passed on as it is, to the function that comes with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.called_batches import (
    CalledBatch,
    batch_tensors,
    changed_tensors,
    cut_batch,
    joined_batches,
    moved,
)

__all__ = [
    "InputData",
    "Inputs",
    "Points",
    "copied_points",
    "input_batches",
    "joined_inputs",
    "n_points",
    "on_device",
    "split_points",
    "usual_inputs",
]

# keys of a mapping that are not passed to the model's forward
TARGET_KEYS = frozenset({"label", "labels", "target", "targets", "y"}) | {
    *("label_ids", "start_positions", "end_positions", "next_sentence_label", "sentence_order_label", "mc_labels"),
}
FORMS = "give batches that are all tensors, tuples that begin with the inputs, or mappings with the same keys"

InputData = Tensor | Iterable[Any]
Inputs = Tensor | Mapping[str, Any] | CalledBatch  # one batch, as the model takes it
Points = Tensor | Mapping[str, Tensor] | CalledBatch


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
        yield usual_inputs(batch, name)
    if empty:
        remedy = "a generator can be read only once: pass a list" if isinstance(data, Iterator) else ""
        raise invalid(name, "hold at least one batch", "no batch", remedy)


def usual_inputs(batch: Any, name: str = "data") -> Inputs:
    """Return what of a batch is passed to a model: no labels, and of a tuple or list the first entry.

    Raises
    ------
    InvalidArgumentError
        If the batch has none of the usual forms.
    """
    inputs = batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch
    if isinstance(inputs, Mapping):
        return {key: value for key, value in inputs.items() if key not in TARGET_KEYS}
    if isinstance(inputs, (Tensor, CalledBatch)):
        return inputs
    raise invalid(name, FORMS, type(inputs).__name__, "pass call=, a function (model, batch) that runs the model")


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
    tensor, mapping of tensors or CalledBatch
        The points, on their own device; a single tensor is returned unchanged.

    Raises
    ------
    InvalidArgumentError
        As `input_batches`, or if there is no point, batches have different forms or shapes, or a number is not finite.
    """
    batches = list(input_batches(data, name=name, once=True))
    called = [batch for batch in batches if isinstance(batch, CalledBatch)]
    if called:
        points = joined_batches(name, [batch.batch for batch in called], _joined)
        _check_lengths(name, points)
        return CalledBatch(points, called[0].run)
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
    _check_lengths(name, points)
    return points


def n_points(points: Points) -> int:
    """Count the points."""
    return len(batch_tensors(points)[0])


def on_device(inputs: Inputs, device: torch.device) -> Inputs:
    """Move inputs to a device."""
    if isinstance(inputs, Tensor):
        return inputs.to(device)
    if isinstance(inputs, CalledBatch):
        return CalledBatch(moved(inputs.batch, device), inputs.run)
    return {key: value.to(device) if isinstance(value, Tensor) else value for key, value in inputs.items()}


def split_points(points: Points, size: int) -> list[Points]:
    """Cut the points into chunks of at most `size`."""
    starts = range(0, n_points(points), size)
    if isinstance(points, Tensor):
        return [points[start : start + size] for start in starts]
    if isinstance(points, CalledBatch):
        return [CalledBatch(cut_batch(points.batch, start, start + size), points.run) for start in starts]
    return [{key: tensor[start : start + size] for key, tensor in points.items()} for start in starts]


def copied_points(points: Points) -> Points:
    """Copy points, since a model may overwrite its inputs."""
    if isinstance(points, Tensor):
        return points.clone()
    if isinstance(points, CalledBatch):
        return CalledBatch(changed_tensors(points.batch, Tensor.clone), points.run)
    return {key: tensor.clone() for key, tensor in points.items()}


def _check_lengths(name: str, points: Any) -> None:
    lengths = [len(tensor) for tensor in batch_tensors(points)]
    if not lengths:
        raise invalid(name, "hold tensors", type(points).__name__)
    if len(set(lengths)) > 1:
        raise invalid(name, "have the same number of points in all its tensors", lengths)


def _joined(name: str, batches: list[Tensor]) -> Tensor:
    if any(batch.ndim == 0 for batch in batches):
        raise invalid(name, "hold batches of points", "a single number")
    shapes = {tuple(batch.shape[1:]) for batch in batches}
    if len(shapes) > 1:
        rule = "hold batches of one shape except along their first axis"
        raise invalid(name, rule, sorted(shapes), "pad sequences to one length")
    points = batches[0] if len(batches) == 1 else torch.cat(batches)
    if points.numel() == 0:
        raise invalid(name, "hold at least one point", f"shape {tuple(points.shape)}")
    if points.dtype.is_floating_point and not bool(points.isfinite().all()):
        raise invalid(name, "hold finite numbers only", "NaN or infinity", "drop or repair those points")
    return points.detach()

"""What a user hands over as data: a tensor, or a loader of batches in the usual forms, checked and joined."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from neurondeath_theory._validation import invalid
from neurondeath_torch._data_passes import TARGET_KEYS

__all__ = ["InputData", "Points", "joined_inputs", "n_points", "on_device", "split_points"]

InputData = torch.Tensor | Iterable[Any]
Points = torch.Tensor | Mapping[str, torch.Tensor]


def joined_inputs(name: str, data: InputData) -> Points:
    """Join all inputs of a loader along their first axis, one entry a point.

    Parameters
    ----------
    name : str
        What the argument is called in error messages.
    data : tensor or iterable
        A tensor of points, or batches: a tensor each, or a tuple or list whose first entry is the inputs, or a mapping
        of tensors, which the model takes by keyword, but for its labels.

    Returns
    -------
    tensor or mapping of tensors
        The points, where they lay; a single tensor is returned as it is.

    Raises
    ------
    InvalidArgumentError
        If there is no point, a batch has none of these forms, batches do not fit together, or a number is not finite.
    """
    if isinstance(data, torch.Tensor):
        return _joined(name, [data])
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise invalid(name, "be a tensor or an iterable of batches", type(data).__name__)
    batches = [batch[0] if isinstance(batch, (tuple, list)) and batch else batch for batch in data]
    if not batches:
        remedy = "a generator can be read only once; give a list"
        raise invalid(name, "hold at least one batch", "no batch", remedy)
    if all(isinstance(batch, torch.Tensor) for batch in batches):
        return _joined(name, batches)
    if not all(isinstance(batch, Mapping) and batch.keys() == batches[0].keys() for batch in batches):
        rule = "give batches that are all tensors, tuples led by the inputs, or mappings with the same keys"
        raise invalid(name, rule, sorted({type(batch).__name__ for batch in batches}))
    keys = [key for key in batches[0] if key not in TARGET_KEYS]
    if not keys or not all(isinstance(batch[key], torch.Tensor) for batch in batches for key in keys):
        raise invalid(name, "give mappings of tensors besides the labels", list(batches[0]))
    points = {key: _joined(name, [batch[key] for batch in batches]) for key in keys}
    if len({len(tensor) for tensor in points.values()}) > 1:
        lengths = {key: len(tensor) for key, tensor in points.items()}
        raise invalid(name, "have all its tensors led by the points", lengths)
    return points


def n_points(points: Points) -> int:
    """Count the points."""
    return len(points if isinstance(points, torch.Tensor) else next(iter(points.values())))


def on_device(points: Points, device: torch.device) -> Points:
    """Move the points to a device."""
    if isinstance(points, torch.Tensor):
        return points.to(device)
    return {key: tensor.to(device) for key, tensor in points.items()}


def split_points(points: Points, size: int) -> list[Points]:
    """Cut the points into chunks of at most `size`."""
    starts = range(0, n_points(points), size)
    if isinstance(points, torch.Tensor):
        return [points[start : start + size] for start in starts]
    return [{key: tensor[start : start + size] for key, tensor in points.items()} for start in starts]


def _joined(name: str, batches: list[torch.Tensor]) -> torch.Tensor:
    if any(batch.ndim == 0 for batch in batches):
        raise invalid(name, "hold batches of points", "a single number")
    shapes = {tuple(batch.shape[1:]) for batch in batches}
    if len(shapes) > 1:
        raise invalid(name, "hold batches of one shape but for their first axis", sorted(shapes))
    points = batches[0] if len(batches) == 1 else torch.cat(batches)
    if points.numel() == 0:
        raise invalid(name, "hold at least one point", f"shape {tuple(points.shape)}")
    if points.dtype.is_floating_point and not bool(points.isfinite().all()):
        raise invalid(name, "hold finite numbers only", "NaN or infinity", "drop or repair those points")
    return points.detach()

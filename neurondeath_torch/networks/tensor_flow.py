"""Where the tensors of a forward pass come from, and which of their axes holds the units."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

__all__ = [
    "INPUT",
    "Flow",
    "after_activation",
    "after_call",
    "after_step",
    "guessed_positions",
    "split_units",
    "tensors_of",
]

INPUT = "input"  # origin of what the model is given
# functions that change neither the units nor what the theory says of them
NEUTRAL = frozenset(
    {"bfloat16", "clone", "contiguous", "cpu", "cuda", "detach", "double", "flatten", "float", "half"}
    | {"requires_grad_", "reshape", "squeeze", "to", "type", "type_as", "unflatten", "unsqueeze", "view"}
)
DROPOUTS = frozenset(
    {"dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d"}
    | {"alpha_dropout", "feature_dropout", "feature_alpha_dropout"}
)
# functions that leave each unit in its place; a sum holds the units of all its layers
UNITWISE = (
    DROPOUTS
    | {"batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"}
    | {f"{kind}_pool{n}d" for kind in ("adaptive_avg", "adaptive_max", "avg", "lp", "max") for n in (1, 2, 3)}
    | {"add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "__add__", "__radd__", "__iadd__", "__sub__"}
    | {"__isub__", "__mul__", "__rmul__", "__imul__", "__truediv__", "__itruediv__"}
)
REARRANGING = frozenset({"permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "t"})


@dataclass(frozen=True)
class Flow:
    """Where a tensor comes from.

    Parameters
    ----------
    origins : frozenset of str
        Activations, or the model's input, that reach the tensor without another activation in between.
    layer : str or None
        Weight layer whose units the tensor holds; None when there is none or several are mixed.
    spatial : int
        Trailing axes that are positions; the axis before them holds the units.
    steps : tuple of str
        What was done since the layer, or the activation if that is later, apart from harmless reshaping.
    unit_layers : frozenset of str
        Weight layers whose units the tensor holds, each in its place, with no activation since: several after a sum.
    """

    origins: frozenset[str]
    layer: str | None = None
    spatial: int = 0
    steps: tuple[str, ...] = ()
    unit_layers: frozenset[str] = frozenset()


def split_units(tensor: torch.Tensor, flow: Flow | None) -> torch.Tensor:
    """View an activation as (samples, tokens, units, positions).

    The units' axis is that of the layer that feeds it: channels of a convolution, else the last. Without a known layer
    it is the last for up to three axes and the second for more.
    """
    spatial = guessed_positions(tensor) if flow is None else flow.spatial
    axis = tensor.ndim - 1 - spatial
    if axis < 0:
        axis, spatial = tensor.ndim - 1, 0
    if tensor.ndim == 0:
        return tensor.reshape(1, 1, 1, 1)
    shape = tuple(tensor.shape)
    samples, tokens = (shape[0], shape[1:axis]) if axis > 0 else (1, ())
    n_tokens = 1
    for length in tokens:
        n_tokens *= length
    n_positions = 1
    for length in shape[axis + 1 :]:
        n_positions *= length
    return tensor.reshape(samples, n_tokens, shape[axis], n_positions)


def tensors_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    """Give the tensors among arguments, also inside lists, tuples and dictionaries."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, torch.Tensor):
            yield value  # not asked for its dtype: while the mode is on, that would be one more call
        elif isinstance(value, (list, tuple)):
            yield from tensors_of(value, {})
        elif isinstance(value, Mapping):
            yield from tensors_of(tuple(value.values()), {})


def guessed_positions(tensor: torch.Tensor) -> int:
    """Say how many trailing axes are positions where no layer tells: images, all but the first two."""
    return tensor.ndim - 2 if tensor.ndim > 3 else 0


def after_activation(site: str, flow: Flow | None) -> Flow:
    """Give the flow of what an activation makes."""
    return Flow(frozenset({site}), layer=flow.layer if flow else None, spatial=flow.spatial if flow else 0)


def after_step(flow: Flow, name: str, unit_layers: frozenset[str] = frozenset()) -> Flow:
    """Give a flow with one more step, after which it is not known where the units are unless told."""
    steps = flow.steps if name in flow.steps else (*flow.steps, name)
    return Flow(flow.origins, flow.layer, flow.spatial, steps, unit_layers)


def after_call(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], flow: Flow, result: Any) -> Flow:
    """Give the flow of what a function makes of a tensor."""
    before = next(tensors_of(args, kwargs))
    after = next(tensors_of((result,), {}), before)
    spatial = 0 if after.ndim != before.ndim or name in REARRANGING else flow.spatial
    moved = flow if spatial == flow.spatial else replace(flow, spatial=spatial)
    idle = name in DROPOUTS and not (kwargs["training"] if "training" in kwargs else (*args, True, True, True)[2])
    if name in NEUTRAL or idle:
        return moved
    unit_layers = flow.unit_layers if name in UNITWISE else frozenset()
    return after_step(moved, "attribute" if name == "__get__" else name, unit_layers)

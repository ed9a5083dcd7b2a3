"""Track where the tensors of a forward pass come from, and which of their axes holds the units."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from neurondeath_torch.networks.unit_axis import REORDERING, SINGLE, followed, keeps_order

__all__ = [
    "INPUT",
    "Flow",
    "after_activation",
    "after_call",
    "after_step",
    "guessed_positions",
    "split_shape",
    "split_units",
    "tensors_of",
]

INPUT = "input"  # origin of the model's inputs
# functions that change neither the units nor the theory's predictions for them
NEUTRAL = frozenset(
    {"bfloat16", "clone", "contiguous", "cpu", "cuda", "detach", "double", "flatten", "float", "half"}
    | {"requires_grad_", "reshape", "squeeze", "to", "type", "type_as", "unflatten", "unsqueeze", "view"}
)
DROPOUTS = frozenset(
    {"dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d"}
    | {"alpha_dropout", "feature_dropout", "feature_alpha_dropout"}
)
# functions that keep each unit at its index; a sum holds the units of all its layers
UNITWISE = (
    DROPOUTS
    | {"batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"}
    | {f"{kind}_pool{n}d" for kind in ("adaptive_avg", "adaptive_max", "avg", "lp", "max") for n in (1, 2, 3)}
    | {"add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "__add__", "__radd__", "__iadd__", "__sub__"}
    | {"__isub__", "__mul__", "__rmul__", "__imul__", "__truediv__", "__itruediv__"}
)
# functions that mix units: what they return holds the units of no layer
MIXING = frozenset(
    {
        "matmul",
        "__matmul__",
        "__rmatmul__",
        "mm",
        "bmm",
        "mv",
        "einsum",
        "tensordot",
        "addmm",
        "baddbmm",
        "addbmm",
        "dot",
    }
    | {"inner", "outer", "kron", "cdist", "bilinear", "scaled_dot_product_attention", "multi_head_attention_forward"}
    | {"fft", "rfft", "fft2", "cumsum", "cumprod", "sort", "msort", "topk", "pixel_shuffle", "pixel_unshuffle"}
)


class Flow(NamedTuple):
    """Origin of a tensor and the operations on it.

    Parameters
    ----------
    origins : frozenset of str
        Activations, or the model's input, that reach the tensor without another activation in between.
    layer : str or None
        Weight layer whose units the tensor holds; None if there is none or several are mixed.
    spatial : int
        Trailing axes that are positions; the axis before them holds the units. -1 for a single unit without an axis.
    steps : tuple of str
        Operations since the layer, or since the activation if that is later, except reshaping that keeps the units.
    unit_layers : frozenset of str
        Weight layers whose units the tensor holds, each at its index and with no activation since; several after a sum.
    weighted : bool
        Whether a weight layer lies between the model's input and the tensor.
    activated : bool
        Whether what the tensor holds has passed, since the last weight layer, a known activation that can be zero.
    """

    origins: frozenset[str]
    layer: str | None = None
    spatial: int = 0
    steps: tuple[str, ...] = ()
    unit_layers: frozenset[str] = frozenset()
    weighted: bool = False
    activated: bool = False


def split_units(tensor: torch.Tensor, flow: Flow | None) -> torch.Tensor:
    """View an activation as (samples, tokens, units, positions).

    The axis of the units is that of the layer that feeds the activation: channels of a convolution, otherwise the last
    axis. Without a known layer it is the last axis of tensors with up to three axes, and the second axis otherwise.
    """
    spatial = guessed_positions(tensor) if flow is None else flow.spatial
    return tensor.reshape(split_shape(tuple(tensor.shape), spatial))


def split_shape(shape: tuple[int, ...], spatial: int) -> tuple[int, int, int, int]:
    """Return the numbers of samples, tokens, units and positions of an activation with `spatial` axes of positions."""
    if spatial == SINGLE:
        shape, spatial = (*shape, 1), 0
    if not shape:
        return 1, 1, 1, 1
    axis = len(shape) - 1 - spatial
    if axis < 0:
        axis = len(shape) - 1
    samples, tokens = (shape[0], shape[1:axis]) if axis > 0 else (1, ())
    return samples, math.prod(tokens), shape[axis], math.prod(shape[axis + 1 :])


def tensors_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    """Yield the tensors among arguments, including those inside lists, tuples, dictionaries and dataclasses."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, torch.Tensor):
            yield value  # its dtype is not read, since the active torch-function mode would see one more call
        elif isinstance(value, (list, tuple)):
            yield from tensors_of(value, {})
        elif isinstance(value, Mapping):
            yield from tensors_of(tuple(value.values()), {})
        elif hasattr(type(value), "__dataclass_fields__"):
            yield from tensors_of(tuple(getattr(value, name) for name in type(value).__dataclass_fields__), {})


def guessed_positions(tensor: torch.Tensor) -> int:
    """Guess how many trailing axes are positions if no layer is known: all but the first two for images."""
    return tensor.ndim - 2 if tensor.ndim > 3 else 0


def after_activation(site: str, flow: Flow | None) -> Flow:
    """Return the flow of an activation's output."""
    layer, spatial = (flow.layer, flow.spatial) if flow else (None, 0)
    return Flow(
        frozenset({site}), layer=layer, spatial=spatial, weighted=flow is not None and flow.weighted, activated=True
    )


def after_step(flow: Flow, name: str, unit_layers: frozenset[str] = frozenset()) -> Flow:
    """Return a flow with one more step; the position of the units is unknown unless `unit_layers` is given."""
    steps = flow.steps if name in flow.steps else (*flow.steps, name)
    return flow._replace(steps=steps, unit_layers=unit_layers)


def after_call(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    source: torch.Tensor,
    flow: Flow,
    result: Any,
) -> Flow:
    """Return the flow of the result of a function call on a tensor, `source`, and possibly others of its flow."""
    name = getattr(func, "__name__", "")
    if name == "__get__":  # of an attribute
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    after = next(tensors_of((result,), {}), source)
    spatial = followed(name, func, args, kwargs, (source, after), flow.spatial)
    if (
        spatial is not None
        and name in REORDERING
        and not keeps_order(func, args, kwargs, source, (flow.spatial, spatial))
    ):
        return after_step(flow._replace(layer=None, spatial=spatial), name)
    if spatial is None or name in MIXING:
        merged = name in NEUTRAL and after.ndim < source.ndim  # the units and their positions share an axis, in order
        lost = flow._replace(layer=flow.layer if merged else None, spatial=guessed_positions(after))
        return lost._replace(unit_layers=frozenset()) if name in NEUTRAL else after_step(lost, name)
    moved = flow if spatial == flow.spatial else flow._replace(spatial=spatial)
    idle = name in DROPOUTS and not (kwargs["training"] if "training" in kwargs else (*args, True, True, True)[2])
    if name in NEUTRAL or idle:
        return moved
    unit_layers = flow.unit_layers if name in UNITWISE else frozenset()
    return after_step(moved, name, unit_layers)

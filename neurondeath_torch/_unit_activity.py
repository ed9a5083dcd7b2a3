"""Which units of which weight layers are active on the data: hooks that live for one pass.

A unit belongs to a weight layer (linear or convolution) and is seen after the activation that follows it. The way
from one to the other is followed tensor by tensor: the output of a weight layer remembers its layer, and keeps it
through normalisation, dropout, sums and scalings until an activation (a module or a function) is applied. A layer
without an activation of its own, such as the output layer, has no units here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neurondeath_theory._validation import invalid
from neurondeath_torch._activation_calls import activation_of_call, activation_of_module
from neurondeath_torch._data_passes import run_over

__all__ = ["UnitActivity", "measure_activity"]

WEIGHT_LAYERS = (nn.Linear, nn.modules.conv._ConvNd)
ORIGIN = "_neurondeath_weight_layers"
# functions that leave each unit in its place and are no activation; a sum belongs to all its layers
PASSES = frozenset(
    {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "dropout", "dropout1d", "dropout2d"}
    | {"dropout3d", "alpha_dropout", "feature_alpha_dropout", "add", "add_", "sub", "sub_", "mul", "mul_", "div"}
    | {"div_", "__add__", "__radd__", "__iadd__", "__sub__", "__isub__", "__mul__", "__rmul__", "__imul__"}
    | {"__truediv__", "__itruediv__", "contiguous", "clone", "detach", "to", "float", "half", "bfloat16", "double"}
)


@dataclass(kw_only=True)
class UnitActivity:
    """What one pass over the data saw of a layer's units, all of shape (n_units,).

    Attributes
    ----------
    active : bool Tensor
        Units that were active (not zero) at least once.
    total : float Tensor
        Sum of the absolute activations.
    seen : int
        Numbers summed per unit: samples times positions.
    """

    active: Tensor
    total: Tensor
    seen: int


def measure_activity(
    model: nn.Module, data: Any, layers: Iterable[str] | None = None, *, required: bool = True
) -> dict[str, UnitActivity]:
    """Run the data through the model in evaluation mode and see which units of its weight layers are active.

    Parameters
    ----------
    model : torch.nn.Module
        Left as it was, batch-norm statistics included.
    data : Tensor or iterable of batches
        The deciding data.
    layers : iterable of str, optional
        The weight layers to look at, in the model's words; all that are followed by an activation if not given.

    required : bool
        Whether a model without any such layer is refused.

    Returns
    -------
    dict
        Layer name -> activity, in the order of execution.

    Raises
    ------
    InvalidArgumentError
        If the data are empty, an activation is NaN or infinite, a named layer has no activation, or none has.
    """
    recorder = _Recorder(model)
    with recorder:
        run_over(model, data)
    seen = recorder.seen
    if layers is not None:
        for name in layers:
            if name not in seen:
                remedy = f"choose among {', '.join(seen)}" if seen else "no weight layer is followed by an activation"
                raise invalid("layers", "name weight layers that an activation follows", name, remedy)
        seen = {name: activity for name, activity in seen.items() if name in set(layers)}
    if not seen and required:
        raise invalid("model", "have a weight layer followed by an activation", type(model).__name__)
    for name, activity in seen.items():
        if not bool(torch.isfinite(activity.total).all()):
            raise invalid("model", "have finite activations on the data", f"NaN or infinity after `{name}`")
    return seen


class _Recorder(TorchFunctionMode):
    """Follows tensors from weight layers to activations while the model runs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.seen: dict[str, UnitActivity] = {}
        self._layers = {n: m for n, m in model.named_modules() if isinstance(m, WEIGHT_LAYERS)}
        # activations of this package compute with several functions: they are seen as modules
        self._whole = [m for m in model.modules() if activation_of_module(m) is not None]
        self._inside = 0
        self._handles: list[Any] = []

    def __enter__(self) -> "_Recorder":
        for name, module in self._layers.items():
            self._handles.append(module.register_forward_hook(self._after_layer(name)))
        for whole in self._whole:
            self._handles.append(whole.register_forward_pre_hook(self._before_whole))
            self._handles.append(whole.register_forward_hook(self._after_whole, always_call=True))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)  # type: ignore[no-untyped-call]
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        activation = not self._inside and activation_of_call(name, args, kwargs) is not None
        if self._inside or not (activation or name in PASSES):
            return func(*args, **kwargs)
        origins = {o for a in args for o in getattr(a, ORIGIN, ()) if isinstance(a, Tensor)}
        self._inside += 1  # a function that calls others counts once
        try:
            output = func(*args, **kwargs)
        finally:
            self._inside -= 1
        if origins and isinstance(output, Tensor) and output.shape == args[0].shape:
            self._follow(output, origins, activation)
        return output

    def _follow(self, output: Tensor, origins: Iterable[str], activation: bool) -> None:
        if activation:
            for name in origins:
                self._record(name, output)
        setattr(output, ORIGIN, () if activation else tuple(origins))

    def _after_layer(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                setattr(output, ORIGIN, (name,))

        return hook

    def _before_whole(self, _module: nn.Module, _inputs: Any) -> None:
        self._inside += 1

    def _after_whole(self, _module: nn.Module, inputs: Any, output: Any) -> None:
        self._inside -= 1
        origins = getattr(inputs[0], ORIGIN, ()) if inputs else ()
        if origins and isinstance(output, Tensor):
            self._follow(output, origins, True)

    def _record(self, name: str, activations: Tensor) -> None:
        layer = self._layers[name]
        spatial = 0 if isinstance(layer, nn.Linear) else len(layer.kernel_size)
        units = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        axis = activations.dim() - 1 - spatial
        if axis < 0 or activations.shape[axis] != units:  # channels were regrouped on the way: not this layer's units
            return
        self._inside += 1
        try:
            rows = activations.detach().movedim(axis, 0).reshape(units, -1)
            wide = torch.float32 if rows.device.type == "mps" else torch.float64  # MPS knows no doubles
            active, total = (rows != 0).any(1), rows.abs().sum(1, dtype=wide)
            before = self.seen.get(name)
            if before is None:
                self.seen[name] = UnitActivity(active=active, total=total, seen=rows.shape[1])
            else:
                before.active |= active
                before.total += total
                before.seen += rows.shape[1]
        finally:
            self._inside -= 1

"""Trace a model's forward pass: which weight layer feeds which activation, without changes to the model's code.

Hooks on modules record which module is running (see `module_hooks`); between the first and the last hook a
torch-function mode intercepts every call of a PyTorch function, so that `F.relu(self.fc(x))` is seen as well as
`nn.ReLU`. Every tensor in the pass has a `Flow`: the weight layer whose units it holds, the activations it comes from,
and the operations since then. Where the next pass must meet the same, only its ReLUs are followed (see `known_route`).
Operations inside compiled, scripted or fused code cannot be seen; such models are refused.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from neurondeath_torch.networks.activation_calls import RECTIFYING, Activation, activation_of_call, activation_of_module
from neurondeath_torch.networks.call_interception import CallInterception
from neurondeath_torch.networks.call_names import CallNames
from neurondeath_torch.networks.known_route import KnownRoute
from neurondeath_torch.networks.module_hooks import Following, following_of
from neurondeath_torch.networks.pass_listening import LayerCall, Listener
from neurondeath_torch.networks.tensor_flow import (
    INPUT,
    Flow,
    after_activation,
    after_call,
    after_step,
    guessed_positions,
    tensors_of,
)
from neurondeath_torch.networks.tensor_flows import TensorFlows
from neurondeath_torch.networks.weight_layers import is_transposed_linear

__all__ = ["ForwardTracer", "LayerCall", "Listener"]

WEIGHT_CALLS = {  # function -> trailing axes that are positions, not units
    "linear": 0,
    "conv1d": 1,
    "conv2d": 2,
    "conv3d": 3,
    "conv_transpose1d": 1,
    "conv_transpose2d": 2,
    "conv_transpose3d": 3,
}


class ForwardTracer:
    """Hooks on a model that notify listeners of its layers and activations.

    Parameters
    ----------
    model : nn.Module
        The model, as `check_model` accepts it.
    listeners : sequence of Listener
        The listeners to notify.
    watch : sequence of nn.Module
        Further modules to treat as activations.
    wanted : callable
        Whether the forward pass that begins is traced.
    """

    def __init__(
        self,
        model: nn.Module,
        listeners: Sequence[Listener],
        watch: Sequence[nn.Module] = (),
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.listeners = list(listeners)
        self.kinds: dict[str, str] = {}  # activation -> what function it is
        self._wanted = wanted
        self.never_zero: dict[str, str] = {}
        self.not_watched: dict[str, str] = {}
        self.weights: dict[str, tuple[torch.Tensor, bool, int]] = {}  # layer -> weight in use, transposed, groups
        self._model = model
        self._names = CallNames(model)
        # modules whose weight is transposed -> what they read
        self._transposed: dict[nn.Module, torch.Tensor | None] = {
            module: None for module in self._names.of_module if is_transposed_linear(module)
        }
        self._whole: dict[nn.Module, Activation] = {}
        for module in self._names.of_module:
            known = activation_of_module(module)
            if module in watch:
                self._whole[module] = Activation(type(module).__name__, known.form if known else None)
            elif known is not None:
                self._whole[module] = known
        self._handles: list[Any] = []
        self._close_handles: list[Any] = []  # of hooks that depend on how closely a pass is followed
        self._to_name: list[nn.Module] = []
        self._route = KnownRoute(model)
        self._on_route = False
        self._mode = CallInterception(self)
        self._reset()

    def __deepcopy__(self, memo: dict[int, Any]) -> "ForwardTracer":
        """Return this tracer itself: the hooks of a copied model then refer to it and do nothing."""
        return self

    def start(self) -> None:
        """Register the hooks."""
        self._route = KnownRoute(self._model)
        followings = following_of(self._model, self._names.of_module, self._whole)
        for module, following in followings.items():
            if following is Following.WHOLE:
                self._handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
                self._handles.append(module.register_forward_hook(self._leave, with_kwargs=True))
                self._handles.append(module.register_forward_hook(self._abandon, always_call=True))
        self._to_name = [module for module, following in followings.items() if following is Following.ENTRY]
        self._look_closely()

    def _look_closely(self) -> None:
        """Follow every call."""
        self._remove(self._close_handles)
        self._close_handles = [module.register_forward_pre_hook(self._name_next) for module in self._to_name]
        self._on_route = False

    def _look_at_activations(self) -> None:
        """Follow the activations of a known route only."""
        self._remove(self._close_handles)
        self._close_handles = [module.register_forward_hook(self._visited) for module in self._route.visits]
        self._on_route = True

    @staticmethod
    def _remove(handles: list[Any]) -> None:
        for handle in handles:
            handle.remove()
        handles.clear()

    def stop(self) -> None:
        """Remove the hooks and discard an interrupted forward pass."""
        self._remove(self._handles)
        self._remove(self._close_handles)
        if self._depth > 0 and not self._on_route:  # after an interrupt, for which PyTorch calls no hook
            self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self._reset()

    def _reset(self) -> None:
        self._depth = 0
        self._stack: list[nn.Module] = []
        self._flows = TensorFlows()
        self._calls: dict[str, int] = {}
        self._visits: dict[nn.Module, int] = {}  # calls of activations on a known route
        self._next: nn.Module | None = None  # module whose one call comes next
        self._inside: tuple[nn.Module, str, Flow | None] | None = None  # an activation module treated as one operation
        self._left: nn.Module | None = None
        self._n_points = 0
        self._to_inputs: list[Listener] = []  # those that are notified before a call too
        self._busy = False

    def _name_next(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if self._depth > 0 and module in self._names.of_module:
            self._next = module

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if module is self._model:
            if self._depth == 0 and not self._wanted():
                return
            self._depth += 1
            if self._depth == 1:
                self._begin(args, kwargs)
        if self._depth == 0 or module not in self._names.of_module:
            return
        self._stack.append(module)
        self._next = None
        if module in self._transposed:
            self._transposed[module] = next(tensors_of(args, kwargs), None)
        whole = self._whole.get(module)
        if whole is None or self._inside is not None:
            return
        tensor = next(tensors_of(args, kwargs), None)
        if tensor is None:
            return
        flow = self._flows.of(tensor)
        name = self._names.of_module[module] or whole.name
        if whole.never_zero:
            self.never_zero[name] = whole.never_zero
            self._inside = (module, "", flow)
            return
        site = self._site(name)
        self.kinds[site] = whole.name
        self._inside = (module, site, flow)
        self._notify(lambda listener: listener.about_to_activate(site, tensor, flow, whole), inputs=True)

    def _leave(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        if self._depth == 0 or module not in self._names.of_module:
            return
        self._left = module
        self._stack.pop()
        if module in self._transposed:
            self._transposed[module] = None
        if self._inside is not None and self._inside[0] is module:
            _, site, flow = self._inside
            self._inside = None
            result = next(tensors_of((output,), {}), None)
            if result is not None and site:
                self._notify(lambda listener: listener.activated(site, result, flow))
                self._flows.record(output, after_activation(site, flow))
            elif result is not None and flow is not None:
                self._notify(lambda listener: listener.activated_smoothly(result, flow))
                self._flows.record(output, after_step(flow, type(module).__name__))
        elif self._inside is None:
            self._inherit(module, args, kwargs, output)
        if module is self._model:
            self._end()
            if self._depth == 0:
                self._notify(lambda listener: listener.returned((args, kwargs), output))
                self._notify(lambda listener: listener.finished())
                if not self._on_route and self._route.end():
                    self._look_at_activations()

    def _abandon(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Clean up after a module that raised an error; also called after `_leave` for all other modules."""
        if self._left is module or self._depth == 0 or module not in self._names.of_module:
            self._left = None
            return
        self._stack.pop()
        if self._inside is not None and self._inside[0] is module:
            self._inside = None
        if module is self._model:
            self._end()

    def _end(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            if not self._on_route:
                self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._reset()

    def _begin(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._to_inputs = [listener for listener in self.listeners if not listener.outputs_only]
        if self._on_route:
            if not self._to_inputs and self._route.holds(args, kwargs):
                self._notify(lambda listener: listener.started())
                return
            self._look_closely()
        self._route.begin(args, kwargs)
        for tensor in tensors_of(args, kwargs):
            self._flows.record(tensor, Flow(frozenset({INPUT}), spatial=guessed_positions(tensor)))
            self._n_points = self._n_points or (len(tensor) if tensor.ndim else 0)
        self._notify(lambda listener: listener.started())
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def _visited(self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
        """Report an activation of the known route."""
        visits = self._route.visits.get(module)
        if self._depth == 0 or visits is None:
            return
        call = self._visits.get(module, 0)
        self._visits[module] = call + 1
        site, flow = visits[call]
        self._notify(lambda listener: listener.activated(site, output, flow))

    def _inherit(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        """Assign the flow of a module's inputs to outputs that were computed by operations that cannot be seen."""
        unknown = [tensor for tensor in tensors_of((output,), {}) if self._flows.of(tensor) is None]
        flow = self._flows.of_call(args, kwargs) if unknown else None
        if flow is not None:
            for tensor in unknown:
                self._flows.record(tensor, after_step(flow, type(module).__name__))

    def call(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Execute a PyTorch function and record it."""
        if self._busy:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        activation = None
        if self._inside is None:
            if name in WEIGHT_CALLS:
                return self._weight_call(name, func, args, kwargs)
            if name == "addmm" and self._stack[-1] in self._transposed:
                return self._transposed_call(func, args, kwargs)
            activation = activation_of_call(name, args, kwargs)
        flow = self._flows.of_call(args, kwargs)
        if flow is None:
            return func(*args, **kwargs)
        if activation is not None:
            return self._activation_call(activation, flow, func, args, kwargs)
        if name in RECTIFYING and flow.unit_layers:
            self._note_unwatched(name, flow)
        result = func(*args, **kwargs)
        if isinstance(result, (torch.Tensor, tuple, list)):
            source = next(tensor for tensor in tensors_of(args, kwargs) if self._flows.of(tensor) is not None)
            self._flows.record(result, after_call(func, args, kwargs, source, flow, result))
        return result

    def _activation_call(
        self,
        activation: Activation,
        flow: Flow,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        owner = self._owner()
        label = self._names.activation(owner, activation.name)
        self._next = None
        if activation.never_zero:
            self._route.spoil()
            self.never_zero[label] = activation.never_zero
            result = func(*args, **kwargs)
            self._notify(lambda listener: listener.activated_smoothly(result, flow))
            self._flows.record(result, after_step(flow, activation.name))
            return result
        site = self._site(label)
        self._route.visit(owner, site, flow)
        self.kinds[site] = activation.name
        z = next(tensors_of(args, kwargs))
        self._notify(lambda listener: listener.about_to_activate(site, z, flow, activation), inputs=True)
        result = func(*args, **kwargs)
        self._notify(lambda listener: listener.activated(site, result, flow))
        self._flows.record(result, after_activation(site, flow))
        return result

    def _owner(self) -> nn.Module:
        """Return the module that makes this call."""
        return self._stack[-1] if self._next is None else self._next

    def _is_unwatched(self, x: torch.Tensor, flow: Flow | None) -> bool:
        """Whether the input of a weight layer has passed no known activation, or cannot be followed."""
        if flow is not None:
            return flow.weighted and not flow.activated
        # not a parameter that is repeated for every point
        return x.ndim > 1 and len(x) == self._n_points > 1 and x.layout == torch.strided and x.stride(0) != 0

    def _note_unwatched(self, name: str, flow: Flow) -> None:
        layers = ", ".join(sorted(flow.unit_layers))
        reason = f"{name.strip('_')} can hold units of {layers} at zero; they are seen where the next layer reads them"
        self.not_watched[self._names.activation(self._owner(), name.strip("_"))] = reason

    def _weight_call(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        x = args[0] if args else kwargs["input"]
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        transposed = name.startswith("conv_transpose")
        groups = 1 if name == "linear" else int(args[6] if len(args) > 6 else kwargs.get("groups", 1))
        label, flow = self._names.layer(self._owner(), name, weight), self._flows.of(x)

        def call() -> LayerCall:
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
            return LayerCall(label, x, weight, bias, flow, WEIGHT_CALLS[name], groups, transposed, rerun)

        def rerun(other: torch.Tensor, other_weight: torch.Tensor) -> torch.Tensor:
            rest = {key: value for key, value in kwargs.items() if key not in ("input", "weight", "bias")}
            result: torch.Tensor = func(other, other_weight, None, *args[3:], **rest)
            return result

        self._read_by(label, (weight, transposed, groups), self._is_unwatched(x, flow), call)
        return self._layer_result(label, WEIGHT_CALLS[name], flow, func(*args, **kwargs))

    def _transposed_call(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the call of a Conv1D of transformers, which joins the points and their positions."""
        bias, joined, weight = args
        owner = self._stack[-1]
        label, flow, whole = self._names.layer(owner, "addmm", weight), self._flows.of(joined), self._transposed[owner]
        x = joined if whole is None else whole
        call = LayerCall(label, x, weight, bias, flow, 0, 1, True, torch.matmul)
        self._read_by(label, (weight, True, 1), self._is_unwatched(x, flow), lambda: call)
        return self._layer_result(label, 0, flow, func(*args, **kwargs))

    def _read_by(
        self, label: str, weights: tuple[torch.Tensor, bool, int], unwatched: bool, call: Callable[[], LayerCall]
    ) -> None:
        """Record the weights of a layer that is called, and notify the listeners, if any listens to calls."""
        self._next = None
        weight, transposed, groups = weights
        kept = weight if self._names.is_parameter(weight) else weight.detach()  # without the graph of a computed weight
        self.weights[label] = (kept, transposed, groups)
        if not unwatched and not self._to_inputs:
            return
        made = call()
        self._notify(lambda listener: listener.layer_called(made), inputs=True)
        if unwatched:
            self._route.spoil()
            self._notify(lambda listener: listener.reads_unwatched(made))

    def _layer_result(self, label: str, spatial: int, flow: Flow | None, result: Any) -> Any:
        """Record that the units of a layer begin here."""
        origins = flow.origins if flow is not None else frozenset({INPUT})
        self._flows.record(result, Flow(origins, label, spatial, unit_layers=frozenset({label}), weighted=True))
        return result

    def _site(self, label: str) -> str:
        """Name a call of an activation, numbered from the second call on."""
        self._calls[label] = self._calls.get(label, 0) + 1
        return label if self._calls[label] == 1 else f"{label}#{self._calls[label]}"

    def _notify(self, message: Callable[[Listener], None], *, inputs: bool = False) -> None:
        listeners = self._to_inputs if inputs else self.listeners
        if not listeners:
            return
        self._busy = True  # computations of listeners are not part of the model
        try:
            with torch.inference_mode():
                for listener in listeners:
                    message(listener)
        finally:
            self._busy = False

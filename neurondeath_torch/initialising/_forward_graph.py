"""Record the graph of one forward pass: layers, activations and every other operation, and which reads which.

Layers, activation modules and normalisations are recorded as one operation each, everything else as PyTorch's
primitive operations. Tensors are identified by their memory, which is kept until the end of the pass, so views and
copies count as the tensor itself; a transposition is an operation of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.initialising._model_activations import is_activation
from neurondeath_torch.networks.activation_calls import activation_of_call
from neurondeath_torch.networks.activations import to_theory
from neurondeath_torch.networks.called_batches import batch_tensors
from neurondeath_torch.networks.data_passes import output_tensors
from neurondeath_torch.networks.weight_layers import WeightLayer

__all__ = ["NORMS", "Node", "merging", "record_graph"]

NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
NORM_CALLS = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")
SAME_TENSOR = frozenset({"alias", "detach", "view", "_unsafe_view", "_reshape_alias", "squeeze", "unsqueeze"}) | {
    *("clone", "contiguous", "_to_copy", "lift_fresh")
}
SMOOTH = frozenset(
    {"celu", "elu", "gelu", "hardswish", "log_sigmoid_forward", "mish", "prelu", "_prelu_kernel", "rrelu", "selu"}
    | {"sigmoid", "silu", "softplus", "tanh", "leaky_relu"}
)


@dataclass(eq=False)
class Node:
    """One operation of a forward pass.

    Attributes
    ----------
    kind : {"input", "layer", "activation", "norm", "operation"}
        What it is; "operation" is everything else.
    name : str
        Name of the module, or of the operation.
    module : torch.nn.Module or None
        The module, if it is one.
    layer : WeightLayer or None
        The layer, if it is one.
    form : PiecewiseLinear or None
        The activation's form, if it is a piecewise-linear one.
    arguments : tuple
        Positional arguments of a primitive operation, apart from tensors.
    parents, readers : list of Node
        The operations whose results it reads, and those that read its result; the model's output counts as a reader.
    shape, input_shape : torch.Size
        Shape of its result, and of the first tensor that a module reads.
    """

    kind: str
    name: str
    module: nn.Module | None = None
    layer: WeightLayer | None = None
    form: theory.PiecewiseLinear | None = None
    arguments: tuple[Any, ...] = ()
    parents: list["Node"] = field(default_factory=list)
    readers: list["Node"] = field(default_factory=list)
    shape: torch.Size = field(default_factory=torch.Size)
    input_shape: torch.Size = field(default_factory=torch.Size)


def record_graph(
    model: nn.Module, layers: Sequence[WeightLayer], inputs: Any, run: Callable[[], object]
) -> tuple[Node, ...]:
    """Run a model once and return its operations on the inputs, in the order of execution.

    Parameters
    ----------
    model : torch.nn.Module
        The model; it is not changed.
    layers : sequence of WeightLayer
        Its layers.
    inputs : tensor or mapping of tensors
        The inputs that `run` passes to the model.
    run : callable
        Runs the model once.
    """
    recorder = _Recorder(layers, {module: name for name, module in model.named_modules()})
    handles = recorder.attach(model)
    source = Node("input", "the model's input")
    try:
        for leaf in batch_tensors(inputs):
            recorder.mark(leaf, source)
        with torch.no_grad(), recorder:
            output = run()
        end = Node("operation", "the model's output", parents=recorder.nodes_of(output_tensors(output)))
        for parent in end.parents:
            parent.readers.append(end)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(recorder.nodes)


def merging(nodes: Sequence[Node]) -> str:
    """Name the first operation that reads two results of the pass, such as a residual sum; "" if there is none."""
    for node in nodes:
        if len(node.parents) > 1:
            return f"{node.name} reads both {node.parents[0].name} and {node.parents[1].name}"
    return ""


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Record every operation that reads a result of the pass."""

    def __init__(self, layers: Sequence[WeightLayer], names: Mapping[nn.Module, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers = {id(layer.module): layer for layer in layers}
        self.names = names
        self.nodes: list[Node] = []
        self.known: dict[int, Node] = {}
        self.kept: list[torch.Tensor] = []  # memory that is kept cannot be given to another tensor
        self.inside: nn.Module | None = None  # a module that is recorded as one operation
        self.entered: list[Node] = []
        self.read = torch.Size()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.inside is not None:
            return out
        parents = self.nodes_of((args, kwargs))
        if not parents:
            return out
        name = func.name().partition("::")[2].partition(".")[0]
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        if name in SAME_TENSOR and len(parents) == 1:
            for result in results:
                self.mark(result, parents[0])
            return out
        plain = name.rstrip("_")
        form = _functional(name, args)
        kind = "activation" if form is not None or plain in SMOOTH else "norm" if _is_norm(plain) else "operation"
        given = tuple(leaf for leaf in args if not isinstance(leaf, torch.Tensor))
        self._add(Node(kind, plain, form=form, arguments=given), parents, results)
        return out

    def attach(self, model: nn.Module) -> list[Any]:
        """Register hooks on the modules that are recorded as one operation."""
        handles = []
        for module in model.modules():
            if id(module) in self.layers or is_activation(module) or isinstance(module, NORMS):
                # kinds that are no elementwise activations by name (Softmax) are seen as operations
                handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
                handles.append(module.register_forward_hook(self._leave, with_kwargs=True))
        return handles

    def nodes_of(self, tensors: Any) -> list[Node]:
        """Return the operations whose results are among tensors, each once."""
        found = [self.known.get(_memory(leaf)) for leaf in tree_leaves(tensors) if isinstance(leaf, torch.Tensor)]
        return list(dict.fromkeys(node for node in found if node is not None))

    def mark(self, tensor: torch.Tensor, node: Node) -> None:
        """Record whose result a tensor is."""
        if _memory(tensor):
            self.known[_memory(tensor)] = node
            self.kept.append(tensor)

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if self.inside is None:
            self.inside, self.entered = module, self.nodes_of((args, kwargs))
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            self.read = tensors[0].shape if tensors else torch.Size()

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        if self.inside is not module:
            return
        self.inside = None
        layer = self.layers.get(id(module))
        kind = "layer" if layer is not None else "norm" if isinstance(module, NORMS) else "activation"
        form = _piecewise_linear(module) if kind == "activation" else None
        name = self.names[module] or type(module).__name__
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        self._add(Node(kind, name, module, layer, form, input_shape=self.read), self.entered, results)

    def _add(self, node: Node, parents: Sequence[Node], results: Sequence[torch.Tensor]) -> None:
        node.parents = list(parents)
        for parent in parents:
            parent.readers.append(node)
        if results:
            node.shape = results[0].shape
        self.nodes.append(node)
        for result in results:
            self.mark(result, node)


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0


def _is_norm(name: str) -> bool:
    return any(call in name for call in NORM_CALLS)


def _piecewise_linear(module: nn.Module) -> theory.PiecewiseLinear | None:
    try:
        return to_theory(module)
    except InvalidArgumentError:
        return None


def _functional(name: str, args: Sequence[Any]) -> theory.PiecewiseLinear | None:
    """Recognise a piecewise-linear activation in one operation on tensors."""
    if name.rstrip("_") == "leaky_relu":
        return theory.leaky_relu(float(args[1]) if len(args) > 1 else 0.01)
    known = activation_of_call(name, args, {})
    return known.form if known is not None else None

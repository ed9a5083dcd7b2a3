"""Read a model's forward pass as a graph of operations, and write it as a chain of steps.

The graph is PyTorch's own (`torch.fx`): the forward pass is executed once with symbols in place of numbers. Rows of the
chain are the inputs, flattened; or, where linear layers read the last of several axes, the positions of every input.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from neurondeath.simulations.inference.programs import Program
from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.deploying.chain_builder import ChainBuilder, row_of
from neurondeath_torch.deploying.module_steps import RefusalError, is_whole, module_steps
from neurondeath_torch.deploying.stream_steps import StreamReader
from neurondeath_torch.networks.activation_calls import activation_of_call

__all__ = ["read_program"]

RESHAPES = ("flatten", "view", "reshape", "contiguous", "clone", "detach", "unflatten", "squeeze", "unsqueeze", "float")
ADDS = {"add": 1.0, "add_": 1.0, "iadd": 1.0, "sub": -1.0, "sub_": -1.0, "isub": -1.0}
MULTIPLIES = ("mul", "mul_", "imul")
DIVIDES = ("truediv", "div", "div_", "itruediv")
DROPOUTS = ("dropout", "dropout_", "alpha_dropout", "feature_alpha_dropout")
REMEDY = "the parts that can be run sparsely are listed in the documentation of sparse_inference"


class _Tracer(fx.Tracer):
    """Traces into every module except PyTorch's and those that are read as one."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_whole(m) or super().is_leaf_module(m, module_qualified_name)


def read_program(model: nn.Module, example: torch.Tensor) -> Program:
    """Write a model as a program.

    Parameters
    ----------
    model : torch.nn.Module
        The model, in evaluation mode.
    example : tensor
        A few inputs, shape (n, ...), on the model's device.

    Raises
    ------
    InvalidArgumentError
        If its forward pass depends on values, or a part of it cannot be run so: the part and the reason.
    """
    root = model if not _is_single(model) else nn.Sequential(model)
    try:
        graph = _Tracer().trace(root)
        traced = fx.GraphModule(root, graph)
        with torch.no_grad():
            ShapeProp(traced).propagate(example)
    except Exception as error:  # whatever a user's forward pass raises for symbols
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        rule = "have a forward pass that is the same for all inputs, so that torch.fx can trace it"
        raise invalid("model", rule, type(model).__name__, reason=reason) from None
    return _GraphReader(root, traced, example).program()


def _is_single(model: nn.Module) -> bool:
    """Return whether a model is a single module that a graph names instead of entering it."""
    return is_whole(model) or _Tracer().is_leaf_module(model, "")


class _GraphReader:
    """Writes the nodes of a graph as steps, in their order."""

    def __init__(self, root: nn.Module, traced: fx.GraphModule, example: torch.Tensor) -> None:
        self._modules = dict(root.named_modules(remove_duplicate=False))
        self._root, self._graph = root, traced.graph
        self._by_position = example.ndim > 2 and any(self._reads_positions(node) for node in self._graph.nodes)
        self._leading = example.shape[:-1] if self._by_position else example.shape[:1]
        self._chain = ChainBuilder(math.prod(example.shape[len(self._leading) :]))
        self._streams = StreamReader(self._chain)
        self._values: dict[fx.Node, Any] = {}

    def program(self) -> Program:
        """Return the program."""
        for node in self._graph.nodes:
            try:
                result = self._node(node)
            except RefusalError as refusal:
                name = node.target if node.op == "call_module" else f"{node.name} ({_named(node)})"
                raise invalid(
                    "model", "be a chain of parts that run sparsely", str(name), reason=str(refusal)
                ) from None
            if node.op == "output":
                return self._finished(result)
            self._values[node] = result
        raise invalid("model", "return a tensor", "nothing")

    def _finished(self, result: Any) -> Program:
        if not _is_value(result):
            raise invalid("model", "return one tensor computed from its input", type(result).__name__)
        program = self._chain.program(int(result)) if result else None
        if program is None or not program.products:
            raise invalid("model", "have a linear layer", "none")
        return program

    def _node(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            if any(other.op == "placeholder" for other in self._values):
                if node.args:  # an argument with a default
                    return node.args[0]
                raise RefusalError("a second input")
            return _Value(0)
        if node.op == "get_attr":
            return operator.attrgetter(str(node.target))(self._root)
        if node.op == "output":
            return self._argument(node.args[0])
        if node.op == "call_module":
            return self._module(node)
        return self._call(node)

    def _module(self, node: fx.Node) -> Any:
        name = str(node.target)
        module, source = self._modules[name], self._argument(node.args[0])
        if not _is_value(source) or len(node.args) + len(node.kwargs) != 1:
            raise RefusalError(f"a {type(module).__name__} of something else than one computed tensor")
        if isinstance(module, (nn.Flatten, nn.Unflatten)):
            return self._reshaped(node, source)
        if isinstance(module, (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d)):
            self._check_rows(node)
        name = "" if name == "0" and is_whole(module) and not is_whole(self._root) else name
        alone = len(_first_input(node).users) == 1
        value = module_steps(self._chain, source, name, module, self._size(_first_input(node)), alone)
        return self._row(node, self._streams.after(module, value))

    def _call(self, node: fx.Node) -> Any:
        name = _named(node).rstrip("_")
        args = [self._argument(value) for value in node.args]
        kwargs = {key: self._argument(value) for key, value in node.kwargs.items()}
        values = [value for value in (*args, *kwargs.values()) if _is_value(value)]
        if not values:
            return self._constant(node, args, kwargs)
        if name in DROPOUTS:
            return args[0]
        if name in RESHAPES:
            return self._reshaped(node, args[0])
        if name == "linear":
            self._check_rows(node)
            given = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
            return self._row(node, self._chain.product(given["input"], node.name, given["weight"], given.get("bias")))
        if name in ADDS or name in MULTIPLIES or name in DIVIDES:
            return self._row(node, self._arithmetic(node, name, args, kwargs))
        if name == "square" or (name == "pow" and len(args) == 2 and args[1] == 2):
            return self._row(node, self._chain.add("square", args[0]))
        activation = activation_of_call(_named(node), args, kwargs)
        if activation is not None and activation.form is not None and _is_value(args[0]):
            return self._row(node, self._chain.activation(args[0], activation.form))
        raise RefusalError("an operation that is not run sparsely")

    def _arithmetic(self, node: fx.Node, name: str, args: list[Any], kwargs: dict[str, Any]) -> int:
        """Add a sum, a product of vectors, or the shift or scale of one by constants."""
        if len(args) != 2 or set(kwargs) - {"alpha"}:
            raise RefusalError("arithmetic of other than two numbers")
        first, second = args
        factor = ADDS.get(name, 1.0) * float(kwargs.get("alpha", 1.0))
        if _is_value(first) and _is_value(second):
            if self._shape(node.args[0]) != self._shape(node.args[1]) or name in DIVIDES:
                raise RefusalError("arithmetic of tensors of different shapes, or a quotient")
            if name in MULTIPLIES:
                return self._chain.add("times", first, second)
            return self._chain.add("sum", first, second, numbers=(1.0, factor))
        value, other = (first, second) if _is_value(first) else (second, first)
        constant = self._spread(node, other)
        one, zero = np.ones_like(constant), np.zeros_like(constant)
        if name in MULTIPLIES or name in DIVIDES:
            if name in DIVIDES and not _is_value(first):
                raise RefusalError("a quotient by a computed tensor")
            return self._chain.affine(value, 1.0 / constant if name in DIVIDES else constant, zero, foldable=False)
        if _is_value(first):
            return self._chain.affine(value, one, factor * constant, foldable=False)
        return self._chain.affine(value, factor * one, constant, foldable=False)

    def _spread(self, node: fx.Node, constant: Any) -> Any:
        """Return a constant as one row of the size of a node's rows."""
        shape = self._shape(node)[len(self._leading) :]
        tensor = torch.as_tensor(constant).detach().cpu()
        try:
            return row_of(tensor.float().expand(1, *shape)).astype(np.float64)
        except RuntimeError:
            raise RefusalError(f"arithmetic with a constant of shape {tuple(tensor.shape)}") from None

    def _constant(self, node: fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Compute an operation on constants."""
        if node.op == "call_function":
            function: Callable[..., Any] = node.target  # type: ignore[assignment]
            return function(*args, **kwargs)
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, fx.Node):
            return self._values[argument]
        if isinstance(argument, (tuple, list)):
            return type(argument)(self._argument(one) for one in argument)
        return argument

    def _reshaped(self, node: fx.Node, value: Any) -> Any:
        if self._by_position or not _is_value(value):
            raise RefusalError("a change of shape where linear layers read positions")
        return self._row(node, value)

    def _row(self, node: fx.Node, value: int) -> "_Value":
        """Check that a node has the rows of the chain."""
        if self._shape(node)[: len(self._leading)] != self._leading:
            raise RefusalError("a change of the axis of inputs or positions")
        return _Value(value)

    def _check_rows(self, node: fx.Node) -> None:
        """Check that a layer reads whole rows."""
        if len(self._shape(_first_input(node))) != len(self._leading) + 1:
            raise RefusalError("a layer that reads one axis of several")
        if self._by_position and isinstance(self._modules.get(str(node.target)), nn.BatchNorm1d):
            raise RefusalError("a batch norm over positions")

    def _reads_positions(self, node: fx.Node) -> bool:
        linear = node.op == "call_module" and isinstance(self._modules[str(node.target)], nn.Linear)
        return (linear or _named(node) == "linear") and len(self._shape(_first_input(node))) > 2

    def _shape(self, node: Any) -> torch.Size:
        found = node.meta.get("tensor_meta") if isinstance(node, fx.Node) else None
        if not isinstance(getattr(found, "shape", None), torch.Size):
            raise RefusalError("a result that is not one tensor")
        shape: torch.Size = found.shape  # type: ignore[union-attr]
        return shape

    def _size(self, node: fx.Node) -> int:
        return math.prod(self._shape(node)[len(self._leading) :])


class _Value(int):
    """A value of the chain, as opposed to a constant of the model."""


def _is_value(value: Any) -> bool:
    return isinstance(value, _Value)


def _first_input(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


def _named(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target))

"""Weight matrices of a model in the ONNX format (package `onnx`): the constants that its layers multiply by.

The constants of a graph are read, nothing is run. A layer is a node Gemm, MatMul, Conv or ConvTranspose with a constant
weight; its units are put on the first axis, as in a Linear layer of PyTorch (ConvTranspose keeps PyTorch's own order).
A bias is that of the node, or of an Add that is the only reader of a MatMul.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neurondeath_theory.foundation.input_files import input_file
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.validation import invalid, listed
from neurondeath_torch.networks.weight_layers import is_transposed_linear, is_weight_layer

__all__ = ["OnnxLayer", "load_onnx_weights", "onnx_constants", "onnx_layers"]

MOST_BYTES = 2**31  # of a file of protocol buffers
LAYERS = ("Gemm", "MatMul", "Conv", "ConvTranspose")


@dataclass(frozen=True, kw_only=True)
class OnnxLayer:
    """A layer of an ONNX graph.

    Attributes
    ----------
    name : str
        Name of its weight.
    kind : str
        Gemm, MatMul, Conv or ConvTranspose.
    weight : array, shape (n_units, ...)
        Its weight; of a ConvTranspose with the inputs first.
    bias : array, shape (n_units,), or None
        Its bias.
    """

    name: str
    kind: str
    weight: npt.NDArray[Any]
    bias: npt.NDArray[Any] | None


def onnx_layers(path: str, *, argument: str = "path") -> tuple[OnnxLayer, ...]:
    """Return the layers with constant weights, in the order of the graph.

    Parameters
    ----------
    path : str
        The file.
    argument : str
        Name of the argument in error messages.

    Raises
    ------
    InvalidArgumentError
        If the file is missing, no ONNX model, keeps its numbers in other files, or has no such layer.
    MissingExtraError
        If onnx is not installed.
    """
    graph, constants = _graph(path, argument)
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found = [_layer(node, constants, readers) for node in graph.node if node.op_type in LAYERS]
    layers = tuple(layer for layer in found if layer is not None)
    if not layers:
        raise invalid(argument, f"have a layer with constant weights ({', '.join(LAYERS)})", path)
    return layers


def onnx_constants(path: str, *, argument: str = "path") -> dict[str, npt.NDArray[Any]]:
    """Return all constants of a graph by name; a model exported by PyTorch mostly keeps the names of its parameters.

    Raises
    ------
    InvalidArgumentError, MissingExtraError
        As `onnx_layers`.
    """
    return _graph(path, argument)[1]


def load_onnx_weights(model: nn.Module, path: str, *, argument: str = "path") -> None:
    """Set a model's parameters to the constants of an ONNX file: by name, or else layer by layer in their order.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place. Without a match by name all its linear and convolutional layers are set, in the order in which
        it registers them; other parameters (norms, embeddings) are then not allowed.
    path, argument : str
        As for `onnx_layers`.

    Raises
    ------
    InvalidArgumentError
        As `onnx_layers`, or if names and layers do not fit; the model is then unchanged.
    """
    constants = onnx_constants(path, argument=argument)
    own = model.state_dict()
    if own.keys() <= constants.keys() and all(own[name].shape == constants[name].shape for name in own):
        model.load_state_dict({name: torch.from_numpy(constants[name].copy()) for name in own})
        return
    layers = onnx_layers(path, argument=argument)
    modules = {name: module for name, module in model.named_modules() if is_weight_layer(module)}
    _check_layers(model, modules, layers, argument)
    with torch.no_grad():
        for module, layer in zip(modules.values(), layers, strict=True):
            weight = layer.weight.T if is_transposed_linear(module) else layer.weight
            module.weight.copy_(torch.from_numpy(weight.copy()))
            if layer.bias is not None:
                module.bias.copy_(torch.from_numpy(layer.bias.copy()))


def _graph(path: str, argument: str) -> tuple[Any, dict[str, npt.NDArray[Any]]]:
    onnx = import_or_explain("onnx")
    with input_file(argument, path, most_bytes=MOST_BYTES, what="ONNX file") as file:
        raw = file.read()
    try:
        graph = onnx.load_model_from_string(raw).graph
    except Exception as error:  # errors of protocol buffers have no common class
        raise invalid(argument, "be a model in the ONNX format", path, reason=type(error).__name__) from None
    stored = [
        *graph.initializer,
        *(one.t for node in graph.node if node.op_type == "Constant" for one in node.attribute),
    ]
    names = [*(one.name for one in graph.initializer)]
    names += [node.output[0] for node in graph.node if node.op_type == "Constant" for _ in node.attribute]
    if any(one.data_location == onnx.TensorProto.EXTERNAL for one in stored):
        raise invalid(argument, "hold its numbers itself", path, reason="they are in another file")
    try:
        helper = import_or_explain("onnx.numpy_helper")
        constants = {
            name: np.asarray(helper.to_array(one)) for name, one in zip(names, stored, strict=True) if one.data_type
        }
    except Exception as error:  # damaged tensors raise errors of several kinds
        raise invalid(argument, "be a model in the ONNX format", path, reason=type(error).__name__) from None
    if not constants:
        raise invalid(argument, "be a model in the ONNX format with constants", path)
    return graph, constants


def _layer(node: Any, constants: Mapping[str, npt.NDArray[Any]], readers: Mapping[str, list[Any]]) -> OnnxLayer | None:
    """Read a layer; None where its weight is computed."""
    if len(node.input) < 2 or node.input[1] not in constants:
        return None
    name, weight = node.input[1], constants[node.input[1]]
    if weight.ndim < 2:
        return None
    bias = constants.get(node.input[2]) if len(node.input) > 2 else None
    if node.op_type == "MatMul":
        after = readers.get(node.output[0], [])
        if len(after) == 1 and after[0].op_type == "Add":
            bias = next((constants[one] for one in after[0].input if one in constants), None)
        weight = weight.T
    elif node.op_type == "Gemm":
        transposed = next((one.i for one in node.attribute if one.name == "transB"), 0)
        weight = weight if transposed else weight.T
    bias = None if bias is None else bias.reshape(-1)
    return OnnxLayer(name=name, kind=node.op_type, weight=weight, bias=bias)


def _check_layers(
    model: nn.Module, modules: Mapping[str, nn.Module], layers: Sequence[OnnxLayer], argument: str
) -> None:
    if len(modules) != len(layers):
        rule = f"have the {len(modules)} layers of the model"
        raise invalid(argument, rule, f"{len(layers)} layers", reason=listed([layer.name for layer in layers]))
    covered = {id(parameter) for module in modules.values() for parameter in module.parameters(recurse=False)}
    other = [name for name, parameter in model.named_parameters() if id(parameter) not in covered]
    if other:
        raise invalid(argument, "name the parameters as the model does, or be of a model of layers alone", other[0])
    for (name, module), layer in zip(modules.items(), layers, strict=True):
        shape = tuple(layer.weight.T.shape if is_transposed_linear(module) else layer.weight.shape)
        own: Any = module.weight
        here = tuple(own.shape)
        if shape != here or (layer.bias is None) != (getattr(module, "bias", None) is None):
            biases = " and no bias" if layer.bias is None else ""
            raise invalid(argument, f"fit `{name}` of shape {here}", f"{layer.name} of shape {shape}{biases}")

"""The constants of an ONNX graph: computed where operations read nothing else, and stored by their nonzero entries."""

from typing import Any

import numpy as np

__all__ = ["fold_constants", "store_constants"]

INDEX_BYTES = 8  # of a nonzero entry's place in a sparse tensor
BY_CHANCE = ("RandomNormal", "RandomUniform", "Multinomial", "Bernoulli", "RandomNormalLike", "RandomUniformLike")


def fold_constants(onnx: Any, proto: Any) -> None:
    """Compute the operations of a model that read constants only, such as those that apply masks to weights.

    Parameters
    ----------
    onnx : module
        The package onnx.
    proto : onnx.ModelProto
        The model, changed in place.
    """
    graph = proto.graph
    values = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    results = {one.name for one in graph.output}
    kept = []
    for node in graph.node:
        constant = all(name in values for name in node.input if name) and not results & set(node.output)
        if constant and node.op_type not in BY_CHANCE and not any(one.HasField("g") for one in node.attribute):
            values |= _computed(onnx, proto, node, values)
        else:
            kept.append(node)
    read = {name for node in kept for name in node.input} | results | _read_inside(kept)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in values.items() if name in read
    )


def store_constants(onnx: Any, proto: Any, *, sparse: bool) -> tuple[int, int, int]:
    """Count the numbers of a model; with `sparse`, store those tensors by their entries that take less space so.

    Returns
    -------
    int, int, int
        Numbers, zeros among them, and tensors stored by their entries.
    """
    n_numbers = n_zeros = n_sparse = 0
    kept = []
    for tensor in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        places = np.flatnonzero(values)
        n_numbers, n_zeros = n_numbers + values.size, n_zeros + values.size - len(places)
        smaller = len(places) * (values.itemsize + INDEX_BYTES) < values.nbytes
        if not (sparse and smaller and values.ndim and len(places)):
            kept.append(tensor)
            continue
        entries = onnx.numpy_helper.from_array(values.ravel()[places], tensor.name)
        indices = onnx.numpy_helper.from_array(places.astype(np.int64), f"{tensor.name}_places")
        proto.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(entries, indices, list(values.shape)))
        n_sparse += 1
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    return n_numbers, n_zeros, n_sparse


def _computed(onnx: Any, proto: Any, node: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Compute one node with onnx's own evaluator."""
    from onnx.reference import ReferenceEvaluator

    make, given = onnx.helper, {name: values[name] for name in node.input if name}
    inputs = [
        make.make_tensor_value_info(name, make.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in given.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = make.make_graph([node], "constant", inputs, outputs)
    model = make.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    found = ReferenceEvaluator(model).run(None, given)
    return {name: np.asarray(value) for name, value in zip(node.output, found, strict=True)}


def _read_inside(nodes: Any) -> set[str]:
    """Return the names that the graphs inside nodes read."""
    inner = [
        node for one in nodes for attribute in one.attribute if attribute.HasField("g") for node in attribute.g.node
    ]
    return {name for node in inner for name in node.input} | (_read_inside(inner) if inner else set())

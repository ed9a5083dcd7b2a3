"""The contestants of `sparse_inference.py`, one per process: `sparse_contestants.py NAME '{"width": 300, ...}'`.

All compute the same network, drawn from one seed: a critical residual stream without first and last layers, or, with
depth 0, a single layer W phi(x) + b. Inputs are new at every call and are made before the clock starts. Prints the
median wall and processor time of a call in microseconds, the threads, and a digest of the outputs on the first inputs.
"""

import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

THREADS = int(os.environ.get("NEURONDEATH_BENCH_THREADS", "1"))
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = str(THREADS)

import numpy as np  # noqa: E402 - after the numbers of threads

SECONDS = 3.0
MOST_CALLS = 2000
LEAST_CALLS = 15
V_PRIME = 0.7


def design_of(sparsity: float) -> Any:
    from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design

    return sparse_design("clipped-shifted-relu", sparsity, v_prime=V_PRIME)


def layers_of(width: int, depth: int, sparsity: float) -> list[tuple[Any, Any]]:
    """Draw weights and biases, in single precision."""
    design, rng = design_of(sparsity), np.random.default_rng(0)
    return [
        (
            rng.standard_normal((width, width), dtype=np.float32) * np.float32(math.sqrt(design.sigma_w2 / width)),
            rng.standard_normal(width, dtype=np.float32) * np.float32(math.sqrt(design.sigma_b2)),
        )
        for _ in range(max(depth, 1))
    ]


def torch_model(width: int, depth: int, sparsity: float) -> Any:
    """Return the network as a PyTorch module, in evaluation mode, as users write it."""
    import torch
    from torch import nn

    import neurondeath_torch as nt

    torch.set_num_threads(THREADS)
    design = design_of(sparsity)
    layers = layers_of(width, depth, sparsity)
    if depth:
        model: nn.Module = nt.CriticalResidual(width, depth, design)
        linear = list(model.layers)
    else:
        linear = [nn.Linear(width, width)]
        model = nn.Sequential(nt.from_theory(design.activation), *linear)
    with torch.no_grad():
        for module, (weight, bias) in zip(linear, layers, strict=True):
            module.weight.copy_(torch.from_numpy(weight))
            module.bias.copy_(torch.from_numpy(bias))
    return model.eval()


def fresh_inputs(width: int, batch: int, count: int) -> list[Any]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal((batch, width), dtype=np.float32) for _ in range(count)]


def measure(call: Callable[[Any], Any], inputs: list[Any], as_array: Callable[[Any], Any]) -> dict[str, Any]:
    """Time calls on inputs that no earlier call has seen."""
    outputs = as_array(call(inputs[0]))
    for x in inputs[1:4]:
        call(x)
    wall, processor = [], []
    end = time.perf_counter() + SECONDS
    for x in inputs[4:]:
        begun, used = time.perf_counter(), time.process_time()
        call(x)
        wall.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
        if time.perf_counter() > end and len(wall) >= LEAST_CALLS:
            break
    return {
        "wall_us": 1e6 * statistics.median(wall),
        "processor_us": 1e6 * statistics.median(processor),
        "calls": len(wall),
        "threads": THREADS,
        "outputs": [float(value) for value in np.asarray(outputs, np.float64).ravel()[:8]],
        "size": float(np.abs(np.asarray(outputs)).max()),
    }


def count_of(width: int, batch: int) -> int:
    """Return the number of inputs to make: as many as fit into half a gigabyte."""
    return max(LEAST_CALLS + 4, min(MOST_CALLS, 2**27 // (width * batch)))


def ours(width: int, depth: int, sparsity: float, batch: int, precision: str = "float32") -> dict[str, Any]:
    from neurondeath_torch.deploying.sparse_inference import sparse_inference

    inputs = fresh_inputs(width, batch, count_of(width, batch))
    import torch

    example = torch.from_numpy(np.random.default_rng(2).standard_normal((8 * batch, width), dtype=np.float32))
    model = torch_model(width, depth, sparsity)
    network = sparse_inference(model, example, batches=[batch], precision=precision, threads=THREADS)
    result = measure(network, inputs, lambda y: y)
    zeros = network.zeros.units
    return result | {"zeros": float(np.mean(zeros)), "error": network.error, "report": str(network)}


def bfloat16(width: int, depth: int, sparsity: float, batch: int) -> dict[str, Any]:
    return ours(width, depth, sparsity, batch, "bfloat16")


def int8(width: int, depth: int, sparsity: float, batch: int) -> dict[str, Any]:
    return ours(width, depth, sparsity, batch, "int8")


def eager(width: int, depth: int, sparsity: float, batch: int) -> dict[str, Any]:
    import torch

    model = torch_model(width, depth, sparsity)
    inputs = [torch.from_numpy(x) for x in fresh_inputs(width, batch, count_of(width, batch))]
    with torch.inference_mode():
        return measure(model, inputs, lambda y: y.numpy())


def compiled(width: int, depth: int, sparsity: float, batch: int) -> dict[str, Any]:
    import torch

    model = torch.compile(torch_model(width, depth, sparsity), mode="max-autotune-no-cudagraphs")
    inputs = [torch.from_numpy(x) for x in fresh_inputs(width, batch, count_of(width, batch))]
    with torch.inference_mode():
        return measure(model, inputs, lambda y: y.numpy())


def onnx(width: int, depth: int, sparsity: float, batch: int) -> dict[str, Any]:
    """Run the file that `export_onnx` writes, with the batch size fixed and all optimisations on."""
    import tempfile
    from pathlib import Path

    import onnxruntime
    import torch

    from neurondeath_torch.deploying.onnx_export import BATCH_AXIS, export_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_free_dimension_override_by_name(BATCH_AXIS, batch)
    example = torch.from_numpy(np.random.default_rng(2).standard_normal((8, width), dtype=np.float32))
    with tempfile.TemporaryDirectory() as folder:
        export = export_onnx(torch_model(width, depth, sparsity), example, Path(folder) / "network.onnx")
        session = onnxruntime.InferenceSession(str(export.path), options, providers=["CPUExecutionProvider"])
    inputs, (name,) = fresh_inputs(width, batch, count_of(width, batch)), export.inputs
    result = measure(lambda x: session.run(None, {name: x})[0], inputs, lambda y: y)
    return result | {"version": onnxruntime.__version__, "export_error": export.error}


def numpy(width: int, depth: int, sparsity: float, batch: int) -> dict[str, Any]:
    """Compute the same with NumPy, in place where that helps it."""
    design = design_of(sparsity)
    layers = [(np.asfortranarray(weight.T), bias) for weight, bias in layers_of(width, depth, sparsity)]
    tau, m = np.float32(design.tau), np.float32(design.m)
    share = 1.0 / depth if depth else 1.0
    keep, scale = np.float32(math.sqrt(1.0 - share)), np.float32(math.sqrt(share))

    def call(x: Any) -> Any:
        if not depth:
            p = x - tau
            np.clip(p, 0, m, out=p)
            y = p @ layers[0][0]
            y += layers[0][1]
            return y
        h = x / np.sqrt(np.mean(x * x, 1, keepdims=True))
        for weight, bias in layers:
            p = h - tau
            np.clip(p, 0, m, out=p)
            y = p @ weight
            y += bias
            y *= scale
            h *= keep
            h += y
        return h

    return measure(call, fresh_inputs(width, batch, count_of(width, batch)), lambda y: y)


CONTESTANTS = {function.__name__: function for function in (ours, bfloat16, int8, eager, compiled, onnx, numpy)}

if __name__ == "__main__":
    print(json.dumps(CONTESTANTS[sys.argv[1]](**json.loads(sys.argv[2]))))

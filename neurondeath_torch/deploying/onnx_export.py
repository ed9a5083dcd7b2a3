r"""Write a trained model to an ONNX file, checked by running it.

Before the file takes its place it is run by ONNX Runtime, and its outputs are compared with the model's: on the example
and on random inputs of its mean and spread, of its range and beyond it, in batches of several sizes. A model whose
forward pass takes another way for other inputs is refused, because the file would keep only the way of the example.

Masks and parametrisations of weights (`torch.nn.utils.prune`, `parametrize`) are applied: the file holds the weights as
they are used. Units that were removed are not in it, and with `sparse=True` weights that are mostly zero are stored by
their nonzero entries; ONNX Runtime reads such files and computes with dense matrices.

The exporter is the one of PyTorch that follows TorchScript: it needs the package onnx alone, where the other needs
onnxscript as well, and takes a hundredth of its time. What it has no ONNX operator for is refused by name.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.atomic_files import write_atomically
from neurondeath_theory.foundation.lazy_imports import import_or_explain
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.output_files import check_output_file
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_flag, invalid
from neurondeath_torch.deploying.onnx_checks import NamedInputs, OnnxRunner, compare_outputs
from neurondeath_torch.deploying.onnx_constants import fold_constants, store_constants
from neurondeath_torch.networks.called_batches import CalledBatch
from neurondeath_torch.networks.data_passes import call, device_of, evaluating, output_tensors
from neurondeath_torch.networks.input_data import InputData, Points, joined_inputs, on_device, split_points
from neurondeath_torch.networks.model_checks import plain_model

__all__ = ["BATCH_AXIS", "OnnxExport", "export_onnx"]

MOST_POINTS = 1024  # of the example that are run
POINTS_AT_ONCE = 256
TRACED_POINTS = 3  # unlike the usual numbers of channels and of classes
LEAST_OPSET = 9
MOST_BYTES = 2**31 - 2**20  # of one file: what Protocol Buffers can hold, less the description
BATCH_AXIS = "n"  # name of the axis of free size


@dataclass(frozen=True, kw_only=True)
class OnnxExport(Result):
    """A model written to an ONNX file.

    Attributes
    ----------
    path : Path
        The file.
    n_bytes : int
        Its size.
    opset : int
        Version of ONNX's operators.
    inputs, outputs : tuple of str
        Names; their first axis is the batch, of any size.
    n_weights, n_zeros : int
        Stored parameters and constants, and how many of them are zero.
    n_sparse : int
        Tensors that are stored by their nonzero entries.
    n_points : int
        NamedInputs on which outputs were compared.
    error : float
        Largest difference of outputs, relative to the model's largest output.
    """

    path: Path
    n_bytes: int
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    n_weights: int
    n_zeros: int
    n_sparse: int
    n_points: int
    error: float

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table, one row."""
        return {
            "file": [str(self.path)],
            "n_bytes": [self.n_bytes],
            "opset": [self.opset],
            "inputs": [", ".join(self.inputs)],
            "outputs": [", ".join(self.outputs)],
            "n_weights": [self.n_weights],
            "n_zeros": [self.n_zeros],
            "n_sparse": [self.n_sparse],
            "n_points": [self.n_points],
            "error": [self.error],
        }

    def __str__(self) -> str:
        zeros = 100.0 * self.n_zeros / max(self.n_weights, 1)
        return (
            f"{self.path}: {self.n_bytes} bytes, opset {self.opset}, {self.n_weights} weights, {zeros:.1f} % of them "
            f"zero; outputs of {self.n_points} inputs differ by at most {format_number(self.error, 2)} of the largest"
        )


def export_onnx(
    model: nn.Module, example: InputData, path: str | Path, *, opset: int | None = None, sparse: bool = False
) -> OnnxExport:
    """Write a model to one ONNX file, after comparing it with the model in ONNX Runtime (extra `onnx`).

    Parameters
    ----------
    model : torch.nn.Module
        The model, which is not changed; it is written as it is in evaluation mode.
    example : tensor or iterable of batches
        NamedInputs, shape (n, ...), or mappings of such, which are passed by keyword. Outputs are compared on the first
        1024, and on random inputs like them.
    path : path
        The file; one that exists is replaced when all is well.
    opset : int, optional
        Version of ONNX's operators, from 9 on; by default the one that PyTorch prefers.
    sparse : bool
        Whether weights that take less space so are stored by their nonzero entries. ONNX Runtime reads such files; not
        every other program does.

    Returns
    -------
    OnnxExport
        The file and the largest difference of outputs, which is at most 1e-5 of the model's largest output, or 1e-2 of
        it in half precision.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model does not take the example, the exporter or ONNX Runtime cannot
        deal with a part of it, its way depends on the inputs, or outputs differ. No file is written then.
    MissingExtraError
        If onnx or onnxruntime is not installed.

    Notes
    -----
    `nd.export_onnx(model, images, "model.onnx")` makes a file that any program with ONNX Runtime runs by
    `InferenceSession("model.onnx").run(None, {"input": images})`, without this package and without PyTorch.
    """
    model = plain_model(model)
    target = check_output_file("path", path)
    version = None if opset is None else check_count("opset", opset, least=LEAST_OPSET)
    store_sparse = check_flag("sparse", sparse)
    runtime, onnx = import_or_explain("onnxruntime"), import_or_explain("onnx")
    points = joined_inputs("example", example)
    parts = split_points(_first(points), POINTS_AT_ONCE)
    batches = [cast(NamedInputs, on_device(part, device_of(model))) for part in parts]
    _check_size(model)
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        first = _repeated(batches[0])
        outputs = _outputs(model, first)
        names = tuple(["input"] if isinstance(first, Tensor) else first)
        results = ("output",) if len(outputs) == 1 else tuple(f"output_{i}" for i in range(len(outputs)))
        proto = onnx.load_model_from_string(_exported(model, first, names, results, outputs, version))
        fold_constants(onnx, proto)
        n_weights, n_zeros, n_sparse = store_constants(onnx, proto, sparse=store_sparse)
        content = proto.SerializeToString()
        runner = OnnxRunner(runtime, content, names)
        n_points, error = compare_outputs(
            runner, lambda x: output_tensors(call(model, x)), batches, type(model).__name__
        )
    write_atomically(target, content)
    return OnnxExport(
        path=target,
        n_bytes=len(content),
        opset=max(one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")),
        inputs=names,
        outputs=results,
        n_weights=n_weights,
        n_zeros=n_zeros,
        n_sparse=n_sparse,
        n_points=n_points,
        error=error,
    )


def _first(points: Points) -> NamedInputs:
    if isinstance(points, CalledBatch):
        remedy = "a function that runs the model cannot be written down"
        raise invalid("example", "be a tensor, or tensors by name", "batches with a function", remedy)
    tensors = [points] if isinstance(points, Tensor) else list(points.values())
    if any(tensor.ndim < 1 for tensor in tensors):
        raise invalid("example", "have shape (n, ...), one input per row", "a number")
    if isinstance(points, Tensor):
        return points[:MOST_POINTS]
    return {key: tensor[:MOST_POINTS] for key, tensor in points.items()}


def _repeated(points: NamedInputs) -> NamedInputs:
    """Return three points, so that no axis of a single one is mistaken for a constant."""
    if isinstance(points, Tensor):
        return points[torch.arange(TRACED_POINTS, device=points.device) % len(points)]
    return {key: value[torch.arange(TRACED_POINTS, device=value.device) % len(value)] for key, value in points.items()}


def _check_size(model: nn.Module) -> None:
    n_bytes = sum(one.numel() * one.element_size() for one in [*model.parameters(), *model.buffers()])
    if n_bytes > MOST_BYTES:
        raise invalid("model", "have less than 2 GiB of parameters, the most that one ONNX file holds", n_bytes)


def _outputs(model: nn.Module, points: NamedInputs) -> list[Tensor]:
    try:
        outputs = output_tensors(call(model, points))
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        raise invalid("example", "be inputs that the model takes", _shape(points), reason=str(error)) from None
    if not outputs:
        raise invalid("model", "return tensors", "none")
    return outputs


def _exported(
    model: nn.Module,
    points: NamedInputs,
    names: Sequence[str],
    results: Sequence[str],
    outputs: Sequence[Tensor],
    opset: int | None,
) -> bytes:
    """Run PyTorch's exporter; return the file."""
    file = io.BytesIO()
    axes = {name: {0: BATCH_AXIS} for name in names}
    axes |= {
        name: {0: BATCH_AXIS}
        for name, output in zip(results, outputs, strict=True)
        if output.ndim and len(output) == TRACED_POINTS
    }
    given: dict[str, Any] = {"args": (points,)} if isinstance(points, Tensor) else {"args": (), "kwargs": dict(points)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                f=file,  # type: ignore[arg-type]  # the exporter that is used also takes an open file
                dynamo=False,
                input_names=list(names),
                output_names=list(results),
                dynamic_axes=axes,
                opset_version=opset,
                **given,
            )
    except Exception as error:  # whatever a user's forward pass, or the exporter, raises
        rule = "be made of what PyTorch can write as ONNX"
        raise invalid("model", rule, type(model).__name__, reason=_line(error)) from None
    return file.getvalue()


def _shape(points: NamedInputs) -> str:
    if isinstance(points, Tensor):
        return f"shape {tuple(points.shape[1:])} per input"
    return ", ".join(f"{key} of shape {tuple(value.shape[1:])} per input" for key, value in points.items())


def _line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

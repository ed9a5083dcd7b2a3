"""Run an ONNX file beside the model it was made from, and compare their outputs."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from neurondeath_theory.foundation.validation import invalid

__all__ = ["LARGEST_ERROR", "LARGEST_HALF_ERROR", "NamedInputs", "OnnxRunner", "compare_outputs"]

NamedInputs = Tensor | Mapping[str, Tensor]  # one batch: a tensor, or tensors by the names that the model takes

LARGEST_ERROR = 1e-5  # of outputs, relative to the largest
LARGEST_HALF_ERROR = 1e-2  # the same in half precision
RANDOM_BATCHES = ((1, 1.0), (2, -1.0), (7, 3.0), (32, 1.0))  # size, and by how many spreads
SEED = 0
ERRORS_ONLY = 3  # of ONNX Runtime's log


class OnnxRunner:
    """Runs an ONNX file on one thread of the processor.

    Parameters
    ----------
    runtime : module
        ONNX Runtime.
    content : bytes
        The file.
    names : sequence of str
        Names of its inputs, of which it may lack those that have no effect.
    """

    def __init__(self, runtime: Any, content: bytes, names: Sequence[str]) -> None:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        try:
            self._session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            taken = {one.name for one in self._session.get_inputs()}
        except Exception as error:  # ONNX Runtime has a class of its own for each kind of failure
            raise _refused(error) from None
        if not set(names) <= taken:
            raise invalid("model", "use all of its inputs", f"no use of {', '.join(sorted(set(names) - taken))}")
        self._names = list(names)

    def __call__(self, points: NamedInputs) -> list[npt.NDArray[Any]]:
        """Return the outputs of a batch."""
        tensors = [points] if isinstance(points, Tensor) else [points[name] for name in self._names]
        given = {name: tensor.detach().cpu().numpy() for name, tensor in zip(self._names, tensors, strict=True)}
        try:
            return [np.asarray(output) for output in self._session.run(None, given)]
        except Exception as error:  # as above
            raise _refused(error) from None


def compare_outputs(
    runner: OnnxRunner,
    outputs_of: Callable[[NamedInputs], list[Tensor]],
    batches: Sequence[NamedInputs],
    type_name: str,
) -> tuple[int, float]:
    """Compare outputs on batches and on random inputs; return the number of inputs and the largest difference.

    Raises
    ------
    InvalidArgumentError
        If they differ by more than the tolerance or are not finite, ONNX Runtime fails, or the model reads numbers that
        depend on its inputs.
    """
    generator = torch.Generator().manual_seed(SEED)
    drawn = [_random_like(batches[0], size, spread, generator) for size, spread in RANDOM_BATCHES]
    n_points, worst, read = 0, 0.0, None
    for batch, what in [*((one, "the example") for one in batches), *((one, "random inputs") for one in drawn)]:
        with _ScalarReads() as scalars:
            wanted = outputs_of(batch)
        if read is not None and read != scalars.values:
            rule, reason = "take the same way for all inputs", "its forward pass reads numbers that depend on them"
            raise invalid("model", rule, type_name, "an ONNX file keeps one way only", reason=reason)
        read = scalars.values
        half = any(one.dtype in (torch.float16, torch.bfloat16) for one in wanted)
        largest = LARGEST_HALF_ERROR if half else LARGEST_ERROR
        error = max([_difference(a, b) for a, b in zip(runner(batch), wanted, strict=True)])
        if not error <= largest:
            rule = f"compute the same in ONNX Runtime, to {largest:g} of its largest output, on {what}"
            remedy = "its outputs must be finite, not depend on chance, and be the same for an input in any batch"
            raise invalid("model", rule, error, remedy)
        n_points, worst = n_points + _length(batch), max(worst, error)
    return n_points, worst


class _ScalarReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the numbers that a forward pass takes out of tensors, as a branch or `item()` does."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.values: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._local_scalar_dense.default:
            self.values.append(result)
        return result


def _difference(found: npt.NDArray[Any], wanted: Tensor) -> float:
    """Return the largest difference relative to the largest entry; infinite if the two cannot be compared."""
    truth = wanted.detach().cpu()
    if found.shape != tuple(truth.shape):
        return float("inf")
    if not truth.is_floating_point():
        return 0.0 if np.array_equal(found, truth.numpy()) else float("inf")
    exact = truth.double().numpy()
    if exact.size == 0:
        return 0.0
    if not (np.isfinite(exact).all() and np.isfinite(found).all()):
        return float("inf")
    gap = float(np.abs(found.astype(np.float64) - exact).max())
    return gap / (float(np.abs(exact).max()) or 1.0)


def _random_like(points: NamedInputs, size: int, spread: float, generator: torch.Generator) -> NamedInputs:
    """Draw inputs entry by entry: normal with the mean and a multiple of the deviation of the example's numbers."""
    if isinstance(points, Tensor):
        return _drawn(points, size, spread, generator)
    return {key: _drawn(value, size, spread, generator) for key, value in points.items()}


def _drawn(points: Tensor, size: int, spread: float, generator: torch.Generator) -> Tensor:
    shape = (size, *points.shape[1:])
    if not points.is_floating_point():  # indices and flags: none beyond those that are there
        low, high = int(points.min()), int(points.max())
        return torch.randint(low, high + 1, shape, generator=generator).to(points.device, points.dtype)
    values = points.detach().double().cpu()
    deviation = float(values.std(correction=0)) or 1.0
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    mean = math.copysign(float(values.mean()), spread * float(values.mean()))
    drawn: Tensor = mean + spread * deviation * noise
    return drawn.to(points.device, points.dtype)


def _length(points: NamedInputs) -> int:
    return len(points if isinstance(points, Tensor) else next(iter(points.values())))


def _refused(error: Exception) -> Exception:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return invalid("model", "be run by ONNX Runtime", type(error).__name__, reason=reason)

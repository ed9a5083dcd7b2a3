"""The certificate of a removal: what the smaller model computes on all the data, and what it costs, beside the old one.

Both models are run on every batch, one after the other, with the same weights in memory: cutting makes new tensors and
writes into none. Multiply-adds are those of all matrix products and convolutions that PyTorch counts. Latency is the
median over passes of the first batch that alternate between the two models, after a pass of each to warm up; it is
what this machine takes, with the threads that PyTorch has here.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_torch.networks.called_batches import batch_tensors
from neurondeath_torch.networks.data_passes import call, device_of, evaluating, keeping_random_state
from neurondeath_torch.networks.input_data import Inputs, input_batches, on_device
from neurondeath_torch.surgery._unit_cutting import Cut, run_outputs

__all__ = ["Certificate", "certify"]

PASSES = 9  # of each model for the latency


@dataclass(frozen=True, kw_only=True)
class Certificate(Result):
    """What a removal changed; pairs are (before, after).

    Attributes
    ----------
    max_difference : float
        Largest absolute difference of an output over all the data; NaN where an output is.
    max_output : float
        Largest absolute output before.
    n_points, n_batches : int
        The data compared.
    parameters : tuple of int
        Parameters, shared ones once.
    bytes : tuple of int
        Bytes of parameters and buffers, shared ones once.
    multiply_adds : tuple of int
        Multiplications of matrix products and convolutions in a pass of the first batch.
    seconds : tuple of float
        Median time of a pass of the first batch.
    first_batch : int
        Points of the first batch.
    device : str
        Where the model ran, with the number of threads on a CPU.
    """

    max_difference: float
    max_output: float
    n_points: int
    n_batches: int
    parameters: tuple[int, int]
    bytes: tuple[int, int]
    multiply_adds: tuple[int, int]
    seconds: tuple[float, float]
    first_batch: int
    device: str

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per quantity."""
        names = ("parameters", "bytes", "multiply_adds", "seconds")
        pairs = [getattr(self, name) for name in names]
        return {
            "quantity": names,
            "before": [before for before, _ in pairs],
            "after": [after for _, after in pairs],
            "ratio": [after / before if before else None for before, after in pairs],
        }

    def __str__(self) -> str:
        old, new = (f"{1e3 * seconds:.3g}" for seconds in self.seconds)
        return (
            f"outputs differ by at most {format_number(self.max_difference, 2)} (largest "
            f"{format_number(self.max_output, 3)}) on all {self.n_points} points; parameters {self.parameters[0]} -> "
            f"{self.parameters[1]}, bytes {self.bytes[0]} -> {self.bytes[1]}, multiply-adds {self.multiply_adds[0]} -> "
            f"{self.multiply_adds[1]}, latency {old} -> {new} ms for {self.first_batch} points on {self.device}"
        )


def certify(model: nn.Module, data: Any, cut: Cut) -> Certificate:
    """Compare a model with what it was before a cut, on all the data.

    Parameters
    ----------
    model : torch.nn.Module
        The model after the cut; unchanged afterwards.
    data : tensor or iterable of batches
        The data, read once.
    cut : Cut
        The cut.
    """
    device, first = device_of(model), None
    difference, largest, points, batches = 0.0, 0.0, 0, 0
    try:
        with keeping_random_state(model):  # a data loader draws a random seed at each iteration
            for batch in input_batches(data):
                inputs = on_device(batch, device)
                first = inputs if first is None else first
                new = run_outputs(model, inputs)
                cut.undo()
                old = run_outputs(model, inputs)
                cut.redo()
                difference, largest = _compared(old, new, difference, largest)
                points, batches = points + _n_points(inputs), batches + 1
        assert first is not None  # no batch is an error of the reader
        costs = [_costs(model, first, swap) for swap in (cut.undo, cut.redo)]
        seconds = _seconds(model, first, (cut.undo, cut.redo))
    finally:
        cut.redo()
    before, after = costs
    return Certificate(
        max_difference=difference,
        max_output=largest,
        n_points=points,
        n_batches=batches,
        parameters=(before[0], after[0]),
        bytes=(before[1], after[1]),
        multiply_adds=(before[2], after[2]),
        seconds=seconds,
        first_batch=_n_points(first),
        device=f"cpu, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device),
    )


def _compared(old: list[Tensor], new: list[Tensor], difference: float, largest: float) -> tuple[float, float]:
    """Extend the largest difference and the largest output by those of a batch."""
    for before, after in zip(old, new, strict=True):
        if before.numel():
            before, after = before.cpu(), after.cpu()
            wide = torch.complex128 if before.is_complex() else torch.float64
            gap = float((after.to(wide) - before.to(wide)).abs().max())
            difference = gap if gap != gap else max(difference, gap)
            largest = max(largest, float(before.to(wide).abs().max()))
    return difference, largest


def _costs(model: nn.Module, inputs: Inputs, swap: Callable[[], None]) -> tuple[int, int, int]:
    """Count parameters, bytes and multiply-adds."""
    from torch.utils.flop_counter import FlopCounterMode  # loads much

    swap()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tensors = [*model.parameters(), *model.buffers()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    with evaluating(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(model, inputs)
    return parameters, size, counter.get_total_flops() // 2


def _seconds(model: nn.Module, inputs: Inputs, swaps: Sequence[Callable[[], None]]) -> tuple[float, float]:
    """Time passes of both models alternately; the first round warms up."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(PASSES + 1):
        for swap, taken in zip(swaps, times, strict=True):
            swap()
            with evaluating(model), torch.no_grad():
                _finish(inputs)
                started = time.perf_counter()
                call(model, inputs)
                _finish(inputs)
                taken.append(time.perf_counter() - started)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def _finish(inputs: Inputs) -> None:
    """Wait for an accelerator."""
    for tensor in batch_tensors(inputs)[:1]:
        if tensor.device.type == "cuda":
            torch.cuda.synchronize(tensor.device)


def _n_points(inputs: Inputs) -> int:
    first = next(iter(batch_tensors(inputs)), None)
    return len(first) if first is not None and first.ndim else 0

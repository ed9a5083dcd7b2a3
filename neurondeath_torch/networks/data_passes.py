"""Run a model over data without changing its mode or the random state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_torch.networks.called_batches import CalledBatch, batch_tensors
from neurondeath_torch.networks.input_data import Inputs, input_batches, on_device

__all__ = ["call", "device_of", "evaluating", "example_inputs", "keeping_random_state", "output_tensors", "run_over"]


def example_inputs(model: nn.Module, data: Any) -> Inputs:
    """Return the first batch of the data, on the model's device."""
    with torch.random.fork_rng(devices=[]):  # a data loader draws a random seed at each iteration
        return on_device(next(input_batches(data)), device_of(model))


def run_over(model: nn.Module, data: Any) -> int:
    """Run all batches through the model without gradients, in evaluation mode; return the number of points."""
    device, count = device_of(model), 0
    with evaluating(model), torch.no_grad(), keeping_random_state(model):
        for inputs in input_batches(data):
            call(model, on_device(inputs, device))
            first = next(iter(batch_tensors(inputs)), None)
            count += len(first) if first is not None and first.ndim else 0
    return count


def call(model: nn.Module, inputs: Inputs) -> Any:
    """Call the model on one batch."""
    if isinstance(inputs, CalledBatch):
        return inputs.run(model, inputs.batch)
    return model(inputs) if isinstance(inputs, Tensor) else model(**inputs)


def output_tensors(output: Any) -> list[Tensor]:
    """Return the tensors of a model's output, in order, whatever containers hold them."""
    return batch_tensors(output)


@contextmanager
def keeping_random_state(model: nn.Module) -> Iterator[None]:
    """Restore on exit the random state of the CPU and of the CUDA devices that hold the model."""
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers()) if tensor.device.type == "cuda"}
    indices = {torch.cuda.current_device() if one.index is None else one.index for one in devices}
    with torch.random.fork_rng(devices=sorted(indices)):
        yield


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, and restore each module's mode on exit."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training

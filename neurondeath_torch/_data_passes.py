"""Run a user's model over a user's data, and refuse clearly what cannot be run or changed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory._validation import check_instance, invalid

__all__ = [
    "call",
    "check_model",
    "device_of",
    "evaluating",
    "example_inputs",
    "input_batches",
    "output_tensors",
    "run_over",
]

# keys of a dict batch that a model's forward does not take
TARGET_KEYS = frozenset({"label", "labels", "target", "targets", "y"})
WRAPPERS = {"DataParallel", "DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule"}
Inputs = Tensor | Mapping[str, Any]


def check_model(model: Any) -> nn.Module:
    """Accept a module whose parameters can be read and changed in place."""
    module = check_instance("model", model, nn.Module, "a torch.nn.Module")
    for part in model.modules():
        kinds = {ancestor.__name__ for ancestor in type(part).__mro__}
        kind = type(part).__name__
        if "OptimizedModule" in kinds or getattr(part, "_compiled_call_impl", None) is not None:
            raise invalid("model", "be the module before torch.compile", kind, "compile it after the method has it")
        if kinds & WRAPPERS:
            raise invalid("model", "be a module on one device", kind, "pass `model.module` before it is wrapped")
    kind = type(model).__name__
    if isinstance(model, torch.jit.ScriptModule):
        raise invalid("model", "be a plain module", kind, "pass the module it was scripted from")
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise invalid("model", "have its shapes", f"lazy `{name}`", "run one batch through it first")
        if parameter.device.type == "meta":
            raise invalid("model", "hold its weights", f"`{name}` on the meta device", "load the weights first")
    return module


def input_batches(data: Any, device: torch.device) -> Iterator[Inputs]:
    """Give the model inputs of a tensor (one batch) or of an iterable of batches, on the model's device.

    A batch is a tensor; a tuple or list, whose first entry is the input; or a mapping, passed to the model by keyword
    without its labels.
    """
    rule = "be a tensor or an iterable of batches"
    if isinstance(data, Tensor):
        yield data.to(device)
        return
    if isinstance(data, Iterator):
        raise invalid("data", "be readable more than once", type(data).__name__, "pass a list or a DataLoader")
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise invalid("data", rule, type(data).__name__, "a batch is a tensor, (inputs, targets) or a dict of tensors")
    for batch in data:
        inputs = batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch
        if isinstance(inputs, Tensor):
            yield inputs.to(device)
        elif isinstance(inputs, Mapping):
            yield {
                key: value.to(device) if isinstance(value, Tensor) else value
                for key, value in inputs.items()
                if key not in TARGET_KEYS
            }
        else:
            raise invalid("data", "hold batches of tensors", type(inputs).__name__, "convert them to torch tensors")


def example_inputs(model: nn.Module, data: Any) -> Inputs:
    """Give the first batch of the data."""
    with torch.random.fork_rng(devices=[]):  # a data loader draws a seed each time it is read
        for inputs in input_batches(data, device_of(model)):
            return inputs
    raise invalid("data", "hold at least one batch", "no batch")


def run_over(model: nn.Module, data: Any) -> int:
    """Run all batches through the model without gradients, in evaluation mode; give their number."""
    batches = 0
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        for inputs in input_batches(data, device_of(model)):
            call(model, inputs)
            batches += 1
    if not batches:
        raise invalid("data", "hold at least one batch", "no batch")
    return batches


def call(model: nn.Module, inputs: Inputs) -> Any:
    """Call the model on one batch."""
    return model(inputs) if isinstance(inputs, Tensor) else model(**inputs)


def output_tensors(output: Any) -> list[Tensor]:
    """Give the tensors of a model's output, whatever holds them, in order."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return [tensor for entry in output for tensor in output_tensors(entry)]
    return []


def device_of(model: nn.Module) -> torch.device:
    """Give the device of the model's first parameter."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, and each back in its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training

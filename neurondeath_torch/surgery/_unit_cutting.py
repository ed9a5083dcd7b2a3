"""Cut units out of a model as one transaction: the model and its optimiser are either fully updated or unchanged."""

import math
from collections.abc import Callable, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.data_passes import call, evaluating, output_tensors
from neurondeath_torch.networks.input_data import Inputs
from neurondeath_torch.surgery.optimiser_state import check_entries, check_optimiser, replace_parameters
from neurondeath_torch.surgery.unit_coupling import Coupling, CouplingGraph, Replaced

__all__ = ["Cut", "cut_units", "run_outputs"]


class Cut(NamedTuple):
    """A finished cut: the largest relative change of an output, and how to go back to the uncut model and forth."""

    deviation: float
    undo: Callable[[], None]
    redo: Callable[[], None]


def cut_units(
    model: nn.Module,
    graph: CouplingGraph,
    plan: Sequence[tuple[Coupling, npt.NDArray[np.int64]]],
    inputs: Inputs,
    optimiser: torch.optim.Optimizer | None,
    *,
    same_function: bool,
) -> Cut:
    """Cut units, check the outputs of the model, and only then update the optimiser.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    graph : CouplingGraph
        The graph of the model before the cut.
    plan : sequence of (Coupling, int array)
        The units to cut from each layer.
    inputs : Tensor or mapping
        A batch to compare outputs on.
    optimiser : torch.optim.Optimizer or None
        Updated to hold the new parameters.
    same_function : bool
        Whether the outputs must stay equal up to rounding; if not, only their shapes.

    Returns
    -------
    Cut
        With the largest change of an output relative to the largest output.
    """
    if optimiser is not None:
        check_entries(check_optimiser(optimiser, model), list(model.parameters()))
    outputs = run_outputs(model, inputs)
    restore = _snapshot(model)
    replaced: Replaced = {}
    try:
        for coupling, gone in plan:
            if len(gone):
                _chain(replaced, graph.cut(model.get_submodule(coupling.layer), gone))
        deviation = _deviation(outputs, run_outputs(model, inputs))
        if same_function and not deviation <= _tolerance(outputs):
            rule = "compute the same without its dead units"
            remedy = "it contains a function across units; choose other layers with layers="
            raise invalid("model", rule, f"outputs changed by {deviation:.2g}", remedy)
    except RuntimeError as error:
        restore()
        remedy = "its forward contains a fixed number of units; choose other layers with layers="
        raise invalid("model", "run with fewer units", str(error).splitlines()[0], remedy) from error
    except BaseException:
        restore()
        raise
    if optimiser is not None:
        replace_parameters(optimiser, replaced)
    return Cut(deviation, restore, _snapshot(model))


def _chain(replaced: Replaced, more: Replaced) -> None:
    """Merge new cuts; a parameter that is cut twice is mapped from the one that the optimiser holds."""
    newest = {new: old for old, (new, _) in replaced.items()}
    for old, (new, positions) in more.items():
        first = newest.get(old, old)
        replaced[first] = (new, replaced[first][1][positions] if first is not old else positions)


def run_outputs(model: nn.Module, inputs: Inputs) -> list[Tensor]:
    """Run a batch in evaluation mode, without gradients, and return copies of the outputs."""
    with evaluating(model), torch.no_grad():
        return [tensor.detach().clone() for tensor in output_tensors(call(model, inputs))]


def _deviation(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Compute the largest change of an output relative to the largest output."""
    worst = 0.0
    for old, new in zip(before, after, strict=True):
        if old.shape != new.shape:
            rule = "keep the shape of its outputs"
            raise invalid("model", rule, f"{tuple(new.shape)} instead of {tuple(old.shape)}", "name other layers")
        if old.numel() and old.is_floating_point():
            scale = max(float(old.abs().max()), torch.finfo(torch.float32).tiny)
            gap = float((new.cpu().double() - old.cpu().double()).abs().max()) / scale
            worst = gap if math.isnan(gap) else max(worst, gap)
            if math.isnan(worst):
                break
    return worst


def _tolerance(outputs: Sequence[Tensor]) -> float:
    """Return a tolerance for rounding through many layers, far below the contribution of a live unit."""
    kinds = [torch.finfo(tensor.dtype).eps for tensor in outputs if tensor.is_floating_point()]
    return math.sqrt(max(kinds, default=0.0))


def _snapshot(model: nn.Module) -> Callable[[], None]:
    """Save every module's attributes, which suffices since cutting replaces tensors and never writes into them."""
    saved = [
        (module, copy(module.__dict__), copy(module._parameters), copy(module._buffers)) for module in model.modules()
    ]

    def restore() -> None:
        for module, attributes, parameters, buffers in saved:
            module.__dict__.clear()
            module.__dict__.update(attributes)
            module._parameters.clear()
            module._parameters.update(parameters)
            module._buffers.clear()
            module._buffers.update(buffers)

    return restore

"""Remove units permanently: smaller tensors instead of masks, and the same function.

Removing a unit removes the row and bias that write it, its normalisation parameters and statistics, the columns that
read it and all their optimiser state, also through residual connections. A unit is dead when every layer that reads it
always receives zero from it on the data: then the network computes the same on the data without it. `remove_dead_units`
tests this for each reading layer; it keeps a unit that is inactive but read as a nonzero constant (batch norm after the
activation) or that shares its channel with live ones (a residual stream), and reports the reason.

The layers of the model are changed in place and get new Parameter objects; an optimiser that is passed is updated.
Other references to the old parameters (a list for gradient clipping, an average of the weights) must be rebuilt.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, check_flag, invalid
from neurondeath_torch.networks.data_passes import example_inputs
from neurondeath_torch.networks.model_calls import Call, Outputs, called
from neurondeath_torch.networks.model_checks import check_model, original_model
from neurondeath_torch.networks.name_patterns import check_patterns, is_pattern, matching_names
from neurondeath_torch.networks.unit_activity import MIN_POINTS, measure_activity
from neurondeath_torch.networks.watched_modules import Watch
from neurondeath_torch.networks.weight_layers import is_weight_layer, position_axes
from neurondeath_torch.surgery._unit_cutting import cut_units
from neurondeath_torch.surgery.certificate import Certificate
from neurondeath_torch.surgery.certificate import certify as certified
from neurondeath_torch.surgery.first_firings import FirstFirings
from neurondeath_torch.surgery.unit_coupling import Coupling, CouplingGraph

__all__ = ["Removal", "n_parameters", "remove_dead_units", "remove_units", "unit_indices"]

Units = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Removal(Result):
    """Units removed from a model, one row per layer; layers that write the same units share a row.

    Attributes
    ----------
    layers : tuple of str
        Names of the layers that write units, joined by " + " where several write the same ones.
    units_before : tuple of int
        Units of each layer before.
    removed : tuple of int arrays
        Units removed from each layer, by their indices before the removal.
    dead_kept : tuple of int
        Dead units of each layer that were kept.
    reasons : tuple of str
        Why they were kept; empty if none was.
    parameters_before, parameters_after : int
        Parameters of the whole model.
    deviation : float
        Largest change of an output on the first batch, relative to the largest output.
    certificate : Certificate or None
        The comparison of the models on all the data, if it was asked for.
    moved_share : float or None
        Upper limit, with 95 % confidence, of the share of inputs on which a removed unit would have fired, if inputs
        are independent draws like the data (`new_firing_bound`); None where the points of a batch cannot be
        distinguished.
    """

    layers: tuple[str, ...]
    units_before: tuple[int, ...]
    removed: tuple[Units, ...]
    dead_kept: tuple[int, ...]
    reasons: tuple[str, ...]
    parameters_before: int
    parameters_after: int
    deviation: float
    certificate: Certificate | None = None
    moved_share: float | None = None

    @property
    def n_removed(self) -> int:
        """Number of units removed from the model."""
        return sum(len(units) for units in self.removed)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        counts = [len(units) for units in self.removed]
        return {
            "layer": self.layers,
            "units_before": self.units_before,
            "units_after": [before - gone for before, gone in zip(self.units_before, counts, strict=True)],
            "removed": counts,
            "dead_kept": self.dead_kept,
            "reason": self.reasons,
        }

    def __str__(self) -> str:
        kept = sum(self.dead_kept)
        tail = f"; {kept} dead units kept" if kept else ""
        if self.moved_share is not None and self.n_removed:
            tail += f"; at most {format_number(100.0 * self.moved_share, 2)} % of other inputs fire a removed unit"
        tail += f"; {self.certificate}" if self.certificate is not None else ""
        return (
            f"removed {self.n_removed} of {sum(self.units_before)} units, {self.parameters_before} -> "
            f"{self.parameters_after} parameters, outputs changed by at most {format_number(self.deviation, 2)}{tail}"
        )


def remove_dead_units(
    model: nn.Module,
    data: Any,
    *,
    optimiser: torch.optim.Optimizer | None = None,
    layers: str | Iterable[str] | None = None,
    min_points: int = MIN_POINTS,
    watch: Watch = (),
    call: Call | None = None,
    outputs: Outputs | None = None,
    certify: bool = False,
) -> Removal:
    """Remove the units that are dead on the data, without changing the outputs.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place; its mode, dtypes, devices and frozen parameters are kept. Measured in evaluation mode;
        batch-norm statistics are not changed.
    data : Tensor or iterable of batches
        The deciding data: a tensor (one batch), or batches that are tensors, (inputs, targets) or dicts of keyword
        arguments. On other data a removed unit might have been active.
    optimiser : torch.optim.Optimizer, optional
        Its groups and state are updated to the new parameters.
    layers : str or iterable of str, optional
        Only remove units of these layers: names, or patterns such as "encoder.*.fc1".
    min_points : int
        Points that the data must hold at least.
    watch : sequence of str or type
        Names or classes of further modules whose outputs are activations, as in `DeadUnitMonitor`; their dead units
        count among those that were kept. Units are removed whatever holds them at zero.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`; the batch is passed as the data give
        it, on the model's device. By default a tensor, the first entry of a tuple, or a mapping by keyword without its
        labels.
    outputs : str, int or callable, optional
        Which part of what the model returns are its outputs: an entry's name or number, or a function. By default all.
    certify : bool
        Whether to run the model as it was and as it is on all the data, and report the largest difference of their
        outputs, multiply-adds, bytes and latency.

    Returns
    -------
    Removal
        The removed units, and the kept dead units with the reasons.

    Raises
    ------
    InvalidArgumentError
        If the model is compiled, wrapped, lazy or not traceable, the data are too few or not finite, the optimiser's
        state cannot be cut, or the outputs would change (a function across units that no graph shows); the model is
        then unchanged.

    Notes
    -----
    The output layer keeps its units and every layer keeps at least one. Outputs agree up to rounding, since sums of
    fewer terms round differently: about 1e-6 relative in float32. Feed-forward units of transformers are removed as
    well; a model of Hugging Face transformers that has lost units is loaded by `load_shrunk` into one built from its
    configuration, since the configuration has one width for all its layers.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.fill_(1.0), model[0].bias.copy_(torch.tensor([0.5, -9.0, 0.5]))
    >>> removal = remove_dead_units(model, torch.rand(32, 2))
    >>> removal.removed[0].tolist(), model[0].out_features, model[2].in_features
    ([1], 2, 2)
    """
    model = check_model(original_model(model))
    least = check_count("min_points", min_points)
    check_flag("certify", certify)
    data = called(model, data, call, outputs)
    inputs = example_inputs(model, data)
    graph = CouplingGraph(model, inputs)
    couplings = _chosen(graph, model, layers)
    zero, dead_layers, firsts = _silent_inputs_and_dead_units(model, couplings, data, least, watch)
    plan, kept, reasons = [], [], []
    for coupling in couplings:
        silent = _read_as_zero(coupling, zero)
        gone = np.flatnonzero(silent) if not coupling.obstacle else np.array([], dtype=np.int64)
        if len(gone) == coupling.n_units:
            gone = gone[1:]
        dead = np.zeros(coupling.n_units, dtype=bool)
        for writer in coupling.writers:  # where several layers write a unit, one dead writer suffices
            if writer.name in dead_layers:
                dead[writer.units[dead_layers[writer.name][writer.channels]]] = True
        dead[gone] = False
        plan.append((coupling, gone))
        kept.append(int(dead.sum()))
        if not dead.any():
            reasons.append("")
        elif coupling.obstacle:
            reasons.append(coupling.obstacle)
        elif silent[dead].all():
            reasons.append("a layer keeps at least one unit")
        else:
            reasons.append("a layer that reads it receives nonzero values from its channel")
    share = firsts.moved_share(coupling for coupling in couplings if not coupling.obstacle)  # whatever was found
    before = n_parameters(model)
    cut = cut_units(model, graph, plan, inputs, optimiser, same_function=True)
    certificate = certified(model, data, cut) if certify else None
    result = _removal(model, plan, before, cut.deviation, kept, reasons, certificate)
    return replace(result, moved_share=share)


def remove_units(
    model: nn.Module,
    units: Mapping[str, Any],
    *,
    data: Any,
    optimiser: torch.optim.Optimizer | None = None,
    call: Call | None = None,
    outputs: Outputs | None = None,
) -> Removal:
    """Remove chosen units, dead or not, with all their weights.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    units : mapping
        Layer name -> unit indices, or one boolean per unit.
    data : Tensor or iterable of batches
        The first batch is used to trace the model.
    optimiser : torch.optim.Optimizer, optional
        Its groups and state are updated to the new parameters.
    call, outputs
        As for `remove_dead_units`.

    Returns
    -------
    Removal
        The removed units; `deviation` is the largest change of an output.

    Raises
    ------
    InvalidArgumentError
        If a layer does not exist, its units cannot be removed (output layer, layer norm, grouped convolution, tied
        weights), an index is out of range or no unit would be left; the model is then unchanged.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> removal = remove_units(model, {"0": [0, 2]}, data=torch.rand(8, 2))
    >>> removal.parameters_before, removal.parameters_after, model[2].weight.shape
    (13, 5, torch.Size([1, 1]))
    """
    model = check_model(original_model(model))
    inputs = example_inputs(model, called(model, data, call, outputs))
    graph = CouplingGraph(model, inputs)
    plan = []
    for coupling in _chosen(graph, model, units, "units"):
        if coupling.obstacle:
            raise invalid("units", "name layers whose units can be removed", coupling.layer, coupling.obstacle)
        gone = unit_indices(f"units[{coupling.layer!r}]", units[coupling.layer], coupling.n_units)
        if len(gone) == coupling.n_units:
            raise invalid("units", "leave each layer at least one unit", f"all {len(gone)} of `{coupling.layer}`")
        plan.append((coupling, gone))
    before = n_parameters(model)
    cut = cut_units(model, graph, plan, inputs, optimiser, same_function=False)
    return _removal(model, plan, before, cut.deviation, [0] * len(plan), [""] * len(plan))


def unit_indices(name: str, units: Any, n_units: int) -> Units:
    """Convert unit indices, or one boolean per unit, to sorted indices.

    Examples
    --------
    >>> unit_indices("units", [True, False, True], 3).tolist(), unit_indices("units", [2, 2], 3).tolist()
    ([0, 2], [2])
    """
    array = np.asarray(units.cpu() if isinstance(units, Tensor) else units)
    if array.dtype == bool and array.shape == (n_units,):
        return np.flatnonzero(array)
    if array.size == 0:
        return np.array([], dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= n_units:
        raise invalid(name, f"hold indices from 0 to {n_units - 1}, or {n_units} booleans", units)
    return np.unique(array).astype(np.int64)


def _chosen(
    graph: CouplingGraph, model: nn.Module, layers: str | Iterable[str] | None, name: str = "layers"
) -> list[Coupling]:
    """Return the couplings of the named layers, of those that fit a pattern, or of all layers."""
    patterns = check_patterns(name, layers)
    if patterns is None:
        return list(graph.couplings())
    modules = dict(model.named_modules())
    every = [layer for layer, module in modules.items() if is_weight_layer(module) and graph.calls(module)]
    chosen: dict[str, Coupling] = {}
    for one in patterns:
        found = matching_names(name, [one], every) if is_pattern(one) else [one]
        for layer in found:
            if not is_weight_layer(modules.get(layer)):
                raise invalid(name, "name linear or convolution layers", layer, "see model.named_modules()")
            coupling = graph.coupling(modules[layer])
            writers = {part.name for part in coupling.writers}
            twin = next((c.layer for c in chosen.values() if writers & {part.name for part in c.writers}), None)
            if twin is None:
                chosen[layer] = coupling
            elif not is_pattern(one):
                raise invalid(name, "name one of the layers that write the same units", f"{twin} and {layer}")
    return list(chosen.values())


def _silent_inputs_and_dead_units(
    model: nn.Module, couplings: Sequence[Coupling], data: Any, min_points: int, watch: Watch
) -> tuple[dict[nn.Module, npt.NDArray[np.bool_]], dict[str, npt.NDArray[np.bool_]], FirstFirings]:
    """Find in one pass the input channels of the reading layers that are zero on all the data, and the dead units.

    Reading layers that are not called as modules are left out and count as receiving nonzero values.
    """
    nonzero: dict[nn.Module, Tensor] = {}
    firsts = FirstFirings()

    def look(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        inputs = (arguments[0] if arguments else next(iter(keywords.values()))).detach()
        axis = inputs.dim() - 1 - position_axes(module)
        firsts.see(module, inputs, axis)
        rows = inputs.movedim(axis, 0).flatten(1)
        seen = (rows != 0).any(1)  # NaN is not zero
        nonzero[module] = nonzero[module] | seen if module in nonzero else seen

    readers = {part.module for coupling in couplings for part in coupling.readers}
    handles = [module.register_forward_pre_hook(look, with_kwargs=True) for module in readers]
    handles.append(model.register_forward_pre_hook(firsts.begin, with_kwargs=True, prepend=True))
    try:
        activity = measure_activity(model, data, required=False, min_points=min_points, watch=watch)
    finally:
        for handle in handles:
            handle.remove()
    zero = {module: ~seen.cpu().numpy() for module, seen in nonzero.items()}
    return zero, {name: ~seen.active.cpu().numpy() for name, seen in activity.items()}, firsts


def _read_as_zero(coupling: Coupling, zero: Mapping[nn.Module, npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    """Return, for each unit, whether every layer that reads it receives only zeros."""
    silent = np.full(coupling.n_units, bool(coupling.readers))
    for reader in coupling.readers:
        if reader.module in zero:
            np.logical_and.at(silent, reader.units, zero[reader.module][reader.channels])
        else:
            silent[reader.units] = False
    return silent


def n_parameters(model: nn.Module) -> int:
    """Count the parameters of a model, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _removal(
    model: nn.Module,
    plan: Sequence[tuple[Coupling, Units]],
    parameters_before: int,
    deviation: float,
    dead_kept: Sequence[int],
    reasons: Sequence[str],
    certificate: Certificate | None = None,
) -> Removal:
    return Removal(
        layers=tuple(" + ".join(part.name for part in coupling.writers) for coupling, _ in plan),
        units_before=tuple(coupling.n_units for coupling, _ in plan),
        removed=tuple(gone for _, gone in plan),
        dead_kept=tuple(dead_kept),
        reasons=tuple(reasons),
        parameters_before=parameters_before,
        parameters_after=n_parameters(model),
        deviation=deviation,
        certificate=certificate,
    )

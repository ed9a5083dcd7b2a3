"""Reset units in place: new incoming weights, neutral normalisation, zero outgoing weights, no optimiser memory.

A reset unit starts as in a newly initialised network, except that its outgoing weights are zero, so that a dead unit
becomes active without changing the outputs; the optimiser's momentum and second moments of all these weights are set to
zero, since they belong to the old unit. Parameters remain the same objects.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid
from neurondeath_torch.networks.data_passes import example_inputs
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.model_checks import check_model, original_model
from neurondeath_torch.networks.sparse_codes import TiedLinear
from neurondeath_torch.networks.weight_layers import is_transposed_linear, is_weight_layer, unit_axis
from neurondeath_torch.surgery.optimiser_state import check_entries, check_optimiser, clear_entries
from neurondeath_torch.surgery.removal import unit_indices
from neurondeath_torch.surgery.unit_coupling import Coupling, CouplingGraph, Part

__all__ = ["Reset", "UnitResetter", "reset_plan", "reset_units", "selected_entries", "stream_seed"]

Units = npt.NDArray[np.int64]

CONV1D_STD = 0.02  # of the weights of a Conv1D of transformers


@dataclass(frozen=True, kw_only=True)
class Reset(Result):
    """Units that were reset, one row per requested layer.

    Attributes
    ----------
    layers : tuple of str
        Names of the layers.
    units : tuple of int arrays
        Units that were reset; without those that share a channel of another layer with units that stay (pixels of a
        channel).
    weights : tuple of int
        Number of incoming weights that were redrawn.
    reasons : tuple of str
        Why a layer, or some of its chosen units, were left unchanged; empty otherwise.
    """

    layers: tuple[str, ...]
    units: tuple[Units, ...]
    weights: tuple[int, ...]
    reasons: tuple[str, ...]

    @property
    def n_reset(self) -> int:
        """Number of units that were reset."""
        return sum(len(units) for units in self.units)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per layer."""
        return {
            "layer": self.layers,
            "reset": [len(units) for units in self.units],
            "weights": self.weights,
            "reason": self.reasons,
        }

    def __str__(self) -> str:
        alone = sum(bool(why) and not len(units) for why, units in zip(self.reasons, self.units, strict=True))
        return f"reset {self.n_reset} units" + (f"; left {alone} layers alone" if alone else "")


def reset_units(
    model: nn.Module,
    units: Mapping[str, Any],
    *,
    data: Any,
    optimiser: torch.optim.Optimizer | None = None,
    initialise: Callable[[nn.Module], Any] | None = None,
    outgoing: str = "zero",
    seed: int = 0,
    call: Call | None = None,
) -> Reset:
    """Reset units and their optimiser state.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place; parameters remain the same objects.
    units : mapping
        Layer name -> unit indices, or one boolean per unit.
    data : Tensor or iterable of batches
        The first batch is used to trace which weights read the units.
    optimiser : torch.optim.Optimizer, optional
        Its state of the incoming, normalisation and outgoing weights is set to zero.
    initialise : callable, optional
        Draws all parameters of a copy of the layer, from which the rows of the units are taken; the layer's own
        `reset_parameters()` if not given.
    outgoing : {"zero", "keep"}
        Whether to set the outgoing weights to zero or keep them; those of a `TiedLinear` can only be kept, and are the
        new incoming ones.
    seed : int
        Seed of the new weights; PyTorch's own generators are not changed.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`; the batch is passed as the data give
        it, on the model's device. By default a tensor, the first entry of a tuple, or a mapping by keyword without its
        labels.

    Returns
    -------
    Reset
        The units that were reset. Layers whose units are also written by other layers (residual streams), are returned
        by the model or have shared or computed weights are left unchanged, with the reason; so are units that share a
        channel of a layer that reads or normalises them with units that stay.

    Raises
    ------
    InvalidArgumentError
        If a layer does not exist, an index is out of range, or the model cannot be traced.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> with torch.no_grad():
    ...     model[0].weight[1] = 0.0
    >>> print(reset_units(model, {"0": [1]}, data=torch.rand(8, 2)))
    reset 1 units
    >>> bool(model[0].weight[1].any()), model[2].weight[0, 1].item()
    (True, 0.0)
    """
    return UnitResetter(model, data, call=call).reset(
        units, optimiser=optimiser, initialise=initialise, outgoing=outgoing, seed=seed
    )


class UnitResetter:
    """Resets units of a model again and again, tracing it only once; its layers must stay as they are.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    data : Tensor or iterable of batches
        The first batch is used to trace which weights read the units.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`.

    Raises
    ------
    InvalidArgumentError
        If the model cannot be traced.
    """

    def __init__(self, model: nn.Module, data: Any, *, call: Call | None = None) -> None:
        self._model = model = check_model(original_model(model))
        self._graph = CouplingGraph(model, example_inputs(model, called(model, data, call)))
        self._couplings: dict[str, Coupling] = {}

    def coupling(self, layer: str) -> Coupling:
        """Return all that belongs to the units of a layer."""
        if layer not in self._couplings:
            module = dict(self._model.named_modules()).get(layer)
            if module is None or not is_weight_layer(module):
                raise invalid("units", "name linear or convolution layers", layer, "see model.named_modules()")
            self._couplings[layer] = self._graph.coupling(module)
        return self._couplings[layer]

    def obstacle(self, layer: str, *, zero_outgoing: bool = True) -> str:
        """Return why the units of a layer cannot be reset; empty if they can."""
        return _obstacle(self.coupling(layer), zero_outgoing)

    def plan(self, units: Mapping[str, Any], *, zero_outgoing: bool) -> list[tuple[Coupling, Units, str]]:
        """Return, for every layer, its coupling, the units that can be reset, and why others cannot."""
        plan: list[tuple[Coupling, Units, str]] = []
        for name in units:
            coupling, obstacle = self.coupling(name), self.obstacle(name, zero_outgoing=zero_outgoing)
            chosen = unit_indices(f"units[{name!r}]", units[name], coupling.n_units)
            alone, shared = (chosen, "") if obstacle else _with_own_channels(coupling, chosen)
            plan.append((coupling, chosen[:0] if obstacle else alone, obstacle or shared))
        return plan

    def reset(
        self,
        units: Mapping[str, Any],
        *,
        optimiser: torch.optim.Optimizer | None = None,
        initialise: Callable[[nn.Module], Any] | None = None,
        outgoing: str = "zero",
        seed: int = 0,
    ) -> Reset:
        """Reset units and their optimiser state; arguments, result and errors are those of `reset_units`."""
        check_choice("outgoing", outgoing, ("zero", "keep"))
        check_count("seed", seed, least=0)
        if optimiser is not None:
            check_entries(check_optimiser(optimiser, self._model), list(self._model.parameters()))
        plan = self.plan(units, zero_outgoing=outgoing == "zero")
        drawn = []
        for number, (coupling, chosen, _) in enumerate(plan):
            if not len(chosen):
                drawn.append(0)
                continue
            drawn.append(_draw(coupling, chosen, optimiser, initialise, seed=stream_seed(seed, number)))
        for coupling, chosen, _ in plan:  # after all draws, which also redraw weights that read other reset units
            if outgoing == "zero" and len(chosen):
                for reader in coupling.readers:
                    columns = reader.channels[np.isin(reader.units, chosen)]
                    _fill(reader, columns, 1 - unit_axis(reader.module), optimiser)
        return Reset(
            layers=tuple(coupling.layer for coupling, _, _ in plan),
            units=tuple(chosen for _, chosen, _ in plan),
            weights=tuple(drawn),
            reasons=tuple(obstacle for _, _, obstacle in plan),
        )


def reset_plan(
    model: nn.Module, units: Mapping[str, Any], data: Any, *, zero_outgoing: bool
) -> list[tuple[Coupling, Units, str]]:
    """Return the plan of a `UnitResetter` that is used once."""
    return UnitResetter(model, data).plan(units, zero_outgoing=zero_outgoing)


def stream_seed(*numbers: int) -> int:
    """Hash numbers to a seed that differs from small seeds, with which the model itself may have been drawn."""
    return int(np.random.SeedSequence(numbers, spawn_key=(len(numbers),)).generate_state(1, np.uint64)[0] >> 1)


def _obstacle(coupling: Coupling, zero_outgoing: bool) -> str:
    others = [part.name for part in coupling.writers if part.name != coupling.layer]
    if not coupling.obstacle and others:
        return f"its units are written by `{others[0]}` too"
    tied = [part.name for part in coupling.readers if isinstance(part.module, TiedLinear)]
    if not coupling.obstacle and zero_outgoing and tied:
        return f"`{tied[0]}` reads its units by their incoming weights, which cannot be both new and zero"
    return coupling.obstacle


def _with_own_channels(coupling: Coupling, chosen: Units) -> tuple[Units, str]:
    """Leave out units that share a channel, of a layer that reads or normalises them, with units that stay."""
    reason = ""
    for _ in range(coupling.n_units):
        for part in (*coupling.readers, *coupling.norms):
            stays = ~np.isin(part.units, chosen)
            mixed = np.isin(part.channels, part.channels[stays]) & ~stays
            if mixed.any():
                left = np.unique(part.units[mixed])
                reason = f"{len(left)} of its units share channels of `{part.name}` with units that stay"
                chosen = np.setdiff1d(chosen, left)
                break
        else:
            return chosen, reason
    return chosen, reason


@torch.no_grad()
def _draw(
    coupling: Coupling,
    units: Units,
    optimiser: torch.optim.Optimizer | None,
    initialise: Callable[[nn.Module], Any] | None,
    *,
    seed: int,
) -> int:
    """Redraw the rows of units and make their normalisation neutral; return the number of weights drawn."""
    layer = coupling.writers[0].module
    fresh = deepcopy(layer)
    device = next(layer.parameters()).device
    # drawn on the CPU: the same numbers on every device, and no other generator is changed
    fresh = fresh.cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        (initialise or _draw_again)(fresh)
    fresh = fresh.to(device)
    axis = unit_axis(layer)
    drawn = 0
    for name, parameter in layer.named_parameters(recurse=False):
        rows = selected_entries(parameter, units, axis if parameter.dim() > 1 else 0)
        parameter.copy_(torch.where(rows, dict(fresh.named_parameters(recurse=False))[name], parameter))
        drawn += int(rows.expand_as(parameter).sum()) if name == "weight" else 0
        if optimiser is not None:
            clear_entries(optimiser, parameter, rows)
    for part in coupling.norms:
        channels = part.channels[np.isin(part.units, units)]
        if isinstance(part.module, _NormBase):
            neutral = {"weight": 1.0, "running_var": 1.0, "bias": 0.0, "running_mean": 0.0}
            for name, value in neutral.items():
                tensor = getattr(part.module, name)
                if tensor is not None:
                    rows = selected_entries(tensor, channels, 0)
                    tensor.masked_fill_(rows, value)
                    if optimiser is not None and isinstance(tensor, nn.Parameter):
                        clear_entries(optimiser, tensor, rows)
    return drawn


def _draw_again(layer: nn.Module) -> None:
    """Draw a layer's parameters as the layer itself does; a Conv1D as transformers does."""
    if is_transposed_linear(layer):
        nn.init.normal_(layer.weight, std=CONV1D_STD)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    else:
        layer.reset_parameters()  # type: ignore[operator]


@torch.no_grad()
def _fill(part: Part, channels: Units, axis: int, optimiser: torch.optim.Optimizer | None) -> None:
    weight: nn.Parameter = part.module.weight  # type: ignore[assignment]
    columns = selected_entries(weight, channels, axis)
    weight.masked_fill_(columns, 0.0)
    if optimiser is not None:
        clear_entries(optimiser, weight, columns)


def selected_entries(tensor: Tensor, entries: Units, axis: int) -> Tensor:
    """Return a mask of entries along one axis, in a shape that broadcasts to the tensor's."""
    mask = torch.zeros(tensor.shape[axis], dtype=torch.bool, device=tensor.device)
    mask[torch.from_numpy(entries).to(tensor.device)] = True
    return mask.view([-1 if i == axis else 1 for i in range(tensor.dim())])

"""What the units of a model send to the layers that read them, batch by batch, while it trains.

Hooks on the reading layers see their inputs in training mode, so that no pass over further data is needed; a unit that
is read through pooling, normalisation or flattening is followed by the channels that its readers see. Copies of the
model, in memory or in files, have no working hooks.
"""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.data_passes import call, evaluating, example_inputs
from neurondeath_torch.networks.unit_activity import measure_activity
from neurondeath_torch.networks.weight_layers import unit_axis
from neurondeath_torch.surgery.resetting import UnitResetter
from neurondeath_torch.surgery.unit_coupling import Part

__all__ = ["Sent", "UnitTraffic"]


@dataclass(frozen=True)
class Sent:
    """What the units of one layer sent since the last look; tensors of shape (n_units,).

    Parameters
    ----------
    contribution : float Tensor
        Sum over all that reads a unit of mean |input| times the sum of the absolute weights that read it.
    fired : bool Tensor
        Units that sent something other than zero at least once.
    """

    contribution: Tensor
    fired: Tensor


class UnitTraffic:
    """Observer of the layers that read units.

    Parameters
    ----------
    model : torch.nn.Module
        The model; hooks remain on it until this object is deleted.
    data : Tensor or iterable of batches
        Deciding data, to trace the model and to find the layers that an activation follows.
    resetter : UnitResetter
        The model's couplings.
    layers : iterable of str, optional
        Only these layers; all that an activation follows if not given.

    Raises
    ------
    InvalidArgumentError
        If no layer has units that can be reset and are read by layers that are called as modules.
    """

    def __init__(
        self, model: nn.Module, data: Any, resetter: UnitResetter, layers: Iterable[str] | None = None
    ) -> None:
        chosen = None if layers is None else list(layers)
        self.left_alone: dict[str, str] = {}
        self._readers: dict[str, list[Part]] = {}
        for layer in measure_activity(model, data, chosen):
            obstacle = resetter.obstacle(layer)
            if obstacle:
                self.left_alone[layer] = obstacle
            else:
                self._readers[layer] = resetter.coupling(layer).readers
        self._seen: dict[nn.Module, _Inputs] = {}
        self._always = True
        for module in dict.fromkeys(part.module for parts in self._readers.values() for part in parts):
            handle = module.register_forward_pre_hook(_Tap(self), with_kwargs=True)
            weakref.finalize(self, handle.remove)
        with evaluating(model), torch.no_grad():
            call(model, example_inputs(model, data))
        for layer, parts in list(self._readers.items()):
            unseen = next((part.name for part in parts if part.module not in self._seen), None)
            if unseen is not None:
                self.left_alone[layer] = f"`{unseen}`, which reads its units, is not called as a module"
                del self._readers[layer]
        self._always = False
        self._seen.clear()
        self._weights = [(part.module, part.module.weight) for parts in self._readers.values() for part in parts]
        if not self._readers:
            raise invalid("layers", "name layers whose units can be reset", chosen or "all", str(self.left_alone))

    @property
    def layers(self) -> list[str]:
        """Names of the layers."""
        return list(self._readers)

    @property
    def is_intact(self) -> bool:
        """Whether the readers still hold the parameters that they had at the start."""
        return all(module.weight is weight for module, weight in self._weights)

    def n_units(self, layer: str) -> int:
        """Count the units of a layer."""
        return 1 + max(int(part.units.max()) for part in self._readers[layer])

    @torch.no_grad()
    def take(self) -> dict[str, Sent]:
        """Return what was sent since the last call, by layer; nothing if no batch was seen in training mode."""
        if not self._seen:
            return {}
        sent = {}
        for layer, parts in self._readers.items():
            device = next(parts[0].module.parameters()).device
            contribution = torch.zeros(self.n_units(layer), dtype=torch.float32, device=device)
            fired = torch.zeros(self.n_units(layer), dtype=torch.float32, device=device)
            for part in parts:
                seen = self._seen.get(part.module)
                if seen is None:
                    continue
                axis = 1 - unit_axis(part.module)
                weight = part.module.weight
                assert isinstance(weight, nn.Parameter)  # a coupling with computed weights has an obstacle
                size = weight.detach().float().abs().transpose(0, axis).flatten(1).sum(1)
                units, channels = (torch.from_numpy(index).to(device) for index in (part.units, part.channels))
                contribution.index_add_(0, units, (seen.total / seen.count * size)[channels])
                fired.index_add_(0, units, seen.active.float()[channels])
            sent[layer] = Sent(contribution, fired > 0)
        self._seen = {}
        return sent

    @torch.no_grad()
    def _look(self, module: nn.Module, inputs: Tensor) -> None:
        if not self._always and not module.training:
            return
        spatial = 0 if isinstance(module, nn.Linear) else len(module.kernel_size)  # type: ignore[arg-type]
        columns = inputs.detach().movedim(inputs.dim() - 1 - spatial, -1).flatten(0, -2).float().abs()
        seen = self._seen.setdefault(module, _Inputs())
        seen.total = seen.total + columns.sum(0)
        seen.active = seen.active | (columns != 0).any(0)
        seen.count += len(columns)


@dataclass
class _Inputs:
    """Sums over the inputs of one reading layer; tensors of shape (n_channels,)."""

    total: Any = 0.0
    active: Any = False
    count: int = 0


class _Tap:
    """A hook that does not keep its observer alive and does nothing in copies of the model."""

    def __init__(self, traffic: UnitTraffic | None) -> None:
        self._traffic = None if traffic is None else weakref.ref(traffic)

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        traffic = None if self._traffic is None else self._traffic()
        if traffic is not None:
            traffic._look(module, arguments[0] if arguments else keywords["input"])

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Tap":
        return _Tap(None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Tap, (None,)

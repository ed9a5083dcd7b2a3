"""Choose the units to negate: forward passes that record and negate pre-activations of the rectifier layers."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from neurondeath_theory.foundation.errors import AssumptionError
from neurondeath_torch.initialising._followed_by import Site, is_compound
from neurondeath_torch.networks.data_passes import call
from neurondeath_torch.networks.input_data import Points, n_points, on_device, split_points

__all__ = ["FlipRuns", "unit_signs"]

Handler = Callable[[int, torch.Tensor], torch.Tensor]


class _Stop(Exception):  # noqa: N818 - a signal, not an error
    """The target layer has been reached."""


class FlipRuns:
    """Forward passes over all points, with a handler at the pre-activations of every rectifier layer.

    Parameters
    ----------
    model : torch.nn.Module
        The model, in the mode in which it should run; it is not changed.
    sites : sequence of Site
        Its rectifier layers in the order in which they run.
    points : tensor or mapping of tensors
        The points.
    size : int
        Points per forward pass.
    device : torch.device
        Device of the model's inputs.
    """

    def __init__(
        self, model: nn.Module, sites: Sequence[Site], points: Points, size: int, device: torch.device
    ) -> None:
        self.model, self.sites, self.device = model, sites, device
        self.n_points = n_points(points)
        self.chunks = split_points(points, size)

    def living(self) -> list[int]:
        """Count, for each layer, the points at which it and all layers before it are active."""
        counts = [0] * len(self.sites)
        for chunk in self.chunks:
            alive = torch.ones(n_points(chunk), dtype=torch.bool, device=self.device)

            def measure(index: int, z: torch.Tensor) -> torch.Tensor:
                nonlocal alive
                alive = alive.to(z.device) & _active(self.sites[index], z)[0].any(dim=1)
                counts[index] += int(alive.sum())
                return z

            self._run(chunk, measure)
        return counts

    def decide(self, mode: str) -> list[torch.Tensor]:
        """Choose the units to negate layer by layer, each on the outputs of the flipped layers before it."""
        alive = torch.ones(self.n_points, dtype=torch.bool, device=self.device)
        flips: list[torch.Tensor] = []
        if len(self.chunks) == 1:

            def flip(index: int, z: torch.Tensor) -> torch.Tensor:
                nonlocal alive
                flips.append(torch.empty(0, device=self.device))
                alive, flips[index] = _decide(self.sites[index], *_active(self.sites[index], z), alive, mode)
                return _negated(self.sites[index], z, flips[index])

            self._run(self.chunks[0], flip)
            return flips
        for target in range(len(self.sites)):
            seen: list[tuple[torch.Tensor, torch.Tensor]] = []

            def collect(index: int, z: torch.Tensor) -> torch.Tensor:
                if index == target:  # noqa: B023
                    seen.append(_active(self.sites[index], z))  # noqa: B023
                    raise _Stop
                return _negated(self.sites[index], z, flips[index])

            for chunk in self.chunks:
                self._run(chunk, collect)
            positive, negative = (torch.cat(parts) for parts in zip(*seen, strict=True))
            alive, flip_target = _decide(self.sites[target], positive, negative, alive, mode)
            flips.append(flip_target)
        return flips

    def _run(self, chunk: Points, handler: Handler) -> None:
        """Run the model on a chunk; every site must be called once and in order."""
        met = 0

        def hook_of(index: int, site: Site) -> Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]:
            def hook(module: nn.Module, inputs: Any, z: torch.Tensor) -> torch.Tensor:
                nonlocal met
                name = site.layer.name
                if index != met:
                    raise AssumptionError(f"sign_flip_ needs layers that run in one order; {name} runs out of order")
                weight = site.layer.module.weight
                batched = z.ndim == weight.ndim if weight.ndim > 2 else z.ndim > 1
                if not batched or z.shape[0] != n_points(chunk):
                    rule = f"{tuple(z.shape)} for {n_points(chunk)} points"
                    raise AssumptionError(f"sign_flip_ needs outputs with points along axis 0; {name} gives {rule}")
                if not bool(z.isfinite().all()):
                    raise AssumptionError(f"sign_flip_ needs finite pre-activations; {name} gives NaN or infinity")
                met += 1
                return handler(index, z)

            return hook

        handles, norm_calls = [], _NormCalls()
        for index, site in enumerate(self.sites):
            if is_compound(site.norm):
                handles += norm_calls.attach(site.norm, hook_of(index, site))
            else:
                handles.append((site.norm or site.layer.module).register_forward_hook(hook_of(index, site)))
        try:
            with norm_calls:
                call(self.model, on_device(chunk, self.device))
        except _Stop:
            return
        finally:
            for handle in handles:
                handle.remove()
        if met < len(self.sites):
            name = self.sites[met].layer.name
            raise AssumptionError(f"sign_flip_ needs layers that run on all points; {name} was skipped for some")


class _NormCalls(TorchFunctionMode):
    """Apply hooks to what batch norms with modules of their own normalise, before those modules see it."""

    def __init__(self) -> None:
        super().__init__()
        self.hooks: dict[nn.Module, Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]] = {}
        self.within: list[nn.Module] = []

    def attach(self, norm: nn.Module | None, hook: Callable[[nn.Module, Any, torch.Tensor], torch.Tensor]) -> list[Any]:
        """Register a batch norm and its hook."""
        assert norm is not None
        self.hooks[norm] = hook
        return [
            norm.register_forward_pre_hook(lambda module, _: self.within.append(module)),
            norm.register_forward_hook(lambda *_: self.within.pop() and None, always_call=True),
        ]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.within and getattr(func, "__name__", "") == "batch_norm":
            return self.hooks[self.within[-1]](self.within[-1], args, result)
        return result


def _unit_axis(site: Site, z: torch.Tensor) -> int:
    return z.ndim - 1 if isinstance(site.layer.module, nn.Linear) else 1


def _active(site: Site, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where units are active, and where they would be if negated; two arrays of shape (n_points, n_units)."""
    table = z.movedim(_unit_axis(site, z), 1).flatten(start_dim=2) if z.ndim > 2 else z.unsqueeze(2)
    return (table > 0).any(dim=2), (table < 0).any(dim=2)


def _negated(site: Site, z: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
    shape = [1] * z.ndim
    shape[_unit_axis(site, z)] = -1
    return z * unit_signs(flip, z).view(shape)


def unit_signs(flip: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return -1 for the units to negate and 1 for the others, with the dtype and device of `like`."""
    return (1 - 2 * flip.to(torch.int8)).to(like)


def _decide(
    site: Site, positive: torch.Tensor, negative: torch.Tensor, alive: torch.Tensor, mode: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose which units of a layer to negate; return the points alive after it and the choice."""
    alive = alive.to(positive.device)
    n_alive, n_units = int(alive.sum()), positive.shape[1]
    flip = torch.zeros(n_units, dtype=torch.bool, device=positive.device)
    if mode == "layer":
        flip[:] = 2 * int((alive & positive.any(dim=1)).sum()) < n_alive
    else:
        uncovered, left = alive.clone(), n_alive
        for unit in range(n_units):
            if left == 0:
                break
            flip[unit] = negate = 2 * int((uncovered & positive[:, unit]).sum()) < left
            uncovered &= ~(negative if negate else positive)[:, unit]
            left = int(uncovered.sum())
    survivors = alive & torch.where(flip, negative, positive).any(dim=1)
    lost, bearable = n_alive - int(survivors.sum()), n_alive // 2 if mode == "layer" else n_alive >> n_units
    if lost > bearable:
        zero = int((alive & ~(positive | negative).all(dim=1)).sum())
        raise AssumptionError(
            f"sign_flip_ needs nonzero pre-activations, but {site.layer.name} gives exactly 0 at {zero} of {n_alive} "
            "points; leave out zero points, give layers biases, or raise the precision if numbers underflow"
        )
    return survivors, flip

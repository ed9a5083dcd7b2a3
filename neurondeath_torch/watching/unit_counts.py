"""Add up the activity of units over forward passes with few PyTorch calls, which cost more than small layers compute.

Small activations are copied when they are seen, since later operations may overwrite them, and counted together at the
end of the pass, all of one shape in one stack; large ones are counted at once. The sums of activations counted
together lie in one tensor, of which each activation has a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.name_patterns import matches
from neurondeath_torch.networks.pass_listening import Listener
from neurondeath_torch.networks.tensor_flow import Flow, guessed_positions, split_shape
from neurondeath_torch.watching.dead_unit_report import UnitActivity
from neurondeath_torch.watching.definitions import pruned

__all__ = ["UnitCounts"]

MAX_EXACT_FLOAT32_COUNT = 2**24  # float32 counts exactly up to it, and is summed much faster than booleans
SMALL = 2**14  # entries up to which a copy costs less than the calls that count
STACK = 2**15  # entries counted together: what stays in the cache
SUMS = ("n_active", "total_size", "last_fired")


@dataclass
class _Sums:
    """Additive statistics of activations that are counted together; tensors of shape (n_sites, n_units)."""

    n_active: torch.Tensor
    total_size: torch.Tensor
    last_fired: torch.Tensor


@dataclass
class _Site:
    """Statistics of one activation: a row of the sums it lies in, and what is not kept on the device."""

    layer: str | None
    sums: _Sums
    row: int
    n_samples: int = 0
    n_positions: int = 0

    def rows(self) -> dict[str, torch.Tensor]:
        return {name: getattr(self.sums, name)[self.row] for name in SUMS}

    def activity(
        self, name: str, n_batches: int, weights: Mapping[str, tuple[torch.Tensor, bool, int]]
    ) -> UnitActivity:
        rows = self.rows()
        total = rows["total_size"].double().cpu().numpy()
        if not np.isfinite(total).all():
            unit = int(np.flatnonzero(~np.isfinite(total))[0])
            raise invalid(
                "model",
                "have finite activations",
                f"NaN or infinity in {name}, unit {unit}",
                "check the data and weights",
            )
        used = None if self.layer is None else weights.get(self.layer)
        incoming = None if used is None else _weight_rows(*used)
        fits = incoming is not None and len(incoming) == total.size
        return UnitActivity(
            name=name,
            layer=self.layer if fits or used is None else None,
            n_samples=self.n_samples,
            n_positions=self.n_positions,
            n_batches=n_batches,
            n_active=rows["n_active"].cpu().numpy(),
            mean_size=total / max(self.n_positions, 1),
            last_fired=rows["last_fired"].cpu().numpy(),
            pruned=pruned((incoming != 0).flatten(1).any(1, keepdim=True).cpu().numpy())
            if fits and incoming is not None
            else None,
        )


@dataclass
class _Seen:
    """Activations of one shape in a pass: `values` until they are counted, then the counts, a row per activation."""

    shape: tuple[int, int, int, int]
    names: list[str]
    layers: list[str | None]
    values: list[torch.Tensor]
    n_active: torch.Tensor | None = None
    size: torch.Tensor | None = None


class UnitCounts(Listener):
    """Listener that counts the activity of units; a pass is added when it is finished.

    Parameters
    ----------
    threshold : float
        Absolute value above which an activation counts as active.
    layers : sequence of str or None
        Names or patterns of the activations, or their layers, that are counted; None for all.
    """

    outputs_only = True

    def __init__(self, threshold: float, layers: Sequence[str] | None = None) -> None:
        self._layers = layers
        self.left_out: dict[str, None] = {}  # activations that were not asked for
        self.sites: dict[str, _Site] = {}
        self.lost: dict[str, str] = {}  # activations that can no longer be counted, and why
        self.n_batches = 0
        self._threshold = threshold
        self._seen: list[_Seen] = []
        self._open: dict[Any, _Seen] = {}  # those that can still be joined
        self._order: list[str] = []  # names in the order of execution

    def state(self) -> dict[str, Any]:
        """Return the counts as plain numbers and tensors."""
        sites = {
            name: {
                "layer": site.layer,
                "n_samples": site.n_samples,
                "n_positions": site.n_positions,
                **{key: row.detach().to("cpu", copy=True) for key, row in site.rows().items()},
            }
            for name, site in self.sites.items()
        }
        return {"n_batches": self.n_batches, "sites": sites, "lost": dict(self.lost)}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take over the counts of a state."""
        self.n_batches, self.lost = int(state["n_batches"]), dict(state["lost"])
        self.sites = {}
        for name, saved in state["sites"].items():
            sums = _Sums(*(saved[key].detach().to(device, copy=True).unsqueeze(0) for key in SUMS))
            self.sites[name] = _Site(saved["layer"], sums, 0, saved["n_samples"], saved["n_positions"])

    def started(self) -> None:
        """Discard the data of an earlier pass that did not finish."""
        self._seen.clear()
        self._open.clear()
        self._order.clear()

    def activated(self, site: str, h: torch.Tensor, flow: Flow | None) -> None:
        """Copy or count an activation."""
        if self._layers is not None and not matches(self._layers, site, None if flow is None else flow.layer):
            self.left_out[site] = None
            return
        layer, spatial = (None, guessed_positions(h)) if flow is None else (flow.layer, flow.spatial)
        whole = tuple(h.shape)
        self._order.append(site)
        if h.numel() > SMALL:
            seen = _Seen(split_shape(whole, spatial), [site], [layer], [h])
            self._count(seen)
            self._seen.append(seen)
            return
        key = (whole, spatial, h.dtype, h.device)
        joined = self._open.get(key)
        if joined is None:
            joined = _Seen(split_shape(whole, spatial), [], [], [])
            self._open[key] = joined
            self._seen.append(joined)
        joined.names.append(site)
        joined.layers.append(layer)
        joined.values.append(h.clone())
        if len(joined.values) * h.numel() >= STACK:
            self._count(joined)
            del self._open[key]

    def finished(self) -> None:
        """Add the pass to the earlier ones."""
        for seen in self._seen:
            if seen.values:
                self._count(seen)
            self._check(seen)
        self.n_batches += 1
        known = len(self.sites)
        for seen in self._seen:
            self._add(seen)
        if len(self.sites) > known:  # those met first in this pass come last, in the order of execution
            fresh = set(list(self.sites)[known:])
            for name in self._order:
                if name in fresh:
                    self.sites[name] = self.sites.pop(name)
        self.started()
        for name in self.lost:
            self.sites.pop(name, None)

    def _count(self, seen: _Seen) -> None:
        values = torch.stack(seen.values) if len(seen.values) > 1 else seen.values[0].unsqueeze(0)
        samples, tokens, units, positions = seen.shape
        sizes = values.reshape(len(values), samples * tokens, units, positions).abs()
        wide = torch.float32 if sizes.dtype in (torch.float16, torch.bfloat16) else sizes.dtype
        seen.size = _per_unit(sizes, wide)
        active = sizes.sign_() if self._threshold == 0.0 else (sizes > self._threshold).to(wide)
        exact = samples * tokens * positions <= MAX_EXACT_FLOAT32_COUNT
        seen.n_active = _per_unit(active if exact else active.long(), wide).long()
        seen.values = []

    def _check(self, seen: _Seen) -> None:
        """Refuse activations whose number of units changed; forget those whose units no layer is known to make."""
        for name, layer in zip(seen.names, seen.layers, strict=True):
            site = self.sites.get(name)
            if site is None or name in self.lost:
                continue
            before, now = site.sums.n_active.shape[1], seen.shape[2]
            if now == before:
                continue
            if layer is None and site.layer is None:
                self.lost[name] = "no layer is known to make its units, and their number changes"
                continue
            received = f"{before} units at first and {now} now"
            raise invalid("model", f"keep the units of {name}", received, "reset() the monitor after surgery")

    def _add(self, seen: _Seen) -> None:
        samples, tokens, _, positions = seen.shape
        assert seen.n_active is not None
        assert seen.size is not None
        kept = [row for row, name in enumerate(seen.names) if name not in self.lost]
        if not kept:
            return
        n_active, size = seen.n_active, seen.size
        if len(kept) < len(seen.names):
            n_active, size = n_active[kept], size[kept]
        names = [seen.names[row] for row in kept]
        sums = self._sums(names, n_active, size)
        sums.n_active += n_active
        sums.total_size += size
        sums.last_fired.masked_fill_(n_active > 0, self.n_batches)
        for place, row in enumerate(kept):
            name, layer = seen.names[row], seen.layers[row]
            site = self.sites.get(name)
            if site is None:
                site = self.sites[name] = _Site(layer, sums, place)
            elif layer != site.layer:
                site.layer = None
            site.n_samples += samples
            site.n_positions += samples * tokens * positions

    def _sums(self, names: list[str], n_active: torch.Tensor, size: torch.Tensor) -> _Sums:
        """Return the sums whose rows are these activations, in order; gather them first if they lie elsewhere."""
        first = self.sites.get(names[0])
        known = first.sums if first is not None else None
        if (
            known is not None
            and len(known.n_active) == len(names)
            and all(
                (site := self.sites.get(name)) is not None and site.sums is known and site.row == row
                for row, name in enumerate(names)
            )
        ):
            return known
        wide = torch.float32 if size.device.type == "mps" else torch.float64  # MPS has no float64
        sums = _Sums(torch.zeros_like(n_active), torch.zeros_like(size, dtype=wide), torch.zeros_like(n_active))
        for row, name in enumerate(names):
            site = self.sites.get(name)
            if site is None:
                continue
            for key, values in site.rows().items():
                getattr(sums, key)[row] = values
            site.sums, site.row = sums, row
        return sums


def _per_unit(values: torch.Tensor, wide: torch.dtype) -> torch.Tensor:
    """Sum over samples, tokens and positions; first along contiguous memory, which is much faster than in one sum."""
    kind = wide if values.is_floating_point() else values.dtype
    rows = values.sum(3, dtype=kind) if values.shape[3] > 1 else values.squeeze(3)
    return rows.sum(1, dtype=kind)


def _weight_rows(weight: torch.Tensor, transposed: bool, groups: int) -> torch.Tensor:
    """Return incoming weights, one row per unit."""
    if not transposed:
        return weight
    inputs, outputs = weight.shape[:2]  # (inputs, outputs per group, ...)
    grouped = weight.reshape(groups, inputs // groups, outputs, -1).transpose(1, 2)
    return grouped.reshape(groups * outputs, -1)

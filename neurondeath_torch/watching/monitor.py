"""Count dead units of a running model over any number of batches, on the device, by every definition.

    with DeadUnitMonitor(model) as monitor:
        for inputs, _ in loader:
            model(inputs)
    print(monitor.report())

The monitor sees `nn.ReLU` and related modules, the activation modules of `neurondeath_torch`, and activations called as
functions or methods in the model's forward pass (`F.relu`, `torch.relu`, `x.relu_()`, `x.clamp(min=0)`), in place or
not, by a torch-function mode that is active only during the pass. Further modules, such as a top-k module or a GELU
with a threshold, are named in `watch`. Units that other operations hold at zero (`maximum`, `where`, arithmetic such
as `x * (x > 0)`, recurrent cells, a GELU that underflows) are seen where the next weight layer reads them: inputs that
are constant on all data (see `constants`).

A module called twice in a pass gives two activations, `relu` and `relu#2`. A pass that raises an error is not counted.
The model's mode, gradients and outputs are not changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.validation import check_count, check_real, invalid
from neurondeath_torch.networks.data_passes import device_of
from neurondeath_torch.networks.forward_tracing import ForwardTracer, Listener
from neurondeath_torch.networks.model_checks import check_model
from neurondeath_torch.networks.tensor_flow import Flow, split_units
from neurondeath_torch.watching.constants import Constants
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport, UnitActivity
from neurondeath_torch.watching.definitions import pruned

__all__ = ["DeadUnitMonitor"]

STATE = {"threshold", "n_batches", "sites", "lost", "constants"}
MAX_EXACT_FLOAT32_COUNT = 2**24  # float32 counts exactly up to it, and is summed much faster than booleans


class DeadUnitMonitor:
    """Context manager that counts the activity of every unit while the model runs.

    Parameters
    ----------
    model : nn.Module
        The model, which must itself be called, in training or evaluation mode, with or without gradients or autocast.
        Every call is one batch; the first axis of an activation holds the samples.
    threshold : float
        Absolute value above which an activation counts as active, at least 0.
    watch : sequence of str or type
        Names or classes of further modules whose outputs are activations.

    Raises
    ------
    InvalidArgumentError
        If the model's forward pass cannot be traced (compiled, scripted, wrapped, lazy, on the meta device) or a module
        in `watch` does not exist.

    Notes
    -----
    A unit is a channel after a convolution and a feature otherwise. Counts are exact; mean absolute activations are
    summed in the activation's precision, at least float32, within a batch, and in float64 between batches. Three
    numbers per unit are kept on the device; a batch costs a copy and two sums of each activation, and a few
    microseconds per PyTorch call (`benchmarks/monitor_overhead.py`).

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> _ = model.load_state_dict({
    ...     "0.weight": torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), "0.bias": torch.zeros(3),
    ...     "2.weight": torch.ones(1, 3), "2.bias": torch.zeros(1)})
    >>> with DeadUnitMonitor(model) as monitor:
    ...     _ = model(torch.rand(16, 2) + 0.1)
    >>> print(monitor.report())
    1 of 3 units dead on 16 samples, 1 dormant at tau = 0, in 1 activations
    >>> monitor.report().dead_units()["1"].tolist()
    [False, False, True]
    """

    def __init__(
        self, model: nn.Module, *, threshold: float = 0.0, watch: Sequence[str | type[nn.Module]] = ()
    ) -> None:
        self._model = check_model(model)
        self._threshold = check_real("threshold", threshold, low=0.0)
        self._watch = _watched(model, watch)
        self._counts = _Counts(self._threshold)
        self._constants = Constants()
        self._tracer: ForwardTracer | None = None
        self._open = False

    def __enter__(self) -> Self:
        if self._open:
            raise invalid("monitor", "be entered once at a time", "a monitor that is open")
        check_model(self._model)  # it may have been compiled after __init__
        self._tracer = ForwardTracer(self._model, [self._counts, self._constants, *self._listeners()], self._watch)
        self._tracer.start()
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tracer is not None:
            self._tracer.stop()
        self._open = False
        if kind is None:
            self._check_seen()

    def _listeners(self) -> Sequence[Listener]:
        """Return further listeners to the forward passes."""
        return ()

    @property
    def n_batches(self) -> int:
        """Forward passes seen since the start or the last `reset`."""
        return self._counts.n_batches

    def reset(self) -> None:
        """Discard all counts; the hooks remain."""
        self._take(_Counts(self._threshold), Constants())

    def _take(self, counts: "_Counts", constants: Constants) -> None:
        self._counts, self._constants = counts, constants
        if self._tracer is not None:
            self._tracer.listeners[:2] = [counts, constants]

    def state_dict(self) -> dict[str, Any]:
        """Return the counts so far as plain numbers, strings and tensors, which `torch.save` can write."""
        return {"threshold": self._threshold, **self._counts.state(), "constants": self._constants.state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from counts saved by `state_dict`, which replace those so far.

        Raises
        ------
        InvalidArgumentError
            If the state is not that of a monitor with this threshold.
        """
        if not isinstance(state, Mapping) or not state.keys() >= STATE:
            raise invalid("state", "be the state of a DeadUnitMonitor", type(state).__name__)
        if state["threshold"] != self._threshold:
            raise invalid("state", f"have the threshold {self._threshold:g}", state["threshold"])
        counts, constants, device = _Counts(self._threshold), Constants(), device_of(self._model)
        try:
            counts.restore(state, device)
            constants.restore(state["constants"], device)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise invalid("state", "be the state of a DeadUnitMonitor", f"{type(error).__name__}: {error}") from None
        self._take(counts, constants)

    def report(self, *, tau: float = 0.0, window: int | None = None) -> DeadUnitReport:
        """Return the counts so far, inside the context or after it.

        Parameters
        ----------
        tau : float
            Threshold of tau-dormancy, at least 0.
        window : int, optional
            Forward passes without firing after which a unit is silent, at least 1; by default all.

        Returns
        -------
        DeadUnitReport
            Counts by every definition; pruned units are those of the weights used in the last pass.

        Raises
        ------
        InvalidArgumentError
            If an argument is out of its domain or an activation held NaN or infinity.
        NeuronDeathError
            If no forward pass or no activation was seen.
        """
        level = check_real("tau", tau, low=0.0)
        last = None if window is None else check_count("window", window)
        self._check_seen()
        weights = {} if self._tracer is None else self._tracer.weights
        activities = tuple(
            counts.activity(name, self.n_batches, weights) for name, counts in self._counts.sites.items()
        )
        return DeadUnitReport(
            activities=activities,
            never_zero=dict(self._tracer.never_zero if self._tracer else {}),
            not_watched={**(self._tracer.not_watched if self._tracer else {}), **self._counts.lost},
            constant_inputs=self._constants.inputs(),
            constant_outputs=self._constants.outputs_are_equal(),
            tau=level,
            window=self.n_batches if last is None else last,
        )

    def _check_seen(self) -> None:
        name = type(self._model).__name__
        if self.n_batches == 0:
            raise NeuronDeathError(
                f"the monitor saw no forward pass of {name}: call the monitored module itself, inside the `with` "
                "block, not a copy compiled before"
            )
        if not self._counts.sites:
            known = self._tracer.never_zero if self._tracer is not None else {}
            why = "; ".join(f"{site}: {reason}" for site, reason in known.items()) or "none was called"
            raise NeuronDeathError(
                f"the monitor saw no activation in {name} that can be zero ({why}); name further modules in `watch`, "
                "with a `threshold` where they are never exactly zero"
            )


def _watched(model: nn.Module, watch: Sequence[str | type[nn.Module]]) -> list[nn.Module]:
    if isinstance(watch, (str, bytes)):
        raise invalid("watch", "be a sequence of module names or classes", watch, f"write [{watch!r}]")
    named = dict(model.named_modules())
    found: list[nn.Module] = []
    for entry in watch:
        if isinstance(entry, str):
            matching = [named[entry]] if entry in named else []
        elif isinstance(entry, type) and issubclass(entry, nn.Module):
            matching = [module for module in named.values() if isinstance(module, entry)]
        else:
            raise invalid("watch", "hold module names or classes", entry)
        if not matching:
            raise invalid("watch", "name modules of the model", entry, "see model.named_modules()")
        found += matching
    return found


@dataclass
class _SiteCounts:
    """Additive statistics of one activation; tensors of shape (n_units,) on its device."""

    layer: str | None
    n_active: torch.Tensor
    total_size: torch.Tensor
    last_fired: torch.Tensor
    n_samples: int = 0
    n_positions: int = 0

    def activity(
        self, name: str, n_batches: int, weights: Mapping[str, tuple[torch.Tensor, bool, int]]
    ) -> UnitActivity:
        total = self.total_size.double().cpu().numpy()
        if not np.isfinite(total).all():
            unit = int(np.flatnonzero(~np.isfinite(total))[0])
            raise invalid(
                "model",
                "have finite activations",
                f"NaN or infinity in {name}, unit {unit}",
                "check the data and weights",
            )
        used = None if self.layer is None else weights.get(self.layer)
        rows = None if used is None else _weight_rows(*used)
        fits = rows is not None and len(rows) == total.size
        return UnitActivity(
            name=name,
            layer=self.layer if fits or used is None else None,
            n_samples=self.n_samples,
            n_positions=self.n_positions,
            n_batches=n_batches,
            n_active=self.n_active.cpu().numpy(),
            mean_size=total / max(self.n_positions, 1),
            last_fired=self.last_fired.cpu().numpy(),
            pruned=pruned((rows != 0).flatten(1).any(1, keepdim=True).cpu().numpy())
            if fits and rows is not None
            else None,
        )


class _Counts(Listener):
    """Listener that counts the activity of units; a pass is added when it is finished."""

    outputs_only = True

    def __init__(self, threshold: float) -> None:
        self.sites: dict[str, _SiteCounts] = {}
        self.lost: dict[str, str] = {}  # activations that can no longer be counted, and why
        self.n_batches = 0
        self._threshold = threshold
        self._pending: list[tuple[str, str | None, torch.Tensor, torch.Tensor, int, int]] = []

    def state(self) -> dict[str, Any]:
        """Return the counts as plain numbers and tensors."""
        sites = {
            name: {field.name: _copied(getattr(counts, field.name), "cpu") for field in fields(counts)}
            for name, counts in self.sites.items()
        }
        return {"n_batches": self.n_batches, "sites": sites, "lost": dict(self.lost)}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take over the counts of a state."""
        self.n_batches, self.lost = int(state["n_batches"]), dict(state["lost"])
        self.sites = {
            name: _SiteCounts(**{key: _copied(value, device) for key, value in counts.items()})
            for name, counts in state["sites"].items()
        }

    def started(self) -> None:
        self._pending.clear()

    def activated(self, site: str, h: torch.Tensor, flow: Flow | None) -> None:
        units = split_units(h, flow)
        samples, tokens, _, positions = units.shape
        wide = torch.float32 if h.dtype in (torch.float16, torch.bfloat16) else h.dtype
        sizes = units.abs()
        size = _per_unit(sizes, wide)
        active = sizes.sign_() if self._threshold == 0.0 else (sizes > self._threshold).to(wide)
        n_active = _per_unit(active if active.numel() <= MAX_EXACT_FLOAT32_COUNT else active.long(), wide).long()
        layer = None if flow is None else flow.layer
        self._pending.append((site, layer, n_active, size, samples, samples * tokens * positions))

    def finished(self) -> None:
        self.n_batches += 1
        for site, layer, n_active, size, samples, positions in self._pending:
            if site in self.lost:
                continue
            counts = self.sites.get(site)
            if counts is None:
                exact = torch.float32 if size.device.type == "mps" else torch.float64  # MPS has no float64
                counts = _SiteCounts(
                    layer, torch.zeros_like(n_active), torch.zeros_like(size, dtype=exact), torch.zeros_like(n_active)
                )
                self.sites[site] = counts
            if n_active.shape != counts.n_active.shape and layer is None and counts.layer is None:
                self.lost[site] = "no layer is known to make its units, and their number changes"
                continue
            if n_active.shape != counts.n_active.shape:
                received = f"{counts.n_active.numel()} units at first and {n_active.numel()} now"
                raise invalid("model", f"keep the units of {site}", received, "reset() the monitor after surgery")
            if layer != counts.layer:
                counts.layer = None
            counts.n_active += n_active
            counts.total_size += size
            counts.last_fired.masked_fill_(n_active > 0, self.n_batches)
            counts.n_samples += samples
            counts.n_positions += positions
        self._pending.clear()
        for site in self.lost:
            self.sites.pop(site, None)


def _copied(value: Any, device: torch.device | str) -> Any:
    return value.detach().to(device, copy=True) if isinstance(value, torch.Tensor) else value


def _per_unit(values: torch.Tensor, wide: torch.dtype) -> torch.Tensor:
    """Sum over samples, tokens and positions; first along contiguous memory, which is much faster than in one sum."""
    kind = wide if values.is_floating_point() else values.dtype
    rows = values.sum(3, dtype=kind) if values.shape[3] > 1 else values.squeeze(3)
    return rows.sum((0, 1), dtype=kind)


def _weight_rows(weight: torch.Tensor, transposed: bool, groups: int) -> torch.Tensor:
    """Return incoming weights, one row per unit."""
    if not transposed:
        return weight
    inputs, outputs = weight.shape[:2]  # (inputs, outputs per group, ...)
    grouped = weight.reshape(groups, inputs // groups, outputs, -1).transpose(1, 2)
    return grouped.reshape(groups * outputs, -1)

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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from torch import nn

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.validation import check_choice, check_count, check_real, invalid, listed
from neurondeath_torch.networks.data_passes import device_of
from neurondeath_torch.networks.forward_tracing import ForwardTracer, Listener
from neurondeath_torch.networks.model_calls import Outputs, chosen_outputs
from neurondeath_torch.networks.model_checks import check_model, original_model
from neurondeath_torch.networks.name_patterns import check_patterns, matches
from neurondeath_torch.networks.watched_modules import watched_modules
from neurondeath_torch.watching.constants import Constants
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport
from neurondeath_torch.watching.unit_counts import UnitCounts

__all__ = ["DeadUnitMonitor"]

PASSES = ("all", "training", "evaluation")
STATE = {"threshold", "n_batches", "sites", "lost", "constants"}


class DeadUnitMonitor:
    """Context manager that counts the activity of every unit while the model runs.

    Parameters
    ----------
    model : nn.Module
        The model, which must itself be called, in training or evaluation mode, with or without gradients or autocast.
        Every call is one batch; the first axis of an activation holds the samples. A model compiled by `torch.compile`
        runs its original while it is watched.
    threshold : float
        Absolute value above which an activation counts as active, at least 0.
    watch : sequence of str or type
        Names or classes of further modules whose outputs are activations.
    outputs : str, int or callable, optional
        Which part of what the model returns are its outputs: an entry's name or number, or a function. By default all.
    layers : str or iterable of str, optional
        Only count these activations: names of activations or of the weight layers whose units they hold, or patterns
        such as "encoder.*".
    passes : {"all", "training", "evaluation"}
        Which forward passes are counted, by the mode of the model.

    Raises
    ------
    InvalidArgumentError
        If the model's forward pass cannot be traced (compiled inside or in place, scripted, wrapped, lazy, on the meta
        device) or a module in `watch` does not exist.

    Notes
    -----
    A unit is a channel after a convolution and a feature otherwise. Counts are exact; mean absolute activations are
    summed in the activation's precision, at least float32, within a batch, and in float64 between batches. Three
    numbers per unit are kept on the device; a batch costs a copy and two sums of each activation, small activations
    together at the end of a pass, and some microseconds per PyTorch call (`benchmarks/monitor_overhead.py`).

    Examples
    --------
    >>> import torch
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
        self,
        model: nn.Module,
        *,
        threshold: float = 0.0,
        watch: Sequence[str | type[nn.Module]] = (),
        outputs: Outputs | None = None,
        layers: str | Iterable[str] | None = None,
        passes: str = "all",
    ) -> None:
        self._compiled = model if original_model(model) is not model else None
        self._model = check_model(original_model(model))
        self._threshold = check_real("threshold", threshold, low=0.0)
        self._watch = watched_modules(self._model, watch)
        self._layers = check_patterns("layers", layers)
        self._passes = check_choice("passes", passes, PASSES)
        self._counts = UnitCounts(self._threshold, self._layers)
        self._choose = chosen_outputs(outputs)
        self._constants = Constants(self._choose)
        self._tracer: ForwardTracer | None = None
        self._forward: Any = None  # of a compiled model
        self._open = False

    def __enter__(self) -> Self:
        if self._open:
            raise invalid("monitor", "be entered once at a time", "a monitor that is open")
        check_model(self._model)  # it may have been compiled after __init__
        listeners = [self._counts, self._constants, *self._listeners()]
        self._tracer = ForwardTracer(self._model, listeners, self._watch, self._is_wanted)
        self._tracer.start()
        if self._compiled is not None:  # its passes are those of the original while it is watched
            self._forward = vars(self._compiled)["forward"]
            vars(self._compiled)["forward"] = self._model.__call__
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self._check_seen()

    def close(self) -> None:
        """Remove the hooks, whatever was seen; the counts stay."""
        if self._tracer is not None:
            self._tracer.stop()
        if self._open and self._compiled is not None:
            vars(self._compiled)["forward"] = self._forward
        self._open = False

    def _is_wanted(self) -> bool:
        return self._passes == "all" or self._model.training == (self._passes == "training")

    def _listeners(self) -> Sequence[Listener]:
        """Return further listeners to the forward passes."""
        return ()

    @property
    def n_batches(self) -> int:
        """Forward passes seen since the start or the last `reset`."""
        return self._counts.n_batches

    def reset(self) -> None:
        """Discard all counts; the hooks remain."""
        self._take(UnitCounts(self._threshold, self._layers), Constants(self._choose))

    def _take(self, counts: UnitCounts, constants: Constants) -> None:
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
        counts, constants = UnitCounts(self._threshold, self._layers), Constants(self._choose)
        device = device_of(self._model)
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
        kinds = {} if self._tracer is None else self._tracer.kinds
        activities = tuple(
            replace(counts.activity(name, self.n_batches, weights), kind=kinds.get(name, ""))
            for name, counts in self._counts.sites.items()
        )
        return DeadUnitReport(
            activities=activities,
            never_zero=self._chosen(self._tracer.never_zero if self._tracer else {}),
            not_watched=self._chosen({**(self._tracer.not_watched if self._tracer else {}), **self._counts.lost}),
            constant_inputs=self._chosen(self._constants.inputs()),
            constant_outputs=self._constants.outputs_are_equal(),
            tau=level,
            window=self.n_batches if last is None else last,
        )

    def _chosen(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what belongs to the layers that were asked for."""
        return {name: value for name, value in found.items() if matches(self._layers, name)}

    def _check_seen(self) -> None:
        name = type(self._model).__name__
        if self.n_batches == 0:
            raise NeuronDeathError(
                f"the monitor saw no forward pass of {name}: call the monitored module itself, inside the `with` "
                "block, not a copy compiled before"
            )
        if not self._counts.sites and self._counts.left_out:
            there = listed(list(self._counts.left_out))
            raise invalid("layers", f"name activations or layers of the model, such as {there}", self._layers)
        if not self._counts.sites:
            known = self._tracer.never_zero if self._tracer is not None else {}
            why = "; ".join(f"{site}: {reason}" for site, reason in known.items()) or "none was called"
            raise NeuronDeathError(
                f"the monitor saw no activation in {name} that can be zero ({why}); name further modules in `watch`, "
                "with a `threshold` where they are never exactly zero"
            )

"""ReDo: recycle dormant units during training [Sokar, Agarwal, Castro, Evci 2023, arXiv 2302.12902].

A unit is tau-dormant when its mean absolute activation on the data is at most tau times the mean over its layer. At a
fixed interval of steps the dormant units are reset: new incoming weights, zero outgoing weights, no optimiser memory,
and steps of Adam as if they were new (`adam_steps`). With tau = 0 only units that are never active are recycled, and
the outputs do not change.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_choice, check_count, check_real
from neurondeath_torch.methods.loss_gradients import check_loss
from neurondeath_torch.methods.training_method import TrainingMethod
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.unit_activity import MIN_POINTS, measure_activity
from neurondeath_torch.networks.watched_modules import Watch
from neurondeath_torch.surgery.adam_steps import correct_adam_steps
from neurondeath_torch.surgery.resetting import Reset, reset_units, stream_seed
from neurondeath_torch.watching.definitions import dormant
from neurondeath_torch.watching.gradient_dormancy import gradient_dormant

__all__ = ["ReDo"]


class ReDo(TrainingMethod):
    """Reset dormant units at a fixed interval of steps.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training.
    optimiser : torch.optim.Optimizer or None
        The optimiser; its state for recycled units is set to zero.
    data : Tensor or iterable of batches
        The deciding data, read at each check in evaluation mode; a tensor (one batch), or batches that are tensors,
        (inputs, targets) or dicts of keyword arguments.
    every : int
        Steps between checks.
    tau : float
        Dormancy threshold, at least 0.
    measure : {"activations", "gradients"}
        Whether units are dormant by their activations, or by the gradients of the loss with respect to them
        (`gradient_dormant`: ReGraMa [Liu et al. 2025, arXiv 2505.24061]).
    loss : callable, optional
        Needed for "gradients": a function without arguments that computes the loss, for instance on a batch; called in
        evaluation mode.
    layers : iterable of str, optional
        Only these layers; all weight layers that an activation follows if not given.
    initialise : callable, optional
        As for `reset_units`.
    seed : int
        Seed of the new weights.
    min_points : int
        Points that the deciding data must hold at least.
    watch : sequence of str or type
        Names or classes of further modules whose outputs are activations, as in `DeadUnitMonitor`.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model cannot be used, or no layer is followed by an activation.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> with torch.no_grad():
    ...     model[0].weight[0], model[0].bias[0] = 0.0, -1.0
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> redo = ReDo(model, optimiser, data=torch.randn(64, 4), every=1)
    >>> redo.after_step()
    >>> redo.report().events[0].action, bool(model[0].weight[0].any())
    ('reset', True)
    """

    acts_after_steps = True

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        *,
        data: Any,
        every: int = 1000,
        tau: float = 0.025,
        measure: str = "activations",
        loss: Callable[[], Tensor] | None = None,
        layers: Iterable[str] | None = None,
        initialise: Callable[[nn.Module], Any] | None = None,
        seed: int = 0,
        min_points: int = MIN_POINTS,
        watch: Watch = (),
        call: Call | None = None,
    ) -> None:
        super().__init__(model, optimiser)
        self._data = data = called(model, data, call)
        self._every = check_count("every", every)
        self._tau = check_real("tau", tau, low=0.0)
        self._by_gradients = check_choice("measure", measure, ("activations", "gradients")) == "gradients"
        self._loss = check_loss(loss, 'measure="gradients"') if self._by_gradients else loss
        least, chosen = check_count("min_points", min_points), None if layers is None else list(layers)
        self._layers = list(measure_activity(model, data, chosen, min_points=least, watch=watch))
        self._watch = tuple(watch)
        self._initialise = initialise
        self._seed = check_count("seed", seed, least=0)
        if self._optimiser is not None:  # its state may be loaded next
            correct_adam_steps(self._optimiser)

    def after_step(self) -> None:
        """Recycle the dormant units, if it is due."""
        super().after_step()
        if self._steps % self._every == 0:
            self.recycle()

    def recycle(self) -> Reset | None:
        """Recycle the dormant units now; None if there are none."""
        units = {layer: flags for layer, flags in self._dormant().items() if flags.any()}
        if not units:
            return None
        # one random stream per step, so that a resumed training draws the same numbers
        seed = stream_seed(self._seed, self._steps) % 2**31
        reset = reset_units(
            self._model, units, data=self._data, optimiser=self._optimiser, initialise=self._initialise, seed=seed
        )
        for layer, chosen, weights in zip(reset.layers, reset.units, reset.weights, strict=True):
            self._record("reset", layer, units=len(chosen), weights=weights)
        return reset

    def _dormant(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Find the dormant units of every layer."""
        if self._by_gradients:
            assert self._loss is not None  # checked in __init__
            return gradient_dormant(self._model, self._loss, self._tau, layers=self._layers)
        activity = measure_activity(self._model, self._data, self._layers, watch=self._watch)
        return {layer: dormant((seen.total / seen.seen).cpu().numpy(), self._tau) for layer, seen in activity.items()}

r"""Demon Pruning: let units die, keep dead units dead, and remove them from the network [dufort2024].

At step t the loss contains the term $\lambda(t) R$, and after the optimiser's step Gaussian noise of standard deviation
$\sigma(t)$, not scaled by the learning rate, is added to the weights of live units only. Live units therefore diffuse
and may die, while a dead unit, without gradient and without noise, does not change. Every few steps the units that are
dead on the deciding data are physically removed, with their optimiser state; none grows again. Both $\lambda$ and
$\sigma$ follow one schedule (one cycle by default), and the peak of $\lambda$ controls how sparse the network becomes.

R is the sum of |g|, of g^2 or of max(g, 0)^2, or half of the sums of squares, over the scales g of the normalisation
layers, or over all weights of linear and convolution layers. Noise is added to the incoming weights of hidden units,
not to biases and not to layers without an activation, whose units cannot die (`noise_on="weights"`); or, to the letter
of the paper, to every entry of every parameter that has a gradient in the step, biases, norms and the output layer
included (`noise_on="gradients"`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from neurondeath_theory.foundation.validation import check_choice, check_count, check_real, invalid
from neurondeath_torch.methods.misuse import replaced_parameter
from neurondeath_torch.methods.penalties import NORMS, penalty_sum
from neurondeath_torch.methods.penalty_schedules import OneCycle
from neurondeath_torch.methods.training_method import TrainingMethod
from neurondeath_torch.methods.weight_noise import Noisy, WeightNoise
from neurondeath_torch.networks.data_passes import example_inputs
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.unit_activity import MIN_POINTS, measure_activity
from neurondeath_torch.networks.weight_layers import is_weight_layer, unit_axis
from neurondeath_torch.surgery.optimiser_state import check_optimiser
from neurondeath_torch.surgery.removal import Removal, remove_dead_units
from neurondeath_torch.surgery.unit_coupling import CouplingGraph

__all__ = ["DemonPruning"]

SCALED = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


class DemonPruning(TrainingMethod):
    """Regularise, add noise to live units, and remove the dead ones.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its layers shrink in place.
    optimiser : torch.optim.Optimizer
        Updated at every removal: groups, momentum and second moments.
    data : Tensor or iterable of batches
        The deciding data, read at the start and every `remove_every` steps; a tensor (one batch), or batches that are
        tensors, (inputs, targets) or dicts of keyword arguments. Measured in evaluation mode.
    steps : int
        Length of the schedule in optimiser steps; choose it shorter than the training.
    peak : float
        Largest factor of the penalty, at least 0.
    noise : float
        Largest standard deviation of the noise, at least 0.
    remove_every : int or None
        Steps between removals; None removes nothing.
    penalise : {"scales", "weights"}
        Scales of the normalisation layers, or all weights of linear and convolution layers.
    norm : {"l1", "l2", "half-l2", "positive-l2", "half-positive-l2"}
        Sum of absolute values, of squares, or of squares of positive values; or half of these sums of squares.
    schedule : callable, optional
        Step -> factor of `peak` and `noise`; `OneCycle(span=steps)` if not given.
    noisy_units : {"live", "all"}
        Units whose weights get noise; "all" is for comparison.
    noise_on : {"weights", "gradients"}
        Noise on the incoming weights of hidden units, or on every entry, of any parameter, whose gradient is not zero
        at the step: of a unit without gradient none. Then which units are alive is not measured between removals.
    look_every : int or None
        Steps between measurements of which units are alive, in addition to those at removals, so that "live" excludes
        units that died in the meantime; each measurement costs one pass over the deciding data. None: at removals only.
        Where the noise does not depend on which units are alive (`noise` 0, "all", or "gradients"), nothing is
        measured.
    seed : int
        Seed of the noise, which leaves all other random numbers alone.
    min_points : int
        Points that the deciding data must hold at least.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model cannot be used, or it has no scales to penalise.

    Notes
    -----
    Source: dufort2024 (arXiv 2403.07688). Which units are alive is measured at the start, at removals and every
    `look_every` steps, and is used until the next measurement. Without `look_every`, a unit that dies between removals
    gets noise until it is removed, and "live" differs from "all" only for dead units that are not removed: each layer
    keeps at least one unit. The output layer is not shrunk.

    Which peak: of a LeNet with batch norm on 1250 MNIST images (15 epochs of SGD at rate 0.05, scales penalised, study
    `demon_pruning`, 24 seeds) peaks of 0.03, 0.05, 0.07 and 0.1 leave 60, 34, 26 and 15 % of the parameters, at test
    accuracies of 0.968, 0.965, 0.958 and 0.950; without the method it is 0.966. Begin at 0.03 and double.

    To resume, build the model, bring it to its saved shapes
    with `load_shrunk`, load the optimiser and then this object.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    >>> with torch.no_grad():
    ...     model[1].bias[:3], model[1].bias[3:] = -100.0, 9.0
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> demon = DemonPruning(model, optimiser, data=torch.randn(32, 4), steps=10, peak=0.01, remove_every=1)
    >>> (model(torch.randn(32, 4)).square().mean() + demon.penalty()).backward()
    >>> optimiser.step(); demon.after_step()
    >>> model[0].out_features
    5
    """

    acts_after_steps = True

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        *,
        data: Any,
        steps: int,
        peak: float,
        noise: float = 5e-5,
        remove_every: int | None = 1000,
        penalise: str = "scales",
        norm: str = "l1",
        schedule: Callable[[int], float] | None = None,
        noisy_units: str = "live",
        noise_on: str = "weights",
        look_every: int | None = None,
        seed: int = 0,
        min_points: int = MIN_POINTS,
        call: Call | None = None,
    ) -> None:
        super().__init__(model, optimiser)
        self._optimiser = check_optimiser(optimiser, model)
        self._data = data = called(model, data, call)
        self._min_points = check_count("min_points", min_points)
        span = check_count("steps", steps)
        self._peak = check_real("peak", peak, low=0.0)
        self._noise = check_real("noise", noise, low=0.0)
        self._every = None if remove_every is None else check_count("remove_every", remove_every)
        self._on = check_choice("penalise", penalise, ("scales", "weights"))
        self._norm = check_choice("norm", norm, NORMS)
        self._schedule = OneCycle(span=span) if schedule is None else schedule
        self._all_noisy = check_choice("noisy_units", noisy_units, ("live", "all")) == "all"
        self._by_gradient = check_choice("noise_on", noise_on, ("weights", "gradients")) == "gradients"
        if self._by_gradient and self._all_noisy:
            raise invalid("noisy_units", 'be "live" with noise_on="gradients"', noisy_units)
        look = None if look_every is None else check_count("look_every", look_every)
        liveness_matters = self._noise > 0.0 and not self._all_noisy and not self._by_gradient
        self._look = look if liveness_matters else None
        self._source = WeightNoise(check_count("seed", seed, least=0))
        self._penalised: list[nn.Parameter] = []
        self._noisy: list[Noisy] = []
        self._live: dict[str, Tensor] = {}
        self._find_parameters()
        self._measure()
        if self._every is not None:  # a model that cannot be traced must fail now, not after hours of training
            CouplingGraph(model, example_inputs(model, data))

    @property
    def factor(self) -> float:
        """The schedule's factor at the next step."""
        return float(self._schedule(self._steps))

    def _penalty(self) -> Tensor | None:
        """Compute lambda(t) R, the term to add to the loss of the next step."""
        self._check_parameters()
        strength = self._peak * self.factor
        return strength * penalty_sum(self._penalised, self._norm) if strength > 0.0 else None

    @property
    def _penalty_due(self) -> bool:
        return self._peak * self.factor > 0.0 and any(p.requires_grad for p in self._penalised)

    def after_step(self) -> None:
        """Add the noise of the step; remove dead units, or measure which units are alive, if it is due."""
        self._check_parameters()
        deviation = self._noise * self.factor
        if deviation > 0.0 and self._by_gradient and all(entry.parameter.grad is None for entry in self._noisy):
            self._loop.warn("no parameter has a gradient in after_step(); call optimiser.zero_grad() after it")
        self._source.add(self._noisy, deviation, self._steps)
        super().after_step()
        if self._every is not None and self._steps % self._every == 0:
            self.remove()
        elif self._look is not None and self._steps % self._look == 0:
            self._measure()

    def remove(self) -> Removal | None:
        """Remove the units that are now dead on the deciding data; None if there are none."""
        if self._measure():
            return None
        removal = remove_dead_units(self._model, self._data, optimiser=self._optimiser, min_points=self._min_points)
        for layer, gone in zip(removal.layers, removal.removed, strict=True):
            self._record("remove", layer, units=len(gone))
        self._find_parameters()
        self._measure()
        return removal

    def state_dict(self) -> dict[str, Any]:
        """Return counters, record and live units."""
        return {**super().state_dict(), "live": {name: mask.clone() for name, mask in self._live.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; the model must already have its saved shapes (see `load_shrunk`)."""
        super().load_state_dict(state)
        units = {name: len(mask) for name, mask in state["live"].items()}
        modules = dict(self._model.named_modules())
        here = {name: modules[name].weight.shape[unit_axis(modules[name])] for name in self._live}
        if units != here:
            raise invalid("state", f"fit a model with units {here}", units, "call load_shrunk on the model first")
        self._live = {name: mask.to("cpu", copy=True) for name, mask in state["live"].items()}
        self._find_parameters()
        self._find_noisy()

    def _find_parameters(self) -> None:
        weights = [(module, module._parameters.get("weight")) for module in self._model.modules()]
        self._places: list[tuple[nn.Module, nn.Parameter]] = [
            (module, weight)
            for module, weight in weights
            if (isinstance(module, SCALED) or is_weight_layer(module)) and isinstance(weight, nn.Parameter)
        ]
        scales = self._on == "scales"
        chosen = dict.fromkeys(weight for module, weight in self._places if isinstance(module, SCALED) == scales)
        self._penalised = [weight for weight in chosen if weight.requires_grad]
        if not self._penalised and self._peak > 0.0:
            what = "trainable normalisation scales" if self._on == "scales" else "trainable weights"
            raise invalid("penalise", "name parameters that the model has", f"no {what}", 'try penalise="weights"')
        self._accept_model()

    def _find_noisy(self) -> None:
        """List the parameters that get noise, in the order of the model."""
        if self._by_gradient:
            self._noisy = [Noisy(parameter) for parameter in self._model.parameters() if parameter.requires_grad]
            return
        modules = dict(self._model.named_modules())
        self._noisy = [Noisy(modules[name].weight, live, unit_axis(modules[name])) for name, live in self._live.items()]

    def _check_parameters(self) -> None:
        """Find parameters again that were replaced since the last call."""
        if all(map(_is_at_place, self._places)):
            return
        name = replaced_parameter(self._known, self._parameters())
        self._loop.warn(f"`{name}` was replaced since the last call; build the method after changing the model")
        self._find_parameters()
        self._measure()

    def _measure(self) -> bool:
        """Measure which units are alive, and return whether all are."""
        activity = measure_activity(self._model, self._data, min_points=self._min_points)
        self._live = {
            name: (torch.ones_like(seen.active) if self._all_noisy else seen.active).cpu()
            for name, seen in activity.items()
        }
        self._find_noisy()
        return all(bool(seen.active.all()) for seen in activity.values())


def _is_at_place(place: tuple[nn.Module, nn.Parameter]) -> bool:
    module, weight = place
    return module._parameters["weight"] is weight

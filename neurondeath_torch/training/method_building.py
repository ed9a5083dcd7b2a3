"""Build the training-time method of an experiment from its model, optimiser and deciding data.

The deciding data are the validation images, or the training images if there are none; in both cases the first
`experiment.measure`, and where there are tasks those of the present one. The keywords of a method are those of its
class, without those that the experiment sets, and

    demon-pruning   `span`, the length of its schedule as a share of the training (0.8), and `schedule`, "one-cycle",
                    "whole-one-cycle" (whose peak is a step) or "constant"
"""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn, optim

from neurondeath_theory.foundation.validation import check_choice, check_count, check_real, invalid
from neurondeath_torch.methods.activate_while_pruning import ActivateWhilePruning
from neurondeath_torch.methods.continual_backprop import ContinualBackprop
from neurondeath_torch.methods.demon_pruning import DemonPruning
from neurondeath_torch.methods.l2_init import L2Init
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning
from neurondeath_torch.methods.penalty_schedules import Constant, OneCycle
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.methods.self_normalised_resets import SelfNormalisedResets
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping
from neurondeath_torch.methods.training_method import NoMethod, TrainingMethod
from neurondeath_torch.training.configuration import CYCLIC, Experiment
from neurondeath_torch.training.deciding_data import DecidingData
from neurondeath_torch.training.labelled_data import LabelledData
from neurondeath_torch.training.objectives import loss_of

__all__ = ["build_method", "cycle_epochs"]

METHODS: dict[str, type[TrainingMethod]] = {
    "none": NoMethod,
    "synaptic-stripping": SynapticStripping,
    "demon-pruning": DemonPruning,
    "activate-while-pruning": ActivateWhilePruning,
    "magnitude-pruning": GlobalPruning,
    "structured-pruning": StructuredPruning,
    "redo": ReDo,
    "continual-backprop": ContinualBackprop,
    "self-normalised-resets": SelfNormalisedResets,
    "l2-init": L2Init,
}
NOT_CONFIGURABLE = ("model", "optimiser", "data", "loss", "steps", "seed", "layers", "initialise", "call", "watch")
SPAN = 0.8  # default length of Demon Pruning's schedule, as a share of the training
SCHEDULES = ("one-cycle", "whole-one-cycle", "constant")


def build_method(
    experiment: Experiment,
    model: nn.Module,
    optimiser: optim.Optimizer,
    data: LabelledData,
    *,
    seed: int,
    steps: int,
    deciding: DecidingData | None = None,
) -> TrainingMethod:
    """Build the method of an experiment.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    model : nn.Module
        The model in training.
    optimiser : torch.optim.Optimizer
        Its optimiser.
    data : LabelledData
        The data, on the model's device.
    seed : int
        Seed of the method's noise.
    steps : int
        Steps per epoch; their mean where tasks differ in it.
    deciding : DecidingData, optional
        The data it decides on, which change with the task; by default those of `data`.

    Returns
    -------
    TrainingMethod
        The method, ready for the first step.

    Raises
    ------
    InvalidArgumentError
        If a keyword is unknown or out of its domain, or the method does not fit the model.
    """
    kind, options = experiment.method.kind, dict(experiment.method.options)
    method = METHODS[kind]
    parameters = inspect.signature(method).parameters
    further = ("span",) if kind == "demon-pruning" else ()
    known = [*(name for name in parameters if name not in NOT_CONFIGURABLE), *further]
    for name, value in options.items():
        if name not in known:
            raise invalid(f"method.{name}", f"be one of {', '.join(known)} for {kind}", value)
    decided = deciding or DecidingData(data, experiment.measure)
    given: dict[str, Any] = {
        "optimiser": optimiser,
        "data": decided,
        "loss": lambda: loss_of(model(decided.images), decided.classes),
        "seed": seed,
    }
    if kind == "demon-pruning":
        given.update(_demon_schedule(options, steps * experiment.all_epochs))
    arguments = {name: value for name, value in given.items() if name in parameters}
    required = [name for name in known if name in parameters and parameters[name].default is inspect.Parameter.empty]
    for name in required:
        if name not in options and name not in arguments:
            raise invalid(f"method.{name}", f"be given for {kind}", None)
    return method(model, **arguments, **options)


def cycle_epochs(experiment: Experiment) -> int | None:
    """Return the epochs per cycle, after which a method rewinds and the learning rate restarts; None without cycles."""
    if experiment.method.kind not in CYCLIC:
        return None
    every = experiment.method.options.get("every")
    if every is None:
        raise invalid("method.every", f"be given for {experiment.method.kind}, the epochs of a cycle", None)
    return check_count("method.every", every)


def _demon_schedule(options: dict[str, Any], total: int) -> Mapping[str, Any]:
    """Remove the span and the schedule of Demon Pruning from the options and return its arguments."""
    share = check_real("method.span", options.pop("span", SPAN), low=0.0, high=1.0, low_open=True)
    schedule = check_choice("method.schedule", options.pop("schedule", "one-cycle"), SCHEDULES)
    span = max(1, round(share * total))
    cycle = OneCycle(span=span, whole_steps=schedule == "whole-one-cycle")
    return {"steps": span, "schedule": Constant(span=span) if schedule == "constant" else cycle}

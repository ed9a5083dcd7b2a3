"""Measurements of a network in a sequence of tasks, beside those of `measurements`, after every epoch.

    task                    number of the task in training, from 0; the other measurements are on its images
    task_accuracy           accuracy on its test images; on its training images where labels are random
    past_accuracy           accuracy, likewise, on the task before; for class-incremental tasks on the old classes
    online_accuracy         share of the training images of the epoch that were right when they were drawn, before the
                            step that learned from them (`running_loss` is the loss likewise)
    task_online_accuracy    the same over all epochs of the task so far: how fast it is learned
    task_running_loss       the loss likewise
    feature_rank            entropy rank of the centred unit-length features of the last hidden layer
    uncentred_rank          the same before centring
    gradient_dormant_units  units whose mean absolute gradient is at most a tenth of their layer's mean
    cloned_units            units that compute the same as another unit of their layer, up to a positive factor
    weight_size             mean absolute weight of the linear and convolutional layers

Accuracies are None for numbers, and all of them where there is nothing to count. An accuracy at the end of a task is
plasticity, what the network has still been able to learn; `past_accuracy` is memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.trainability.feature_rank import entropy_rank
from neurondeath_torch.auditing.last_features import last_features
from neurondeath_torch.training.labelled_data import Split
from neurondeath_torch.training.measurements import TAU, accuracy_of
from neurondeath_torch.training.objectives import loss_of
from neurondeath_torch.training.task_sequences import TaskSequence
from neurondeath_torch.watching.clones import find_clones
from neurondeath_torch.watching.gradient_dormancy import gradient_dormant

__all__ = ["measure_task", "task_means"]

POINTS = 512  # training images on which ranks, gradients and clones are measured
CLONE_TOLERANCE = 0.01


def measure_task(model: nn.Module, sequence: TaskSequence, task: int) -> dict[str, Any]:
    """Measure a network in a task without changing its mode or its statistics.

    Parameters
    ----------
    model : nn.Module
        The network.
    sequence : TaskSequence
        The tasks, on the network's device.
    task : int
        The task in training.

    Returns
    -------
    dict
        The measurements above, without `online_accuracy`.
    """
    was_training = model.training
    model.eval()
    try:
        return {
            "task": task,
            "task_accuracy": accuracy_of(model, sequence.scored(task)),
            "past_accuracy": _past_accuracy(model, sequence, task),
            **_ranks(model, sequence.data_of(task).train),
            **_stuck_units(model, sequence.data_of(task).train),
            "weight_size": _weight_size(model),
        }
    finally:
        model.train(was_training)


def task_means(before: Sequence[Mapping[str, Any]], measured: Mapping[str, Any]) -> dict[str, float | None]:
    """Average what was seen before the steps over the epochs of a task so far.

    Parameters
    ----------
    before : sequence of mapping
        Measurements of the epochs before.
    measured : mapping
        Those of the present epoch, with `task`, `online_accuracy` and `running_loss`.

    Examples
    --------
    >>> first = {"task": 1, "online_accuracy": 0.5, "running_loss": 2.0}
    >>> task_means([{"task": 0, "online_accuracy": 0.9}, first], {**first, "online_accuracy": 0.7})
    {'task_online_accuracy': 0.6, 'task_running_loss': 2.0}
    """
    epochs = [*(epoch for epoch in before if epoch.get("task") == measured["task"]), measured]
    return {
        "task_online_accuracy": _mean([epoch["online_accuracy"] for epoch in epochs]),
        "task_running_loss": _mean([epoch["running_loss"] for epoch in epochs]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of what there is; None without any, as before training."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _past_accuracy(model: nn.Module, sequence: TaskSequence, task: int) -> float | None:
    return accuracy_of(model, sequence.scored(task - 1)) if task else None


def _ranks(model: nn.Module, split: Split) -> dict[str, float | None]:
    try:
        features = last_features(model, split.images[:POINTS])[1].numpy()
        return {"feature_rank": entropy_rank(features), "uncentred_rank": entropy_rank(features, centred=False)}
    except InvalidArgumentError:  # features that are not finite
        return {"feature_rank": None, "uncentred_rank": None}


def _stuck_units(model: nn.Module, split: Split) -> dict[str, int | None]:
    """Count gradient-dormant and cloned units; None where there are no such units, or they are not finite."""
    images, classes = split.images[:POINTS], split.classes[:POINTS]
    try:
        dormant = gradient_dormant(model, lambda: loss_of(model(images), classes), TAU)
        return {
            "gradient_dormant_units": sum(int(flags.sum()) for flags in dormant.values()),
            "cloned_units": find_clones(model, images, tolerance=CLONE_TOLERANCE, scaled=True).n_clones,
        }
    except NeuronDeathError:
        return {"gradient_dormant_units": None, "cloned_units": None}


@torch.no_grad()
def _weight_size(model: nn.Module) -> float:
    weights = [module.weight for module in model.modules() if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd))]
    return float(sum(weight.double().abs().sum() for weight in weights) / sum(weight.numel() for weight in weights))

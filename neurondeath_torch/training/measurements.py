"""Measurements of a network after every epoch: accuracy (of classes), live units and sparsity.

    train_loss, train_accuracy            on the first `n_images` training images, in evaluation mode
    validation_accuracy, test_loss, test_accuracy
    units, dead_units                     units that can die, and those never active on those training images
    dormant_units                         tau-dormant at tau = 0.1
    activation_sparsity                   share of zeros of the activations
    test_sparsity, test_sparsity_by_activation    the same on all test images, and per activation
    static_dnr, dynamic_dnr               dead neuron rates of liu2022
    dead_by_activation, sparsity_by_activation    the same per activation, in the order of execution
    parameters, active_parameters         entries of all parameters, and those that are not zero
    live_parameters                       active ones with a nonzero gradient on those training images, which the
                                          incoming and outgoing weights of dead units never have
    weight_sparsity                       share of zeros in the weights of linear and convolutional layers

If the loss or activations of a network are not finite, only losses and accuracies are measured; the rest is None.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_torch.training.labelled_data import LabelledData, Split
from neurondeath_torch.training.objectives import loss_of, n_right
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport
from neurondeath_torch.watching.monitor import DeadUnitMonitor

__all__ = ["TAU", "accuracy_of", "measure_epoch"]

TAU = 0.1  # dormancy threshold of Sokar et al. 2023 for supervised learning
IMAGES_PER_PASS = 1024
ON_TEST_IMAGES = ("activation_sparsity", "sparsity_by_activation")
NO_UNITS = (
    "live_parameters",
    "units",
    "dead_units",
    "dormant_units",
    "activation_sparsity",
    "static_dnr",
    "dynamic_dnr",
    "dead_by_activation",
    "sparsity_by_activation",
    "test_sparsity",
    "test_sparsity_by_activation",
)


def measure_epoch(model: nn.Module, data: LabelledData, *, n_images: int) -> dict[str, Any]:
    """Measure a network without changing its mode or its statistics.

    Parameters
    ----------
    model : nn.Module
        The network.
    data : LabelledData
        The data, on the network's device.
    n_images : int
        Number of training images to use.

    Returns
    -------
    dict
        The measurements, numbers and lists of numbers.
    """
    was_training = model.training
    model.eval()
    try:
        train = Split(data.train.images[:n_images], data.train.classes[:n_images])
        train_loss, train_accuracy, units = _evaluate_units(model, train)
        test_loss, test_accuracy, test_units = _evaluate_units(model, data.test)
        measured: dict[str, Any] = {
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "validation_accuracy": accuracy_of(model, data.validation),
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
            **_count_parameters(model),
        }
        if units is None or test_units is None or not math.isfinite(train_loss):
            return {**measured, **dict.fromkeys(NO_UNITS)}
        on_test = {f"test_{name.removeprefix('activation_')}": test_units.get(name) for name in ON_TEST_IMAGES}
        return {**measured, **units, **on_test, "live_parameters": _count_live_parameters(model, train)}
    finally:
        model.train(was_training)


def accuracy_of(model: nn.Module, split: Split) -> float | None:
    """Compute the accuracy of a network in its present mode; None for numbers, or without images."""
    return _evaluate(model, split)[1] if len(split) else None


def _evaluate_units(model: nn.Module, split: Split) -> tuple[float, float | None, dict[str, Any] | None]:
    """Compute mean loss, accuracy, and what units do; None for these if activations overflow."""
    found: tuple[float, float | None] | None = None
    try:
        with DeadUnitMonitor(model) as monitor:
            found = _evaluate(model, split)
        return *found, _units(monitor.report(tau=TAU))
    except InvalidArgumentError:
        return *(found or _evaluate(model, split)), None
    except NeuronDeathError:  # no activation that can be zero, such as leaky ReLU
        nothing = {"units": 0, "dead_units": 0, "activation_sparsity": 0.0}
        return *(found or _evaluate(model, split)), {**dict.fromkeys(NO_UNITS), **nothing}


@torch.no_grad()
def _evaluate(model: nn.Module, split: Split) -> tuple[float, float | None]:
    """Compute mean loss and accuracy."""
    loss, right = 0.0, 0
    for images, classes in zip(
        torch.split(split.images, IMAGES_PER_PASS), torch.split(split.classes, IMAGES_PER_PASS), strict=True
    ):
        logits = model(images)
        loss += loss_of(logits, classes, reduction="sum").item()
        right += int(n_right(logits, classes) or 0)
    return loss / len(split), None if split.classes.is_floating_point() else right / len(split)


def _count_parameters(model: nn.Module) -> dict[str, Any]:
    weights = [module.weight for module in model.modules() if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd))]
    n_weights = sum(weight.numel() for weight in weights)
    kept = sum(int(torch.count_nonzero(weight)) for weight in weights)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "active_parameters": sum(int(torch.count_nonzero(parameter)) for parameter in model.parameters()),
        "weight_sparsity": 1.0 - kept / n_weights,
    }


def _count_live_parameters(model: nn.Module, split: Split) -> int:
    """Count entries with a nonzero gradient; pruned entries of weights do not count."""
    model.zero_grad()
    for images, classes in zip(
        torch.split(split.images, IMAGES_PER_PASS), torch.split(split.classes, IMAGES_PER_PASS), strict=True
    ):
        loss_of(model(images), classes, reduction="sum").backward()  # type: ignore[no-untyped-call]
    live = 0
    for parameter in model.parameters():
        if parameter.grad is not None:
            learns = parameter.grad != 0
            live += int((learns & (parameter != 0) if parameter.dim() > 1 else learns).sum())
    model.zero_grad()
    return live


def _units(report: DeadUnitReport) -> dict[str, Any]:
    activities = report.activities
    sizes = np.array([activity.n_units for activity in activities])
    dynamic = [activity.sparsity if activity.dynamic_dnr is None else activity.dynamic_dnr for activity in activities]
    return {
        "units": report.n_units,
        "dead_units": report.n_dead,
        "dormant_units": sum(int(activity.dormant(TAU).sum()) for activity in activities),
        "activation_sparsity": float(np.average([activity.sparsity for activity in activities], weights=sizes)),
        "static_dnr": float(np.average([activity.static_dnr or 0.0 for activity in activities], weights=sizes)),
        "dynamic_dnr": float(np.average(dynamic, weights=sizes)),
        "dead_by_activation": [int(activity.dead.sum()) for activity in activities],
        "sparsity_by_activation": [activity.sparsity for activity in activities],
    }

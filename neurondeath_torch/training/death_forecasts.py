r"""The share of units that the absorbed walk forecasts to die in training, from the network at birth.

The walk of a ReLU unit is its largest pre-activation over the training images, m > 0; at 0 the unit is dead. With the
features h of the layer below held fixed, one step changes m, at its image x*, by

    -eta sum_x delta(x) (h(x) . h(x*) + 1) / b

over the b images of the batch, delta the derivative of the loss of one image by the pre-activation. Its standard
deviation over batches is eta sqrt(Var_x[...] / b); a weight decay lambda pulls m to 0 at the rate eta lambda. The
probability of death after n steps is then `absorbed_probability` (dufort2024, arXiv 2403.07688, one-dimensional model).
With SGD of momentum beta eta stands for eta / (1 - beta); with Adam every gradient is divided by its root mean square
over batches, and only AdamW's decay pulls.

Assumptions that training breaks: the noise stays that of the untrained network, though it falls with the loss; the mean
gradient does nothing; the image of the largest pre-activation stays the same; layers below stand still; no unit comes
back. So this is a scale for comparing learning rates, batches and optimisers, not a number to rely on; see
`neurondeath_torch.studies.learning_rate_for_life` for what was measured.
"""

import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurondeath_theory.survival.absorbing_walk import absorbed_probability
from neurondeath_torch.training.batches import n_batches
from neurondeath_torch.training.configuration import Experiment, OptimiserChoice
from neurondeath_torch.training.labelled_data import LabelledData, Split
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.objectives import loss_of

__all__ = ["forecast_dead_share", "walks_at_birth"]

IMAGES = 2048  # at most, on which walks are measured
ADAM_EPSILON = 1e-8


def forecast_dead_share(experiment: Experiment, data: LabelledData, *, seed: int = 0) -> float | None:
    """Forecast the share of hidden units that are dead after training, those born dead among them.

    Parameters
    ----------
    experiment : Experiment
        A perceptron with ReLU, without batch norm, sums or tasks, at a constant learning rate.
    data : LabelledData
        Its data.
    seed : int
        Seed of the weights.

    Returns
    -------
    float or None
        In [0, 1]; None for other experiments.

    Examples
    --------
    >>> from neurondeath_torch.training.loop import load_experiment_data
    >>> rates = [OptimiserChoice(learning_rate=rate, momentum=0.0) for rate in (0.01, 1.0)]
    >>> runs = [Experiment(epochs=5, optimiser=rate) for rate in rates]
    >>> low, high = (forecast_dead_share(run, load_experiment_data(run)) for run in runs)
    >>> 0.0 <= low < high <= 1.0
    True
    """
    model, optimiser = experiment.model, experiment.optimiser
    if (model.kind, model.activation, model.residual) != ("mlp", "relu", False) or model.options.get("batch_norm"):
        return None
    if experiment.tasks.given or optimiser.schedule != "constant":
        return None
    images = data.train.images
    network = cast(nn.Sequential, build_model(model, data.shape, data.n_classes, seed=seed, images=images))
    split = Split(images[:IMAGES].cpu(), data.train.classes[:IMAGES].cpu())
    rate = optimiser.learning_rate
    if optimiser.kind == "sgd":
        rate /= 1.0 - optimiser.momentum
    steps = experiment.epochs * n_batches(len(data.train), optimiser.batch_size)
    pulled = optimiser.weight_decay if optimiser.kind != "adam" else 0.0
    dead = [
        _died(margins, rate * noise, steps, rate * pulled)
        for margins, noise in walks_at_birth(network, split, optimiser)
    ]
    return float(np.concatenate(dead).mean())


def walks_at_birth(
    network: nn.Sequential, split: Split, optimiser: OptimiserChoice
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Measure, for every hidden layer of a perceptron, the start of the walks of its units and their noise.

    Parameters
    ----------
    network : nn.Sequential
        Linear layers, each but the last followed by a ReLU.
    split : Split
        Images on which they are measured.
    optimiser : OptimiserChoice
        Its batch size and kind.

    Returns
    -------
    list of (margins, noise)
        Per layer: the largest pre-activations, and the standard deviation of their change in one step at a learning
        rate of 1; arrays of shape (width,).
    """
    read, written = _recorded(network, split)
    found = []
    for features, activations in zip(read, written, strict=True):
        delta = cast(Tensor, activations.grad).double()  # of the loss of each image
        inputs = torch.cat([features.detach().double(), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)
        margins, images = activations.detach().double().max(dim=0)
        readers = inputs[images]  # shape (units, fan_in + 1)
        if optimiser.kind != "sgd":
            readers = readers / _root_mean_squares(delta, inputs, optimiser.batch_size)
        changes = delta * (inputs @ readers.T)
        noise = changes.std(dim=0, unbiased=False) / math.sqrt(optimiser.batch_size)
        found.append((margins.numpy(), noise.numpy()))
    return found


def _recorded(network: nn.Sequential, split: Split) -> tuple[list[Tensor], list[Tensor]]:
    """Return what the hidden linear layers read and write; what they write has the derivatives of the summed loss."""
    read: list[Tensor] = []
    written: list[Tensor] = []
    x: Any = split.images
    last = [module for module in network if isinstance(module, nn.Linear)][-1]
    for module in network:
        before, x = x, module(x)
        if isinstance(module, nn.Linear) and module is not last:
            x.retain_grad()
            read.append(before)
            written.append(x)
    loss_of(x, split.classes, reduction="sum").backward()  # type: ignore[no-untyped-call]
    network.zero_grad()
    return read, written


def _root_mean_squares(delta: Tensor, inputs: Tensor, batch: int) -> Tensor:
    """Return the root mean square over batches of every weight's gradient, shape (units, fan_in + 1)."""
    mean = delta.T @ inputs / len(inputs)
    square = delta.square().T @ inputs.square() / len(inputs)
    return (mean.square() + (square - mean.square()).clamp(min=0.0) / batch).sqrt() + ADAM_EPSILON


def _died(
    margins: npt.NDArray[np.float64], noise: npt.NDArray[np.float64], steps: int, decay: float
) -> npt.NDArray[np.float64]:
    """Return every unit's probability of death; in units of its own noise, 1 where it was born dead."""
    dead = np.where(margins <= 0.0, 1.0, 0.0)
    walks = (margins > 0.0) & (noise > 0.0)
    start = margins[walks] / noise[walks]
    dead[walks] = absorbed_probability(start, steps, decay=decay, step=0.0 if decay else 1.0)
    return dead

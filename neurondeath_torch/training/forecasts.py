"""What theory says of a deep network before it is trained, and what became of the same quantity.

A network at the edge of chaos is designed so that every layer's pre-activations have variance q*. A finite network
wanders off; where V'(q*) = 1 nothing brings it back (price2024, arXiv 2402.16184).

    forecast_leaving   probability that the last hidden layer's variance is off q* by a factor of more than 2, for one
                       input that has q* at the first layer, by the exact law of that chain
    variance_ratio     the variance that the last hidden layer has, mean over units and images, over q*

The first is for perceptrons, the second also for plain chains of convolutions.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_theory.critical_designs import EdgeOfChaos
from neurondeath_theory.finite_width import next_variance
from neurondeath_torch.training.configuration import ModelChoice
from neurondeath_torch.training.model_building import design_of

__all__ = ["FACTOR", "forecast_leaving", "variance_ratio"]

FACTOR = 2.0  # off q* by more is to have left it
N_PATHS = 1000  # networks drawn; a probability of 1/2 is known to 0.016
SEED = 0
CHUNK = 1024  # images of a forward pass
FORECAST = ("mlp",)  # whose layers are independent given the variance before them
CHAINS = ("mlp", "cnn")  # whose layers follow one another and nothing else


def forecast_leaving(choice: ModelChoice, model: nn.Module) -> float | None:
    """Give the probability that a perceptron at the edge of chaos has left q* at its last hidden layer.

    Parameters
    ----------
    choice : ModelChoice
        How the model was made.
    model : nn.Module
        The model, for its widths.

    Returns
    -------
    float or None
        The share among 1000 networks that the chain of variances draws, always the same ones; None for models without
        such a chain.

    Examples
    --------
    >>> from neurondeath_torch.training.model_building import build_model
    >>> sparse = {"sparsity": 0.85, "initialisation": "edge-of-chaos", "options": {"width": 100, "depth": 20}}
    >>> for choice in (
    ...     ModelChoice(activation="shifted-relu", **sparse),
    ...     ModelChoice(activation="clipped-shifted-relu", v_prime=0.5, **sparse),
    ... ):
    ...     print(round(forecast_leaving(choice, build_model(choice, (1, 8, 8), 10, images=torch.ones(1, 1, 8, 8))), 1))
    0.4
    0.0
    """
    if choice.kind not in FORECAST or choice.initialisation != "edge-of-chaos":
        return None
    widths = [module.out_features for module in model.modules() if isinstance(module, nn.Linear)][:-1]
    return _share_that_leaves(design_of(choice), tuple(widths))


@torch.no_grad()
def variance_ratio(choice: ModelChoice, model: nn.Module, images: Tensor) -> float | None:
    """Give the mean square of the last hidden layer's pre-activations, over units and images, over q*.

    Parameters
    ----------
    choice : ModelChoice
        How the model was made.
    model : nn.Module
        The model, as it is now.
    images : tensor, shape (n, channels, rows, columns)
        On the model's device.

    Returns
    -------
    float or None
        None for models that are no plain chain of layers made at the edge of chaos, and where it is not finite.

    Examples
    --------
    >>> choice = ModelChoice(initialisation="edge-of-chaos", q=4.0, options={"widths": [3]})
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 10))
    >>> _ = nn.init.ones_(model[1].weight), nn.init.zeros_(model[1].bias)
    >>> variance_ratio(choice, model, torch.ones(5, 1, 1, 2))
    1.0
    """
    if choice.kind not in CHAINS or choice.initialisation != "edge-of-chaos":
        return None
    last_hidden = [module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))][-2]
    total, entries = 0.0, 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total, entries
        total += float(output.double().square().sum())
        entries += output.numel()

    handle = last_hidden.register_forward_hook(add)
    was_training = model.training
    model.eval()
    try:
        for chunk in torch.split(images, CHUNK):
            model(chunk)
    finally:
        handle.remove()
        model.train(was_training)
    ratio = total / entries / choice.q
    return ratio if math.isfinite(ratio) else None


@lru_cache(maxsize=32)  # the same for every seed
def _share_that_leaves(design: EdgeOfChaos, widths: tuple[int, ...]) -> float:
    rng = np.random.default_rng(SEED)
    q = np.full(N_PATHS, design.q)
    for width in widths[:-1]:
        q = next_variance(design.activation, design.sigma_w2, design.sigma_b2, q, width, rng)
    return float(np.mean((q > FACTOR * design.q) | (q < design.q / FACTOR)))

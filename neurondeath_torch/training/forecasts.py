r"""Theoretical predictions for a chain of layers before training, and measurements of the same quantities.

    forecast_living_ratio   mean share of images that are alive through all hidden layers: exactly prod(1 - 2^-n) for
                            ReLU under He's or PyTorch's initialisation, the conditioned chain of variances for sparse
                            designs at the edge of chaos
    forecast_leaving        probability that the last hidden layer's variance differs from q* by a factor of more than
                            2, for one input that has q* at the first layer, by the exact law of that chain; where
                            V'(q*) = 1 nothing drives a finite network back to q*
    living_ratio            share of images at which every hidden layer of this network has an active unit
    leaving_ratio           share of images whose variance at this network's last hidden layer differs from q* by more
                            than that factor
    variance_ratio          that variance over q*, averaged over images; images of large norm dominate

Forecasts are made for perceptrons only, measurements also for plain chains of convolutions; for all other models both
are None. Sources: rister2020 (arXiv 2007.06192, theorem 1), price2024 (arXiv 2402.16184); the conditioned chain is ours
(`neurondeath_theory.gaussian_limit.sparse_survival`).
"""

import math
from functools import lru_cache
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos
from neurondeath_theory.gaussian_limit.sparse_survival import sparse_survival
from neurondeath_theory.gaussian_limit.variance_chain import next_variance
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_torch.training.configuration import CHAINS, ModelChoice
from neurondeath_torch.training.model_building import check_options, design_of
from neurondeath_torch.training.models import hidden_widths

__all__ = ["FACTOR", "forecast", "measure_chain"]

FACTOR = 2.0  # a variance that differs from q* by more has left it
MOST_PATHS, LEAST_PATHS = 1000, 100  # networks drawn; standard error of a probability of 1/2: 0.016 and 0.05
MAX_UNITS_DRAWN = 10**8  # about two seconds
SEED = 0
IMAGES_PER_PASS = 1024
SYMMETRIC = ("default", "he")  # initialisations with a symmetric sign of every pre-activation


def forecast(choice: ModelChoice) -> dict[str, float | None]:
    """Compute the theoretical predictions for a model before it is built.

    Parameters
    ----------
    choice : ModelChoice
        The model.

    Returns
    -------
    dict
        `forecast_living_ratio` and `forecast_leaving`, None where there is no prediction. The second is estimated from
        100 to 1000 chains, drawn with a fixed seed.

    Raises
    ------
    InvalidArgumentError
        If a keyword of the model is unknown or out of its domain, or there is no such design.

    Examples
    --------
    >>> forecast(ModelChoice(options={"width": 3, "depth": 20}))["forecast_living_ratio"].__round__(4)
    0.0692
    >>> sparse = {"sparsity": 0.85, "initialisation": "edge-of-chaos", "options": {"width": 100, "depth": 20}}
    >>> unclipped = forecast(ModelChoice(activation="shifted-relu", **sparse))
    >>> clipped = forecast(ModelChoice(activation="clipped-shifted-relu", v_prime=0.5, **sparse))
    >>> round(unclipped["forecast_leaving"], 1), round(clipped["forecast_leaving"], 1)
    (0.4, 0.0)
    """
    no_forecast: dict[str, float | None] = {"forecast_living_ratio": None, "forecast_leaving": None}
    check_options(choice)
    if choice.kind != "mlp" or choice.sign_flip != "none" or choice.residual:
        return no_forecast
    options = dict(choice.options)
    if options.pop("batch_norm", False):
        return no_forecast
    widths = hidden_widths(**options)
    if choice.initialisation == "edge-of-chaos":
        design = design_of(choice)
        return {"forecast_living_ratio": _living_ratio(design, widths), "forecast_leaving": _leaving(design, widths)}
    if choice.activation == "relu" and choice.initialisation in SYMMETRIC:
        return {**no_forecast, "forecast_living_ratio": float(survival_bounds(widths).mean_living_ratio[-1])}
    return no_forecast


@torch.no_grad()
def measure_chain(choice: ModelChoice, model: nn.Module, images: Tensor) -> dict[str, float | None]:
    """Measure the forecast quantities on the model in its current state.

    Parameters
    ----------
    choice : ModelChoice
        Configuration of the model.
    model : nn.Module
        The model.
    images : tensor, shape (n, channels, rows, columns)
        Images, on the model's device.

    Returns
    -------
    dict
        `living_ratio`, `leaving_ratio` and `variance_ratio`; None for models that are not a plain chain of layers; the
        last two are also None if there is no q*, and the last if it is not finite.

    Examples
    --------
    >>> choice = ModelChoice(initialisation="edge-of-chaos", q=4.0, options={"widths": [3]})
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 10))
    >>> _ = nn.init.ones_(model[1].weight), nn.init.zeros_(model[1].bias)
    >>> measure_chain(choice, model, torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    {'living_ratio': 0.5, 'leaving_ratio': 0.0, 'variance_ratio': 1.0}
    """
    if choice.kind not in CHAINS:
        return {"living_ratio": None, "leaving_ratio": None, "variance_ratio": None}
    was_training = model.training
    model.eval()
    try:
        parts = [_run(cast(nn.Sequential, model), chunk) for chunk in torch.split(images, IMAGES_PER_PASS)]
    finally:
        model.train(was_training)
    alive = torch.cat([part[0] for part in parts])
    living = float(alive.double().mean())
    if choice.initialisation != "edge-of-chaos":
        return {"living_ratio": living, "leaving_ratio": None, "variance_ratio": None}
    ratios = torch.cat([part[1] for part in parts]) / choice.q
    stayed = (ratios >= 1.0 / FACTOR) & (ratios <= FACTOR)
    mean = float(ratios.mean())
    return {
        "living_ratio": living,
        "leaving_ratio": float((~stayed).double().mean()),
        "variance_ratio": mean if math.isfinite(mean) else None,
    }


def _run(model: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for every image, whether it is alive through all layers, and its variance at the last hidden layer."""
    alive, last = torch.ones(len(x), dtype=torch.bool, device=x.device), x
    for module in model:
        before, x = x, module(x)
        if not isinstance(module, (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.Flatten)):  # an activation
            alive &= (x != 0).flatten(1).any(dim=1)
            last = before
    return alive.cpu(), last.flatten(1).cpu().double().square().mean(dim=1)


@lru_cache(maxsize=32)  # the same for every seed
def _leaving(design: EdgeOfChaos, widths: tuple[int, ...]) -> float:
    rng = np.random.default_rng(SEED)
    q = np.full(min(max(MAX_UNITS_DRAWN // sum(widths), LEAST_PATHS), MOST_PATHS), design.q)
    for width in widths[:-1]:
        q = next_variance(design.activation, design.sigma_w2, design.sigma_b2, q, width, rng)
    return float(np.mean((q > FACTOR * design.q) | (q < design.q / FACTOR)))


@lru_cache(maxsize=32)
def _living_ratio(design: EdgeOfChaos, widths: tuple[int, ...]) -> float | None:
    if len(set(widths)) > 1:
        return None
    return float(sparse_survival(design, widths[0], len(widths), seed=SEED).survival[-1])

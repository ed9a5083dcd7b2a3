"""Where do the weights behind rectifiers drift in training? The experiment of shvetsov2026, over optimisers and losses.

Weights at birth are PyTorch's default or He's: the default makes outputs small, so that targets decide the first steps.

Perceptrons of three hidden layers learn the digits. Measured along the way: how far the mean of all weights that read
activations (those behind the first hidden layer, the last layer included) has moved, in standard deviations of these
weights at birth, and the share of zeros of the hidden activations on the training images.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn, optim

from neurondeath_theory.foundation.validation import check_choice, check_count
from neurondeath_torch.initialising.initialisation import he_
from neurondeath_torch.training.labelled_data import load_labelled_data
from neurondeath_torch.training.models import perceptron
from neurondeath_torch.training.random_seeds import seed_of

__all__ = ["INITIALISATIONS", "LOSSES", "OPTIMISERS", "drift_rows"]

INITIALISATIONS = ("default", "he")

WIDTH, DEPTH, BATCH = 100, 3, 32
MEASURED = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # shares of the steps, before which it is measured

OPTIMISERS: Mapping[str, Callable[[Sequence[nn.Parameter]], optim.Optimizer]] = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.05),
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.005, momentum=0.9),
    "adam": lambda parameters: optim.Adam(parameters, lr=1e-3),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=1e-3, weight_decay=1e-2),
}


def _squared_error(logits: Tensor, classes: Tensor) -> Tensor:
    return F.mse_loss(logits, F.one_hot(classes, logits.shape[1]).to(logits.dtype))


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": F.cross_entropy,
    "squared error": _squared_error,
}


def drift_rows(
    *,
    steps: int = 1000,
    seeds: Sequence[int] = tuple(range(10)),
    optimisers: Sequence[str] = tuple(OPTIMISERS),
    losses: Sequence[str] = tuple(LOSSES),
    initialisations: Sequence[str] = INITIALISATIONS,
) -> list[dict[str, Any]]:
    """Train perceptrons on the digits and follow the mean of their weights and their zeros.

    Parameters
    ----------
    steps : int
        Number of steps, at least 100.
    seeds : sequence of int
        One network per seed, the same at birth for all optimisers and losses.
    optimisers, losses, initialisations : sequence of str
        From `OPTIMISERS`, `LOSSES` and `INITIALISATIONS`.

    Returns
    -------
    list of dict
        One row per measurement: `initialisation`, `optimiser`, `loss`, `seed`, `epoch` (the number of the measurement,
        0 at birth), `step`, `weight_drift`, `zeros`, `train_accuracy`.

    Examples
    --------
    >>> rows = drift_rows(steps=100, seeds=[0], optimisers=["sgd"], losses=["squared error"], initialisations=["he"])
    >>> [row["step"] for row in rows], rows[0]["weight_drift"]
    ([0, 1, 3, 10, 30, 100], 0.0)
    """
    steps = check_count("steps", steps, least=100)
    rows = []
    for initialisation, loss, optimiser in product(initialisations, losses, optimisers):
        check_choice("initialisation", initialisation, INITIALISATIONS)
        check_choice("loss", loss, list(LOSSES))
        check_choice("optimiser", optimiser, list(OPTIMISERS))
        name = {"initialisation": initialisation, "optimiser": optimiser, "loss": loss}
        for seed in seeds:
            head = {"experiment": ", ".join(name.values()), **name, "seed": seed}
            for number, found in enumerate(_followed(steps, seed, initialisation, OPTIMISERS[optimiser], LOSSES[loss])):
                rows.append({**head, "epoch": number, **found})
    return rows


def _followed(
    steps: int,
    seed: int,
    initialisation: str,
    make: Callable[[Sequence[nn.Parameter]], optim.Optimizer],
    loss: Callable[[Tensor, Tensor], Tensor],
) -> Iterator[dict[str, Any]]:
    """Train one network and yield its measurements."""
    data = load_labelled_data("digits", validation=0.0)
    images, classes = data.train.images, data.train.classes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, 0, "weights"))
        model = perceptron(data.shape, data.n_classes, width=WIDTH, depth=DEPTH)
    if initialisation == "he":
        he_(model, generator=seed_of(seed, 0, "he"))
    behind = [module.weight for module in model if isinstance(module, nn.Linear)][1:]
    optimiser = make(list(model.parameters()))
    at_birth = torch.cat([weight.detach().flatten() for weight in behind])
    birth, deviation = float(at_birth.double().mean()), float(at_birth.double().std())
    batches = _batches(len(images), seed)
    measured = sorted({round(share * steps) for share in MEASURED})
    for step in range(steps + 1):
        if step in measured:
            mean = float(torch.cat([weight.detach().flatten() for weight in behind]).double().mean())
            yield {"step": step, "weight_drift": (mean - birth) / deviation, **_measure(model, images, classes)}
        picked = next(batches)
        optimiser.zero_grad()
        loss(model(images[picked]), classes[picked]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _batches(n: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed_of(seed, 0, "order"))
    while True:
        yield from torch.split(torch.randperm(n, generator=generator), BATCH)


@torch.no_grad()
def _measure(model: nn.Sequential, images: Tensor, classes: Tensor) -> dict[str, float]:
    zeros, x = [], images
    for module in model:
        x = module(x)
        if isinstance(module, nn.ReLU):
            zeros.append((x == 0.0).double().mean())
    return {
        "zeros": float(torch.stack(zeros).mean()),
        "train_accuracy": float((x.argmax(dim=1) == classes).double().mean()),
    }

"""Learn |x| with deep and narrow networks: the collapse experiment of lu2018 and lu2019.

Networks of L - 1 hidden ReLU layers learn y = |x| at points uniform in [-sqrt 3, sqrt 3], by Adam on the squared loss.
The best constant has loss 1/4. A network that is constant after training has *collapsed*; one that is constant from the
start was born dead. The experiment compares He's initialisation (zero biases), the same after layer and neuron sign
flips on the training points, and RAI. Details of the training that the papers do not state are our choice.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_choice, check_count
from neurondeath_torch.initialising.initialisation import he_, rai_
from neurondeath_torch.initialising.sign_flipping import sign_flip_
from neurondeath_torch.training.many_networks import ManyNetworks, train_many
from neurondeath_torch.training.random_seeds import seed_of

__all__ = ["CONSTANT_LOSS", "INITIALISATIONS", "collapse_rows", "train_on_absolute_value"]

CONSTANT_LOSS = 0.25  # loss of the best constant: the variance of |x|
HALF_WIDTH = 3.0**0.5  # half the width of the interval of the inputs
INITIALISATIONS = ("he", "he, layer flip", "he, neuron flip", "rai")
MAX_CONSTANT_SPREAD = 1e-6  # largest spread of the outputs of a constant network
MAX_LEARNED_LOSS = 0.01  # largest loss of a network that has learned |x|
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the loss, stored in the table


def train_on_absolute_value(
    initialisation: str,
    *,
    n_networks: int,
    width: int = 2,
    hidden_layers: int = 9,
    n_points: int = 1024,
    steps: int = 5000,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> ManyNetworks:
    """Train many networks on |x|.

    Parameters
    ----------
    initialisation : {"he", "he, layer flip", "he, neuron flip", "rai"}
        Initialisation of the networks.
    n_networks, width, hidden_layers : int
        Number of networks, and their shape; a network of L layers has L - 1 hidden layers.
    n_points, steps, batch_size : int
        Training points, updates, and points per update.
    learning_rate : float
        Learning rate of Adam.
    seed : int
        Seed of the weights, points and batches.
    progress : callable, optional
        Called after each group of networks with the number of finished networks.

    Returns
    -------
    ManyNetworks
        `first_loss`, `loss`, `outputs`, `first_spread` and `spread` on all points.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain.

    Examples
    --------
    >>> result = train_on_absolute_value("he, neuron flip", n_networks=4, hidden_layers=2, steps=10)
    >>> int((result.outputs[:, 0] == result.outputs[:, 1]).all(axis=1).sum())
    0
    """
    check_choice("initialisation", initialisation, INITIALISATIONS)
    width, depth = check_count("width", width), check_count("hidden_layers", hidden_layers)
    generator = torch.Generator().manual_seed(seed_of(seed, 0, "points"))
    x = (2 * torch.rand(check_count("n_points", n_points), 1, generator=generator) - 1) * HALF_WIDTH

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for fan_in in [1, *[width] * (depth - 1)]:
            layers += [nn.Linear(fan_in, width), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(width, 1))
        return _initialise(model, initialisation, x)

    return train_many(
        make,
        x,
        x.abs(),
        n_networks=n_networks,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        progress=progress,
    )


def collapse_rows(
    *, n_networks: int = 1000, width: int = 2, hidden_layers: int = 9, **options: Any
) -> list[dict[str, Any]]:
    """Train on |x| from every initialisation and count the outcomes: the rows of a study.

    Parameters
    ----------
    n_networks, width, hidden_layers, **options
        As in `train_on_absolute_value`.

    Returns
    -------
    list of dict
        One row per initialisation: `born_constant` before training, `constant` after it, `learned` (loss below 0.01),
        `rest`, and quantiles of the loss. A network is constant when its outputs on the training points do not differ.

    Examples
    --------
    >>> rows = collapse_rows(n_networks=3, hidden_layers=2, steps=1)
    >>> [(row["initialisation"], row["constant"] + row["learned"] + row["rest"]) for row in rows]
    [('he', 3), ('he, layer flip', 3), ('he, neuron flip', 3), ('rai', 3)]
    """
    rows = []
    for initialisation in INITIALISATIONS:
        found = train_on_absolute_value(
            initialisation, n_networks=n_networks, width=width, hidden_layers=hidden_layers, **options
        )
        constant, learned = found.spread <= MAX_CONSTANT_SPREAD, found.loss < MAX_LEARNED_LOSS
        rows.append(
            {
                "experiment": initialisation,
                "initialisation": initialisation,
                "seed": options.get("seed", 0),
                "width": width,
                "hidden_layers": hidden_layers,
                "n_networks": n_networks,
                "born_constant": int((found.first_spread <= MAX_CONSTANT_SPREAD).sum()),
                "constant": int(constant.sum()),
                "learned": int(learned.sum()),
                "rest": int((~constant & ~learned).sum()),
                **{f"loss_{share:g}": float(np.quantile(found.loss, share)) for share in QUANTILES},
            }
        )
    return rows


def _initialise(model: nn.Module, initialisation: str, points: Tensor) -> nn.Module:
    generator: Any = torch.random.initial_seed()  # train_many has seeded the global generator for this network
    if initialisation == "rai":
        rai_(model, generator=generator)
        return model
    he_(model, generator=generator)
    if initialisation != "he":
        sign_flip_(model, points, mode=initialisation.split()[1])
    return model

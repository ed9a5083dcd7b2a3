"""Do updates of pure noise kill units? The experiment behind dufort2024's explanation of dying units.

A perceptron is trained on the digits and then receives updates whose mean is zero. There are three kinds of noise:

    "gaussian"          every weight and bias gets Gaussian noise
    "gaussian, live"    only the incoming weights and biases of currently live units get Gaussian noise
    "sgd"               the learning rate times the gradient of a batch minus the gradient of all training images

Under the last two a dead unit's own weights do not change: its gradient is zero, so that only units in earlier layers
can make it active again.
"""

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_choice, check_count, check_real
from neurondeath_torch.training.configuration import DataChoice, Experiment, ModelChoice, OptimiserChoice
from neurondeath_torch.training.labelled_data import LabelledData
from neurondeath_torch.training.loop import load_experiment_data, train
from neurondeath_torch.training.random_seeds import seed_of

__all__ = ["NOISES", "noise_rows"]

NOISES = ("gaussian", "gaussian, live", "sgd")
N_MEASUREMENTS = 10  # per run, in addition to the one before the first update


def noise_rows(
    *,
    steps: int = 2000,
    deviation: float = 3e-3,
    learning_rate: float = 0.01,
    batch_size: int = 8,
    epochs: int = 20,
    seeds: Sequence[int] = tuple(range(20, 32)),  # the other settings were chosen on other seeds
    noises: Sequence[str] = NOISES,
) -> list[dict[str, Any]]:
    """Train a perceptron on the digits, then update it with pure noise, and count its dead units.

    Parameters
    ----------
    steps : int
        Number of noise updates.
    deviation : float
        Standard deviation of one Gaussian update of one weight.
    learning_rate, batch_size : float, int
        Learning rate and batch size of the gradient noise.
    epochs : int
        Epochs of training before the noise, by SGD at learning rate 0.1.
    seeds : sequence of int
        One run per seed.
    noises : sequence of str
        Kinds of noise, from `NOISES`.

    Returns
    -------
    list of dict
        One row per measurement: `noise`, `seed`, `epoch` (the number of the measurement, 0 before the first noise),
        `step`, `units`, `dead_units` on the training images, `train_accuracy`.

    Examples
    --------
    >>> rows = noise_rows(steps=20, epochs=1, seeds=[0], noises=["gaussian"])
    >>> len(rows), rows[0]["step"], rows[-1]["step"], rows[0]["units"]
    (11, 0, 20, 300)
    """
    steps = check_count("steps", steps, least=N_MEASUREMENTS)
    check_real("deviation", deviation, low=0.0)
    check_real("learning_rate", learning_rate, low=0.0)
    rows = []
    for seed in seeds:
        experiment = Experiment(
            epochs=epochs,
            data=DataChoice(validation=0.0),
            model=ModelChoice(options={"width": 100, "depth": 3}),
            optimiser=OptimiserChoice(learning_rate=0.1, momentum=0.0, batch_size=32),
        )
        data = load_experiment_data(experiment)
        trained = train(experiment, seed=seed, data=data, device="cpu").model
        for noise in noises:
            check_choice("noise", noise, NOISES)
            moving = _Noise(
                cast(nn.Sequential, copy.deepcopy(trained)), data, noise, seed, deviation, learning_rate, batch_size
            )
            for step in range(steps + 1):
                if step:
                    moving.update()
                if step * N_MEASUREMENTS % steps < N_MEASUREMENTS:  # evenly spaced steps, including the last
                    head = {"experiment": noise, "noise": noise, "seed": seed, "epoch": step * N_MEASUREMENTS // steps}
                    rows.append({**head, "step": step, **moving.measure()})
    return rows


class _Noise:
    """A trained perceptron that receives noise updates."""

    def __init__(
        self,
        model: nn.Sequential,
        data: LabelledData,
        noise: str,
        seed: int,
        deviation: float,
        learning_rate: float,
        batch_size: int,
    ) -> None:
        self.model, self.images, self.classes = model, data.train.images, data.train.classes
        self.noise, self.deviation, self.learning_rate, self.batch_size = noise, deviation, learning_rate, batch_size
        self.generator = torch.Generator().manual_seed(seed_of(seed, NOISES.index(noise), "noise"))
        self.linear = [module for module in model if isinstance(module, nn.Linear)]

    def update(self) -> None:
        """Make one update with mean zero."""
        if self.noise == "sgd":
            picked = torch.randint(len(self.images), (self.batch_size,), generator=self.generator)
            of_batch, of_all = self._gradient(self.images[picked], self.classes[picked]), self._gradient(*self._all())
            changes = [-self.learning_rate * (a - b) for a, b in zip(of_batch, of_all, strict=True)]
        else:
            changes = [self.deviation * torch.randn(p.shape, generator=self.generator) for p in self.model.parameters()]
            if self.noise == "gaussian, live":
                for change, alive in zip(changes, self._alive_of_every_parameter(), strict=True):
                    change *= alive if change.dim() == 1 else alive[:, None]
        with torch.no_grad():
            for parameter, change in zip(self.model.parameters(), changes, strict=True):
                parameter.add_(change)

    @torch.no_grad()
    def measure(self) -> dict[str, Any]:
        """Count the units that are dead on the training images."""
        alive = self._alive()
        right = self.model(self.images).argmax(dim=1) == self.classes
        return {
            "units": sum(len(layer) for layer in alive),
            "dead_units": sum(int((~layer).sum()) for layer in alive),
            "train_accuracy": float(right.double().mean()),
        }

    def _all(self) -> tuple[Tensor, Tensor]:
        return self.images, self.classes

    def _gradient(self, images: Tensor, classes: Tensor) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(self.model(images), classes)
        return torch.autograd.grad(loss, list(self.model.parameters()))

    @torch.no_grad()
    def _alive(self) -> list[Tensor]:
        """Return, for every hidden layer, which units are active on at least one training image."""
        found, x = [], self.images
        for module in self.model:
            x = module(x)
            if isinstance(module, nn.ReLU):
                found.append((x > 0).any(dim=0))
        return found

    def _alive_of_every_parameter(self) -> list[Tensor]:
        """Return the live units of each parameter's layer, in parameter order; output units are all alive."""
        alive = [*self._alive(), torch.ones(self.linear[-1].out_features, dtype=torch.bool)]
        return [layer for layer in alive for _ in ("weight", "bias")]

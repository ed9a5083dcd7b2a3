"""Deep networks that stay at chance with He weights learn digits when they start looks-linear or critical residual."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn

from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_torch.initialising.initialisation import he_
from neurondeath_torch.initialising.looks_linear import looks_linear_
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.networks.activations import from_theory
from neurondeath_torch.training.labelled_data import load_labelled_data

pytestmark = pytest.mark.statistical

pytestmark = pytest.mark.usefixtures("one_thread")

DEPTH = 60
DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


def perceptron(width: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    sizes = [64, *[width] * DEPTH]
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def accuracy(model: nn.Module, epochs: int, step: float) -> float:
    """Share of test images that are recognised after a short training with Adam, batches of 50."""
    data = load_labelled_data("digits")
    x, y = data.train.images.flatten(1), data.train.classes
    source = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters(), lr=step)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=source).split(50):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    with torch.no_grad():
        return float((model(data.test.images.flatten(1)).argmax(1) == data.test.classes).float().mean())


def test_a_perceptron_of_width_10_learns_looks_linear() -> None:
    start, he = perceptron(10), perceptron(10)
    looks_linear_(start, generator=1)
    he_(he, generator=1)
    assert accuracy(start, 8, 2e-3) >= 0.7
    assert accuracy(he, 8, 2e-3) < 0.5


def test_a_perceptron_of_width_64_learns_as_a_critical_residual() -> None:
    start, he = perceptron(64), perceptron(64)
    residual_(start, 1.0, generator=1)
    he_(he, generator=1)
    assert accuracy(start, 4, 1e-3) >= 0.9
    assert accuracy(he, 4, 1e-3) < 0.5


def test_a_sparse_critical_residual_learns() -> None:
    """At birth 85 % of its activations are zero in every layer."""
    start = perceptron(64, lambda: from_theory(DESIGN.activation))
    residual_(start, 1.0, design=DESIGN, generator=1)
    assert accuracy(start, 4, 1e-3) >= 0.8

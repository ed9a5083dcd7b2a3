"""The study of weight drift: what it measures, by steps whose effect is known."""

import pytest
import torch

from neurondeath_torch.studies import weight_drift
from neurondeath_torch.studies.weight_drift import drift_rows


class Shift(torch.optim.Optimizer):
    """Adds a constant to some of the weights in every step."""

    def __init__(self, parameters, numbers):
        super().__init__(parameters, {"lr": 0.001})
        self.numbers = numbers

    @torch.no_grad()
    def step(self, closure=None):
        for number in self.numbers:
            self.param_groups[0]["params"][number].add_(0.001)


@pytest.mark.parametrize(
    ("numbers", "share"),
    [([2, 4, 6], 1.0), ([0], 0.0), ([1, 3, 5, 7], 0.0), ([2], 100 / (100 + 100 + 10))],
)
def test_drift_is_that_of_weights_which_read_activations(monkeypatch, numbers, share):
    """Parameters 0 and 1 are those of the first layer, odd ones are biases."""
    monkeypatch.setattr(weight_drift, "OPTIMISERS", {"shift": lambda parameters: Shift(parameters, numbers)})
    rows = drift_rows(steps=100, seeds=[3], losses=["cross-entropy"], initialisations=["he"], optimisers=["shift"])
    weights = torch.randn(100000) * (2 / 100) ** 0.5  # He's, of about this deviation at fan-in 100
    for row in rows:
        assert row["weight_drift"] == pytest.approx(share * row["step"] * 0.001 / float(weights.std()), rel=0.03)
    assert rows[0]["zeros"] == pytest.approx(0.5, abs=0.1)


def test_networks_learn():
    rows = drift_rows(steps=300, seeds=[0], optimisers=["adam"], losses=["squared error"], initialisations=["default"])
    assert rows[0]["train_accuracy"] < 0.3
    assert rows[-1]["train_accuracy"] > 0.95

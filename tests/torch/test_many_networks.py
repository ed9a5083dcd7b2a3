"""Training many networks at once: each is trained as if it were alone."""

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training import many_networks
from neurondeath_torch.training.many_networks import train_many

X = torch.linspace(-1.0, 1.0, 24)[:, None]
Y = X.abs()


def narrow():
    return nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_each_network_is_trained_as_if_alone(optimiser):
    """Compare three networks trained together with a plain loop over the same full batches."""
    together = train_many(narrow, X, Y, n_networks=3, steps=40, learning_rate=0.05, optimiser=optimiser, seed=5)
    for number in range(3):
        model = many_networks._make(narrow, 5, number)
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimiser]
        stepper = kind(model.parameters(), lr=0.05)
        first = nn.functional.mse_loss(model(X), Y).item()
        for _ in range(40):
            stepper.zero_grad()
            nn.functional.mse_loss(model(X), Y).backward()
            stepper.step()
        assert together.first_loss[number] == pytest.approx(first, rel=1e-5)
        assert together.loss[number] == pytest.approx(nn.functional.mse_loss(model(X), Y).item(), rel=1e-4)
        np.testing.assert_allclose(together.outputs[number], model(X).detach().numpy(), atol=1e-4)
    assert len(set(together.first_loss)) == 3


def test_networks_see_batches_of_their_own_and_learn():
    same = lambda: nn.Linear(1, 1, bias=False)  # noqa: E731 - every network starts at another place
    result = train_many(same, X, 3 * X, n_networks=5, steps=200, batch_size=2, learning_rate=0.05)
    assert (result.loss < 0.05 * result.first_loss).all()

    def fixed():
        layer = nn.Linear(1, 1, bias=False)
        nn.init.ones_(layer.weight)
        return layer

    one_step = train_many(fixed, X, 3 * X, n_networks=5, steps=1, batch_size=2, optimiser="sgd")
    assert len(set(one_step.first_loss)) == 1
    assert len(set(one_step.loss)) == 5


def test_more_networks_leave_the_first_as_they_are(monkeypatch):
    monkeypatch.setattr(many_networks, "NETWORKS_PER_GROUP", 4)
    few = train_many(narrow, X, Y, n_networks=3, steps=5, batch_size=6, seed=2)
    more = train_many(narrow, X, Y, n_networks=9, steps=5, batch_size=6, seed=2)
    np.testing.assert_allclose(more.loss[:3], few.loss, rtol=1e-5)
    other = train_many(narrow, X, Y, n_networks=3, steps=5, batch_size=6, seed=3)
    assert not np.isclose(other.loss, few.loss).any()
    finished = []
    train_many(narrow, X, Y, n_networks=9, steps=1, progress=finished.append)
    assert finished == [4, 8, 9]


def test_constant_networks_are_counted():
    def dead():
        model = narrow()
        nn.init.constant_(model[0].bias, -10.0)
        return model

    assert train_many(dead, X, Y, n_networks=4, steps=3).n_constant() == 4
    alive = train_many(lambda: nn.Linear(1, 1), X, Y, n_networks=4, steps=0)
    np.testing.assert_array_equal(alive.first_spread, alive.spread)
    trained = train_many(lambda: nn.Linear(1, 1), X, Y, n_networks=4, steps=9)
    np.testing.assert_array_equal(trained.first_spread, alive.spread)
    assert (trained.spread != alive.spread).all()
    assert alive.n_constant() == 0
    assert alive.spread == pytest.approx([2 * abs(slope[-1] - slope[0]) / 2 for slope in alive.outputs[:, :, 0]])
    assert alive.n_constant(tolerance=100.0) == 4


def test_the_global_generator_is_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train_many(narrow, X, Y, n_networks=2, steps=2, batch_size=3)
    assert torch.equal(torch.rand(3), expected)


def test_bad_arguments():
    with pytest.raises(InvalidArgumentError, match="n_networks"):
        train_many(narrow, X, Y, n_networks=0, steps=1)
    with pytest.raises(InvalidArgumentError, match="targets"):
        train_many(narrow, X, Y[:3], n_networks=1, steps=1)
    with pytest.raises(InvalidArgumentError, match="without buffers"):
        train_many(lambda: nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2)), X, Y, n_networks=2, steps=1)
    with pytest.raises(InvalidArgumentError, match="sgd"):
        train_many(narrow, X, Y, n_networks=1, steps=1, optimiser="lion")

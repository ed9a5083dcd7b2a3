"""Gradient-dormant units against gradients taken by hand, and recycling by them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.watching.gradient_dormancy import gradient_dormant, gradient_sizes
from tests.references.torch_methods import assert_resumes, build, kill, points

X, Y = points(64, 5), points(64, 2, seed=2)


def perceptron(seed=0, activation=nn.ReLU):
    return build(seed, lambda: nn.Linear(5, 8), activation, lambda: nn.Linear(8, 8), activation,
                 lambda: nn.Linear(8, 2))  # fmt: skip


def loss_of(model):
    return lambda: F.mse_loss(model(X), Y)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, lambda: nn.ReLU(inplace=True), nn.GELU])
def test_sizes_are_those_of_finite_differences(activation):
    """A second route: move one activation at one point, and look at the loss, in double precision."""
    model = perceptron(activation=activation).double()
    x, y = X[:6].double(), Y[:6].double()
    found = gradient_sizes(model, lambda: F.mse_loss(model(x), y))
    with torch.no_grad():
        h = model[1](model[0](x).clone())
        expected = np.zeros(8)
        for unit in range(8):
            for point in range(6):
                losses = []
                for sign in (1.0, -1.0):
                    moved = h.clone()
                    moved[point, unit] += sign * 1e-6
                    losses.append(F.mse_loss(model[4](model[3](model[2](moved).clone())), y).item())
                expected[unit] += abs(losses[0] - losses[1]) / 2e-6 / 6
    np.testing.assert_allclose(found["0"], expected, rtol=1e-5, atol=1e-9)
    assert list(found) == ["0", "2"]


def test_units_of_convolutions_and_of_functions():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = build(0, lambda: nn.Conv2d(1, 4, 3), lambda: nn.Linear(4 * 16, 2))

        def forward(self, x):
            return self.out(F.relu_(self.conv(x)).flatten(1))

    model, x = Net(), points(5, 1, 6, 6)
    with torch.no_grad():
        model.out.weight[:, 16:32] = 0.0  # nothing reads the second channel
    sizes = gradient_sizes(model, lambda: model(x).square().mean())["conv"]
    h = F.relu(model.conv(x)).detach().requires_grad_(True)
    model.out(h.flatten(1)).square().mean().backward()
    np.testing.assert_allclose(sizes, h.grad.abs().mean((0, 2, 3)).numpy(), rtol=1e-5)
    assert gradient_dormant(model, lambda: model(x).square().mean())["conv"].tolist() == [False, True, False, False]


def test_what_is_unread_is_dormant_and_what_is_dead_is_not():
    model = perceptron()
    kill(model[0], [4])
    with torch.no_grad():
        model[2].weight[:, [1, 6]] = 0.0
    flags = gradient_dormant(model, loss_of(model))["0"]
    assert np.flatnonzero(flags).tolist() == [1, 6]
    sizes = gradient_sizes(model, loss_of(model))["0"]
    expected = sizes <= 0.9 * sizes.mean()
    assert (gradient_dormant(model, loss_of(model), 0.9)["0"] == expected).all()
    with torch.no_grad():
        model[2].weight.zero_()
    assert gradient_dormant(model, loss_of(model))["0"].all()


def test_the_model_is_left_as_it_was():
    model = build(0, lambda: nn.Linear(5, 8), lambda: nn.BatchNorm1d(8), nn.ReLU, nn.Dropout, lambda: nn.Linear(8, 2))
    model.train()
    mean = model[1].running_mean.clone()
    first = gradient_sizes(model, loss_of(model))["0"]
    assert (gradient_sizes(model, loss_of(model))["0"] == first).all()  # no dropout
    assert torch.equal(model[1].running_mean, mean)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_redo_recycles_by_gradients():
    model = perceptron()
    with torch.no_grad():
        model[2].weight[:, [1, 6]] = 0.0
        model[4].weight[:, 3] = 0.0
    reset = ReDo(model, None, data=X, tau=0.0, measure="gradients", loss=loss_of(model)).recycle()
    rows = dict(zip(reset.layers, [units.tolist() for units in reset.units], strict=True))
    assert rows == {"0": [1, 6], "2": [3]}


def test_recycling_by_gradients_resumes():
    assert_resumes(
        perceptron,
        lambda model: torch.optim.Adam(model.parameters(), lr=0.02),
        lambda model, optimiser: ReDo(
            model, optimiser, data=X, every=5, tau=0.8, measure="gradients", loss=loss_of(model)
        ),
        X,
        Y,
        epochs=6,
        cut=3,
    )


def test_bad_input_is_one_clear_line():
    model = perceptron()
    cases = [
        (lambda: gradient_dormant(model, loss_of(model), -1.0), "tau"),
        (lambda: gradient_dormant(model, loss_of(model), layers=["4"]), "choose among 0, 2"),
        (lambda: gradient_dormant(model, lambda: 1.0), "scalar that depends on the model"),
        (lambda: gradient_dormant(model, lambda: model(float("nan") * X).square().mean()), "finite gradients"),
        (lambda: gradient_dormant(nn.Linear(2, 1), lambda: None), "scalar"),
        (lambda: ReDo(model, None, data=X, measure="gradients"), 'measure="gradients"'),
        (lambda: ReDo(model, None, data=X, measure="weights"), "activations, gradients"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value), caught.value
        assert "\n" not in str(caught.value)

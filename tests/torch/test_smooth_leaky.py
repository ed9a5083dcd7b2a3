"""Smooth-Leaky: its formula, its limits, and the replacement of rectifiers."""

import math

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.networks.smooth_leaky import SmoothLeaky, smooth_leaky_
from neurondeath_torch.networks.unit_activity import measure_activity
from neurondeath_torch.watching.gradient_dormancy import gradient_sizes
from tests.references.torch_methods import build, points


@pytest.mark.parametrize(("slope", "curvature", "width"), [(0.1, 5.0, 3.0), (0.0, 1.0, 1.0), (0.5, 9.0, 0.5)])
def test_values_and_slopes(slope, curvature, width):
    """Plain arithmetic for the values, differences for the slopes."""
    module = SmoothLeaky(slope, curvature, width).double()
    for x in (-30.0, -2.0, -0.3, 0.0, 0.1, 1.5, 30.0):
        gate = 1 / (1 + math.exp(-curvature * x / width))
        point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        value = module(point)
        assert value.item() == pytest.approx(slope * x + (1 - slope) * x * gate, rel=1e-12, abs=1e-15)
        value.backward()
        with torch.no_grad():
            difference = (module(point + 1e-6) - module(point - 1e-6)).item() / 2e-6
        assert point.grad.item() == pytest.approx(difference, abs=1e-6)
    assert module(torch.tensor(-400.0)).item() == pytest.approx(-400.0 * slope, abs=1e-6)
    assert module(torch.tensor(400.0)).item() == pytest.approx(400.0)


def test_half_precision_is_rounded_once():
    x = torch.linspace(-4, 4, 101).bfloat16()
    assert torch.equal(SmoothLeaky()(x), SmoothLeaky()(x.float()).bfloat16())


def test_rectifiers_are_replaced_wherever_they_are():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = build(0, lambda: nn.Linear(5, 8), nn.ReLU, lambda: nn.Linear(8, 8), nn.Tanh)
            self.shared = nn.ReLU()
            self.again = self.shared
            self.out = build(1, lambda: nn.Linear(8, 2))

        def forward(self, x):
            return self.out(self.again(self.shared(self.body(x))))

    model = Net().eval()
    weights = [parameter.clone() for parameter in model.parameters()]
    replaced = smooth_leaky_(model, slope=0.2)
    assert replaced.modules == ("shared", "again", "body.1")
    assert isinstance(model.body[1], SmoothLeaky)
    assert isinstance(model.body[3], nn.Tanh)
    assert model.shared is model.again
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())
    assert not model.body[1].training
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    smooth_leaky_(model, slope=0.3, kinds=[nn.Tanh])
    assert isinstance(model.body[3], SmoothLeaky)


def test_no_unit_is_dead_and_every_unit_learns():
    model = build(0, lambda: nn.Linear(5, 8), nn.ReLU, lambda: nn.Linear(8, 2))
    with torch.no_grad():
        model[0].bias[3] = -20.0
    x = points(64, 5)
    assert not measure_activity(model, x)["0"].active[3]
    smooth_leaky_(model)
    activity = measure_activity(model, x)["0"]
    assert activity.active.all()
    expected = model[1](model[0](x)).detach().abs().double().sum(0)  # what the activation puts out, not its gate
    torch.testing.assert_close(activity.total, expected, rtol=1e-5, atol=1e-6)
    assert (gradient_sizes(model, lambda: model(x).square().mean())["0"] > 0).all()
    model(x).square().mean().backward()
    assert model[0].weight.grad[3].abs().max() > 0.0


def test_bad_input_is_one_clear_line():
    model = build(0, lambda: nn.Linear(5, 8), nn.ReLU)
    cases = [
        (lambda: SmoothLeaky(slope=1.5), "slope"),
        (lambda: SmoothLeaky(curvature=0.0), "curvature"),
        (lambda: smooth_leaky_(model, width=-1.0), "width"),
        (lambda: smooth_leaky_(model, kinds=[]), "kinds"),
        (lambda: smooth_leaky_(model, kinds=["relu"]), "kinds"),
        (lambda: smooth_leaky_(nn.Linear(2, 1)), "ReLU"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert isinstance(model[1], nn.ReLU)

"""No false all-clear: networks whose outputs or inner inputs are constant, whatever made them so."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.networks.thresholded_activations import SoftThreshold
from neurondeath_torch.watching.monitor import DeadUnitMonitor


class Rectified(nn.Module):
    """Two hidden layers; the first is rectified by an operation, the second by a ReLU."""

    def __init__(self, rectify, bias=-50.0):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(8, 6), nn.Linear(6, 2)
        self.rectify = rectify
        with torch.no_grad():
            self.a.bias.fill_(bias)
            self.b.bias.fill_(1.0)
            self.b.weight.mul_(0.3)

    def forward(self, x):
        return self.c(functional.relu(self.b(self.rectify(self.a(x)))))


RECTIFIERS = {
    "maximum": lambda z: torch.maximum(z, torch.zeros(())),
    "where": lambda z: torch.where(z > 0, z, 0.0),
    "masked_fill": lambda z: z.masked_fill(z < 0, 0.0),
    "in place": lambda z: z.clone().masked_fill_(z < 0, 0.0),
    "mask": lambda z: z * (z > 0),
    "heaviside": lambda z: z * torch.heaviside(z, torch.zeros(())),
    "clamp by a tensor": lambda z: z.clamp(min=torch.zeros(8)),
    "absolute": lambda z: (z + z.abs()) / 2,
    "vmap": lambda z: torch.vmap(lambda row: torch.maximum(row, torch.zeros(())))(z),
    "stacked": lambda z: torch.stack([z, torch.zeros_like(z)]).amax(0),
    "sign": lambda z: z * (z.sign() + 1).clamp(max=1),
}


def points(n=100):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", RECTIFIERS)
def test_a_rectifier_that_is_not_recognised_is_found_where_it_is_read(name):
    torch.manual_seed(0)
    found = audit(Rectified(RECTIFIERS[name]), points())
    assert found.report.constant_inputs["b"].tolist() == [True] * 8
    assert found.report.constant_outputs
    assert found.verdict[0].startswith("The outputs are the same for all 100 points")
    assert "8 of 8 of `b`" in found.verdict[1]
    alive = audit(Rectified(RECTIFIERS[name], bias=0.5), points())
    assert not alive.report.constant_outputs
    assert "b" not in alive.report.constant_inputs


@pytest.mark.parametrize("name", ["maximum", "where", "masked_fill", "clamp by a tensor"])
def test_what_is_not_watched_is_said(name):
    found = audit(Rectified(RECTIFIERS[name], bias=0.5), points())
    assert found.report.not_watched
    assert "Nothing is wrong" not in str(found)
    assert "Not watched as activations: `" in str(found)
    assert "units of a" in str(found)


def test_some_units_only():
    model = Rectified(RECTIFIERS["where"], bias=0.5)
    with torch.no_grad():
        model.a.bias[2:5] = -50.0
    with DeadUnitMonitor(model) as monitor:
        for batch in points().split(30):
            model(batch)
    report = monitor.report()
    assert report.constant_inputs["b"].tolist() == [False, False, True, True, True, False, False, False]
    monitor.reset()
    with monitor:
        model(points())
    assert report.constant_inputs.keys() == monitor.report().constant_inputs.keys()


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.b, self.c = (
            nn.RNN(4, 8, nonlinearity="relu", batch_first=True),
            nn.Linear(8, 6),
            nn.Linear(6, 2),
        )
        with torch.no_grad():
            self.cell.bias_ih_l0.fill_(-50.0)
            self.b.bias.fill_(1.0)

    def forward(self, x):
        return self.c(functional.relu(self.b(self.cell(x)[0][:, -1])))


def test_dead_recurrent_cells_are_found():
    found = audit(Recurrent(), torch.randn(50, 5, 4))
    assert found.report.constant_outputs
    assert found.verdict[0].startswith("The outputs are the same for all 50 points")


def plain(activation, bias=-200.0):
    model = nn.Sequential(nn.Linear(4, 8), activation, nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].bias.fill_(bias)
        model[2].bias.fill_(1.0)
    return model


ZERO_SLOPES = [nn.PReLU(8, init=0.0), nn.PReLU(init=0.0), nn.LeakyReLU(0.0), nn.RReLU(0.0, 0.0), nn.ELU(0.0)]


@pytest.mark.parametrize("activation", ZERO_SLOPES, ids=lambda module: type(module).__name__)
def test_slopes_decide_not_names(activation):
    found = audit(plain(activation), points())
    assert found.layers[0].dead == 8
    assert found.report.constant_outputs


@pytest.mark.parametrize("activation", [nn.PReLU(8), nn.LeakyReLU(0.1), nn.RReLU(), nn.ELU()])
def test_other_slopes_never_die(activation):
    report = audit(plain(activation, bias=-2.0), points()).report
    assert list(report.never_zero) == ["1"]
    assert not report.constant_outputs


def test_units_of_a_prelu_are_judged_one_by_one():
    model = plain(nn.PReLU(8))
    with torch.no_grad():
        model[1].weight[:3] = 0.0
    with DeadUnitMonitor(model) as monitor:
        model(points())
    assert monitor.report()["1"].dead.tolist() == [True] * 3 + [False] * 5


@pytest.mark.parametrize("activation", [nn.Softshrink(0.0), nn.Hardshrink(0.0), SoftThreshold(0.0)])
def test_thresholds_of_zero_hold_nothing(activation):
    report = audit(plain(activation, bias=0.0), points()).report
    assert list(report.never_zero) == ["1"]


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU(), nn.Sigmoid(), nn.Tanh(), nn.Softplus()])
def test_saturated_activations_are_seen_in_the_precision_at_hand(activation):
    found = audit(plain(activation), points())
    assert found.report.constant_outputs
    assert found.report.constant_inputs["2"].all()
    found = audit(plain(activation, bias=0.0), points())
    assert not found.report.constant_outputs
    assert not found.report.constant_inputs


def test_half_precision_underflows():
    model = plain(nn.Sigmoid(), bias=-30.0)
    assert not audit(model, points()).report.constant_inputs
    assert audit(model.half(), points().half()).report.constant_inputs["2"].all()


def test_equal_points_and_single_points_prove_nothing():
    model = plain(nn.ReLU(), bias=1.0)
    assert not audit(model, torch.ones(20, 4)).report.constant_outputs
    smooth = audit(nn.Sequential(model[0], nn.GELU(), *model[2:]), torch.ones(20, 4)).report
    assert not smooth.constant_inputs
    assert not audit(model, points(1)).report.constant_outputs


def test_constant_inputs_are_no_news_behind_counted_activations_and_at_the_data():
    model = plain(nn.ReLU(), bias=0.0)
    with torch.no_grad():
        model[0].bias[0] = -50.0
    x = points()
    x[:, 0] = 0.0
    found = audit(model, x)
    assert found.layers[0].dead >= 1
    assert not found.report.constant_inputs


def test_sequences_of_changing_lengths_are_judged_by_their_outputs():
    model = Recurrent()
    batches = [torch.randn(20, length, 4) for length in (5, 3)]
    assert audit(model, batches).report.constant_outputs
    assert audit(model, [torch.randn(1, length, 4) for length in (5, 3)]).report.constant_outputs
    with torch.no_grad():
        model.cell.bias_ih_l0.fill_(0.1)
    assert not audit(model, batches).report.constant_outputs

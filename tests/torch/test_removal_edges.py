"""Removal where channels and units are regrouped: sizes stay true, what cannot be followed is left and said."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.surgery import unit_coupling
from neurondeath_torch.surgery.removal import remove_dead_units
from neurondeath_torch.surgery.resetting import reset_units
from neurondeath_torch.surgery.unit_coupling import CouplingGraph


class Slices(nn.Module):
    """A layer whose channels are read in two halves that are added."""

    def __init__(self):
        super().__init__()
        self.c, self.d, self.e = nn.Conv1d(1, 8, 3), nn.Conv1d(4, 6, 3), nn.Linear(6, 2)

    def forward(self, x):
        h = functional.relu(self.c(x))
        return self.e(functional.relu(self.d(h[:, :4] + h[:, 4:])).mean(-1))


def test_a_layer_that_cannot_be_followed_does_not_stop_the_others():
    torch.manual_seed(0)
    model, x = Slices(), torch.randn(20, 1, 12)
    with torch.no_grad():
        model.c.bias[[1, 5]] = -50.0
        model.d.bias.fill_(1.0)
        model.d.bias[2] = -50.0
    before = model(x).detach()
    removal = remove_dead_units(model, x)
    removed = dict(zip(removal.layers, (units.tolist() for units in removal.removed), strict=True))
    why = dict(zip(removal.layers, removal.reasons, strict=True))
    assert removed == {"c": [], "d": [2], "e": []}
    assert "`d` reads cannot be followed" in why["c"]
    torch.testing.assert_close(model(x), before)


class Decoder(nn.Module):
    """Units become pixels of channels."""

    def __init__(self, norm):
        super().__init__()
        self.lin, self.conv, self.out = nn.Linear(8, 24), nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(6) if norm else nn.Identity()

    def forward(self, x):
        channels = self.lin(x).relu().view(len(x), -1, 2, 2)
        return self.out(self.conv(self.norm(channels).relu()).relu())


@pytest.mark.parametrize("norm", [False, True])
def test_sizes_stay_those_of_the_weights_so_that_a_second_removal_works(norm):
    torch.manual_seed(0)
    model, x = Decoder(norm).eval(), torch.randn(64, 8)
    for channels in (5, 4):
        with torch.no_grad():
            model.lin.bias[:4] = -50.0
        before = model(x).detach()
        remove_dead_units(model, x)
        torch.testing.assert_close(model(x), before)
        assert model.conv.weight.shape == (5, channels, 3, 3)
        assert (model.conv.in_channels, model.lin.out_features) == (channels, 4 * channels)
        if norm:
            assert model.norm.num_features == len(model.norm.running_mean) == channels


def test_a_channel_with_a_living_pixel_stays():
    torch.manual_seed(0)
    model, x = Decoder(False), torch.randn(64, 8)
    with torch.no_grad():
        model.lin.bias[4:7] = -50.0
    removal = remove_dead_units(model, x)
    assert removal.removed[0].size == 0
    assert removal.dead_kept[0] == 3
    assert "receives nonzero values from its channel" in removal.reasons[0]


@pytest.mark.parametrize("norm", [False, True])
def test_a_pixel_of_a_living_channel_is_not_reset(norm):
    torch.manual_seed(0)
    model, x = Decoder(norm).eval(), torch.randn(64, 8)
    with torch.no_grad():
        model.lin.bias[[4, 12, 13, 14, 15]] = -50.0  # a pixel of a channel, and a whole channel
    before = model(x).detach()
    redo = ReDo(model, None, data=x, every=1, tau=0.0, layers=["lin"])
    reset = redo.recycle()
    torch.testing.assert_close(model(x), before)
    assert reset.units[0].tolist() == [12, 13, 14, 15]
    assert "1 of its units share channels of `" in reset.reasons[0]
    assert str(reset) == "reset 4 units"


def test_chosen_units_that_stay_are_left_as_they_are():
    model, x = Decoder(False), torch.randn(64, 8)
    weight, outgoing = model.lin.weight.detach().clone(), model.conv.weight.detach().clone()
    reset = reset_units(model, {"lin": [4]}, data=x)
    assert reset.units[0].size == 0
    assert torch.equal(model.lin.weight, weight)
    assert torch.equal(model.conv.weight, outgoing)
    assert str(reset) == "reset 0 units; left 1 layers alone"


class Stream(nn.Module):
    """A residual stream: all its branches write the same units."""

    def __init__(self, width, depth):
        super().__init__()
        self.first, self.last = nn.Linear(3, width), nn.Linear(width, 2)
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.outer = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def forward(self, x):
        h = self.first(x)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = h + outer(torch.relu(inner(h)))
        return self.last(h)


def test_units_of_a_stream_are_followed_once(monkeypatch):
    torch.manual_seed(0)
    model, followed = Stream(6, 5), []
    follow = CouplingGraph.coupling
    monkeypatch.setattr(CouplingGraph, "coupling", lambda graph, layer: followed.append(layer) or follow(graph, layer))
    remove_dead_units(model, torch.randn(50, 3))
    assert followed == [model.first, model.last, *model.inner]


def test_layers_beyond_the_limit_of_work_keep_their_units(monkeypatch):
    """The limit is counted, not timed: the layers before it lose their dead units, those behind keep them."""
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(6, 6), nn.ReLU()) for _ in range(4)]
    model, x = nn.Sequential(*blocks, nn.Linear(6, 2)), torch.randn(50, 6)
    with torch.no_grad():
        for number in range(4):
            model[number][0].weight[2].fill_(0.0)
            model[number][0].bias[2] = -1.0
    expected = model(x)
    monkeypatch.setattr(unit_coupling, "MOST_WORK", 20)
    removal = remove_dead_units(model, x)
    assert [len(units) > 0 for units in removal.removed] == [True, True, False, False, False]
    assert removal.reasons[2:4] == ("the layers before it took too long to follow",) * 2
    torch.testing.assert_close(model(x), expected)

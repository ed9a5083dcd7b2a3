"""The axis of the units is followed through reshaping: the monitor equals a count by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.watching.monitor import DeadUnitMonitor

N, T, UNITS = 20, 7, 12
DEAD = [0, 3, 4]

# (batch, tokens, units) -> the same numbers in another shape, and the axis of the units there
SHAPES = {
    "as it is": (lambda h: h, 2),
    "transpose": (lambda h: h.transpose(1, 2), 1),
    "transpose twice": (lambda h: h.transpose(1, 2).transpose(0, 1), 0),
    "permute": (lambda h: h.permute(2, 0, 1), 0),
    "movedim": (lambda h: h.movedim(-1, 0), 0),
    "mT": (lambda h: h.mT, 1),
    "swapaxes": (lambda h: h.swapaxes(1, 2), 1),
    "view": (lambda h: h.view(N * T, UNITS), 1),
    "flatten": (lambda h: h.flatten(0, 1), 1),
    "reshape": (lambda h: h.reshape(N, 1, T, UNITS), 3),
    "unsqueeze": (lambda h: h.unsqueeze(1), 3),
    "unsqueeze behind": (lambda h: h.unsqueeze(-1), 2),
    "none index": (lambda h: h[:, None], 3),
    "slice": (lambda h: h[:, 1:4], 2),
    "one token": (lambda h: h[:, 0], 1),
    "unbind": (lambda h: h.unbind(1)[0], 1),
    "select": (lambda h: h.select(1, 0), 1),
    "mean over tokens": (lambda h: h.mean(1), 1),
    "largest over tokens": (lambda h: h.amax(dim=1, keepdim=True), 2),
    "largest over the batch": (lambda h: h.amax(0), 1),
    "chunk": (lambda h: h.chunk(2, dim=1)[0], 2),
    "cat": (lambda h: torch.cat([h, h], dim=1), 2),
    "stack": (lambda h: torch.stack([h, h], dim=1), 3),
    "to one row and back": (lambda h: h.transpose(1, 2).reshape(N, UNITS, T), 1),
    "broadcast": (lambda h: h + torch.zeros(3, 1, 1, 1), 3),
    "expand": (lambda h: h.expand(2, N, T, UNITS), 3),
    "repeat": (lambda h: h.repeat(1, 2, 1), 2),
    "roll": (lambda h: h.roll(1, dims=1), 2),
    "pad": (lambda h: functional.pad(h.transpose(1, 2), (1, 1)), 1),
    "pool": (lambda h: functional.avg_pool1d(h.transpose(1, 2), 3), 1),
    "image": (lambda h: h.transpose(1, 2).unsqueeze(-1), 1),
}


class Reshaped(nn.Module):
    def __init__(self, reshape):
        super().__init__()
        self.layer, self.reshape, self.seen = nn.Linear(5, UNITS), reshape, []
        with torch.no_grad():
            self.layer.bias[DEAD] = -50.0

    def forward(self, x):
        self.seen.append(self.reshape(self.layer(x)).relu())
        return self.seen[-1]


@pytest.mark.parametrize("name", SHAPES)
def test_units_are_counted_along_their_own_axis(name):
    torch.manual_seed(0)
    reshape, axis = SHAPES[name]
    model = Reshaped(reshape)
    with DeadUnitMonitor(model) as monitor:
        model(torch.randn(N, T, 5))
    (activity,) = monitor.report().activities
    by_hand = (model.seen[0] != 0).movedim(axis, 0).flatten(1)
    assert activity.n_units == UNITS
    assert activity.n_active.tolist() == by_hand.sum(1).tolist()
    assert activity.n_positions == by_hand.shape[1]
    assert activity.dead.tolist() == [unit in DEAD for unit in range(UNITS)]
    assert activity.layer == "layer"


class ValueHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.v, self.last = nn.Linear(4, 8), nn.Linear(8, 1), nn.Linear(1, 2)

    def forward(self, x):
        value = functional.relu(self.v(functional.relu(self.a(x))).squeeze(-1).clone() + 1.0)
        return self.last(value.unsqueeze(-1))


def test_a_unit_without_an_axis_is_one_unit_whatever_the_batch():
    with DeadUnitMonitor(ValueHead()) as monitor:
        monitor._model(torch.randn(100, 4))
        monitor._model(torch.randn(44, 4))
    first, value = monitor.report().activities
    assert (first.n_units, value.n_units, value.n_samples, value.layer) == (8, 1, 144, "v")
    assert audit(ValueHead(), torch.randn(300, 4)).report.n_units == 9  # the last batch is smaller


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.bn, self.c = nn.Linear(6, 12), nn.BatchNorm1d(12), nn.Linear(12, 3)

    def forward(self, x):
        return self.c(functional.relu(self.bn(self.a(x).transpose(1, 2))).transpose(1, 2))


def test_batch_norm_over_a_sequence_whose_length_changes():
    torch.manual_seed(0)
    model = Sequence().eval()
    with torch.no_grad():
        model.bn.weight[:5], model.bn.bias[:5] = 0.0, -1.0
    found = audit(model, [torch.randn(40, 9, 6), torch.randn(40, 4, 6), torch.randn(3, 9, 6)])
    assert (found.layers[0].dead, found.layers[0].units) == (5, 12)
    assert found.report["relu"].n_positions == 40 * 9 + 40 * 4 + 3 * 9


class Product(nn.Module):
    def __init__(self, mix):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)
        self.mix, self.weight = mix, nn.Parameter(torch.randn(8, 8))

    def forward(self, x):
        return self.b(functional.relu(self.mix(functional.relu(self.a(x)), self.weight) + 1))


@pytest.mark.parametrize(
    "mix",
    [
        lambda h, w: h @ w,
        torch.matmul,
        lambda h, w: torch.einsum("ni,ij->nj", h, w),
        lambda h, w: torch.addmm(torch.zeros(8), h, w),
        lambda h, w: functional.scaled_dot_product_attention(h[None], h[None], h[None])[0],
        lambda h, w: h.cumsum(-1),
    ],
    ids=["at", "matmul", "einsum", "addmm", "attention", "cumsum"],
)
def test_units_belong_to_the_layer_that_makes_them_never_across_mixing(mix):
    torch.manual_seed(0)
    model = Product(mix)
    with torch.no_grad():
        model.a.bias[:3] = -50.0
        model.a.bias[3:] = 3.0
    with DeadUnitMonitor(model) as monitor:
        model(torch.randn(200, 4))
    assert monitor.report().dead_units(by="layer")["a"].tolist() == [True] * 3 + [False] * 5
    assert [one.layer for one in monitor.report().activities] == ["a", None]


ORDER = torch.tensor([3, 0, 1, 2, 5, 4, 7, 6])
REORDERED = {
    "index": lambda h: h[:, ORDER],
    "index_select": lambda h: h.index_select(1, ORDER),
    "gather": lambda h: h.gather(1, ORDER.expand(len(h), -1)),
    "flip": lambda h: h.flip(1),
    "roll": lambda h: h.roll(1, dims=1),
    "sort": lambda h: h.sort(dim=1).values,
    "shuffle": lambda h: h.view(-1, 2, 4).transpose(1, 2).reshape(-1, 8),
    "channel_shuffle": lambda h: functional.channel_shuffle(h[:, :, None, None], 2)[:, :, 0, 0],
    "halves swapped": lambda h: torch.cat([h[:, 4:], h[:, :4]], 1),
}


@pytest.mark.parametrize("name", REORDERED)
def test_units_in_another_order_are_not_taken_for_those_of_the_layer(name):
    torch.manual_seed(0)
    model = nn.Sequential()
    model.layer = nn.Linear(4, 8)
    model.forward = lambda x: REORDERED[name](model.layer(x)).relu()
    with torch.no_grad():
        model.layer.bias[:3] = -50.0
    with DeadUnitMonitor(model) as monitor:
        model(torch.randn(60, 4))
    report = monitor.report()
    assert report.n_units == 8
    assert report.dead_units(by="layer") == {}


def test_an_order_that_stays_is_kept():
    model = nn.Sequential()
    model.layer = nn.Linear(4, 8)
    model.forward = lambda x: model.layer(x)[:, torch.arange(8)].flip(0).roll(2, dims=0).relu()
    with DeadUnitMonitor(model) as monitor:
        model(torch.randn(60, 4))
    assert list(monitor.report().dead_units(by="layer")) == ["layer"]

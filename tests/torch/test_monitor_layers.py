"""Units of an activation and the layer they belong to: tokens, reshaping, sums, pruned and shared layers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.nn.utils import parametrize, prune

from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.torch.test_monitor import points, seeded


def test_tokens_are_positions_and_features_units():
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        model(points(3, 5, 8))
    report = monitor.report()
    assert [(a.name, a.layer) for a in report.activities] == [
        ("layers.0.relu", "layers.0.linear1"),
        ("layers.1.relu", "layers.1.linear1"),
    ]
    assert all((a.n_units, a.n_samples, a.n_positions) == (12, 3, 15) for a in report.activities)


@pytest.mark.parametrize(
    ("arrange", "n_units", "layer"),
    [
        (lambda z: z.flatten(1), 3 * 4 * 5, None),
        (lambda z: z.permute(0, 2, 3, 1), 3, "conv"),
        (lambda z: z.mean((2, 3)), 3, "conv"),
        (lambda z: torch.cat([z, z], 1), 6, None),
        (lambda z: F.max_pool2d(z, 2, return_indices=True)[0], 3, "conv"),
    ],
)
def test_units_after_reshaping(arrange, n_units, layer):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 1)

        def forward(self, x):
            self.h = F.relu(arrange(self.conv(x)))
            return self.h

    model = seeded(Net)
    with DeadUnitMonitor(model) as monitor:
        model(points(2, 1, 4, 5))
    (activity,) = monitor.report().activities
    assert (activity.n_units, activity.layer) == (n_units, layer)
    assert activity.n_active.sum() == (model.h != 0).sum()


def test_sums_of_branches_have_no_single_layer():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            inner = F.relu(self.a(x))
            return F.relu(self.b(inner) + x) + F.relu(self.c(inner) * 2.0 + 1.0)

    model = seeded(Block)
    with DeadUnitMonitor(model) as monitor:
        model(points(5, 4))
    report = monitor.report()
    assert [activity.layer for activity in report.activities] == ["a", None, "c"]
    assert set(report.dead_units(by="layer")) == {"a", "c"}
    assert report.activities[1].static_dnr is None


def test_a_layer_that_feeds_two_activations_has_dead_units_where_both_are():
    class Both(nn.Linear):
        def forward(self, x):
            z = super().forward(x)
            return F.relu(z) + F.relu(z.neg())

    model = Both(2, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]]))
    with DeadUnitMonitor(model) as monitor:
        model(torch.ones(4, 2))
    report = monitor.report()
    assert [mask.tolist() for mask in report.dead_units().values()] == [[False, True, True], [True, False, True]]
    assert report.dead_units(by="layer")["model"].tolist() == [False, False, True]


def test_pruned_units_by_masks_and_parametrisations():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.ConvTranspose1d(3, 2, 1, groups=1))
    mask = torch.ones(4, 3)
    mask[1] = 0.0
    prune.custom_from_mask(model[0], "weight", mask)

    class Zeroed(nn.Module):
        def forward(self, weight):
            return weight * torch.tensor([[1.0], [0.0], [0.0]])

    parametrize.register_parametrization(model[2], "weight", Zeroed())
    with torch.no_grad():
        model[0].bias.fill_(1.0)
        model[2].bias.fill_(-1.0)
    with DeadUnitMonitor(nn.Sequential(*model[:4])) as monitor:
        monitor._model(points(6, 3))
    first, second = monitor.report().activities
    assert first.pruned.tolist() == [False, True, False, False]
    assert not first.dead[1]  # the bias keeps it active: a pruned unit need not be dead
    assert (second.static_dnr, second.dead[1:].tolist()) == (pytest.approx(2 / 3), [True, True])
    assert second.dynamic_dnr == pytest.approx(second.apoz[0] / 3)


def test_rows_of_grouped_transposed_convolutions():
    model = nn.Sequential(nn.ConvTranspose2d(4, 6, 2, groups=2), nn.ReLU())
    with torch.no_grad():
        model[0].weight[2:, 1] = 0.0  # second group, its second output: unit 4
    with DeadUnitMonitor(model) as monitor:
        model(points(2, 4, 3, 3))
    assert np.flatnonzero(monitor.report().activities[0].pruned).tolist() == [4]


def test_weights_without_a_module_are_named_by_their_parameter():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(points(5, 3))

        def forward(self, x):
            return F.relu(F.linear(x, self.w))

    model = Bare()
    with DeadUnitMonitor(model) as monitor:
        model(points(4, 3))
    assert list(monitor.report().dead_units(by="layer")) == ["w"]

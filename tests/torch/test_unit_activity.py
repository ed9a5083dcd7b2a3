"""Unit activity after every activation of the project, compared with a direct evaluation of the definition."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations as theory
from neurondeath_torch import (
    ClippedShiftedReLU,
    ClippedSoftThreshold,
    DemonPruning,
    ReDo,
    ShiftedReLU,
    SoftThreshold,
    SynapticStripping,
    from_theory,
    remove_dead_units,
)
from neurondeath_torch.networks.unit_activity import measure_activity
from tests.references.torch_methods import build, points

OURS = {
    "shifted ReLU": lambda: ShiftedReLU(0.3),
    "soft threshold": lambda: SoftThreshold(0.4),
    "clipped shifted ReLU": lambda: ClippedShiftedReLU(0.2, 0.9),
    "clipped soft threshold": lambda: ClippedSoftThreshold(0.5, 1.1),
    "piecewise linear": lambda: from_theory(theory.PiecewiseLinear([-1.0, 0.5], [-2.0, 0.0, 1.0])),
    "leaky": lambda: from_theory(theory.PiecewiseLinear([0.0], [0.1, 1.0])),
}
each_of_ours = pytest.mark.parametrize("activation", OURS.values(), ids=list(OURS))
X = points(40, 3, seed=3)
DEAD = 2


def with_a_dead_unit(activation):
    """Build 3 -> 5 -> 2, whose unit 2 has weights so small that it stays within all thresholds of the project."""
    model = build(0, lambda: nn.Linear(3, 5), activation, lambda: nn.Linear(5, 2))
    with torch.no_grad():
        model[0].weight[DEAD], model[0].bias[DEAD] = torch.tensor([1e-3, 2e-3, 3e-3]), 0.0
        model[0].weight[[0, 1, 3, 4]] *= 4.0
    return model


@each_of_ours
def test_our_activations_are_seen(activation):
    model = with_a_dead_unit(activation)
    with torch.no_grad():
        h = model[1](model[0](X))
    (seen,) = measure_activity(model, [X[:10], X[10:]]).values()
    assert torch.equal(seen.active, (h != 0).any(0))
    torch.testing.assert_close(seen.total, h.abs().sum(0, dtype=torch.float64), rtol=1e-6, atol=0.0)
    assert seen.seen == len(X)
    seen.active[0] = False  # the returned tensors may be changed


@pytest.mark.parametrize("name", [name for name in OURS if name != "leaky"])
def test_every_method_finds_the_unit_that_is_dead_behind_our_activation(name):
    activation = OURS[name]
    stripping = SynapticStripping(with_a_dead_unit(activation), data=X)
    stripping.after_epoch()
    assert np.flatnonzero(~stripping.masks.kept("0").all(1)).tolist() == [DEAD]

    model = with_a_dead_unit(activation)
    before = model[0].weight.detach().clone()
    ReDo(model, None, data=X, tau=0.0).recycle()
    assert (model[0].weight != before).any(1).nonzero().flatten().tolist() == [DEAD]

    assert remove_dead_units(with_a_dead_unit(activation), X).removed[0].tolist() == [DEAD]

    model = with_a_dead_unit(activation)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    demon = DemonPruning(model, optimiser, data=X, steps=10, peak=0.1, noise=0.01, penalise="weights")
    before = model[0].weight.detach().clone()
    demon.penalty()
    for _ in range(3):
        demon.after_step()
    assert (model[0].weight != before).any(1).tolist() == [unit != DEAD for unit in range(5)]


class Net(nn.Module):
    """A small net whose forward pass is given."""

    def __init__(self, forward):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.fc, self.square = nn.Linear(4 * 36, 4), nn.Parameter(torch.randn(4, 4))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


IMAGES = points(7, 1, 6, 6)


def counts(forward):
    with torch.no_grad():
        return {name: seen.total.tolist() for name, seen in measure_activity(Net(forward), IMAGES).items()}


def sizes(h):
    return h.abs().double().sum([axis for axis in range(h.ndim) if axis != 1]).tolist()


def test_pooling_comes_before_the_activation_as_often_as_after():
    net = Net(None)
    pooled = counts(lambda net, x: F.relu(F.max_pool2d(net.a(x), 2)))
    with torch.no_grad():
        assert pooled == {"a": pytest.approx(sizes(F.max_pool2d(net.a(IMAGES), 2).relu()))}


def test_a_sum_belongs_to_the_layers_that_no_activation_separates_from_it():
    net = Net(None)

    def forward(net, x):
        stream = net.a(x)
        stream = F.relu(stream + net.b(stream))
        return F.gelu(net.fc(stream.flatten(1)))

    with torch.no_grad():
        stream = net.a(IMAGES)
        stream = F.relu(stream + net.b(stream))
        last = F.gelu(net.fc(stream.flatten(1)))
    expected = {"a": pytest.approx(sizes(stream)), "b": pytest.approx(sizes(stream)), "fc": pytest.approx(sizes(last))}
    seen = counts(forward)
    assert seen == expected
    assert list(seen) == ["a", "b", "fc"]

    def activated_twice(net, x):
        stream = F.relu(net.a(x))
        return torch.relu(stream + net.b(stream))

    assert counts(activated_twice)["a"] == pytest.approx(sizes(net.a(IMAGES).relu().detach()))


@pytest.mark.parametrize(
    "mix",
    [
        lambda net, h: h @ net.square,
        lambda net, h: h[:, [1, 0, 3, 2]],
        lambda net, h: h.flip(1),
        lambda net, h: torch.cat([h[:, 2:], h[:, :2]], 1),
        lambda net, h: h.mean(1, keepdim=True),
    ],
    ids=["matrix product", "indices", "flip", "concatenation", "mean"],
)
def test_units_that_are_mixed_or_moved_on_the_way_are_not_taken_for_the_layers_own(mix):
    seen = counts(lambda net, x: F.relu(mix(net, net.fc(F.relu(net.a(x)).flatten(1)))))
    assert list(seen) == ["a"]


def test_no_hook_is_left_though_the_model_fails():
    def fail(net, x):
        raise ZeroDivisionError

    model = Net(fail)
    with pytest.raises(ZeroDivisionError):
        measure_activity(model, IMAGES)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_layer_that_no_activation_follows_is_refused_by_name():
    model = build(0, lambda: nn.Linear(3, 4), nn.ReLU, lambda: nn.Linear(4, 2))
    with pytest.raises(InvalidArgumentError, match="choose among 0"):
        measure_activity(model, X, ["2"])
    linear = build(0, lambda: nn.Linear(3, 4))
    with pytest.raises(InvalidArgumentError, match="followed by an activation"):
        measure_activity(linear, X)
    assert measure_activity(linear, X, required=False) == {}

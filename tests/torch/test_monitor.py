import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_torch.networks import activations as own
from neurondeath_torch.watching.monitor import DeadUnitMonitor


def seeded(build, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def points(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mode_is_off():
    return torch._C._len_torch_function_stack() == 0


def hooks_of(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def eleven(dead_unit):
    """Build a model with one hidden layer of 11 units, exactly one of them dead on positive inputs."""
    model = nn.Sequential(nn.Linear(3, 11), nn.ReLU(), nn.Linear(11, 2))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.zero_()
        model[0].weight[dead_unit] = -1.0
    return model


@pytest.mark.parametrize("dead_unit", [0, 4, 10])
def test_one_of_eleven_units_is_dead(dead_unit):
    model = eleven(dead_unit)
    with DeadUnitMonitor(model) as monitor:
        model(points(7, 3).abs() + 0.1)
    report = monitor.report()
    assert [np.flatnonzero(mask).tolist() for mask in report.dead_units().values()] == [[dead_unit]]
    assert np.flatnonzero(report.dead_units(by="layer")["0"]).tolist() == [dead_unit]
    (activity,) = report.activities
    assert (activity.layer, activity.n_units, activity.n_samples) == ("0", 11, 7)
    assert activity.sparsity == pytest.approx(1 / 11)
    assert activity.dormant(0.0).sum() == activity.silent(1).sum() == 1
    assert (activity.static_dnr, activity.dynamic_dnr) == (0.0, pytest.approx(1 / 11))
    assert "1 of 11 units dead on 7 samples" in str(report)


def test_one_of_eleven_channels_is_dead():
    model = nn.Sequential(nn.Conv2d(2, 11, 3), nn.ReLU(), nn.MaxPool2d(2))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.fill_(0.0)
        model[0].weight[6] = -1.0
    with DeadUnitMonitor(model) as monitor:
        model(points(4, 2, 6, 8).abs())
    (activity,) = monitor.report().activities
    assert np.flatnonzero(activity.dead).tolist() == [6]
    assert activity.n_positions == 4 * 4 * 6
    one = points(2, 6, 8).abs()  # a single image without a batch axis
    with DeadUnitMonitor(model) as monitor:
        model(one)
    (activity,) = monitor.report().activities
    assert (activity.n_units, activity.n_samples, np.flatnonzero(activity.dead).tolist()) == (11, 1, [6])


class Mixed(nn.Module):
    """Convolutions and linear layers whose ReLUs are called in many ways; stores their outputs."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(1, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 6, 3, groups=1)
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.shared = nn.ReLU(inplace=True)
        self.fc1, self.fc2, self.fc3 = nn.Linear(4 * 8 * 8, 9), nn.Linear(9, 7), nn.Linear(7, 5)
        self.soft = own.SoftThreshold(0.3)
        self.out = nn.Linear(5, 2)
        self.kept = []

    def forward(self, x):
        kept = {}
        x = self.shared(self.norm(self.conv1(x)))
        kept["shared"] = x.detach().clone()
        x = F.relu(self.conv2(x), inplace=True)
        kept["relu"] = x.detach().clone()
        x = self.shared(self.up(F.max_pool2d(x, 1)[:, :, :4, :4]))
        kept["shared#2"] = x.detach().clone()
        x = self.fc1(x.flatten(1)).clamp(min=0)
        kept["clamp"] = x.detach().clone()
        x = self.fc2(x).relu_()
        kept["relu#2"] = x.detach().clone()
        x = self.soft(self.fc3(x))
        kept["soft"] = x.detach().clone()
        self.kept.append(kept)
        return self.out(x)


LAYERS = {"shared": "conv1", "relu": "conv2", "shared#2": "up", "clamp": "fc1", "relu#2": "fc2", "soft": "fc3"}


@pytest.mark.parametrize("training", [True, False])
def test_monitor_against_brute_force(training):
    model = seeded(Mixed).train(training)
    with torch.no_grad():
        model.fc1.bias -= 0.5
    batches = [points(n, 1, 8, 8, seed=n) for n in (5, 1, 3)] if not training else [points(n, 1, 8, 8) for n in (5, 2)]
    with DeadUnitMonitor(model) as monitor:
        for batch in batches:
            model(batch)
    report = monitor.report(tau=0.4, window=1)
    assert {activity.name: activity.layer for activity in report.activities} == LAYERS
    for activity in report.activities:
        kept = [step[activity.name] for step in model.kept]
        rows = [h.movedim(1, -1).reshape(-1, h.shape[1]).double().numpy() for h in kept]
        every = np.concatenate(rows)
        assert (activity.n_active == (every != 0).sum(0)).all()
        assert activity.mean_size == pytest.approx(np.abs(every).mean(0), rel=1e-6)
        assert activity.n_positions == len(every)
        assert activity.n_samples == sum(map(len, batches))
        last = [max([i + 1 for i, r in enumerate(rows) if r[:, u].any()], default=0) for u in range(every.shape[1])]
        assert activity.last_fired.tolist() == last
        assert (activity.silent(1) == ~rows[-1].any(0)).all()
    assert report.n_dead == sum(int((a.n_active == 0).sum()) for a in report.activities)
    assert 0 < report.n_dead < report.n_units
    row = dict(zip(report.columns(), zip(*report.columns().values(), strict=True).__next__(), strict=True))
    assert row["units"] == 5
    assert len(report.to_dataframe()) == 6


@pytest.mark.parametrize(
    "activate",
    [
        F.relu,
        torch.relu,
        torch.Tensor.relu,
        lambda z: z.relu_(),
        lambda z: F.relu(z, inplace=True),
        lambda z: torch.clamp(z, min=0.0),
        lambda z: z.clamp(0),
        lambda z: z.clamp_min_(0),
        lambda z: torch.clip(z, 0, 1.5),
        F.relu6,
        lambda z: F.hardtanh(z, 0.0, 2.0),
        lambda z: F.threshold(z, 0.0, 0.0),
        lambda z: F.threshold(z, 0.7, 0.0),
        F.softshrink,
        F.hardshrink,
        nn.ReLU(),
        nn.ReLU6(inplace=True),
        own.ShiftedReLU(0.4),
        own.ClippedSoftThreshold(0.2, 1.0),
    ],
)
def test_every_way_to_call_an_activation(activate):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 6)
            if isinstance(activate, nn.Module):
                self.act = activate

        def forward(self, x):
            self.h = activate(self.fc(x))
            return self.h

    model, x = seeded(Net), points(9, 4)
    with DeadUnitMonitor(model) as monitor:
        model(x)
    (activity,) = monitor.report().activities
    assert activity.layer == "fc"
    assert (activity.n_active == (model.h != 0).sum(0).numpy()).all()
    assert 0 < activity.n_active.sum() < 54


@pytest.mark.parametrize("call", [lambda z: z.clamp(min=0.1), lambda z: z.clamp(max=0.0), lambda z: F.hardtanh(z)])
def test_what_is_not_zero_on_an_interval_is_no_activation(call):
    class Net(nn.Linear):
        def forward(self, x):
            return call(super().forward(x))

    model = Net(3, 3)
    with pytest.raises(NeuronDeathError, match="saw no activation"), DeadUnitMonitor(model):
        model(points(2, 3))


def test_outputs_gradients_states_and_random_numbers_stay_as_they_were():
    model = seeded(
        lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(True), nn.Dropout(), nn.Linear(6, 2))
    )
    twin, x = copy.deepcopy(model), points(8, 4)

    def step(net, monitor=None):
        torch.manual_seed(5)
        out = net(x)
        out.square().sum().backward()
        return out, torch.rand(3)

    with DeadUnitMonitor(model):
        seen = step(model)
    unseen = step(twin)
    assert torch.equal(seen[0], unseen[0])
    assert torch.equal(seen[1], unseen[1])
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)
    for name, value in twin.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert model.training
    assert hooks_of(model) == 0
    assert mode_is_off()


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_counts_mix_with_and_without_gradients_and_autocast(around):
    model, x = eleven(3), points(6, 3).abs() + 0.1
    with DeadUnitMonitor(model) as monitor:
        with around():
            model(x)
        model(x)
        with around():
            model(x)
    (activity,) = monitor.report().activities
    assert (activity.n_active == np.where(np.arange(11) == 3, 0, 18)).all()


def test_counts_of_low_precision_are_exact_and_sums_do_not_overflow():
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU()).half()
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    with DeadUnitMonitor(model) as monitor, torch.no_grad():
        model(torch.full((5000, 1), 60.0, dtype=torch.float16))
    (activity,) = monitor.report().activities
    assert activity.n_active.tolist() == [5000, 5000]
    assert activity.mean_size.tolist() == [60.0, 60.0]


def test_live_reports_reset_and_windows():
    model, x = eleven(0), points(4, 3).abs()
    with DeadUnitMonitor(model) as monitor:
        model(x)
        assert monitor.report().activities[0].dead.sum() == 1
        model(-x)
        first = monitor.report()
        assert (monitor.n_batches, first.n_dead) == (2, 0)
        model(x)
        late = monitor.report(window=1)
        assert late.activities[0].silent(late.window).tolist() == [True] + [False] * 10
        monitor.reset()
        assert monitor.n_batches == 0
        with pytest.raises(NeuronDeathError, match="no forward pass"):
            monitor.report()
        model(-x)
        second = monitor.report()
    assert second.n_dead == 10
    assert first.n_dead == 0  # a report is not changed by what comes after
    found = second.overlap(monitor.report())
    assert (found.n_both, found.persistence, found.n_units) == (10, 1.0, 11)


def test_smooth_activations_are_watched_with_a_threshold():
    model = nn.Sequential(nn.Linear(1, 2), nn.GELU(), nn.Linear(2, 2), nn.Tanh())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [-20.0]]))
        model[0].bias.zero_()
    for watch in (["1"], [nn.GELU]):
        with DeadUnitMonitor(model, watch=watch, threshold=1e-3) as monitor:
            model(torch.ones(3, 1))
        report = monitor.report()
        assert report.dead_units()["1"].tolist() == [False, True]
        assert list(report.never_zero) == ["3"]


def test_a_copy_made_meanwhile_is_not_counted():
    model = eleven(0)
    with DeadUnitMonitor(model) as monitor:
        model(points(2, 3))
        copied = copy.deepcopy(model)
        copied(points(5, 3))
    copied(points(5, 3))
    assert monitor.report().activities[0].n_samples == 2


def test_two_monitors_at_once_count_the_same():
    model = seeded(Mixed).eval()
    with DeadUnitMonitor(model) as outer, DeadUnitMonitor(model) as inner:
        model(points(3, 1, 8, 8))
    for ours, theirs in zip(outer.report().activities, inner.report().activities, strict=True):
        assert (ours.name, ours.layer) == (theirs.name, theirs.layer)
        assert (ours.n_active == theirs.n_active).all()


def test_checkpointed_layers_are_counted_once():
    from torch.utils.checkpoint import checkpoint

    class Check(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = eleven(2)

        def forward(self, x):
            return checkpoint(self.inner, x, use_reentrant=False)

    model, x = Check(), (points(6, 3).abs() + 0.1).requires_grad_()
    with DeadUnitMonitor(model) as monitor:
        model(x).sum().backward()
    (activity,) = monitor.report().activities
    assert activity.n_samples == 6
    assert np.flatnonzero(activity.dead).tolist() == [2]

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.nn.utils import parametrize, prune

from neurondeath_theory.errors import InvalidArgumentError, NeuronDeathError
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
    """Give one hidden layer of 11 units, exactly one of them dead on positive inputs."""
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
    """Convolutions and linear layers whose ReLUs are called in many ways; keeps what they gave."""

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
    assert not first.dead[1]  # the bias keeps it active: pruned and dead are two things
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


class Fails(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.fc, self.error, self.armed = nn.Linear(3, 3), error, False

    def forward(self, x):
        x = F.relu(self.fc(x))
        if self.armed:
            raise self.error
        return x


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_broken_pass_counts_nothing_and_leaves_nothing(error):
    model = nn.Sequential(Fails(error), nn.ReLU())
    monitor = DeadUnitMonitor(model)
    with pytest.raises(type(error)), monitor:  # noqa: PT012 - the error must leave the monitor, too
        model(points(4, 3))
        model[0].armed = True
        model(points(4, 3))
    assert monitor.n_batches == 1
    assert all(activity.n_samples == 4 for activity in monitor.report().activities)
    assert hooks_of(model) == 0
    assert mode_is_off()


def test_after_a_broken_pass_the_next_counts_again():
    model = nn.Sequential(Fails(ValueError("no")), nn.ReLU())
    with DeadUnitMonitor(model) as monitor:
        model[0].armed = True
        with pytest.raises(ValueError, match="no"):
            model(points(4, 3))
        assert mode_is_off()
        model[0].armed = False
        model(points(4, 3))
    assert [(activity.name, activity.n_samples) for activity in monitor.report().activities] == [
        ("0.relu", 4),
        ("1", 4),
    ]


def test_a_monitor_that_saw_nothing_says_so():
    model = eleven(0)
    with pytest.raises(NeuronDeathError, match="saw no forward pass of Sequential"), DeadUnitMonitor(model):
        copy.deepcopy(model)(points(2, 3))
    with pytest.raises(ValueError, match="mine"), DeadUnitMonitor(model):  # an error of the user's own comes first
        raise ValueError("mine")
    smooth = nn.Sequential(nn.Linear(3, 2), nn.GELU())
    with pytest.raises(NeuronDeathError, match="gelu is zero on no interval"), DeadUnitMonitor(smooth):
        smooth(points(2, 3))


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


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (lambda: torch.compile(eleven(0), backend="eager"), "compiled"),
        (lambda: nn.Sequential(torch.compile(eleven(0), backend="eager")), "compiled"),
        (lambda: nn.DataParallel(eleven(0)), "DataParallel"),
        (lambda: nn.Sequential(nn.LazyLinear(3), nn.ReLU()), "lazy 0.weight"),
        (lambda: nn.Sequential(nn.Linear(2, 3, device="meta"), nn.ReLU()), "meta"),
        (lambda: eleven, "torch.nn.Module"),
    ],
)
def test_models_that_cannot_be_watched_are_refused(model, word):
    with pytest.raises(InvalidArgumentError, match=word) as caught:
        DeadUnitMonitor(model())
    assert "\n" not in str(caught.value)


def test_a_model_compiled_in_place_is_refused_even_between():
    model = eleven(0)
    monitor = DeadUnitMonitor(model)
    model.compile(backend="eager")
    with pytest.raises(InvalidArgumentError, match="compiled"):
        monitor.__enter__()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_model_is_refused():
    with pytest.raises(InvalidArgumentError, match="scripted"):
        DeadUnitMonitor(torch.jit.trace(eleven(0), torch.ones(1, 3)))


def test_not_a_number_is_refused_by_name():
    model = eleven(0)
    with torch.no_grad():
        model[0].bias[5] = torch.nan
    with DeadUnitMonitor(model) as monitor:
        model(points(2, 3))
    with pytest.raises(InvalidArgumentError, match="NaN or infinity in 1, unit 5"):
        monitor.report()


def test_units_that_change_are_refused():
    model = eleven(0)
    with DeadUnitMonitor(model):
        model(points(2, 3))
        model[0].weight, model[0].bias = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.zeros(4))
        model[2].weight = nn.Parameter(torch.ones(2, 4))
        with pytest.raises(InvalidArgumentError, match="11 units at first and 4 now"):
            model(points(2, 3))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"threshold": -1}, "threshold"),
        ({"watch": "1"}, "watch"),
        ({"watch": ["x"]}, "watch"),
        ({"watch": [3]}, "watch"),
    ],
)
def test_bad_arguments(arguments, word):
    with pytest.raises(InvalidArgumentError, match=f"`{word}`"):
        DeadUnitMonitor(eleven(0), **arguments)


def test_bad_questions():
    model = eleven(0)
    with DeadUnitMonitor(model) as monitor:
        model(points(2, 3))
    for arguments in ({"tau": -1.0}, {"window": 0}, {"window": 1.5}):
        with pytest.raises(InvalidArgumentError):
            monitor.report(**arguments)
    with pytest.raises(InvalidArgumentError, match="by"):
        monitor.report().dead_units(by="unit")
    with pytest.raises(InvalidArgumentError, match="name"):
        monitor.report()["nosuch"]
    with pytest.raises(InvalidArgumentError, match="later"):
        monitor.report().overlap(None)


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

"""Demon Pruning: penalty, schedule, noise and removal, separately and together."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.demon_pruning import DemonPruning
from neurondeath_torch.methods.misuse import MisuseWarning
from neurondeath_torch.methods.penalty_schedules import Constant, OneCycle
from neurondeath_torch.surgery.removal import remove_units
from neurondeath_torch.surgery.shrunk_models import load_shrunk
from tests.references.torch_methods import assert_resumes, assert_same_state, build, kill, points, run, train

X, Y = points(64, 5), points(64, 2, seed=2)
CHANNELS = torch.channels_last


def normed(seed=0, width=8):
    """Build a perceptron with batch norm and scales different from 1, so that penalties differ."""
    model = build(
        seed,
        *(lambda: nn.Linear(5, width), lambda: nn.BatchNorm1d(width), nn.ReLU),
        *(lambda: nn.Linear(width, width), lambda: nn.LayerNorm(width), nn.ReLU, lambda: nn.Linear(width, 2)),
    )
    with torch.no_grad():
        model[1].weight.copy_(torch.linspace(-1.0, 2.0, width))
        model[4].weight.copy_(torch.linspace(0.5, 1.5, width))
    return model


def plain(seed=0, width=8):
    return build(seed, lambda: nn.Linear(5, width), nn.ReLU, lambda: nn.Linear(width, width), nn.ReLU,
                 lambda: nn.Linear(width, 2))  # fmt: skip


def sgd(model, lr=0.05):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def demon_of(model, optimiser=None, **options):
    options = {"data": X, "steps": 100, "peak": 0.1, "remove_every": None} | options
    return DemonPruning(model, optimiser or sgd(model), **options)


def test_the_cycle_is_that_of_pytorchs_scheduler():
    """PyTorch's `OneCycleLR` with the same settings, divided by the peak, computes the factors independently."""
    span, peak = 97, 0.3
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=peak, total_steps=span, cycle_momentum=False, pct_start=(0.3 * (span - 1) + 1) / span
    )
    cycle = OneCycle(span=span)
    for step in range(span):
        assert cycle(step) == pytest.approx(optimiser.param_groups[0]["lr"] / peak, abs=1e-12)
        if step < span - 1:
            optimiser.step()
            scheduler.step()
    assert [cycle(step) for step in (span, span + 1, 10 * span)] == [0.0] * 3
    assert max(cycle(step) for step in range(span)) <= 1.0
    assert OneCycle(span=1)(0) == pytest.approx(1 / 25)


@pytest.mark.parametrize(("span", "rise"), [(10, 0.3), (50, 0.3), (40, 0.25)])
def test_whole_steps_are_those_of_pytorchs_scheduler(span, rise):
    """`OneCycleLR` as it is, where the rise is a whole number of steps."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=0.3, total_steps=span, cycle_momentum=False, pct_start=rise
    )
    cycle = OneCycle(span=span, rise=rise, whole_steps=True)
    for step in range(span):
        assert cycle(step) == pytest.approx(optimiser.param_groups[0]["lr"] / 0.3, abs=1e-12)
        if step < span - 1:
            optimiser.step()
            scheduler.step()
    assert [cycle(step) for step in range(span)].count(1.0) == 1
    assert cycle(round(rise * span) - 1) == 1.0


def test_whole_steps_reach_the_peak_whatever_the_span():
    for span in range(1, 40):
        for rise in (0.01, 0.3, 0.99):
            factors = [OneCycle(span=span, rise=rise, whole_steps=True)(step) for step in range(span)]
            assert max(factors) == 1.0
            assert min(factors) >= 0.0
    assert max(OneCycle(span=12)(step) for step in range(12)) < 1.0


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"norm": "l1"}, lambda m: m[1].weight.abs().sum() + m[4].weight.abs().sum()),
        ({"norm": "l2"}, lambda m: (m[1].weight ** 2).sum() + (m[4].weight ** 2).sum()),
        ({"norm": "positive-l2"}, lambda m: (m[1].weight.clamp(min=0) ** 2).sum() + (m[4].weight ** 2).sum()),
        ({"norm": "half-l2"}, lambda m: 0.5 * ((m[1].weight ** 2).sum() + (m[4].weight ** 2).sum())),
        (
            {"norm": "half-positive-l2"},
            lambda m: 0.5 * ((m[1].weight.clamp(min=0) ** 2).sum() + (m[4].weight ** 2).sum()),
        ),
        (
            {"norm": "l1", "penalise": "weights"},
            lambda m: m[0].weight.abs().sum() + m[3].weight.abs().sum() + m[6].weight.abs().sum(),
        ),
    ],
)
def test_the_penalty_is_lambda_of_t_times_r(options, value):
    model = normed()
    demon = demon_of(model, steps=50, peak=0.2, noise=0.0, **options)
    cycle = OneCycle(span=50)
    for step in range(52):
        assert demon.penalty().item() == pytest.approx(0.2 * cycle(step) * value(model).item(), rel=1e-5)
        demon.after_step()
    for parameter in model.parameters():
        parameter.grad = None
    demon = demon_of(model, peak=0.2, schedule=Constant(), norm="l1")
    demon.penalty().backward()
    torch.testing.assert_close(model[1].weight.grad, 0.2 * model[1].weight.sign())
    assert model[0].weight.grad is None


def test_a_penalty_that_is_in_no_loss_is_noticed():
    model = plain()
    optimiser = sgd(model)
    demon = demon_of(model, optimiser, penalise="weights")
    F.mse_loss(model(X), Y).backward()
    optimiser.step()
    with pytest.warns(MisuseWarning, match="penalty.. was not called"):
        demon.after_step()
    assert len(demon.report().misuse) == 1
    demon = demon_of(model, optimiser, penalise="weights", steps=1)
    for step in range(3):  # behind the schedule no penalty is due
        optimiser.zero_grad()
        (F.mse_loss(model(X), Y) + (demon.penalty() if step == 0 else 0.0)).backward()
        optimiser.step()
        demon.after_step()
    assert demon.report().misuse == ()


def test_parameters_replaced_behind_its_back_are_found_again():
    model = normed()
    optimiser = sgd(model)
    demon = demon_of(model, optimiser, peak=0.1, schedule=Constant(), noise=1e-3)
    remove_units(model, {"0": [1]}, data=X, optimiser=optimiser)
    with pytest.warns(MisuseWarning, match="`0.weight` was replaced"):
        assert demon.penalty().item() == pytest.approx(
            0.1 * (model[1].weight.abs().sum() + model[4].weight.abs().sum()).item(), rel=1e-6
        )
    before = model[0].weight.clone()
    demon.after_step()
    assert (model[0].weight != before).all()


def test_dead_units_are_removed_every_few_steps_with_their_optimiser_state():
    model = plain()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    demon = demon_of(model, optimiser, peak=0.0, noise=0.0, remove_every=4)
    widths = []
    for step in range(9):
        optimiser.zero_grad()
        F.mse_loss(model(X), Y).backward()
        optimiser.step()
        if step == 1:
            kill(model[0], [0, 3])
        before = model(X)
        demon.after_step()
        torch.testing.assert_close(model(X), before, rtol=0, atol=1e-5)
        widths.append(model[0].out_features)
    assert widths[:3] == [8] * 3
    assert max(widths[3:]) <= 6
    assert set(optimiser.state) == set(model.parameters())
    assert all(state["exp_avg"].shape == parameter.shape for parameter, state in optimiser.state.items())
    assert demon.report().events[0].step == 4
    assert sum(event.units for event in demon.report().events) == 16 - model[0].out_features - model[2].out_features


def test_strong_regularisation_removes_all_but_one_unit_per_layer():
    model = plain(width=12)
    optimiser = sgd(model, 0.1)
    demon = demon_of(model, optimiser, penalise="weights", peak=0.5, noise=1e-3, schedule=Constant(), remove_every=5)
    train(model, optimiser, demon, X, Y, 40)
    weak = plain(width=12)
    optimiser = sgd(weak, 0.1)
    train(weak, optimiser, demon_of(weak, optimiser, penalise="weights", peak=0.0, noise=0.0, remove_every=5), X, Y, 40)
    assert 1 <= model[0].out_features < weak[0].out_features
    assert model[2].out_features >= 1
    assert torch.isfinite(model(X)).all()


def test_a_seed_fixes_the_training():
    options = {"peak": 0.01, "noise": 0.01, "remove_every": 5}

    def trained(seed):
        return run(lambda _: normed(), sgd, lambda m, o: demon_of(m, o, seed=seed, **options), X, Y, 5)[0]

    assert_same_state(trained(1), trained(1))
    assert not torch.equal(trained(1)[6].weight, trained(2)[6].weight)


@pytest.mark.parametrize("make_optimiser", [sgd, lambda model: torch.optim.AdamW(model.parameters(), lr=0.02)])
@pytest.mark.parametrize("noise_on", ["weights", "gradients"])
def test_resuming_equals_no_interruption_though_layers_have_shrunk(make_optimiser, noise_on):
    def make_model(seed):
        model = plain(seed, width=10)
        kill(model[0], [0, 3])
        kill(model[2], [2])
        return model

    assert_resumes(
        make_model,
        make_optimiser,
        lambda m, o: demon_of(
            m, o, penalise="weights", peak=0.02, noise=0.01, steps=30, remove_every=3, noise_on=noise_on
        ),
        X,
        Y,
        epochs=8,
        cut=3,
    )


def test_resuming_between_two_looks_keeps_who_was_alive_at_the_last():
    """Interrupted after step 12, measured at 10: dead units get no noise until 15 only if the state marks them dead."""

    def make_model(seed):
        model = plain(seed, width=10)
        if seed == 0:  # in the model that is resumed, all units are alive when it is built
            kill(model[0], [0, 3])
            kill(model[2], [2])
        return model

    options = {"penalise": "weights", "peak": 0.02, "noise": 0.01, "steps": 30, "remove_every": 24, "look_every": 5}
    assert_resumes(make_model, sgd, lambda m, o: demon_of(m, o, **options), X, Y, epochs=8, cut=3)


def test_the_randomness_of_the_training_is_left_alone():
    model = plain()
    demon = demon_of(model, noise=0.1, remove_every=1, peak=0.0)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    demon.after_step()
    assert torch.equal(torch.rand(4), expected)


def test_loading_a_shrunk_model():
    class Net(nn.Module):
        def __init__(self, channels, depthwise):
            super().__init__()
            self.a, self.norm = nn.Conv2d(1, channels, 3), nn.BatchNorm2d(channels)
            self.wise = nn.Conv2d(channels, channels, 3, groups=channels) if depthwise else nn.Identity()
            self.up = nn.ConvTranspose2d(channels, 3, 2)

        def forward(self, x):
            return self.up(self.wise(self.norm(self.a(x)).relu()))

    x = points(2, 1, 8, 8)
    for depthwise in (False, True):
        small, large = Net(4, depthwise), Net(7, depthwise)
        large.a.weight.requires_grad_(False)
        optimiser = sgd(large)
        load_shrunk(large, small.state_dict(), optimiser=optimiser)
        assert torch.equal(small(x), large(x))
        assert not large.a.weight.requires_grad
        assert {p for group in optimiser.param_groups for p in group["params"]} == set(large.parameters())
        assert repr(small.up) == repr(large.up)
        assert repr(small.wise) == repr(large.wise)
        with pytest.raises(InvalidArgumentError, match="fit into"):
            load_shrunk(large, Net(9, depthwise).state_dict())
        with pytest.raises(InvalidArgumentError, match="on one side only"):
            load_shrunk(large, plain().state_dict())


def test_bad_input_is_one_clear_line():
    grouped = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    small = demon_of(plain(width=4), penalise="weights")
    cases = [
        (lambda: demon_of(plain()), 'penalise="weights"'),
        (lambda: demon_of(normed(), peak=-1), "peak"),
        (lambda: demon_of(normed(), peak=float("nan")), "peak"),
        (lambda: demon_of(normed(), noise=-1), "noise"),
        (lambda: demon_of(normed(), steps=0), "steps"),
        (lambda: demon_of(normed(), remove_every=0), "remove_every"),
        (lambda: demon_of(normed(), look_every=0), "look_every"),
        (lambda: demon_of(normed(), look_every=1.5), "look_every"),
        (lambda: demon_of(normed(), look_every=float("nan")), "look_every"),
        (lambda: demon_of(normed(), norm="l3"), "l1, l2, half-l2, positive-l2, half-positive-l2"),
        (lambda: demon_of(normed(), noise_on="biases"), "weights, gradients"),
        (lambda: demon_of(normed(), noise_on="gradients", noisy_units="all"), "noisy_units"),
        (lambda: OneCycle(span=10, whole_steps=1), "whole_steps"),
        (lambda: demon_of(normed(), penalise="biases"), "penalise"),
        (lambda: demon_of(normed(), data=[]), "no batch"),
        (lambda: demon_of(grouped, "sgd", penalise="weights"), "optimiser"),
        (lambda: OneCycle(span=0), "span"),
        (lambda: OneCycle(span=10, rise=1.0), "rise"),
        (lambda: demon_of(plain(), penalise="weights").load_state_dict(small.state_dict()), "load_shrunk"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

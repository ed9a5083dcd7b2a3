"""Forecasts of models: against measurements by hand, on models that learn and that do not, and what is refused."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.trainability.feature_rank import root_rank
from neurondeath_torch.auditing.first_step import first_steps
from neurondeath_torch.auditing.forecast import RATES, USABLE, forecast
from neurondeath_torch.initialising.initialisation import he_
from neurondeath_torch.initialising.looks_linear import looks_linear_

X = torch.randn(120, 8, generator=torch.Generator().manual_seed(0))
Y = torch.randint(4, (120,), generator=torch.Generator().manual_seed(1))


def chain(width=8, depth=4, norm=False, seed=0):
    torch.manual_seed(seed)
    layers = []
    for fan_in in [8, *[width] * (depth - 1)]:
        layers += [nn.Linear(fan_in, width), *([nn.BatchNorm1d(width)] if norm else []), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(width, 4))
    he_(model, generator=seed)
    return model


def by_hand(model, rate=1e-3):
    """Effective rank, spread, living ratio and gain of the first step, computed plainly."""
    features = model[:-1](X).detach().double().numpy()
    loss = F.cross_entropy(model(X[:50]), Y[:50])
    loss.backward()
    promise = sum(float(parameter.grad.abs().sum()) for parameter in model.parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= rate * parameter.grad.sign()
        gain = float(loss - F.cross_entropy(model(X[:50]), Y[:50])) / (rate * promise)
    alive = features.any(axis=1)
    unit = features[alive] / np.linalg.norm(features[alive], axis=1, keepdims=True)
    spread = math.sqrt(((unit - unit.mean(axis=0)) ** 2).sum(axis=1).mean())
    return root_rank(features), gain, spread, alive.mean(), np.log((features[alive] ** 2).mean(axis=1)).mean()


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("rate", [1e-3, 0.1])
def test_against_measurements_by_hand(norm, rate):
    model = chain(norm=norm)
    found = forecast(model, X, Y, learning_rate=rate, remedies=False)
    measured = (found.root_rank, found.step_gain, found.spread, found.living_ratio, found.log_size)
    assert measured == pytest.approx(by_hand(model.train(), rate), rel=1e-3)
    assert found.score == pytest.approx(found.root_rank * math.sqrt(min(max(found.step_gain, 0), 1)))
    assert (found.layer, found.n_points) == (f"{len(model) - 1}", 120)


def test_the_usable_rate_is_the_largest_whose_step_gains_enough():
    model = chain()
    found = forecast(model, X, Y, remedies=False)
    gains = {rate: forecast(model, X, Y, learning_rate=rate, remedies=False).step_gain for rate in RATES}
    assert found.usable_rate == max(rate for rate, gain in gains.items() if gain >= USABLE)
    assert min(gains.values()) < USABLE < max(gains.values())


def test_verdicts_of_models_that_learn_collapse_and_die():
    collapsed = forecast(chain(width=24, depth=60), X, Y)
    assert collapsed.verdict == "collapsed"
    assert collapsed.remedies[0].verdict == "learns"
    assert "would give" in str(collapsed)
    deep = chain(width=24, depth=60)
    looks_linear_(deep, generator=0)
    assert forecast(deep, X, Y, remedies=False).verdict == "learns"
    dead = chain()
    with torch.no_grad():
        dead[4].bias.fill_(-1e6)
        dead[4].weight.zero_()
    found = forecast(dead, X, Y, remedies=False)
    assert (found.verdict, found.living_ratio, found.log_size, found.score) == ("dead", 0.0, None, 0.0)


def test_deep_batch_norm_fails_by_its_step():
    found = forecast(chain(width=16, depth=60, norm=True), X, Y, remedies=False)
    assert found.verdict == "collapsed"
    assert found.root_rank > 5.0
    assert abs(found.step_gain) < 0.05
    assert "promises" in found.reason


def test_remedies_are_forecasts_of_models_to_which_they_were_applied():
    model = chain(depth=20)
    found = forecast(model, X, Y, seed=3)
    trial = copy.deepcopy(model)
    looks_linear_(trial, generator=3)
    again = forecast(trial, X, Y, remedies=False)
    one = next(remedy for remedy in found.remedies if remedy.name == "looks-linear")
    assert (one.verdict, one.score, one.call) == (again.verdict, again.score, "looks_linear_(model)")
    scores = [remedy.score for remedy in found.remedies if remedy.score is not None]
    assert scores == sorted(scores, reverse=True)


def test_refused_remedies_say_why_and_come_last():
    found = forecast(chain(norm=True), X, Y)
    refused = [remedy for remedy in found.remedies if remedy.verdict == "refused"]
    assert {"looks-linear"} <= {remedy.name for remedy in refused}
    assert all(remedy.score is None and "must" in remedy.reason for remedy in refused)
    assert found.remedies[-len(refused) :] == tuple(refused)


def test_the_model_and_the_random_state_are_unchanged():
    model = chain(norm=True).eval()
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    forecast(model, X, Y)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    "data",
    [
        DataLoader(TensorDataset(X, Y), batch_size=40),
        [(X[:60], Y[:60]), (X[60:], Y[60:])],
    ],
)
def test_classes_come_from_the_loader(data):
    expected = forecast(chain(), X, Y, remedies=False)
    assert forecast(chain(), data, remedies=False).step_gain == pytest.approx(expected.step_gain, rel=1e-4)


def test_mappings_with_labels_are_passed_by_keyword():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.chain = chain()

        def forward(self, pixels):
            return {"logits": self.chain(pixels)}

    found = forecast(Named(), [{"pixels": X, "labels": Y}], remedies=False)
    assert found.step_gain == pytest.approx(forecast(chain(), X, Y, remedies=False).step_gain, rel=1e-4)


def test_trial_steps_are_taken_back():
    model = chain()
    before = copy.deepcopy(model.state_dict())
    steps = first_steps(model, X[:50], Y[:50], [1e-3, 0.1])
    assert [step.learning_rate for step in steps] == [1e-3, 0.1]
    assert steps[0].change < steps[1].change
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_random_classes_change_the_gain_little():
    model = chain()
    given, drawn = (forecast(model, X, classes, remedies=False) for classes in (Y, None))
    assert drawn.root_rank == given.root_rank
    assert drawn.step_gain == pytest.approx(given.step_gain, abs=0.2)
    assert drawn.step_gain == forecast(model, X, remedies=False).step_gain
    assert drawn.step_gain != forecast(model, X, remedies=False, seed=1).step_gain


def test_convolutions_and_features_beyond_single_precision():
    images = torch.randn(30, 1, 6, 6)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Flatten()]
    found = forecast(nn.Sequential(*layers, nn.Linear(144, 3)), images)
    assert found.layer == "5"
    assert found.root_rank > 5.0
    equal = chain(depth=200)
    assert forecast(equal, X, Y, remedies=False).root_rank == 1.0
    huge = chain()
    with torch.no_grad():
        huge[0].weight *= 1e38
    assert "overflow" in forecast(huge, X, Y, remedies=False).reason


@pytest.mark.parametrize(
    ("model", "data", "classes", "options", "words"),
    [
        (chain(), X[:, :5], None, {}, "run on the data"),
        (nn.Sequential(nn.Linear(8, 3), nn.Unflatten(1, (1, 3))), X, None, {}, "return one row of logits per point"),
        (nn.ReLU(), X, None, {}, "call a Linear or convolutional layer"),
        (chain(), X[:1], None, {}, "hold at least 2 points"),
        (chain(), X, Y[:5], {}, "hold one entry per point, 120"),
        (chain(), X, Y + 4, {}, "have a logit for class"),
        (chain(), X, Y - 1, {}, "classes` must be at least 0"),
        (chain(), X, Y.float(), {}, "whole numbers"),
        (chain(), X, None, {"learning_rate": 0.0}, "learning_rate"),
        (chain(), X, None, {"max_points": 1}, "max_points"),
        (chain(), 3, None, {}, "data` must be a tensor or an iterable of batches"),
        (chain(), [], None, {}, "hold at least one batch"),
    ],
)
def test_what_cannot_be_forecast_is_refused(model, data, classes, options, words):
    with pytest.raises(InvalidArgumentError, match=words):
        forecast(model, data, classes, **options)

"""Demon Pruning's noise: on what it falls, with which deviation, and who counts as alive."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_torch.methods import demon_pruning
from neurondeath_torch.methods.misuse import MisuseWarning
from neurondeath_torch.methods.penalty_schedules import Constant
from tests.references.statistical import assert_agrees, assert_refutes, seeds
from tests.references.torch_methods import assert_same_state, build, kill, points
from tests.torch.test_demon_pruning import demon_of, normed, plain, sgd

X, Y = points(64, 5), points(64, 2, seed=2)
CHANNELS = torch.channels_last


@seeds
def test_noise_has_its_deviation_and_falls_on_live_hidden_units_only(seed):
    deviation, dead = 0.02, [1, 6]
    model = build(seed, lambda: nn.Linear(400, 60), nn.ReLU, lambda: nn.Linear(60, 30), nn.ReLU,
                  lambda: nn.Linear(30, 2))  # fmt: skip
    kill(model[0], dead)
    x = points(256, 400, seed=seed)
    before = copy.deepcopy(model)
    demon = demon_of(
        model, data=x, peak=0.0, noise=deviation, schedule=lambda step: [0.5, 0.0][min(step, 1)], seed=seed
    )
    demon.after_step()
    live = np.setdiff1d(np.arange(60), dead)
    assert torch.equal(model[0].weight[dead], before[0].weight[dead])
    for old, new in [
        (before[0].bias, model[0].bias),
        (before[2].bias, model[2].bias),
        (before[4].weight, model[4].weight),
    ]:
        assert torch.equal(old, new)
    draws = (model[0].weight - before[0].weight)[live].double().detach().numpy().ravel()
    assert (draws != 0).mean() > 0.99
    n = draws.size
    squares = np.mean(draws**2)
    for check, truth in [(assert_agrees, 0.5 * deviation), (assert_refutes, deviation)]:
        check(squares, truth**2 * np.sqrt(2 / n), truth**2)
    assert_agrees(draws.mean(), 0.5 * deviation / np.sqrt(n), 0.0)
    rows = (model[0].weight - before[0].weight)[live].double().detach()
    for check, other in [(assert_agrees, rows[1]), (assert_refutes, rows[0])]:  # the noise differs between units
        check(float((rows[0] * other).mean()), (0.5 * deviation) ** 2 / np.sqrt(400), 0.0)
    after = model[0].weight.clone()
    demon.after_step()  # the schedule is at zero
    assert torch.equal(model[0].weight, after)


def test_noise_on_all_units_is_there_for_comparison():
    model = plain()
    kill(model[0], [1])
    demon_of(model, peak=0.0, noise=0.1, noisy_units="all", schedule=Constant()).after_step()
    assert (model[0].weight[1] != 0).all()


def test_noise_on_gradients_falls_on_every_entry_that_has_one():
    model = normed()
    kill(model[1], [2])  # no gradient behind it but that of the penalty, and none of the rows that write it
    with torch.no_grad():
        model[1].weight[2] = 0.0
    demon = demon_of(model, peak=0.1, noise=1e-3, noise_on="gradients", schedule=Constant(), penalise="weights")
    (F.mse_loss(model(X), Y) + demon.penalty()).backward()
    model[0].weight.grad[3] = 0.0
    before = copy.deepcopy(model)
    demon.after_step()
    for (name, old), new in zip(before.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(old != new, new.grad != 0), name
    assert {tuple(p.shape) for p in model.parameters() if (p.grad != 0).any()} >= {(8,), (2,), (2, 8)}  # biases, norms


def test_noise_on_gradients_needs_no_measurement(monkeypatch):
    demon = demon_of(plain(), penalise="weights", noise_on="gradients", look_every=1, noise=1e-6)
    monkeypatch.setattr(demon_pruning, "measure_activity", None)
    for _ in range(3):
        demon.after_step() if demon._steps else None
        (F.mse_loss(demon._model(X), Y) + demon.penalty()).backward()
        demon.after_step()


def test_gradients_that_were_cleared_too_early_are_noticed():
    model = plain()
    optimiser = sgd(model)
    demon = demon_of(model, optimiser, peak=0.0, noise=1e-3, noise_on="gradients", schedule=Constant())
    F.mse_loss(model(X), Y).backward()
    optimiser.step()
    optimiser.zero_grad()
    with pytest.warns(MisuseWarning, match="no parameter has a gradient"):
        demon.after_step()


@pytest.mark.parametrize("make", [lambda m: m.double(), lambda m: m.bfloat16(), lambda m: m.to(memory_format=CHANNELS)])
@seeds
def test_noise_of_parameters_that_the_kernel_cannot_take(make, seed):
    model = build(seed, lambda: nn.Conv2d(40, 60, 3), nn.ReLU, lambda: nn.ConvTranspose2d(60, 50, 3), nn.ReLU,
                  lambda: nn.Conv2d(50, 2, 1))  # fmt: skip
    kill(model[0], [1])
    kill(model[2], [])
    model = make(model)
    before = copy.deepcopy(model)
    x = points(30, 40, 4, 4).to(model[0].weight.dtype)
    deviation = 0.02
    demon_of(model, peak=0.0, noise=deviation, data=x, schedule=Constant(), penalise="weights", seed=seed).after_step()
    assert torch.equal(model[0].weight[1], before[0].weight[1])
    for old, new, axis in [(before[0].weight, model[0].weight, 0), (before[2].weight, model[2].weight, 1)]:
        draws = (new.double() - old.double()).transpose(0, axis)[2:].detach().numpy().ravel()
        share = 0.02 if new.dtype == torch.bfloat16 else 0.0  # rounded
        assert_agrees(np.mean(draws**2), deviation**2 * (np.sqrt(2 / draws.size) + share), deviation**2)
        assert_refutes(np.mean(draws**2), deviation**2 * (np.sqrt(2 / draws.size) + share), 4 * deviation**2)


def test_noise_does_not_depend_on_the_number_of_threads():
    trained = []
    for threads in (1, 2, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        model = plain(width=600)
        demon_of(model, peak=0.0, noise=1e-2, penalise="weights", schedule=Constant()).after_step()
        torch.set_num_threads(before)
        trained.append(model)
    assert_same_state(trained[0], trained[1])
    assert_same_state(trained[0], trained[2])


def noisy_rows(demon, layer):
    """Take a step and return which rows of a layer the noise changed."""
    before = layer.weight.clone()
    demon.after_step()
    return (layer.weight != before).any(dim=1).tolist()


@pytest.mark.parametrize(
    ("options", "spared"),  # steps, of six, in which the unit that died before the first gets no noise
    [
        ({}, []),
        ({"look_every": 1}, [1, 2, 3, 4, 5]),
        ({"look_every": 3}, [3, 4, 5]),
        ({"look_every": 1, "noisy_units": "all"}, []),
        ({"look_every": 1, "remove_every": 100}, [1, 2, 3, 4, 5]),
    ],
)
def test_looking_spares_units_that_died_since_the_last_removal(options, spared):
    """A unit with zero weights and bias -1 stays dead under noise of 1e-4, since the inputs are of order one."""
    model = plain()
    demon = demon_of(model, peak=0.0, noise=1e-4, schedule=Constant(), **options)
    kill(model[0], [2])
    for step in range(6):
        rows = noisy_rows(demon, model[0])
        assert rows == [unit != 2 or step not in spared for unit in range(8)]


def test_looking_finds_units_that_came_back():
    model = plain()
    alive = copy.deepcopy(model.state_dict())
    kill(model[0], [2])
    demon = demon_of(model, peak=0.0, noise=1e-4, schedule=Constant(), look_every=2)
    model.load_state_dict(alive)
    assert [noisy_rows(demon, model[0])[2] for _ in range(3)] == [False, False, True]


def test_looks_cost_a_pass_each_and_none_where_noise_asks_for_no_liveness(monkeypatch):
    passes = []
    measure = demon_pruning.measure_activity
    monkeypatch.setattr(
        demon_pruning, "measure_activity", lambda *given, **more: (passes.append(0), measure(*given, **more))[1]
    )
    for options, looks in [
        ({}, 0),
        ({"look_every": 1}, 6),
        ({"look_every": 4}, 1),
        ({"look_every": 2, "remove_every": 2}, 3),  # a removal measures by itself
        ({"look_every": 1, "noise": 0.0}, 0),
        ({"look_every": 1, "noisy_units": "all"}, 0),
    ]:
        demon = demon_of(plain(), penalise="weights", **{"noise": 1e-6, **options})
        passes.clear()
        for _ in range(6):
            demon.after_step()
        assert len(passes) == looks, options


def test_noise_is_not_scaled_by_the_learning_rate():
    moved = []
    for rate in (1.0, 1e-3):
        model = plain()
        demon = demon_of(model, sgd(model, rate), peak=0.0, noise=0.1, schedule=Constant(), seed=5)
        before = model[0].weight.clone()
        demon.after_step()
        moved.append((model[0].weight - before).detach())
    assert torch.equal(*moved)

"""The learning rate that keeps units alive: the walk at birth by a second route, intervals, recommendations."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival.absorbing_walk import absorbed_probability
from neurondeath_torch.studies.learning_rate_for_life import learning_rate_for_life
from neurondeath_torch.studies.tables import read_study
from neurondeath_torch.training.configuration import OptimiserChoice
from neurondeath_torch.training.death_forecasts import forecast_dead_share, walks_at_birth
from neurondeath_torch.training.experiment_files import read_experiments
from neurondeath_torch.training.labelled_data import Split
from neurondeath_torch.training.loop import load_experiment_data
from tests.references.statistical import assert_agrees, assert_refutes

FILE = {
    "epochs": 2,
    "seeds": [0, 1],
    "data": {"n_train": 150, "n_test": 50, "validation": 0.0},
    "model": {"widths": [12, 12]},
    "optimiser": {"momentum": 0.0},
    "grid": {"optimiser.learning_rate": [0.02, 0.1, 1e6], "optimiser.batch_size": [16, 50]},
}


def small_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    return network, Split(torch.randn(80, 1, 2, 3), torch.randint(3, (80,)))


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_noise_is_that_of_gradients_of_batches(kind):
    network, split = small_network()
    walks = walks_at_birth(network, split, OptimiserChoice(kind=kind, batch_size=8))
    generator = torch.Generator().manual_seed(1)
    linear = [network[1], network[3]]
    draws: list[list[list[torch.Tensor]]] = [[], []]
    for _ in range(1000):
        picked = torch.randint(80, (8,), generator=generator)
        network.zero_grad()
        nn.functional.cross_entropy(network(split.images[picked]), split.classes[picked]).backward()
        for number, layer in enumerate(linear):
            draws[number].append(torch.cat([layer.weight.grad, layer.bias.grad[:, None]], dim=1).double())
    with torch.no_grad():
        flat = split.images.flatten(1)
        inputs = [flat, torch.relu(linear[0](flat))]
        for number, layer in enumerate(linear):
            gradients = torch.stack(draws[number])
            if kind == "adam":
                gradients = gradients / (gradients.square().mean(dim=0).sqrt() + 1e-8)
            before = layer(inputs[number]).double()
            margins, images = before.max(dim=0)
            readers = torch.cat([inputs[number], torch.ones(80, 1)], dim=1)[images].double()
            changes = (gradients * readers).sum(dim=2)
            measured, noise = changes.std(dim=0), walks[number][1]
            np.testing.assert_allclose(walks[number][0], margins.numpy(), rtol=1e-5)
            kurtosis = stats.kurtosis(changes.numpy(), axis=0, fisher=False)
            stderr = measured.numpy() * np.sqrt((kurtosis - 1.0) / 4.0 / 1000)
            if kind == "adam":  # the estimate of the root mean squares has an error of its own, of the same order
                stderr = 2.0 * stderr
            living = noise > 0
            assert_agrees(measured.numpy()[living], stderr[living], noise[living])
            assert_refutes(measured.numpy()[living], stderr[living], noise[living] * math.sqrt(2.0))


def test_the_forecast_is_the_mean_of_the_walks():
    (one,), _ = read_experiments({**FILE, "grid": {}, "seeds": [0], "optimiser": {"momentum": 0.5, "batch_size": 16}})
    data = load_experiment_data(one)
    share = forecast_dead_share(one, data, seed=4)
    from neurondeath_torch.training.model_building import build_model

    model = build_model(one.model, data.shape, 10, seed=4)
    dead = []
    for margins, noise in walks_at_birth(model, data.train, one.optimiser):
        for margin, sigma in zip(margins, noise, strict=True):
            chance = (
                absorbed_probability(margin, 2 * 10, noise=0.2 * sigma, step=1.0) if margin > 0 < sigma else margin <= 0
            )
            dead.append(float(chance))
    assert math.isclose(share, np.mean(dead), rel_tol=1e-9)


def test_forecasts_grow_with_the_rate_and_fall_with_the_batch_and_are_none_elsewhere():
    def share(**optimiser):
        (one,), _ = read_experiments({**FILE, "grid": {}, "optimiser": {"momentum": 0.0, **optimiser}})
        return forecast_dead_share(one, load_experiment_data(one))

    assert share(learning_rate=0.01) < share(learning_rate=0.1) < share(learning_rate=1.0)
    assert share(batch_size=50) < share(batch_size=5)
    assert share(weight_decay=0.0) < share(weight_decay=0.1)
    assert share(learning_rate=0.1) < share(learning_rate=0.1, momentum=0.9)
    assert share(schedule="cosine") is None
    for model in ({"kind": "cnn", "depth": 2, "width": 4}, {"widths": [5], "batch_norm": True}):
        (one,), _ = read_experiments({**FILE, "grid": {}, "model": model})
        assert forecast_dead_share(one, load_experiment_data(one)) is None


def test_it_recommends_the_largest_rate_whose_interval_is_below_the_limit(tmp_path):
    counted = []
    found = learning_rate_for_life(
        FILE, most_dead=0.9, store=tmp_path / "s.sqlite", progress=lambda done, of: counted.append((done, of))
    )
    assert counted == [(number, 12) for number in range(1, 13)]
    assert found.settings == ("batch_size 16",) * 3 + ("batch_size 50",) * 3
    assert found.learning_rate.tolist() == [0.02, 0.1, 1e6] * 2
    assert found.diverged[[0, 1, 3, 4]].tolist() == [0] * 4
    assert found.diverged[2] == 2
    assert found.diverged[5] >= 1  # a network all dead keeps a finite loss
    assert np.isnan(found.dead[2])
    assert (found.low[[0, 1]] <= found.dead[[0, 1]]).all()
    assert (found.dead[[0, 1]] <= found.high[[0, 1]]).all()
    for setting, rate in found.recommended.items():
        rows = [i for i, each in enumerate(found.settings) if each == setting]
        safe = [found.learning_rate[i] for i in rows if found.diverged[i] == 0 and found.high[i] <= 0.9]
        assert rate == (max(safe) if safe else None)
    again = learning_rate_for_life(FILE, most_dead=1e-6, store=tmp_path / "s.sqlite")
    assert set(again.recommended.values()) == {None}
    assert str(again).startswith("largest learning rate with at most 1e-06 of the units dead: batch_size 16: none")
    np.testing.assert_array_equal(again.dead, found.dead)


def test_a_study_is_read_and_its_intervals_are_students_or_wider():
    found = learning_rate_for_life("dead_units", most_dead=0.1)
    row = found.settings.index("weight_decay 0.0001, batch_size 32") + 4  # 0.6
    last = [
        each
        for each in read_study("dead_units").last_epochs()
        if each["optimiser.learning_rate"] == 0.6 and not each["diverged"]
    ]
    shares = np.array([each["dead_units"] / 300 for each in last])
    half = stats.t.ppf(0.975, len(shares) - 1) * shares.std(ddof=1) / math.sqrt(len(shares))
    assert (found.learning_rate[row], found.runs[row], found.diverged[row]) == (0.6, len(shares), 10 - len(shares))
    assert math.isclose(found.dead[row], shares.mean())
    assert math.isclose(found.high[row], shares.mean() + half, rel_tol=1e-9)
    assert found.recommended["weight_decay 0.0001, batch_size 32"] == 0.4
    assert -1.0 <= found.agreement_low < found.agreement < found.agreement_high <= 1.0


@pytest.mark.parametrize(
    ("source", "more", "words"),
    [
        ({**FILE, "seeds": [0]}, {}, "`seeds` must be at least two"),
        ({**FILE, "grid": {}}, {}, "`grid` must vary the learning rate"),
        ("noise_only", {}, "`source` must name a study that is a grid of trainings"),
        ("no-such-file.toml", {}, "`CONFIG.toml`"),
        (FILE, {"most_dead": 0.0}, "`most_dead`"),
        (FILE, {"most_dead": 1.0}, "`most_dead`"),
        (FILE, {"most_dead": math.nan}, "`most_dead`"),
        (FILE, {"confidence": 2.0}, "`confidence`"),
        (FILE, {"seed": -1}, "`seed`"),
    ],
)
def test_bad_input_is_one_line(source, more, words):
    with pytest.raises(InvalidArgumentError) as caught:
        learning_rate_for_life(source, **more)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)

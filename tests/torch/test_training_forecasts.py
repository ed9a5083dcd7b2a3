"""Theoretical predictions before training, compared with simulated networks."""

import math

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training.batches import epoch_batches
from neurondeath_torch.training.configuration import DataChoice, Experiment, ModelChoice
from neurondeath_torch.training.forecasts import forecast, measure_chain
from neurondeath_torch.training.loop import train
from neurondeath_torch.training.model_building import build_model, design_of
from neurondeath_torch.training.run_store import RunStore
from tests.references.statistical import assert_agrees, assert_refutes

IMAGE = torch.ones(1, 1, 2, 2)
NETWORKS = 200


def sparse(kind="mlp", *, depth=15, width=60, activation="shifted-relu", **settings):
    options = {"width": width, "depth": depth}
    return ModelChoice(
        kind=kind,
        activation=activation,
        sparsity=0.85,
        initialisation="edge-of-chaos",
        options=options,
        **settings,
    )


@torch.no_grad()
def outcomes(choice):
    """Build networks, run an image through their layers one by one, and count those alive and those off q*."""
    alive = left = 0
    for seed in range(NETWORKS):
        model = build_model(choice, (1, 2, 2), 10, seed=seed, images=IMAGE)
        x, lives = IMAGE, True
        for module in list(model)[:-2]:  # up to the last hidden layer
            x = module(x)
            lives = lives and bool(x.count_nonzero() > 0)
        alive += lives and bool(model[-2](x).count_nonzero() > 0)
        left += not 0.5 <= float(x.square().mean()) / choice.q <= 2.0
    return alive / NETWORKS, left / NETWORKS


def error_of(share, n_forecast=1000):
    return math.sqrt(0.25 / n_forecast + share * (1.0 - share) / NETWORKS)


def test_forecast_of_leaving_against_networks():
    choice = sparse()
    _, left = outcomes(choice)
    assert_agrees(left, error_of(left), forecast(choice)["forecast_leaving"])
    assert_refutes(left, error_of(left), forecast(sparse(depth=60))["forecast_leaving"])


@pytest.mark.parametrize(
    "choice",
    [
        ModelChoice(options={"widths": [4, 3, 5, 2]}),
        ModelChoice(initialisation="he", options={"width": 3, "depth": 4}),
        sparse(activation="clipped-shifted-relu", v_prime=0.7, width=10, depth=3),
    ],
    ids=str,
)
def test_forecast_of_living_against_networks(choice):
    alive, _ = outcomes(choice)
    assert_agrees(alive, error_of(alive, 10_000), forecast(choice)["forecast_living_ratio"])
    assert_refutes(alive, error_of(alive, 10_000), forecast(choice)["forecast_living_ratio"] / 2)


def test_forecast_with_widths_of_their_own():
    """The variance of a layer depends on the widths before it, so the last width has no effect."""
    given = {"activation": "shifted-relu", "sparsity": 0.85, "initialisation": "edge-of-chaos"}

    def leaving(*widths):
        return forecast(ModelChoice(options={"widths": list(widths)}, **given))["forecast_leaving"]

    assert leaving(30, 30, 30, 30) == leaving(30, 30, 30, 7)
    assert leaving(30, 30, 30, 30) > leaving(300, 300, 300, 30)
    assert leaving(30) == 0.0
    with pytest.raises(InvalidArgumentError, match="width"):
        leaving(30, 0)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_measurements_against_a_pass_by_hand(kind):
    choice = sparse(kind, depth=3, width=20, q=4.0)
    images = torch.randn(7, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    model = build_model(choice, (1, 4, 4), 10, images=images)
    layers = [module for module in model if isinstance(module, (nn.Linear, nn.Conv2d))]
    with torch.no_grad():
        tau, alive = design_of(choice).tau, torch.ones(7, dtype=torch.bool)
        x = images.flatten(1) if kind == "mlp" else images
        for layer in layers[:-1]:
            if layer is layers[1]:  # makes half of the images die in the second layer
                highest = (layer(x) - layer.bias.view([1, -1] + [1] * (x.dim() - 2))).flatten(1).amax(1)
                layer.bias.fill_(tau - float(highest.median()))
            h = layer(x)
            x = torch.clamp(h - tau, min=0.0)
            alive &= (h > tau).flatten(1).any(1)
    model.train()
    found = measure_chain(choice, model, images)
    assert found["variance_ratio"] == pytest.approx(h.square().mean().item() / 4.0, rel=1e-5)
    assert found["living_ratio"] == pytest.approx(alive.double().mean().item())
    by_image = h.square().flatten(1).mean(1) / 4.0
    assert found["leaving_ratio"] == pytest.approx(((by_image > 2.0) | (by_image < 0.5)).double().mean().item())
    assert 0.0 < found["living_ratio"] < 1.0
    assert model.training


@pytest.mark.parametrize(
    "choice",
    [
        ModelChoice(kind="resnet"),
        ModelChoice(options={"batch_norm": True}),
        ModelChoice(sign_flip="layer"),
        ModelChoice(initialisation="rai"),
    ],
    ids=str,
)
def test_nothing_is_forecast_where_theory_says_nothing(choice):
    assert set(forecast(choice).values()) == {None}


def test_nothing_is_measured_of_other_networks():
    choice = ModelChoice(kind="resnet")
    found = measure_chain(choice, build_model(choice, (1, 8, 8), 10), torch.ones(2, 1, 8, 8))
    assert found == {"living_ratio": None, "leaving_ratio": None, "variance_ratio": None}
    plain = ModelChoice(options={"width": 5})
    assert measure_chain(plain, build_model(plain, (1, 2, 2), 10), IMAGE)["variance_ratio"] is None


def test_variances_far_beyond_single_precision_are_reported_and_infinite_ones_are_not():
    choice = sparse(depth=2, width=5)
    model = build_model(choice, (1, 2, 2), 10, images=IMAGE)
    for bias, ratio in ((1e30, 1e60), (math.inf, None)):
        with torch.no_grad():
            model[3].weight.zero_()
            model[3].bias.fill_(bias)
        found = measure_chain(choice, model, IMAGE)
        assert found["variance_ratio"] == (ratio and pytest.approx(ratio))
        assert found["leaving_ratio"] == 1.0


def test_the_forecast_is_stored_before_the_first_update(monkeypatch):
    asked = Experiment(epochs=1, data=DataChoice(n_train=50, n_test=20), model=sparse(depth=4, width=20))
    with RunStore(":memory:") as store:

        def look(*arguments, **settings):
            (run,) = store.runs()
            (before,) = run.epochs
            looks.append(before)
            return epoch_batches(*arguments, **settings)

        looks = []
        monkeypatch.setattr("neurondeath_torch.training.loop.epoch_batches", look)
        run = train(asked, seed=3, store=store)
    assert looks == [run.epochs[0]]
    assert forecast(asked.model).items() <= looks[0].items()
    assert "forecast_leaving" not in run.epochs[1]
    assert run.epochs[1]["variance_ratio"] != run.epochs[0]["variance_ratio"]

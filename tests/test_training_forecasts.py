"""What theory says before a training, against whole networks that are built and asked."""

import math

import pytest
import torch
from torch import nn

from neurondeath_torch.training.batches import epoch_batches
from neurondeath_torch.training.configuration import DataChoice, Experiment, ModelChoice
from neurondeath_torch.training.forecasts import forecast_leaving, variance_ratio
from neurondeath_torch.training.loop import train
from neurondeath_torch.training.model_building import build_model, design_of
from neurondeath_torch.training.run_store import RunStore
from tests.statistical import assert_agrees, assert_refutes

IMAGE = torch.ones(1, 1, 2, 2)
NETWORKS = 300


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
def share_that_left(choice):
    """Build networks, run an image through their layers one by one, and count."""
    left = 0
    for seed in range(NETWORKS):
        model = build_model(choice, (1, 2, 2), 10, seed=seed, images=IMAGE)
        x = IMAGE
        for module in list(model)[:-2]:  # up to the last hidden layer
            x = module(x)
        ratio = float(x.square().mean()) / choice.q
        left += not 0.5 <= ratio <= 2.0
    return left / NETWORKS


def test_forecast_against_networks():
    choice = sparse()
    share = share_that_left(choice)
    error = math.hypot(math.sqrt(share * (1.0 - share) / NETWORKS), 0.5 / math.sqrt(1000))
    forecast = forecast_leaving(choice, build_model(choice, (1, 2, 2), 10, images=IMAGE))
    assert_agrees(share, error, forecast)
    deeper = sparse(depth=60)
    assert_refutes(share, error, forecast_leaving(deeper, build_model(deeper, (1, 2, 2), 10, images=IMAGE)))


def test_forecast_with_widths_of_their_own():
    """The variance of a layer hangs on the widths before it: the last width has no part in it."""
    given = {"activation": "shifted-relu", "sparsity": 0.85, "initialisation": "edge-of-chaos"}

    def forecast(*widths):
        choice = ModelChoice(options={"widths": list(widths)}, **given)
        return forecast_leaving(choice, build_model(choice, (1, 2, 2), 10, images=IMAGE))

    assert forecast(30, 30, 30, 30) == forecast(30, 30, 30, 7)
    assert forecast(30, 30, 30, 30) > forecast(300, 300, 300, 30)
    assert forecast(30) == 0.0


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_the_variance_ratio_against_a_sum_by_hand(kind):
    choice = sparse(kind, depth=3, width=20, q=4.0)
    images = torch.randn(7, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    model = build_model(choice, (1, 4, 4), 10, images=images)
    model.train()
    x = images
    layers = [i for i, module in enumerate(model) if isinstance(module, (nn.Linear, nn.Conv2d))]
    for module in list(model)[: layers[-2] + 1]:
        x = module(x)
    assert variance_ratio(choice, model, images) == pytest.approx(x.square().mean().item() / 4.0, rel=1e-5)
    assert model.training
    assert design_of(choice).q == 4.0


@pytest.mark.parametrize("choice", [ModelChoice(options={"widths": [5]}), ModelChoice(kind="resnet")])
def test_nothing_is_said_of_other_networks(choice):
    model = build_model(choice, (1, 8, 8), 10)
    assert forecast_leaving(choice, model) is None
    assert variance_ratio(choice, model, torch.ones(2, 1, 8, 8)) is None


def test_an_overflow_is_no_ratio():
    choice = sparse(depth=2, width=5)
    model = build_model(choice, (1, 2, 2), 10, images=IMAGE)
    with torch.no_grad():
        model[1].bias.fill_(math.inf)
    assert variance_ratio(choice, model, IMAGE) is None


def test_the_forecast_is_stored_before_the_first_update(monkeypatch):
    asked = Experiment(epochs=1, data=DataChoice(n_train=50, n_test=20), model=sparse(depth=4, width=20))
    with RunStore(":memory:") as store:

        def look(*arguments, **settings):
            (run,) = store.runs()
            (before,) = run.epochs
            assert before["forecast_leaving"] is not None
            looks.append(before)
            return epoch_batches(*arguments, **settings)

        looks = []
        monkeypatch.setattr("neurondeath_torch.training.loop.epoch_batches", look)
        run = train(asked, seed=3, store=store)
    assert looks == [run.epochs[0]]
    assert "forecast_leaving" not in run.epochs[1]
    assert run.epochs[1]["variance_ratio"] != run.epochs[0]["variance_ratio"]

"""Models of experiments that start in other ways: sums, critical residual streams, looks-linear, tailored slopes."""

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.trainability.tailored_slope import tailored_slope
from neurondeath_torch.networks.residual_stream import stream_layer
from neurondeath_torch.training.configuration import Experiment, ModelChoice
from neurondeath_torch.training.experiment_files import read_experiment
from neurondeath_torch.training.forecasts import forecast
from neurondeath_torch.training.loop import load_experiment_data, train
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.models import perceptron, plain_convolutions
from neurondeath_torch.training.shortcuts import with_shortcuts

SHAPE = (1, 4, 4)
IMAGES = torch.randn(30, *SHAPE, generator=torch.Generator().manual_seed(0))


def built(**choice):
    return build_model(ModelChoice(**choice), SHAPE, 3, seed=1, images=IMAGES)


@pytest.mark.parametrize("chain", [perceptron, plain_convolutions])
def test_shortcuts_add_the_input_of_every_layer_of_equal_width(chain):
    plain = chain(SHAPE, 3, width=5, depth=4)
    layers = [module for module in plain if isinstance(module, (nn.Linear, nn.Conv2d))]
    summed = with_shortcuts(plain)
    h = torch.relu(layers[0](IMAGES.flatten(1) if chain is perceptron else IMAGES))
    for layer in layers[1:-1]:
        h = h + torch.relu(layer(h))
    assert torch.allclose(summed(IMAGES), layers[-1](h.flatten(1)), atol=1e-6)


def test_shortcuts_pass_by_changes_of_width_and_wrap_batch_norm():
    summed = with_shortcuts(perceptron(SHAPE, 3, widths=[5, 5, 4, 4], batch_norm=True))
    kinds = ["Flatten", "Sequential", "ResidualLayer", "Sequential", "ResidualLayer", "Linear"]
    assert [type(module).__name__ for module in summed] == kinds


def test_looks_linear_models_are_linear_at_birth():
    model = built(initialisation="looks-linear", options={"width": 8, "depth": 6})
    assert torch.allclose(model(-IMAGES), -model(IMAGES), atol=1e-5)


def test_critical_streams_have_their_depth_and_design():
    model = built(residual=True, effective_depth=2.0, options={"width": 8, "depth": 9})
    assert stream_layer(model) == "1"
    sparse = built(
        activation="shifted-relu", sparsity=0.8, residual=True, effective_depth=2.0, options={"width": 300, "depth": 9}
    )
    features = sparse[:-1](IMAGES)
    assert float((features == 0).double().mean()) == pytest.approx(0.8, abs=0.05)


def test_the_tailored_slope_follows_the_depth():
    for kind, options in (("mlp", {"width": 8, "depth": 60}), ("mlp", {"widths": [8] * 60}), ("cnn", {"depth": 60})):
        model = built(kind=kind, activation="tailored-leaky-relu", initialisation="he", options=options)
        slopes = {module.negative_slope for module in model.modules() if isinstance(module, nn.LeakyReLU)}
        assert slopes == {tailored_slope(60).negative_slope}
        weights = [module.weight for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))][1]
        gain = 2.0 / (1.0 + tailored_slope(60).negative_slope ** 2)
        fan_in = weights[0].numel()
        assert float(weights.detach().square().mean()) * fan_in == pytest.approx(gain, rel=0.5)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"effective_depth": 1.0}, "effective_depth` must stand with residual = true"),
        ({"residual": True, "effective_depth": 0.0}, "must be a finite number above 0"),
        ({"residual": True, "kind": "vit"}, "residual` must be left out for vit"),
        ({"residual": True, "sign_flip": "layer"}, "sign_flip` must be none with residual"),
        ({"residual": True, "initialisation": "looks-linear"}, "initialisation` must be another one with residual"),
        ({"residual": True, "effective_depth": 1.0, "initialisation": "rai"}, "edge-of-chaos or left out"),
        ({"activation": "tailored-leaky-relu", "kind": "lenet"}, "have a depth to be tailored to"),
        ({"activation": "tailored-leaky-relu", "tau": 1.0}, "tau` must be left out for tailored-leaky-relu"),
    ],
)
def test_senseless_combinations_are_refused(model, words):
    with pytest.raises(InvalidArgumentError, match=words):
        ModelChoice(**model)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"initialisation": "looks-linear", "activation": "shifted-relu", "tau": 1.0}, "shifted_relu"),
        ({"residual": True, "effective_depth": 9.0, "options": {"depth": 4}}, "be at most the number of branches, 3"),
        ({"activation": "tailored-leaky-relu", "options": {"depth": 2}}, "target"),
    ],
)
def test_what_a_model_cannot_be_is_said_when_it_is_built(model, words):
    with pytest.raises(InvalidArgumentError, match=words):
        built(**model)


def test_ids_of_other_experiments_stay():
    assert "residual" not in str(Experiment(epochs=1).description())
    described = Experiment(epochs=1, model=ModelChoice(residual=True, effective_depth=2.0)).description()
    assert described["model"] == {"residual": True, "effective_depth": 2.0}
    assert read_experiment(described).experiment_id != Experiment(epochs=1).experiment_id


def test_streams_have_no_forecast_of_plain_networks():
    assert set(forecast(ModelChoice(residual=True, initialisation="he")).values()) == {None}


def test_units_that_cannot_die_are_none():
    tailored = {"activation": "tailored-leaky-relu", "initialisation": "he", "width": 8, "depth": 20}
    run = train(read_experiment({"epochs": 1, "data": {"n_train": 60}, "model": tailored}))
    last = run.last
    assert (last["units"], last["dead_units"], last["activation_sparsity"]) == (0, 0, 0.0)
    assert last["live_parameters"] > 0


@pytest.mark.parametrize("model", [{"effective_depth": 1.0}, {"initialisation": "he"}])
def test_residual_experiments_run_and_learn(model):
    described = {
        "epochs": 6,
        "model": {"residual": True, "width": 32, "depth": 6, **model},
        "optimiser": {"kind": "adam", "learning_rate": 1e-3, "batch_size": 50, "clip": 1.0},
    }
    assert train(read_experiment(described)).last["test_accuracy"] > 0.8


def test_fixed_biases_stay_as_they_are_drawn():
    document = {
        "epochs": 1,
        "data": {"n_train": 100, "n_test": 50},
        "model": {"widths": [9, 9], "activation": "shifted-relu", "sparsity": 0.8, "initialisation": "edge-of-chaos"},
        "optimiser": {"kind": "adamw", "learning_rate": 0.1, "weight_decay": 0.5, "clip": 1.0},
    }
    run = train(read_experiment(document | {"model": document["model"] | {"fixed_biases": True}}), seed=2)
    moving = train(read_experiment(document), seed=2)
    data = load_experiment_data(run.experiment)
    born = build_model(run.experiment.model, data.shape, 10, seed=2, images=data.train.images)
    for before, after, moved in zip(born.modules(), run.model.modules(), moving.model.modules(), strict=True):
        if isinstance(before, nn.Linear):
            assert torch.equal(after.bias, before.bias)
            assert not torch.equal(moved.bias, before.bias)
            assert not torch.equal(after.weight, before.weight)
    assert 0 < run.last["live_parameters"] < moving.last["live_parameters"]

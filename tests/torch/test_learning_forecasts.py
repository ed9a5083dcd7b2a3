"""Verdicts of experiments before training, as `train --dry-run` lists them."""

import pytest

from neurondeath_torch.auditing.forecast import forecast
from neurondeath_torch.training import learning_forecasts
from neurondeath_torch.training.experiment_files import read_experiment
from neurondeath_torch.training.learning_forecasts import LearningForecasts
from neurondeath_torch.training.loop import load_experiment_data
from neurondeath_torch.training.model_building import build_model


def experiment(depth, **more):
    model = {"width": 16, "depth": depth, "initialisation": "he", **more}
    return read_experiment({"epochs": 1, "data": {"n_train": 300}, "model": model, "optimiser": {"kind": "adam"}})


def test_the_verdict_is_that_of_the_model_that_would_be_trained():
    deep = experiment(60)
    data = load_experiment_data(deep)
    model = build_model(deep.model, data.shape, 10, seed=3, images=data.train.images)
    found = forecast(model, data.train.images[:256], data.train.classes[:256], learning_rate=0.1, remedies=False)
    learning = LearningForecasts().of(deep, 3)
    assert learning == {"forecast_verdict": found.verdict, "forecast_score": pytest.approx(found.score, rel=6e-3)}
    assert found.verdict == "collapsed"


def test_rates_of_other_optimisers_are_not_those_of_adam():
    plain = read_experiment({"epochs": 1, "optimiser": {"kind": "sgd", "learning_rate": 1e3}})
    assert LearningForecasts().of(plain, 0)["forecast_verdict"] == "learns"


def test_what_has_no_data_or_is_too_much_has_no_verdict(tmp_path, monkeypatch):
    nothing = {"forecast_verdict": None, "forecast_score": None}
    missing = read_experiment({"epochs": 1, "data": {"name": "mnist"}})
    assert LearningForecasts(tmp_path).of(missing, 0) == nothing
    monkeypatch.setattr(learning_forecasts, "MOST_EXPERIMENTS", 1)
    many = LearningForecasts()
    assert many.of(experiment(2), 0) != nothing
    assert many.of(experiment(3), 0) == nothing
    assert many.of(experiment(2), 0) != nothing

"""The study of which networks learn: stacks against single networks, measurements, interruption and resumption."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn, optim

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.trainability.feature_rank import entropy_rank, participation_ratio, root_rank
from neurondeath_torch.studies import learning_grid
from neurondeath_torch.studies.birth_features import birth_features
from neurondeath_torch.studies.learning_grid import BATCH, REMEDIES, learning_rows, train_stack
from neurondeath_torch.studies.running import run_study
from neurondeath_torch.studies.stacked_networks import StackedNetworks
from neurondeath_torch.studies.tables import StudyTableError, read_study
from neurondeath_torch.training.labelled_data import load_labelled_data
from neurondeath_torch.training.random_seeds import seed_of


@pytest.fixture(scope="module")
def data():
    return load_labelled_data("digits", n_train=200)


def models(name, data, seeds=(0, 1), width=6, depth=5):
    return [learning_grid._model(name, width, depth, seed, data) for seed in seeds]


@pytest.mark.parametrize("name", REMEDIES)
def test_a_stack_computes_what_its_networks_compute(name, data):
    built = models(name, data, depth=12)
    images = data.train.images[:50]
    stacked = StackedNetworks(built)(images.flatten(1)[None])
    for model, logits in zip(built, stacked, strict=True):
        model.train()  # batch norm with the statistics of the batch
        expected = model(images)
        assert torch.allclose(logits, expected, rtol=1e-3, atol=1e-3 * float(expected.detach().abs().max()))


def test_batch_norm_takes_the_statistics_of_the_population(data):
    built = models("batch norm", data)
    images, population = data.train.images[:7].flatten(1)[None], data.train.images.flatten(1)[None]
    together = StackedNetworks(built)(population)[:, :7]
    assert torch.allclose(StackedNetworks(built)(images, population), together, atol=1e-4)
    assert not torch.allclose(StackedNetworks(built)(images), together, atol=1e-2)


def test_networks_of_two_forms_are_not_stacked(data):
    with pytest.raises(InvalidArgumentError, match="be networks of one shape and form; got '2 of them'"):
        StackedNetworks([*models("he", data), *models("residual", data)])


@pytest.mark.parametrize("name", ["he", "tailored slope", "residual", "critical residual, D = 1", "batch norm"])
def test_a_stack_is_trained_as_its_networks_are(name, data):
    built = models(name, data)
    stack = StackedNetworks(built)
    train_stack(stack, data, seeds=(0, 1), epochs=1)
    images, classes = data.train.images, data.train.classes
    for seed, model in enumerate(built):
        model.train()
        stepper = optim.Adam(model.parameters(), lr=1e-3)
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of(seed, 0, "batches")))
        for picked in order.split(BATCH):
            stepper.zero_grad()
            F.cross_entropy(model(images[picked]), classes[picked]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            stepper.step()
        expected = model(images).detach()
        logits = stack(images.flatten(1)[None])[seed]
        assert torch.allclose(logits, expected, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))


def test_gradients_are_clipped_network_by_network(data):
    stack = StackedNetworks(models("he", data))
    for parameter, axis in ((one, 1 if one.ndim == 4 else 0) for one in stack.parameters()):
        parameter.grad = torch.ones_like(parameter)
        parameter.grad.select(axis, 0).mul_(1e-3)  # the first stays below norm 1
    n = sum(one.numel() for one in stack.parameters()) // 2
    norms = learning_grid._clip(stack)
    assert norms.tolist() == pytest.approx([1e-3 * n**0.5, n**0.5])
    assert float(stack.head.grad[0].max()) == pytest.approx(1e-3)
    assert float(stack.head.grad[1].max()) == pytest.approx(n**-0.5, rel=1e-5)


@pytest.mark.parametrize("name", ["he", "looks-linear", "critical residual, D = 4"])
def test_birth_features_are_those_of_the_theory(name, data):
    stack = StackedNetworks(models(name, data))
    points = data.train.images[:40].flatten(1)
    found = birth_features(stack, points)
    for index, features in enumerate(stack.features(points[None]).detach().double().numpy()):
        assert found["entropy_rank"][index] == pytest.approx(entropy_rank(features), rel=1e-6)
        assert found["uncentred_rank"][index] == pytest.approx(entropy_rank(features, centred=False), rel=1e-6)
        assert found["root_rank"][index] == pytest.approx(root_rank(features), rel=1e-6)
        assert found["participation"][index] == pytest.approx(participation_ratio(features), rel=1e-6)
        features = features[features.any(axis=1)]
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        assert found["correlation"][index] == pytest.approx(cosines.mean(), rel=1e-6)
        assert found["log_size"][index] == pytest.approx(np.log(np.mean(features**2, axis=1)).mean(), rel=1e-6)


def test_dead_points_and_dead_networks_have_numbers_or_none(data):
    stack = StackedNetworks(models("he", data))
    with torch.no_grad():
        stack.hidden_bias[-1, 0] = -1e6
    found = birth_features(stack, data.train.images[:20].flatten(1))
    assert [found[name][0] for name in ("entropy_rank", "living_ratio", "log_size", "correlation")] == [
        0,
        0,
        None,
        None,
    ]
    assert found["entropy_rank"][1] > 1.0


def test_the_first_step_is_that_of_adam(data):
    built = models("he", data, seeds=(3,))
    model = copy.deepcopy(built[0])
    found = train_stack(StackedNetworks(built), data, seeds=[3], epochs=1)
    images, classes = data.train.images, data.train.classes
    picked = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed_of(3, 0, "batches")))[:BATCH]
    before = model(images[:256]).detach()
    loss = F.cross_entropy(model(images[picked]), classes[picked])
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    total = sum(float(parameter.grad.abs().sum()) for parameter in model.parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-3 * parameter.grad.sign()
        after = F.cross_entropy(model(images[picked]), classes[picked])
        change = (model(images[:256]) - before).square().mean().sqrt()
    assert found["log_gradient"][0] == pytest.approx(float(norm.detach().log()), rel=1e-4)
    assert found["first_step"][0] == pytest.approx(float(change), rel=1e-2)
    assert found["step_gain"][0] == pytest.approx(float(loss.detach() - after) / (1e-3 * total), rel=1e-2)


def test_an_interrupted_study_goes_on_where_it_stopped(tmp_path, monkeypatch):
    small = {"widths": (4,), "depths": (2, 3), "seeds": (0,), "epochs": 1}
    monkeypatch.setitem(learning_grid.__dict__, "_accuracies", learning_grid._accuracies)
    monkeypatch.setattr("neurondeath_torch.studies.running.QUICK", {"alive_and_learning": small})
    whole = run_study("alive_and_learning", store=tmp_path / "s", folder=tmp_path, quick=True)
    rows = read_study("alive_and_learning", tmp_path).rows
    assert [row["depth"] for row in rows] == [2] * len(REMEDIES) + [3] * len(REMEDIES)
    whole.unlink()

    calls = []
    true_rows = learning_grid._form_rows

    def stopped(*arguments):
        calls.append(arguments[2])
        if len(calls) == 8:
            raise KeyboardInterrupt
        return true_rows(*arguments)

    monkeypatch.setattr(learning_grid, "_form_rows", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study("alive_and_learning", store=tmp_path / "s", folder=tmp_path, quick=True)
    with pytest.raises(StudyTableError, match="is unfinished: 10 rows; run the study again"):
        read_study("alive_and_learning", tmp_path)
    calls.clear()
    calls += [0] * 10  # no more interruptions
    run_study("alive_and_learning", store=tmp_path / "s", folder=tmp_path, quick=True)
    assert calls[10:] == [3] * len(learning_grid.FORMS)
    again = read_study("alive_and_learning", tmp_path).rows
    assert [row["loss"] for row in again] == [row["loss"] for row in rows]


def test_rows_of_a_new_grid_do_not_depend_on_the_rest_of_it():
    one = learning_rows(widths=[5], depths=[3], seeds=[1], epochs=1)
    both = learning_rows(widths=[4, 5], depths=[3], seeds=[1], epochs=1)
    assert [row["test_accuracy"] for row in both if row["width"] == 5] == [row["test_accuracy"] for row in one]

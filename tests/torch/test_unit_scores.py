"""Scores of units against Torch-Pruning's importances and against the loss itself, and pruning by each of them."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
import torch_pruning
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.loss_gradients import loss_gradients
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.methods.unit_scores import scored_parameters, unit_scores
from neurondeath_torch.surgery.removal import remove_units
from neurondeath_torch.surgery.unit_coupling import CouplingGraph
from neurondeath_torch.training.models import residual_network
from tests.references.torch_methods import assert_resumes, build, points

X, Y = points(64, 5), points(64, 2, seed=2)
IMAGES = points(6, 3, 8, 8)
BATCH_NORM = [nn.modules.batchnorm._BatchNorm]


@torch.no_grad()
def spread(model, seed=3):
    """Draw scales of different sizes and signs for the norms."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.weight.copy_(torch.randn(module.weight.shape, generator=generator))
    return model


def perceptron(seed=0, normed=False):
    norms = [lambda: nn.BatchNorm1d(8)] if normed else []
    return spread(build(seed, lambda: nn.Linear(5, 8), *norms, nn.ReLU, lambda: nn.Linear(8, 8), *norms, nn.ReLU,
                        lambda: nn.Linear(8, 2)))  # fmt: skip


def residual(seed=0):
    return spread(build(seed, lambda: residual_network((3, 8, 8), 4, width=4, blocks=1, activation=nn.ReLU)))


def flattened(seed=0):
    return build(seed, lambda: nn.Conv2d(3, 4, 3), nn.ReLU, lambda: nn.ConvTranspose2d(4, 3, 2), nn.ReLU,
                 nn.Flatten, lambda: nn.Linear(147, 2))  # fmt: skip


NETS = {
    "perceptron": (perceptron, X),
    "normed": (lambda: perceptron(normed=True), X),
    "residual": (residual, IMAGES),
    "flattened": (flattened, IMAGES),
}


def removable(model, x):
    return [coupling for coupling in CouplingGraph(model, x).couplings() if not coupling.obstacle]


def importances(model, x, importance):
    """Torch-Pruning's importance of every layer that can lose units, on its own graph."""
    graph = torch_pruning.DependencyGraph().build_dependency(model, x, verbose=False)
    found = {}
    for coupling in removable(model, x):
        layer = model.get_submodule(coupling.layer)
        prune = graph.get_pruner_of_module(layer).prune_out_channels
        group = graph.get_pruning_group(layer, prune, list(range(coupling.n_units)))
        found[coupling.layer] = importance(group).double().numpy()
    return found


@pytest.mark.parametrize("net", NETS)
def test_group_scores_are_those_of_torch_pruning(net):
    make, x = NETS[net]
    model = make().eval()
    theirs = importances(model, x, torch_pruning.importance.GroupMagnitudeImportance(p=2))
    for coupling in removable(model, x):
        np.testing.assert_allclose(unit_scores(coupling, "group"), theirs[coupling.layer], rtol=1e-5)


@pytest.mark.parametrize("net", ["perceptron", "flattened"])  # Torch-Pruning's leaves out batch norm
def test_taylor_scores_are_those_of_torch_pruning(net):
    make, x = NETS[net]
    model = make()

    def loss():
        return model(x).square().mean()

    loss().backward()
    theirs = importances(model, x, torch_pruning.importance.GroupTaylorImportance())
    couplings = removable(model, x)
    weights = scored_parameters(couplings)
    gradients = dict(zip(weights, loss_gradients(loss, weights), strict=True))
    for coupling in couplings:
        np.testing.assert_allclose(unit_scores(coupling, "taylor", gradients), theirs[coupling.layer], rtol=1e-4)


@pytest.mark.parametrize("net", ["normed", "residual"])
def test_behind_norms_the_scale_is_the_score(net):
    """Torch-Pruning's importance of the norms alone: sums of squares of the scales that belong to a unit."""
    make, x = NETS[net]
    model = make().eval()
    kinds = torch_pruning.importance.GroupMagnitudeImportance(p=2, target_types=BATCH_NORM)
    theirs = importances(model, x, kinds)
    couplings = removable(model, x)
    assert any(len(coupling.writers) > 1 for coupling in couplings) == (net == "residual")
    for coupling in couplings:
        squares = unit_scores(coupling, "scale") ** 2
        np.testing.assert_allclose(squares / squares.mean(), theirs[coupling.layer], rtol=1e-5)
        assert not np.allclose(unit_scores(coupling, "scale"), unit_scores(coupling, "weights"), rtol=0.05)


def test_where_no_norm_follows_the_rows_are_the_score():
    model = perceptron()
    for coupling in removable(model, X):
        rows = model.get_submodule(coupling.layer).weight.detach().double().norm(dim=1)
        expected = (rows / rows.mean()).numpy()
        np.testing.assert_allclose(unit_scores(coupling, "scale"), expected, rtol=1e-6)
        np.testing.assert_allclose(unit_scores(coupling, "weights"), expected, rtol=1e-6)


class Stream(nn.Module):
    """A stream that a normed layer and a bare one write, and that a norm reads."""

    def __init__(self, seed=0, affine=True, twice=False):
        super().__init__()
        layers = build(seed, *[lambda: nn.Linear(6, 6)] * 4, lambda: nn.Linear(6, 2))
        self.first, self.second, self.third, self.branch, self.out = layers
        self.after, self.before = nn.BatchNorm1d(6, affine=affine), nn.BatchNorm1d(6)
        self.twice = twice
        spread(self) if affine else None

    def forward(self, x):
        h = self.second(F.relu(self.first(x)))
        stream = self.after(h) + self.third(x)
        if self.twice:
            stream = stream + h
        return self.out(F.relu(self.branch(F.relu(self.before(stream)))))


@pytest.mark.parametrize("affine", [True, False])
def test_each_writer_counts_with_what_follows_it(affine):
    model = Stream(affine=affine).eval()
    couplings = {coupling.layer: coupling for coupling in removable(model, points(9, 6))}
    stream = couplings["second"]
    assert {part.name for part in stream.writers} == {"second", "third"}
    scale = model.after.weight.detach().double().square() if affine else torch.ones(6, dtype=torch.float64)
    expected = (scale + model.third.weight.detach().double().square().sum(1)).sqrt()
    np.testing.assert_allclose(unit_scores(stream, "scale"), (expected / expected.mean()).numpy(), rtol=1e-6)


def test_a_norm_beside_another_reader_is_no_excuse():
    model = Stream(twice=True).eval()
    stream = next(c for c in removable(model, points(9, 6)) if c.layer == "second")
    np.testing.assert_allclose(unit_scores(stream, "scale"), unit_scores(stream, "weights"), rtol=1e-12)


def test_taylor_predicts_what_the_removal_of_a_faint_unit_costs():
    """A second route: remove each unit in turn and look at the loss, which its columns predict to first order."""
    model = build(4, lambda: nn.Linear(5, 12, bias=False), nn.ReLU, lambda: nn.Linear(12, 1))
    with torch.no_grad():
        model[2].weight *= 1e-3

    def loss_of(net):
        return F.mse_loss(net(X.double()), 3.0 + Y[:, :1].double())

    model.double()
    costs = []
    for unit in range(12):
        smaller = copy.deepcopy(model)
        remove_units(smaller, {"0": [unit]}, data=X.double())
        costs.append(abs(loss_of(smaller).item() - loss_of(model).item()))
    weight = model[2].weight
    (gradient,) = loss_gradients(lambda: loss_of(model), [weight])
    np.testing.assert_allclose((weight * gradient).abs().detach().numpy()[0], costs, rtol=5e-3)
    (coupling,) = removable(model, X.double())
    weights = scored_parameters([coupling])
    gradients = dict(zip(weights, loss_gradients(lambda: loss_of(model), weights), strict=True))
    rows = (weights[0] * gradients[weights[0]]).abs().sum(1).detach().numpy()
    assert (rows >= 0.999 * np.array(costs) * (1 - 5e-3)).all()  # |.| entry by entry: at least the sum
    expected = rows + (weight * gradient).abs().detach().numpy()[0]
    np.testing.assert_allclose(unit_scores(coupling, "taylor", gradients), expected / expected.mean(), rtol=1e-9)


def test_pruning_by_scale_keeps_the_units_that_norms_let_through():
    model = perceptron(normed=True)
    with torch.no_grad():
        model[0].weight.mul_(torch.logspace(-1, 1, 8)[:, None])  # rows that a norm follows: no effect
        model[1].weight.copy_(torch.tensor([1.0, -2.0, 3.0, 0.1, -0.2, 0.3, 1.5, 1.0]))
        model[4].weight.fill_(1.0)
    pruning = StructuredPruning(model, None, data=X, share=3 / 16, score="scale")
    pruning.after_epoch()
    assert model[1].weight.tolist() == [1.0, -2.0, 3.0, 1.5, 1.0]


@pytest.mark.parametrize("score", ["scale", "weights", "group", "taylor", "random"])
def test_every_score_prunes_and_resumes(score):
    def make_method(model, optimiser):
        loss = (lambda: F.mse_loss(model(X), Y)) if score == "taylor" else None
        return StructuredPruning(model, optimiser, data=X, share=0.2, score=score, loss=loss, seed=5)

    def adam(model):
        return torch.optim.Adam(model.parameters(), lr=0.01)

    assert_resumes(lambda seed: perceptron(seed, normed=True), adam, make_method, X, Y, epochs=5, cut=2)


def test_random_scores_differ_between_seeds_and_rounds():
    kept = []
    for seed in (0, 0, 1):
        model = perceptron()
        pruning = StructuredPruning(model, None, data=X, share=0.5, score="random", seed=seed)
        pruning.after_epoch()
        kept.append(model[0].weight[:, 0].tolist())
    assert kept[0] == kept[1] != kept[2]


def test_the_statistics_of_norms_are_not_changed_by_a_score():
    model = perceptron(normed=True).train()
    before = model[1].running_mean.clone()
    StructuredPruning(model, None, data=X, score="taylor", loss=lambda: model(X).square().mean()).remove()
    assert set(model[1].running_mean.tolist()) <= set(before.tolist())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_bad_input_is_one_clear_line():
    for options, words in [
        ({"score": "size"}, "scale, weights, group, taylor, random"),
        ({"score": "taylor"}, 'for score="taylor"'),
        ({"seed": -1}, "seed"),
    ]:
        with pytest.raises(InvalidArgumentError) as caught:
            StructuredPruning(perceptron(), None, data=X, **options)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    pruning = StructuredPruning(perceptron(), None, data=X, score="taylor", loss=lambda: 3.0)
    with pytest.raises(InvalidArgumentError, match="scalar that depends on the model"):
        pruning.remove()

"""Clones by brute force, pair by pair, and what is no clone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.surgery.removal import remove_units
from neurondeath_torch.watching.clones import clone_groups, find_clones
from tests.references.torch_methods import build, kill, points

X = points(64, 5)


def perceptron(seed=0):
    return build(seed, lambda: nn.Linear(5, 12), nn.ReLU, lambda: nn.Linear(12, 6), nn.Tanh, lambda: nn.Linear(6, 2))


@torch.no_grad()
def copy_unit(layer, source, target, factor=1.0):
    layer.weight[target] = factor * layer.weight[source]
    layer.bias[target] = factor * layer.bias[source]


def groups_by_pairs(h, tolerance, scaled):
    """Group the columns of h by looking at every pair."""
    h = h.double().numpy()
    members = [{i} for i in range(h.shape[1])]
    for i in range(h.shape[1]):
        for j in range(i + 1, h.shape[1]):
            a, b = np.linalg.norm(h[:, i]), np.linalg.norm(h[:, j])
            if a == 0 or b == 0:
                continue
            if scaled:
                u, v = h[:, i] / a, h[:, j] / b
                same = u @ v > 0 and np.linalg.norm(u - (u @ v) * v) <= tolerance
            else:
                same = np.linalg.norm(h[:, i] - h[:, j]) <= tolerance * max(a, b)
            if same:
                merged = members[i] | members[j]
                for k in merged:
                    members[k] = merged
    return {tuple(sorted(group)) for group in members if len(group) > 1}


@pytest.mark.parametrize("tolerance", [1e-6, 0.1, 0.5])
@pytest.mark.parametrize("scaled", [False, True])
def test_groups_are_those_of_all_pairs(tolerance, scaled):
    model = perceptron()
    copy_unit(model[0], 2, 7)
    copy_unit(model[0], 2, 9, 3.0)
    copy_unit(model[0], 1, 4, 1.05)
    copy_unit(model[2], 0, 5)
    kill(model[0], [10, 11])
    with torch.no_grad():
        first = model[1](model[0](X))
        second = model[3](model[2](first))
    found = find_clones(model, X, tolerance=tolerance, scaled=scaled)
    for layer, h in (("0", first), ("2", second)):
        assert set(found.groups[layer]) == groups_by_pairs(h, tolerance, scaled)
    assert (2, 7) in found.groups["0"] or any({2, 7} < set(group) for group in found.groups["0"])
    assert any({2, 9} <= set(group) for group in found.groups["0"]) == (scaled or tolerance > 0.6)
    assert not found.redundant()["0"][[10, 11]].any()


def test_a_random_network_has_none():
    found = find_clones(perceptron(), X)
    assert found.n_clones == 0
    assert found.groups == {"0": (), "2": ()}
    assert found.to_dataframe()["clones"].tolist() == [0, 0]


def test_batches_and_channels():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = build(0, lambda: nn.Conv2d(1, 4, 3), lambda: nn.Linear(64, 2))

        def forward(self, x):
            return self.out(F.relu_(self.conv(x)).flatten(1))

    model, x = Net(), points(10, 1, 6, 6)
    copy_unit(model.conv, 0, 3)
    for data in (x, [x[:3], x[3:]]):
        found = find_clones(model, data)
        assert found.groups == {"conv": ((0, 3),)}
        assert found.n_samples == 10
    assert found.redundant()["conv"].tolist() == [False, False, False, True]
    assert str(found).startswith("1 of 4 units are clones of another one (1 groups) on 10 samples")


def test_a_clone_can_be_merged_without_changing_the_outputs():
    """What it means to compute the same: add the clone's outgoing weights to those of the unit, and remove it."""
    model = perceptron()
    copy_unit(model[0], 2, 7)
    before = model(X)
    found = find_clones(model, X)
    ((kept, gone),) = found.groups["0"]
    with torch.no_grad():
        model[2].weight[:, kept] += model[2].weight[:, gone]
    remove_units(model, found.redundant() | {"2": []}, data=X)
    torch.testing.assert_close(model(X), before, rtol=0, atol=1e-5)
    assert model[0].out_features == 11


def test_chains_of_relations_are_one_group():
    h = np.array([[1.0, 1.05, 1.1, 5.0]])
    assert clone_groups(h.T @ h, 0.06) == ((0, 1, 2),)
    assert clone_groups(h.T @ h, 0.04) == ()


def test_bad_input_is_one_clear_line():
    model = perceptron()
    broken = perceptron()
    with torch.no_grad():
        broken[0].weight[0] = float("nan")
    cases = [
        (lambda: find_clones(model, X, tolerance=1.0), "tolerance"),
        (lambda: find_clones(model, X, scaled=1), "scaled"),
        (lambda: find_clones(model, X, layers=["4"]), "choose among 0, 2"),
        (lambda: find_clones(model, []), "no batch"),
        (lambda: find_clones(broken, X), "finite activations"),
        (lambda: find_clones(nn.Linear(5, 2), X), "followed by an activation"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value), caught.value
        assert "\n" not in str(caught.value)

"""Synaptic Stripping on networks small enough to follow by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping
from tests.references.torch_methods import assert_resumes, build, kill, points, train


def perceptron(seed=0):
    return build(seed, lambda: nn.Linear(5, 8), nn.ReLU, lambda: nn.Linear(8, 8), nn.ReLU, lambda: nn.Linear(8, 2))


def hand_built():
    """Build three units: on positive inputs the first is dead, the second active on one point only, the third alive."""
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-4.0, 1.0, -2.0, 0.0], [-4.0, 1.0, 0.0, 0.0], [1.0, -9.0, 1.0, 1.0]]))
        model[0].bias.copy_(torch.tensor([0.5, 0.0, 0.1]))
    return model, torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])


def test_only_the_dead_unit_loses_weights_and_only_its_lowest():
    model, x = hand_built()
    with torch.no_grad():
        assert (F.relu(model[0](x)) > 0).any(0).tolist() == [False, True, True]
    before = [p.detach().clone() for p in model.parameters()]
    stripping = SynapticStripping(model, min_points=1, data=x, stripping_factor=0.5)
    stripping.after_epoch()
    # remaining nonzero weights -4, 1, -2: median -2, and only -4 lies strictly below
    expected = before[0].clone()
    expected[0, 0] = 0.0
    assert torch.equal(model[0].weight, expected)
    assert all(torch.equal(p, old) for p, old in zip(list(model.parameters())[1:], before[1:], strict=True))
    assert stripping.n_pruned == 1
    event = stripping.report().events[0]
    assert (event.action, event.layer, event.units, event.weights, event.epoch) == ("strip", "0", 1, 1, 1)
    with torch.no_grad():  # -2 + 1 + .5 < 0 on the first points, but .5 > 0 on the third: the unit is back
        assert (F.relu(model[0](x)) > 0).any(0).all()
    stripping.after_epoch()
    assert stripping.n_pruned == 1


def test_the_deciding_data_decide():
    model, x = hand_built()
    alive_there = torch.tensor([[0.0, 5.0, 0.0, 0.0]])
    for data in ([alive_there, x], [x, alive_there], [(x, None), (alive_there, None)]):
        stripping = SynapticStripping(model, min_points=1, data=data, stripping_factor=0.5)
        before = model[0].weight[0].clone()
        stripping.after_epoch()
        assert torch.equal(model[0].weight[0], before)
    model, x = hand_built()
    SynapticStripping(model, min_points=1, data=[x[:1], x[1:]], stripping_factor=0.5).after_epoch()
    assert model[0].weight[0, 0] == 0.0


def test_every_few_epochs():
    model, x = hand_built()
    with torch.no_grad():
        model[0].bias[0] = -50.0
    stripping = SynapticStripping(model, min_points=1, data=x, stripping_factor=0.9, every=3)
    pruned = []
    for _ in range(6):
        stripping.after_epoch()
        pruned.append(stripping.n_pruned)
    assert pruned == [0, 0, 2, 2, 2, 2]  # then only one weight is left, which equals its quantile
    assert [event.epoch for event in stripping.report().events] == [3, 6]


@pytest.mark.parametrize("by_hook", [False, True])
def test_masks_hold_through_momentum(by_hook):
    model, x = perceptron(), points(64, 5)
    y = points(64, 2, seed=2)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    F.mse_loss(model(x), y).backward()
    optimiser.step()  # gives every weight momentum
    kill(model[2], [1])
    with torch.no_grad():
        model[2].weight[1] = -torch.arange(1.0, 9.0)
    stripping = SynapticStripping(model, data=x, stripping_factor=0.3, optimiser=optimiser if by_hook else None)
    stripping.after_epoch()
    pruned = ~torch.from_numpy(stripping.masks.kept("2"))
    assert pruned[1].tolist() == [False] * 5 + [True] * 3
    for _ in range(5):
        F.mse_loss(model(x), y).backward()
        optimiser.step()
        if not by_hook:
            assert (model[2].weight[pruned] != 0).any()  # without the mask momentum would bring them back
            stripping.after_step()
        assert (model[2].weight[pruned] == 0).all()


def test_dead_units_come_back_and_learn():
    model, x = perceptron(), points(128, 5).abs()
    y = points(128, 2, seed=2)
    with torch.no_grad():
        model[0].weight[:4] = -model[0].weight[:4].abs() - 0.1
        model[0].weight[:4, 0] = 0.3  # a positive weight is left that can reactivate them
        model[0].bias[:4] = -0.05
        model[0].weight[:4, 1:] -= 2.0
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02)
    stripping = SynapticStripping(model, data=x, stripping_factor=0.25, layers=["0"])
    dead = ~(model[0](x) > 0).any(0)
    assert dead.sum() >= 3
    before = model[0].weight.detach().clone()
    train(model, optimiser, stripping, x, y, 8)
    assert (model[0](x) > 0).any(0)[dead].all()
    moved = (model[0].weight.detach() != before) & torch.from_numpy(stripping.masks.kept("0"))
    assert moved[dead].any(1).all()


def test_convolutions_batch_norm_functions_and_residual_sums():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.b = nn.Conv2d(4, 4, 3, padding=1)
            self.c = nn.ConvTranspose2d(4, 3, 2)
            self.head = nn.Linear(3 * 49, 2)

        def forward(self, x):
            x = F.relu(self.norm(self.a(x)))
            x = (x + self.b(x)).relu_()
            return self.head(self.c(x).clamp(min=0).flatten(1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Net()
    x = points(8, 1, 6, 6)
    with torch.no_grad():
        model.norm.bias[2] = -100.0
        model.b.bias[1] = -100.0
        model.c.bias[0] = -100.0
    statistics = model.norm.running_mean.clone()
    stripping = SynapticStripping(model, min_points=1, data=x)
    assert stripping.masks.layers == ["a", "b", "c"]
    stripping.after_epoch()
    assert model.training
    assert torch.equal(model.norm.running_mean, statistics)
    pruned = {name: ~stripping.masks.kept(name) for name in stripping.masks.layers}
    assert np.flatnonzero(pruned["a"].reshape(4, -1).any(1)).tolist() == [2]
    assert 1 in np.flatnonzero(pruned["b"].reshape(4, -1).any(1))
    assert np.flatnonzero(pruned["c"].swapaxes(0, 1).reshape(3, -1).any(1)).tolist() == [0]
    row = model.a.weight[2].detach().flatten()
    assert pruned["a"][2].sum() == 1
    assert (row == 0).sum() == 1


def test_resuming_equals_no_interruption():
    def make_model(seed):
        model = perceptron(seed)
        with torch.no_grad():
            model[0].weight[:3] -= 1.0
            model[2].weight[5] -= 1.0
        return model

    assert_resumes(
        make_model,
        lambda model: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        lambda model, _: SynapticStripping(model, data=points(64, 5).abs(), stripping_factor=0.2, every=2),
        points(64, 5).abs(),
        points(64, 2, seed=2),
        epochs=7,
        cut=3,
    )


def test_bad_input_is_one_clear_line():
    model, x = hand_built()
    stripping = SynapticStripping(model, data=x, min_points=1)
    other = SynapticStripping(perceptron(), data=points(20, 5))
    broken, _ = hand_built()
    with torch.no_grad():
        broken[0].weight[0] = float("inf")
    cases = [
        (lambda: SynapticStripping(model, data=x, min_points=1, every=0), "every"),
        (lambda: SynapticStripping(model, data=x, min_points=1, stripping_factor=2), "stripping_factor"),
        (lambda: SynapticStripping(model, data=x), "at least 20 points to call a unit dead"),
        (lambda: SynapticStripping(model, data=x, min_points=0), "min_points"),
        (lambda: SynapticStripping(model, data=[]), "no batch"),
        (lambda: SynapticStripping(model, data=iter([x])), "more than once"),
        (lambda: SynapticStripping(model, data=x, min_points=1, layers=["2"]), "choose among 0"),
        (lambda: SynapticStripping(nn.Linear(4, 1), data=x, min_points=1), "followed by an activation"),
        (lambda: SynapticStripping(broken, data=x, min_points=1), "finite activations"),
        (lambda: stripping.load_state_dict({}), "state of SynapticStripping"),
        (lambda: stripping.load_state_dict({"method": "SynapticStripping"}), "hold `"),
        (lambda: stripping.load_state_dict(other.state_dict()), "masks of this model"),
        (lambda: stripping.load_state_dict(None), "state"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_measuring_leaves_the_random_numbers_of_the_training_alone():
    model, x = perceptron(), points(64, 5)
    loader = torch.utils.data.DataLoader(x, batch_size=16, shuffle=True)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    SynapticStripping(model, data=loader).after_epoch()
    assert torch.equal(torch.rand(4), expected)

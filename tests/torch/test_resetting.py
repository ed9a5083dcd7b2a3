"""Reset units: new rows, neutral norms, zero outgoing weights, no optimiser memory, nothing else changed."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.structured_pruning import StructuredPruning
from neurondeath_torch.methods.training_method import NoMethod
from neurondeath_torch.surgery.resetting import reset_units
from tests.references.statistical import assert_agrees, assert_refutes, seeds
from tests.references.torch_methods import assert_resumes, assert_same_state, build, kill, points, run, train

X, Y = points(64, 5), points(64, 2, seed=2)


def normed(seed=0, width=8):
    return build(seed, lambda: nn.Linear(5, width), lambda: nn.BatchNorm1d(width), nn.ReLU,
                 lambda: nn.Linear(width, width), nn.ReLU, lambda: nn.Linear(width, 2))  # fmt: skip


def adam(model):
    return torch.optim.Adam(model.parameters(), lr=0.01)


def trained():
    model = normed()
    optimiser = adam(model)
    train(model, optimiser, NoMethod(model), X, Y, 2)
    return model, optimiser


def test_exactly_the_weights_of_the_units_change():
    model, optimiser = trained()
    kill(model[1], [2, 5])
    old, old_moments = copy.deepcopy(model), copy.deepcopy(optimiser.state_dict())["state"]
    parameters = list(model.parameters())
    before = model.eval()(X)
    reset = reset_units(model, {"0": [2, 5]}, data=X, optimiser=optimiser)
    others = [0, 1, 3, 4, 6, 7]
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert torch.equal(model[0].weight[others], old[0].weight[others])
    assert torch.equal(model[0].bias[others], old[0].bias[others])
    assert (model[0].weight[[2, 5]] != old[0].weight[[2, 5]]).all()
    assert (model[1].weight[[2, 5]] == 1).all()
    assert (model[1].bias[[2, 5]] == 0).all()
    assert (model[1].running_mean[[2, 5]] == 0).all()
    assert (model[1].running_var[[2, 5]] == 1).all()
    assert torch.equal(model[1].running_mean[others], old[1].running_mean[others])
    assert (model[3].weight[:, [2, 5]] == 0).all()
    assert torch.equal(model[3].weight[:, others], old[3].weight[:, others])
    assert torch.equal(model[3].bias, old[3].bias)
    assert torch.equal(model[5].weight, old[5].weight)
    torch.testing.assert_close(model(X), before, rtol=0, atol=1e-6)  # dead before, unread now
    assert (reset.n_reset, reset.weights) == (2, (10,))
    touched = {0: (0, [2, 5]), 1: (0, [2, 5]), 2: (0, [2, 5]), 3: (0, [2, 5]), 4: (1, [2, 5])}
    for number, parameter in enumerate(model.parameters()):
        for key in ("exp_avg", "exp_avg_sq"):
            expected = old_moments[number][key].clone()
            if number in touched:
                axis, units = touched[number]
                expected.index_fill_(axis, torch.tensor(units), 0.0)
                assert not torch.equal(expected, old_moments[number][key])
            assert torch.equal(optimiser.state[parameter][key], expected)
        assert optimiser.state[parameter]["step"] == 8


def test_reset_units_learn_again():
    model, optimiser = trained()
    kill(model[1], [2, 5])
    reset_units(model, {"0": [2, 5]}, data=X, optimiser=optimiser)
    train(model, optimiser, NoMethod(model), X, Y, 10)
    assert (model[3].weight[:, [2, 5]] != 0).all()
    assert (F.relu(model[1](model[0](X))) > 0).any(0)[[2, 5]].all()


@seeds
def test_rows_follow_the_layers_own_law(seed):
    """PyTorch draws linear weights uniformly within 1/sqrt(fan-in)."""
    model = build(seed, lambda: nn.Linear(400, 60), nn.ReLU, lambda: nn.Linear(60, 2))
    with torch.no_grad():
        model[0].weight.fill_(7.0)
    reset_units(model, {"0": range(50)}, data=points(4, 400), seed=seed)
    draws = model[0].weight[:50].detach().double().numpy().ravel() * 20
    assert np.abs(draws).max() <= 1 + 1e-6
    stderr = np.sqrt((1 / 5 - 1 / 9) / draws.size)
    assert_agrees(np.mean(draws**2), stderr, 1 / 3)
    assert_refutes(np.mean(draws**2), stderr, 1 / 2)
    assert (model[0].weight[50:] == 7.0).all()


def test_a_law_of_ones_own_and_outgoing_weights_kept():
    model, _ = trained()
    outgoing = model[3].weight.clone()
    reset_units(
        model, {"0": [1]}, data=X, initialise=lambda layer: nn.init.constant_(layer.weight, 3.0), outgoing="keep"
    )
    assert (model[0].weight[1] == 3.0).all()
    assert torch.equal(model[3].weight, outgoing)


def test_a_seed_fixes_the_draws_and_other_randomness_is_left_alone():
    drawn = []
    for seed in (1, 1, 2):
        model = normed()
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        reset_units(model, {"0": [1], "3": [0]}, data=X, seed=seed)
        assert torch.equal(torch.rand(4), expected)
        drawn.append(torch.cat([model[0].weight[1], model[3].weight[0]]).detach())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_convolutions_flattened_and_transposed():
    model = build(0, lambda: nn.Conv2d(1, 4, 3), nn.ReLU, lambda: nn.ConvTranspose2d(4, 3, 2), nn.ReLU, nn.Flatten,
                  lambda: nn.Linear(75, 2))  # fmt: skip
    old = copy.deepcopy(model)
    reset_units(model, {"0": [2], "2": [1]}, data=points(2, 1, 6, 6))
    assert (model[0].weight[2] != old[0].weight[2]).all()
    assert torch.equal(model[0].weight[[0, 1, 3]], old[0].weight[[0, 1, 3]])
    rest = [0, 1, 3]
    assert (model[2].weight[2] == 0).all()
    assert (model[2].weight[rest, 1] != old[2].weight[rest, 1]).all()
    assert torch.equal(model[2].weight[rest][:, [0, 2]], old[2].weight[rest][:, [0, 2]])
    assert (model[5].weight[:, 25:50] == 0).all()
    assert torch.equal(model[5].weight[:, :25], old[5].weight[:, :25])


class Stream(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        x = self.a(x).relu()
        return self.c(x + self.b(x).relu())


def test_streams_and_output_layers_are_left_alone_with_the_reason():
    model = Stream()
    before = copy.deepcopy(model.state_dict())
    reset = reset_units(model, {"a": [0], "c": [1]}, data=X)
    assert reset.n_reset == 0
    assert "`b` too" in reset.reasons[0]
    assert "output layer" in reset.reasons[1]
    assert "left 2 layers alone" in str(reset)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bad_input_is_one_clear_line():
    cases = [
        (lambda: reset_units(normed(), {"0": [8]}, data=X), "0 to 7"),
        (lambda: reset_units(normed(), {"1": [0]}, data=X), "linear or convolution"),
        (lambda: reset_units(normed(), {"0": [0]}, data=[]), "no batch"),
        (lambda: reset_units(normed(), {"0": [0]}, data=X, outgoing="half"), "zero, keep"),
        (lambda: reset_units(normed(), {"0": [0]}, data=X, seed=-1), "seed"),
        (lambda: StructuredPruning(normed(), None, data=X, share=0.0), "share"),
        (lambda: StructuredPruning(nn.Linear(5, 2), None, data=X), "can be removed"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_structured_pruning_removes_the_smallest_units():
    model = build(0, lambda: nn.Linear(5, 6), nn.ReLU, lambda: nn.Linear(6, 4), nn.ReLU, lambda: nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(1.0, 7.0)[[3, 0, 5, 1, 4, 2]][:, None] * torch.ones(6, 5))
        model[2].weight.copy_(0.01 * torch.tensor([2.0, 2.0, 1.9, 2.1])[:, None] * torch.ones(4, 6))
    optimiser = adam(model)
    train(model, optimiser, NoMethod(model), X, Y, 0)
    pruning = StructuredPruning(model, optimiser, data=X, share=0.2, every=2, rounds=1)
    pruning.after_epoch()
    assert model[0].out_features == 6
    pruning.after_epoch()
    # 2 of 10: the rows 1 and 2 of the first layer are furthest below their layer's mean, whatever the second's scale
    assert model[0].weight[:, 0].tolist() == [4.0, 6.0, 5.0, 3.0]
    assert model[2].out_features == 4
    for _ in range(4):
        pruning.after_epoch()
    assert model[0].out_features == 4
    assert [(event.layer, event.units) for event in pruning.report().events] == [("0", 2)]


def test_structured_pruning_resumes():
    assert_resumes(
        normed, adam, lambda model, optimiser: StructuredPruning(model, optimiser, data=X, share=0.2), X, Y,
        epochs=5, cut=2,
    )  # fmt: skip


def test_no_method_is_the_bare_loop():
    model = normed()
    optimiser = adam(model)
    for _ in range(3):
        for x, y in zip(X.chunk(4), Y.chunk(4), strict=True):
            optimiser.zero_grad()
            F.mse_loss(model(x), y).backward()
            optimiser.step()
    other, _, method = run(normed, adam, lambda m, o: NoMethod(m), X, Y, 3)
    assert_same_state(model, other)
    assert str(method.report()) == "NoMethod after 12 steps, 3 epochs: nothing done"
    method.load_state_dict(method.state_dict())
    assert len(method.report().to_dataframe()) == 0

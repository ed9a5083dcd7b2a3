"""ReDo: which units are dormant, when they are recycled, and that the rest of the training is not affected."""

import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.redo import ReDo
from tests.references.torch_methods import assert_resumes, build, kill, points, train

X, Y = points(64, 5), points(64, 2, seed=2)


def perceptron(seed=0, width=8, activation=nn.ReLU):
    return build(seed, lambda: nn.Linear(5, width), activation, lambda: nn.Linear(width, width), activation,
                 lambda: nn.Linear(width, 2))  # fmt: skip


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def dormant_by_definition(h, tau):
    means = h.abs().mean(0)
    return (means <= tau * means.mean()).nonzero().flatten().tolist()


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("tau", [0.0, 0.9])
def test_dormant_units_are_recycled(activation, tau):
    model = perceptron(activation=activation)
    with torch.no_grad():
        model[0].weight[[1, 6]] = 0.0
        model[0].bias[[1, 6]] = 0.0
    with torch.no_grad():
        h = model[1](model[0](X))
        expected = [dormant_by_definition(h, tau), dormant_by_definition(model[3](model[2](h)), tau)]
        before = model(X)
    assert {1, 6} <= set(expected[0])
    assert (len(expected[0]) + len(expected[1]) > 2) == (tau > 0)
    reset = ReDo(model, None, data=X, tau=tau).recycle()
    rows = dict(zip(reset.layers, [units.tolist() for units in reset.units], strict=True))
    assert rows == {layer: units for layer, units in zip(("0", "2"), expected, strict=True) if units}
    if tau == 0.0:
        torch.testing.assert_close(model(X), before, rtol=0, atol=1e-6)
        assert (model[1](model[0](X)) != 0).any(0).all()


def test_every_so_many_steps():
    model = perceptron()
    optimiser = sgd(model)
    redo = ReDo(model, optimiser, data=X, every=3, tau=0.0)
    weights = model[0].weight.clone()
    for step in range(1, 7):
        kill(model[0], [4])
        redo.after_step()
        assert bool(model[0].weight[4].any()) == (step % 3 == 0)
    events = [(event.step, event.action) for event in redo.report().events if event.layer == "0"]
    assert events == [(3, "reset"), (6, "reset")]
    assert torch.equal(model[0].weight[0], weights[0])


def test_the_optimiser_forgets_recycled_units():
    model = perceptron()
    optimiser = sgd(model)
    redo = ReDo(model, optimiser, data=X, every=1000, tau=0.0)
    train(model, optimiser, redo, X, Y, 1)
    kill(model[0], [4])
    redo.recycle()
    momentum = {p: optimiser.state[p]["momentum_buffer"] for p in model.parameters()}
    assert not momentum[model[0].weight][4].any()
    assert not momentum[model[2].weight][:, 4].any()
    assert momentum[model[0].weight].any()
    assert momentum[model[2].weight][:, 5].any()


def test_named_layers_only():
    model = perceptron()
    kill(model[0], [4])
    kill(model[2], [3])
    reset = ReDo(model, None, data=X, tau=0.0, layers=["2"]).recycle()
    assert reset.layers == ("2",)
    assert not model[0].weight[4].any()


def test_nothing_to_recycle():
    model = perceptron()
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.bias.fill_(100.0)
    redo = ReDo(model, None, data=X)
    assert redo.recycle() is None
    assert redo.report().events == ()


def test_resuming_equals_no_interruption():
    def make_model(seed):
        model = perceptron(seed)
        kill(model[0], [0, 3])
        return model

    assert_resumes(
        make_model, sgd, lambda model, optimiser: ReDo(model, optimiser, data=X, every=5, tau=0.3), X, Y,
        epochs=8, cut=3,
    )  # fmt: skip


def test_no_unit_stays_dead_for_long():
    model = perceptron()
    kill(model[0], [0, 3, 5])
    optimiser = sgd(model)
    train(model, optimiser, ReDo(model, optimiser, data=X, every=2, tau=0.0), X, Y, 2)
    assert (model[0](X) > 0).any(0).all()


def test_bad_input_is_one_clear_line():
    cases = [
        (lambda: ReDo(perceptron(), None, data=X, every=0), "every"),
        (lambda: ReDo(perceptron(), None, data=X, tau=-1), "tau"),
        (lambda: ReDo(perceptron(), "sgd", data=X), "optimiser"),
        (lambda: ReDo(perceptron(), None, data=X, layers=["4"]), "choose among"),
        (lambda: ReDo(perceptron(), None, data=[]), "no batch"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

"""Global pruning and Activate-while-Pruning in cycles: pruned weights, rewound values, reset state."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.activate_while_pruning import ActivateWhilePruning
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning
from tests.references.torch_methods import assert_resumes, build, points, train

X, Y = points(64, 5), points(64, 2, seed=2)


def normed(seed=0):
    return build(seed, lambda: nn.Linear(5, 12), lambda: nn.BatchNorm1d(12), nn.ReLU, lambda: nn.Linear(12, 12),
                 nn.ReLU, lambda: nn.Linear(12, 2))  # fmt: skip


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def cycle_by_loops(start, end, kept, gradients, share, activate_share):
    """Apply the rule weight by weight, over (layer, position)."""
    alive = [(layer, i) for layer, mask in enumerate(kept) for i in range(mask.size) if mask.flat[i]]
    n_activate = round(activate_share * len(alive))
    n_base = round(share * len(alive)) - n_activate

    def score(place):
        layer, i = place
        return abs(end[layer].flat[i]) * (1 if gradients is None else abs(gradients[layer].flat[i]))

    fallen = sorted(alive, key=score)[:n_base]
    negative = [place for place in alive if place not in fallen and end[place[0]].flat[place[1]] < 0]
    fallen += sorted(negative, key=lambda p: abs(end[p[0]].flat[p[1]] - start[p[0]].flat[p[1]]))[:n_activate]
    masks = [mask.copy() for mask in kept]
    for layer, i in fallen:
        masks[layer].flat[i] = False
    return masks


@pytest.mark.parametrize("base", ["magnitude", "gradient"])
@pytest.mark.parametrize("activate_share", [0.0, 0.1])
def test_three_cycles_weight_by_weight(base, activate_share):
    model = normed().double()
    x, y = X.double(), Y.double()
    initial = copy.deepcopy(model.state_dict())
    optimiser = sgd(model)
    layers = ["0", "3", "5"]
    options = {"share": 0.3, "base": base, "optimiser": optimiser}
    if base == "gradient":
        options["loss"] = lambda: F.mse_loss(model.eval()(x), y)
    if activate_share:
        pruning = ActivateWhilePruning(model, activate_share=activate_share, **options)
    else:
        pruning = GlobalPruning(model, **options)
    kept = [np.ones(tuple(initial[f"{layer}.weight"].shape), bool) for layer in layers]
    start = [initial[f"{layer}.weight"].numpy() for layer in layers]
    for cycle in range(3):
        train(model, optimiser, pruning, x, y, 3)
        end = [model[int(layer)].weight.detach().clone().numpy() for layer in layers]
        gradients = None
        if base == "gradient":
            model.zero_grad()
            F.mse_loss(model.eval()(x), y).backward()
            gradients = [model[int(layer)].weight.grad.numpy().copy() for layer in layers]
            model.zero_grad()
        kept = cycle_by_loops(start, end, kept, gradients, 0.3, activate_share)
        pruning.after_cycle()
        for layer, mask in zip(layers, kept, strict=True):
            assert (pruning.masks.kept(layer) == mask).all()
        assert pruning.cycles == cycle + 1
        for name, value in model.state_dict().items():  # rewound: weights, biases, norms, statistics
            layer = name.partition(".")[0]
            if name.endswith("weight") and layer in layers:
                mask = torch.from_numpy(kept[layers.index(layer)])
                assert torch.equal(value, torch.where(mask, initial[name], torch.zeros_like(value)))
            else:
                assert torch.equal(value, initial[name])
        assert not optimiser.state
    total = sum(mask.size for mask in kept)
    alive = total
    for _ in range(3):
        alive -= round(0.3 * alive)
    assert pruning.n_pruned == total - alive
    by_action = {action: sum(e.weights for e in pruning.report().events if e.action == action)
                 for action in ("prune", "activate")}  # fmt: skip
    assert by_action["prune"] + by_action["activate"] == pruning.n_pruned
    assert (by_action["activate"] > 0) == bool(activate_share)


def test_fewer_negative_weights_than_asked_for_fall_alone():
    model = nn.Sequential(nn.Linear(10, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-5.0, *range(1, 10)]]))
    pruning = ActivateWhilePruning(model, share=0.5, activate_share=0.3)
    pruning.after_cycle()
    # two of the smallest, then the only negative one; no positive weight replaces the missing two
    assert model[0].weight.tolist() == [[0, 0, 0, 3, 4, 5, 6, 7, 8, 9]]


def test_pruned_weights_stay_zero_through_momentum_and_later_cycles():
    model = normed()
    optimiser = sgd(model)
    pruning = ActivateWhilePruning(model, share=0.4, activate_share=0.1)
    gone = []
    for _ in range(3):
        train(model, optimiser, pruning, X, Y, 2)
        pruning.after_cycle()
        now = {layer: ~pruning.masks.kept(layer) for layer in pruning.masks.layers}
        for earlier in gone:
            assert all((earlier[layer] <= now[layer]).all() for layer in now)
        gone.append(now)
        train(model, optimiser, pruning, X, Y, 1)
        for layer, pruned in now.items():
            assert (model.get_submodule(layer).weight.detach().numpy()[pruned] == 0).all()


def test_cycles_of_epochs():
    model = normed()
    pruning = GlobalPruning(model, every=2)
    cycles = []
    for _ in range(5):
        pruning.after_epoch()
        cycles.append(pruning.cycles)
    assert cycles == [0, 1, 1, 2, 2]


@pytest.mark.parametrize("method", [GlobalPruning, ActivateWhilePruning])
def test_after_the_last_round_training_is_left_alone(method):
    model = normed()
    optimiser = sgd(model)
    pruning = method(model, every=2, rounds=2, optimiser=optimiser)
    initial = copy.deepcopy(model.state_dict())
    train(model, optimiser, pruning, X, Y, 6)
    assert pruning.cycles == 2
    assert pruning.n_pruned == pytest.approx(0.36 * pruning.masks.n_weights, abs=1)
    assert not torch.equal(model[3].bias, initial["3.bias"])


def test_without_rewinding_training_goes_on_from_where_it_is():
    model = normed()
    pruning = ActivateWhilePruning(model, share=0.3, activate_share=0.1, rewind=False)
    optimiser = sgd(model)
    train(model, optimiser, pruning, X, Y, 2)
    end = copy.deepcopy(model.state_dict())
    pruning.after_cycle()
    for name, value in model.state_dict().items():
        kept = value != 0
        assert torch.equal(value[kept], end[name][kept])
    assert optimiser.state
    start = [model[int(layer)].weight.detach().clone().double().numpy() for layer in ("0", "3", "5")]
    train(model, optimiser, pruning, X, Y, 2)
    kept = [pruning.masks.kept(layer) for layer in ("0", "3", "5")]
    end = [model[int(layer)].weight.detach().clone().double().numpy() for layer in ("0", "3", "5")]
    expected = cycle_by_loops(start, end, kept, None, 0.3, 0.1)
    pruning.after_cycle()
    for layer, mask in zip(("0", "3", "5"), expected, strict=True):
        assert (pruning.masks.kept(layer) == mask).all()


def test_the_gradients_of_the_training_are_left_alone():
    model = normed()
    F.mse_loss(model(X), Y).backward()
    before = [p.grad.clone() for p in model.parameters()]
    GlobalPruning(model, base="gradient", loss=lambda: model.eval()(X).square().sum(), rewind=False).after_cycle()
    assert all(torch.equal(p.grad, old) for p, old in zip(model.parameters(), before, strict=True))


def test_only_named_layers_are_pruned():
    model = normed()
    pruning = GlobalPruning(model, share=0.5, layers=["3"])
    pruning.after_cycle()
    assert [(name, bool((p == 0).any())) for name, p in model.named_parameters() if name.endswith("weight")] == [
        ("0.weight", False), ("1.weight", False), ("3.weight", True), ("5.weight", False)]  # fmt: skip
    assert pruning.n_pruned == 72


@pytest.mark.parametrize("rewind", [True, False])
def test_resuming_equals_no_interruption(rewind):
    def make_method(model, optimiser):
        options = {"share": 0.3, "activate_share": 0.1, "every": 2, "rewind": rewind}
        return ActivateWhilePruning(model, optimiser=optimiser, **options)

    assert_resumes(normed, sgd, make_method, X, Y, epochs=7, cut=3)


def test_bad_input_is_one_clear_line():
    model = normed()
    pruning = GlobalPruning(model)
    diverged = normed()
    with torch.no_grad():
        diverged[0].weight[0, 0] = float("nan")
    cases = [
        (lambda: GlobalPruning(model, share=1.0), "share"),
        (lambda: GlobalPruning(model, share=float("nan")), "share"),
        (lambda: GlobalPruning(model, base="random"), "magnitude, gradient"),
        (lambda: GlobalPruning(model, base="gradient"), "loss"),
        (lambda: GlobalPruning(model, base="gradient", loss=lambda: 3.0).after_cycle(), "scalar"),
        (lambda: GlobalPruning(model, every=0), "every"),
        (lambda: GlobalPruning(model, rounds=0), "rounds"),
        (lambda: GlobalPruning(model, layers=["1", "2"]), "`layers`"),
        (lambda: GlobalPruning(nn.ReLU()), "at least one layer"),
        (lambda: GlobalPruning(model, layers=["0", "0"]), "weights of their own"),
        (lambda: GlobalPruning(model, optimiser=sgd(normed())), "parameters of the model"),
        (lambda: GlobalPruning(diverged).after_cycle(), "diverged"),
        (lambda: GlobalPruning(model, rewind="yes"), "rewind"),
        (lambda: ActivateWhilePruning(model, share=0.1, activate_share=0.2), "at most the whole share"),
        (lambda: ActivateWhilePruning(model).load_state_dict(pruning.state_dict()), "state of ActivateWhilePruning"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

"""Removing units: same function, smaller tensors, updated optimiser, refusal of all other cases."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.surgery.removal import n_parameters, remove_dead_units, remove_units
from tests.references.torch_methods import kill, points


class ResidualNet(nn.Module):
    """A stem, a batch-normalised residual block whose stream ends in a ReLU, and a head."""

    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.inner, self.inner_norm = nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.outer, self.outer_norm = nn.Conv2d(5, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.head = nn.Linear(6 * 16, 3)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        x = F.relu(x + self.outer_norm(self.outer(F.relu(self.inner_norm(self.inner(x))))))
        return self.head(x.flatten(1))


def mlp(seed=0, width=8, activation=nn.ReLU):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(5, width), activation(), nn.Linear(width, width), activation(), nn.Linear(width, 2)
        )


def residual_net(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = ResidualNet()
        model(torch.randn(32, 1, 4, 4))  # batch-norm statistics that are not the defaults
        return model.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dead_units_of_a_perceptron_go_and_the_function_stays(dtype):
    model, x = mlp().to(dtype), points(64, 5).to(dtype)
    kill(model[0], [1, 4, 6])
    kill(model[2], [0, 7])
    alive = (F.relu(model[0](x)) > 0).any(0)
    before = model(x)
    removal = remove_dead_units(model, x)
    assert removal.removed[0].tolist() == np.flatnonzero(~alive.numpy()).tolist()
    assert set(removal.removed[0]) >= {1, 4, 6}
    assert set(removal.removed[1]) >= {0, 7}
    assert len(removal.removed[2]) == 0
    assert (model[0].out_features, model[2].in_features) == (int(alive.sum()),) * 2
    assert removal.parameters_after == n_parameters(model) < removal.parameters_before
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-6)
    assert model[0].weight.dtype == dtype


def test_the_kept_weights_are_the_old_ones():
    model, x = mlp(), points(64, 5)
    kill(model[0], [0, 2])
    old = copy.deepcopy(model)
    gone = remove_dead_units(model, x, layers=["0"]).removed[0]
    stays = np.setdiff1d(np.arange(8), gone)
    assert torch.equal(model[0].weight, old[0].weight[stays])
    assert torch.equal(model[0].bias, old[0].bias[stays])
    assert torch.equal(model[2].weight, old[2].weight[:, stays])
    assert torch.equal(model[2].bias, old[2].bias)
    assert torch.equal(model[4].weight, old[4].weight)


def test_units_that_are_alive_anywhere_stay():
    model = mlp()
    x = points(64, 5)
    kill(model[0], [3])
    with torch.no_grad():
        model[0].weight[3, 0] = 1.0  # active where the first coordinate exceeds 1, on few points only
    assert 0 < int((x[:, 0] > 1).sum()) < 20
    near, far = x[x[:, 0] <= 1], x[x[:, 0] > 1]
    for data in ([near, far], [far, near], [(far, 0), (near, 0)], [{"input": near}, {"input": far, "labels": 0}]):
        assert 3 not in remove_dead_units(copy.deepcopy(model), data).removed[0]
    assert 3 in remove_dead_units(model, x[x[:, 0] <= 1]).removed[0]


def test_residual_streams_branches_and_batch_norm():
    model, x = residual_net(), points(24, 1, 4, 4)
    kill(model.inner_norm, [0, 3])
    kill(model.stem_norm, [2, 5])  # channel 2 is dead along the whole stream, 5 becomes active in the branch
    kill(model.outer_norm, [2])
    before = model(x)
    removal = remove_dead_units(model, x)
    rows = dict(zip(removal.layers, removal.removed, strict=True))
    assert rows["stem + outer"].tolist() == [2]
    assert rows["inner"].tolist() == [0, 3]
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-6)
    assert model.stem_norm.running_mean.shape == (5,)
    assert model.inner_norm.num_features == 3
    assert model.head.in_features == 5 * 16
    stream = removal.layers.index("stem + outer")
    assert removal.dead_kept[stream] >= 1
    assert "receives nonzero values" in removal.reasons[stream]


def test_the_smaller_model_trains_in_training_mode_too():
    model, x = residual_net().train(), points(24, 1, 4, 4)
    kill(model.inner_norm, [0, 3])
    twin = copy.deepcopy(model)
    remove_dead_units(model, x)
    assert model.training
    assert model.inner_norm.training
    torch.testing.assert_close(model(x), twin(x), rtol=0, atol=1e-6)
    model(x).sum().backward()
    twin(x).sum().backward()
    torch.testing.assert_close(model.outer.weight.grad, twin.outer.weight.grad[:, [1, 2, 4]], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-2),
        lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
        lambda p: torch.optim.AdamW(p, lr=0.01),
        lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    ],
)
def test_training_goes_on_as_if_nothing_had_been_removed(make):
    """Dead units neither get nor pass on gradients: the shrunk model and the full one take the same steps."""
    model, x = mlp().double(), points(64, 5).double()
    y = points(64, 2, seed=2).double()
    dead = {"0": [1, 4, 6], "2": [0, 7]}  # the matrix between them is cut twice
    for layer, units in dead.items():
        kill(model[int(layer)], units)
    full = copy.deepcopy(model)
    optimisers = [make([*net[:3].parameters()]) for net in (model, full)]
    for optimiser, net in zip(optimisers, (model, full), strict=True):
        optimiser.add_param_group({"params": list(net[4].parameters()), "lr": 0.001})
    schedulers = [torch.optim.lr_scheduler.StepLR(optimiser, 2, 0.5) for optimiser in optimisers]

    def train(net, optimiser, scheduler, steps):
        for _ in range(steps):
            optimiser.zero_grad()
            F.mse_loss(net(x), y).backward()
            optimiser.step()
            scheduler.step()

    for net, optimiser, scheduler in zip((model, full), optimisers, schedulers, strict=True):
        train(net, optimiser, scheduler, 3)
    gone = remove_units(model, dead, data=x, optimiser=optimisers[0])
    assert gone.deviation < 1e-14
    assert {p for g in optimisers[0].param_groups for p in g["params"]} == set(model.parameters())
    assert set(optimisers[0].state) == set(model.parameters())
    for net, optimiser, scheduler in zip((model, full), optimisers, schedulers, strict=True):
        train(net, optimiser, scheduler, 5)
    torch.testing.assert_close(model(x), full(x), rtol=0, atol=1e-12)
    assert optimisers[0].param_groups[1]["lr"] == optimisers[1].param_groups[1]["lr"] == 0.001 / 16


def test_frozen_parameters_and_gradients_keep_their_state():
    model, x = mlp(), points(64, 5)
    kill(model[0], [1])
    model[2].weight.requires_grad_(False)
    model(x).sum().backward()
    gradient = model[0].weight.grad.clone()
    gone = remove_dead_units(model, x, layers=["0"]).removed[0]
    assert not model[2].weight.requires_grad
    assert model[0].weight.requires_grad
    assert torch.equal(model[0].weight.grad, gradient[np.setdiff1d(np.arange(8), gone)])


def test_a_wholly_dead_layer_keeps_one_unit():
    model, x = mlp(), points(64, 5)
    kill(model[0], list(range(8)))
    before = model(x)
    removal = remove_dead_units(model, x, layers=["0"])
    assert model[0].out_features == 1
    assert removal.dead_kept == (1,)
    assert "at least one" in removal.reasons[0]
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-6)


def test_units_read_as_a_constant_stay():
    """Batch norm after the ReLU turns a dead unit into a constant: removing it would change the outputs."""
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.BatchNorm1d(6), nn.Linear(6, 2)).eval()
    with torch.no_grad():
        model[2].bias[:] = 0.5
    x = points(32, 5)
    kill(model[0], [2])
    removal = remove_dead_units(model, x)
    assert removal.n_removed == 0
    assert removal.dead_kept[0] >= 1


def test_dense_concatenation_and_flattening():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 4), nn.Linear(7, 5), nn.Linear(12, 2)

        def forward(self, x):
            x = torch.cat([x, self.a(x).relu()], 1)
            return self.c(torch.cat([x, self.b(x).relu()], 1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Dense()
    x = points(32, 3)
    kill(model.a, [1])
    kill(model.b, [0, 4])
    before, old = model(x), copy.deepcopy(model)
    removal = remove_dead_units(model, x)
    rows = dict(zip(removal.layers, removal.removed, strict=True))
    assert 1 in rows["a"]
    assert {0, 4} <= set(rows["b"])
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-6)
    inputs = [0, 1, 2, *(3 + np.setdiff1d(np.arange(4), rows["a"]))]
    assert torch.equal(model.b.weight, old.b.weight[np.setdiff1d(np.arange(5), rows["b"])][:, inputs])


def test_depthwise_convolutions_go_with_the_layer_before():
    """A depthwise channel outputs a constant from its bias, so both of its activations must be silent."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 1), nn.ReLU6(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU6()),
        *(nn.Conv2d(8, 5, 1), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 16, 2)),
    ).eval()
    x = points(24, 3, 4, 4)
    kill(model[0], [0, 1, 2])
    with torch.no_grad():
        model[2].bias[[0, 1, 2]] = torch.tensor([1.0, -1.0, -1.0])
        model[3].bias[5] = -100.0  # dead after the depthwise convolution only, which suffices
    before = model(x)
    removal = remove_dead_units(model, x)
    assert removal.layers[0] == "0"
    assert {1, 2, 5} <= set(removal.removed[0])
    assert 0 not in removal.removed[0]
    assert model[2].groups == model[3].num_features == model[5].in_channels == 8 - len(removal.removed[0])
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-6)


class TwoWays(nn.Module):
    """Reads its units by keyword, or without a module call as fused layers do, which no hook sees."""

    def __init__(self, fused):
        super().__init__()
        self.fused, self.a, self.b = fused, nn.Linear(5, 8), nn.Linear(8, 2)

    def forward(self, x):
        h = self.a(x).relu()
        if self.fused and not torch.is_grad_enabled():
            return F.linear(h, self.b.weight, self.b.bias)
        return self.b(input=h)


@pytest.mark.parametrize("fused", [False, True])
def test_what_reads_unseen_is_taken_to_read_everything(fused):
    model, x = TwoWays(fused), points(32, 5)
    kill(model.a, [1, 2])
    removal = remove_dead_units(model, x)
    assert (removal.n_removed == 0) == fused
    assert bool(removal.dead_kept[0]) == fused


def test_layer_norm_is_left_alone_with_the_reason():
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 2))
    kill(model[0], [2])
    removal = remove_dead_units(model, points(32, 5))
    assert removal.n_removed == 0
    assert "LayerNorm" in removal.reasons[0]


class HardCodedWidth(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(4, 2)

    def forward(self, x):
        return self.b(self.a(x).relu().view(-1, 2, 4).sum(1))


class MeanOverUnits(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 2)

    def forward(self, x):
        h = self.a(x).relu()
        return self.b(h * h.mean(1, keepdim=True))


class InputAndOutputStream(nn.Module):
    """Units of `a` are added to the input, those of `b` are returned: neither can be removed."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = self.b(x + self.a(x).relu()).relu()
        return {"features": h, "scores": self.c(h)}


def test_units_that_share_the_input_or_are_returned_stay_with_the_reason():
    model, x = InputAndOutputStream(), points(32, 5)
    kill(model.a, [0])
    kill(model.b, [1, 2])
    removal = remove_dead_units(model, x)
    reasons = dict(zip(removal.layers, removal.reasons, strict=True))
    assert removal.n_removed == 0
    assert "model's input" in reasons["a"]
    assert "returned" in reasons["b"]


@pytest.mark.parametrize("kind", [HardCodedWidth, MeanOverUnits])
def test_what_no_graph_shows_is_refused_and_undone(kind):
    model, x = kind(), points(32, 5)
    kill(model.a, [0, 4])
    optimiser = torch.optim.Adam(model.parameters())
    model(x).sum().backward()
    optimiser.step()
    kill(model.a, [0, 4])
    state, names = copy.deepcopy(model.state_dict()), list(model.parameters())
    with pytest.raises(InvalidArgumentError) as caught:
        remove_dead_units(model, x, optimiser=optimiser)
    assert "model" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in state.items())
    assert all(a is b for a, b in zip(names, model.parameters(), strict=True))
    assert model.a.out_features == 8
    assert set(optimiser.state) == set(model.parameters())


def test_bad_input_is_one_clear_line():
    x = points(24, 5)
    lazy = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.Linear(3, 1))
    unused = TwoWays(fused=False)
    unused.forward = lambda inputs: unused.b(inputs @ torch.ones(5, 8))
    tied = mlp(width=5)
    tied[2].weight = tied[0].weight
    weight_norm = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 3)), nn.ReLU(), nn.Linear(3, 1))
    broken = mlp()
    with torch.no_grad():
        broken[0].weight[0, 0] = float("nan")
    cases = [
        (lambda: remove_dead_units("model", x), "torch.nn.Module"),
        (lambda: remove_dead_units(mlp(), []), "no batch"),
        (lambda: remove_dead_units(mlp(), [x[:9], x[:10]]), "at least 20 points to call a unit dead; got 19"),
        (lambda: remove_dead_units(mlp(), x, min_points=0), "min_points"),
        (lambda: remove_dead_units(mlp(), "digits"), "data"),
        (lambda: remove_dead_units(mlp(), [["a"]]), "tensors"),
        (lambda: remove_dead_units(lazy, x), "lazy"),
        (lambda: remove_dead_units(mlp().to("meta"), x), "meta"),
        (lambda: remove_dead_units(nn.DataParallel(mlp()), x), "model.module"),
        (lambda: remove_dead_units(nn.Sequential(torch.compile(mlp(), backend="eager")), x), "torch.compile"),
        (lambda: remove_dead_units(broken, x), "NaN"),
        (lambda: remove_dead_units(mlp(), x, layers=["nowhere"]), "nowhere"),
        (lambda: remove_dead_units(mlp(), x, optimiser="adam"), "optimiser"),
        (lambda: remove_dead_units(mlp(), x, optimiser=torch.optim.LBFGS(mlp().parameters())), "LBFGS"),
        (lambda: remove_dead_units(mlp(), x, optimiser=torch.optim.SGD(mlp().parameters())), "another model"),
        (lambda: remove_units(unused, {"a": [8]}, data=x), "calls on the data"),
        (lambda: remove_units(mlp(), {"0": [8]}, data=x), "0 to 7"),
        (lambda: remove_units(mlp(), {"0": [-1]}, data=x), "0 to 7"),
        (lambda: remove_units(mlp(), {"0": range(8)}, data=x), "at least one unit"),
        (lambda: remove_units(mlp(), {"4": [0]}, data=x), "output layer"),
        (lambda: remove_units(residual_net(), {"stem": [0], "outer": [1]}, data=points(2, 1, 4, 4)), "the same units"),
        (lambda: remove_units(tied, {"0": [0]}, data=x), "shares a parameter"),
        (lambda: remove_units(weight_norm, {"0": [0]}, data=x), "computed from other parameters"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_result_can_be_shown():
    model = mlp()
    kill(model[0], [1])
    removal = remove_dead_units(model, points(64, 5))
    frame = removal.to_dataframe()
    assert list(frame["layer"]) == ["0", "2", "4"]
    assert frame["removed"].sum() == removal.n_removed
    assert f"removed {removal.n_removed} of 18 units" in str(removal)

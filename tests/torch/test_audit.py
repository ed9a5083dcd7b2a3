import importlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.utils.data import DataLoader, TensorDataset

from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.networks.activations import clipped_shifted_relu
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.initialising.residual import residual_
from neurondeath_torch.networks.thresholded_activations import (
    ClippedShiftedReLU,
    ShiftedReLU,
    SoftThreshold,
)
from tests.torch.test_monitor import eleven, hooks_of, points, seeded


def mlp(*widths, bias=False, activation=nn.ReLU, gain=2.0):
    layers = []
    for fan_in, width in pairwise(widths):
        layer = nn.Linear(fan_in, width, bias=bias)
        nn.init.normal_(layer.weight, std=(gain / fan_in) ** 0.5)
        layers += [layer, activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 2))


def mlp_of_one(seed):
    return seeded(lambda: mlp(10, 40, activation=lambda: ShiftedReLU(0.8)), seed)


def living(model, x):
    """Compute the share of points alive after each ReLU, point by point."""
    alive, shares = np.ones(len(x), dtype=bool), []
    for module in model:
        x = module(x)
        if isinstance(module, nn.ReLU):
            alive &= (x.detach().numpy() > 0).any(1)
            shares.append(alive.mean())
    return shares


def test_living_ratio_and_its_expectation():
    model, x = seeded(lambda: mlp(3, 2, 3, 2, 4, bias=True), 4), points(200, 3)
    for layer in model[::2]:
        nn.init.normal_(layer.bias, std=1.0)
    result = audit(model, torch.split(x, 70))
    assert [row.living_ratio for row in result.layers] == pytest.approx(living(model, x))
    assert 0.0 < result.layers[-1].living_ratio < 1.0
    expected = survival_bounds([2, 3, 2, 4]).lower
    assert [row.expected_living_ratio for row in result.layers] == pytest.approx(expected.tolist())
    assert [row.death_probability for row in result.layers] == pytest.approx([0.25, 0.125, 0.25, 0.0625])
    lost = 200 - round(200 * result.layers[-1].living_ratio)
    assert any(f"{lost} of 200 points are lost" in sentence for sentence in result.verdict)
    assert "sign_flip_(model, loader)  # before training" in result.remedies


def test_dead_points_stay_dead_but_a_residual_stream_carries_them():
    class Stream(nn.Module):
        def __init__(self, residual):
            super().__init__()
            self.a, self.b, self.residual = nn.Linear(1, 1), nn.Linear(1, 1), residual
            with torch.no_grad():
                self.a.weight.fill_(1.0), self.a.bias.zero_(), self.b.weight.fill_(1.0), self.b.bias.fill_(1.0)

        def forward(self, x):
            h = F.relu(self.a(x))
            return F.relu(self.b(h + x if self.residual else h))

    x = torch.tensor([[1.0], [-0.5], [-2.0]])
    plain, stream = audit(Stream(False), x), audit(Stream(True), x)
    assert [row.living_ratio for row in plain.layers] == pytest.approx([1 / 3, 1 / 3])
    assert [row.living_ratio for row in stream.layers] == pytest.approx([1 / 3, 2 / 3])
    assert stream.layers[1].expected_living_ratio is None
    assert plain.layers[1].expected_living_ratio == pytest.approx(1 / 4)


def test_a_point_lives_when_one_of_two_branches_does():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(1, 1) for _ in range(3))
            with torch.no_grad():
                self.a.weight.fill_(1.0), self.b.weight.fill_(-1.0), self.c.weight.fill_(1.0)
                self.a.bias.zero_(), self.b.bias.fill_(-1.0), self.c.bias.fill_(1.0)

        def forward(self, x):
            return F.relu(self.c(F.relu(self.a(x)) + F.relu(self.b(x))))

    layers = audit(Branches(), torch.tensor([[1.0], [-0.5], [-2.0], [-3.0]])).layers
    assert [row.living_ratio for row in layers] == pytest.approx([1 / 4, 2 / 4, 3 / 4])


class Beyond(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
        self.norm, self.soft = nn.BatchNorm1d(4), SoftThreshold(0.1)

    def forward(self, x):
        normed = F.relu(self.norm(self.a(x)))
        summed = F.relu(self.b(normed) + normed)
        shrunk = F.hardshrink(self.c(summed), 0.01)
        return self.soft(self.d(torch.sin(shrunk)))


def test_where_the_theory_does_not_reach_it_says_why():
    result = audit(seeded(Beyond), points(30, 4))
    reasons = [row.reason for row in result.layers]
    assert "batch_norm between a and it" in reasons[0]
    assert "no single weight layer feeds it (add)" in reasons[1]
    assert "hardshrink is not piecewise linear" in reasons[2]
    assert (reasons[3], result.layers[3].basis) == ("", "measured inputs")
    for row, reason in zip(result.layers, reasons, strict=True):
        for name in ("predicted_q", "predicted_sparsity", "predicted_correlation", "death_probability"):
            assert (getattr(row, name) is None) == bool(reason)


def test_verdicts():
    healthy = audit(seeded(lambda: mlp(20, 300, 300)), points(400, 20))
    assert healthy.verdict[0] == "Nothing is wrong: no unit is dead and all 400 points pass every layer."
    assert "dead with probability at most 1e-" in healthy.verdict[1]
    assert healthy.remedies == ()

    dead = seeded(lambda: mlp(5, 4, 4, 4))
    with torch.no_grad():
        dead[2].weight.copy_(-dead[2].weight.abs())
    result = audit(dead, points(50, 5))
    assert result.verdict[0].startswith("The outputs are the same for all 50 points")
    assert result.verdict[1].startswith("Activation `3` (relu) is dead: none of its 4 units is active")
    assert "50 of 50 points are lost" in result.verdict[2]
    assert "layers of at least 9 units  # min_width(3, 0.99)" in result.remedies
    assert result.layers[2].correlation is None  # no live units are left to correlate

    shrinking = audit(seeded(lambda: mlp(20, 300, 300, 300, 300, gain=0.5)), points(40, 20))
    assert any("q, the mean square of the pre-activations, shrinks" in sentence for sentence in shrinking.verdict)
    assert "he_(model)" in shrinking.remedies

    deep_model = seeded(lambda: mlp(5, *[60] * 60))
    deep = audit(deep_model, points(40, 5), n_probe=12)
    assert any(sentence.startswith("Points become similar") for sentence in deep.verdict)
    assert "he_(model)" not in deep.remedies  # the weights have He's variance already

    place = [sentence.startswith("Points become similar") for sentence in deep.verdict].index(True)
    assert not any("units are dead in living layers" in sentence for sentence in deep.verdict[:place])
    assert deep.remedies[0].startswith("forecast(model, loader)")
    with torch.no_grad():
        for module in deep_model:
            if isinstance(module, nn.Linear):
                module.weight += 0.3 * module.weight.std()  # as training moves them
    trained = audit(deep_model, points(40, 5), n_probe=12)
    assert any("not centred at 0" in sentence for sentence in trained.verdict)
    assert not any(call.startswith(("he_", "sign_flip_", "forecast")) for call in trained.remedies)

    drifting = audit(seeded(lambda: mlp(20, *[10] * 30)), points(40, 20), n_probe=12)
    assert any("q, the mean square" in sentence for sentence in drifting.verdict)
    assert "he_(model)" not in drifting.remedies  # the scale is right, the width is not

    shifted = seeded(lambda: mlp(20, 400))
    with torch.no_grad():
        shifted[0].weight += 0.1
    off = audit(shifted, points(60, 20) + 1.0)
    assert any("weights of 1 of 1 layers are not centred" in sentence for sentence in off.verdict)
    assert any("`1` (relu) is" in sentence and "sparse" in sentence for sentence in off.verdict)


def test_clipped_designs_are_judged_by_their_own_form():
    model = seeded(lambda: mlp(20, 300, 300, activation=lambda: ClippedShiftedReLU(1.0, 1.2), gain=7.0))
    result = audit(model, points(64, 20))
    first = result.layers[0]
    assert first.predicted_sparsity == pytest.approx(first.sparsity, abs=0.02)
    assert str(first.form) == "clipped_shifted_relu(tau=1, m=1.2)"
    assert not any("Nothing" in sentence for sentence in result.verdict) or result.remedies == ()


@pytest.mark.parametrize(
    ("activation", "calls"),
    [
        (nn.ReLU, {"sign_flip_", "remove_dead_units", "reset_units", "he_", "forecast"}),
        (lambda: ClippedShiftedReLU(0.5, 1.2), {"remove_dead_units", "reset_units", "edge_of_chaos_", "forecast"}),
        (nn.Hardshrink, {"remove_dead_units", "reset_units"}),
    ],
)
def test_every_remedy_that_is_a_call_can_be_called(activation, calls):
    names = {
        name: getattr(importlib.import_module(f"neurondeath_torch.{module}"), name)
        for module, name in (
            ("auditing.forecast", "forecast"),
            ("initialising.initialisation", "edge_of_chaos_"),
            ("initialising.initialisation", "he_"),
            ("surgery.removal", "remove_dead_units"),
            ("surgery.resetting", "reset_units"),
            ("initialising.sign_flipping", "sign_flip_"),
        )
    }
    called = set()
    for widths in ([6, 30, 30, 30, 30], [6, 2, 2, 2]):

        def build(widths=widths):
            return seeded(lambda: mlp(*widths, bias=True, activation=activation, gain=0.3))

        loader = points(60, 6)
        result = audit(build(), loader)
        scope = names | {"loader": loader, "result": result, "clipped_shifted_relu": clipped_shifted_relu}
        for call in (remedy.partition("  #")[0] for remedy in result.remedies):
            if call.endswith(")") and "design" not in call:
                eval(call, scope | {"model": build()})
                called.add(call.partition("(")[0])
    assert called == calls


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_the_model_and_the_random_state_are_left_as_they_were(mode):
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.ReLU(), nn.Linear(6, 2)))
    model.train()
    model[1].eval()
    before = state_of(model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        random_state = torch.random.get_rng_state()
        result = audit(model, points(30, 4) + 5.0, mode=mode)
        assert torch.equal(torch.random.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [True, False, True, True, True]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert hooks_of(model) == 0
    q = result.layers[0].q  # batch statistics give a mean square of 1, doubled by dropout; running statistics do not
    assert (q == pytest.approx(2.0, abs=0.4)) == (mode == "train")


def test_all_forms_of_data_give_the_same():
    model, x = eleven(3), points(40, 3).abs()
    loaders = [
        x,
        [x[:15], x[15:]],
        DataLoader(TensorDataset(x, torch.zeros(40)), batch_size=16),
        [(x[:20], None), [x[20:], None]],
        [{"input": x[:20], "labels": None}, {"input": x[20:]}],
        (part for part in torch.split(x, 7)),
    ]
    results = [audit(model, data, n_probe=7) for data in loaders]
    for result in results:
        assert result.n_points == 40
        assert result.layers[0].dead == 1
        assert result.layers[0].q == pytest.approx(results[0].layers[0].q)
        assert result.layers[0].predicted_q == pytest.approx(results[0].layers[0].predicted_q)
    assert audit(model, loaders[1], max_batches=1).n_points == 15
    assert audit(model, points(600, 3)).n_batches == 3


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: audit(eleven(0), []), "data"),
        (lambda: audit(eleven(0), "digits"), "data"),
        (lambda: audit(eleven(0), np.zeros((3, 3))), "data"),
        (lambda: audit(eleven(0), TensorDataset(torch.ones(3, 3))), "data"),
        (lambda: audit(eleven(0), torch.full((2, 3), torch.nan)), "model"),
        (lambda: audit(eleven(0), torch.full((2, 3), torch.inf)), "model"),
        (lambda: audit(eleven(0), torch.ones(2, 3), mode="test"), "mode"),
        (lambda: audit(eleven(0), torch.ones(2, 3), n_probe=1), "n_probe"),
        (lambda: audit(eleven(0), torch.ones(2, 3), max_batches=0), "max_batches"),
        (lambda: audit(3, torch.ones(2, 3)), "model"),
    ],
)
def test_bad_arguments_are_one_line(call, word):
    with pytest.raises(InvalidArgumentError, match=f"`{word}`") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_threshold_decides_on_units_and_points_alike():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.GELU())
    with torch.no_grad():
        model[0].weight.fill_(1.0)
    x = torch.tensor([[1.0], [2.0], [-9.0], [-8.0]])  # at -8 and -9 GELU is tiny but not 0
    (row,) = audit(model, x, watch=["1"], threshold=1e-3).layers
    assert (row.sparsity, row.living_ratio, row.dead) == (0.5, 0.5, 0)
    assert "GELU is not piecewise linear" in row.reason


def test_a_model_without_activations_is_refused():
    with pytest.raises(NeuronDeathError, match="no activation"):
        audit(nn.Linear(3, 2), torch.ones(2, 3))


@pytest.mark.parametrize("x", [torch.zeros(4, 3), torch.ones(1, 3), torch.ones(3)])
def test_points_at_zero_one_point_and_a_point_without_batch_axis(x):
    result = audit(eleven(2), x)
    assert len(result.layers) == 1
    assert result.layers[0].correlation is None
    if not x.any():
        assert result.layers[0].death_probability == 1.0
        assert result.layers[0].predicted_q == 0.0


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_picture_shows_measurement_and_theory(tmp_path, ending):
    result = audit(seeded(Beyond), points(30, 4))
    path = tmp_path / f"audit.{ending}"
    figure = result.plot(path)
    assert path.stat().st_size > 2000
    assert list(tmp_path.iterdir()) == [path]
    predicted, measured = figure.axes[1].get_lines()
    assert measured.get_ydata().tolist() == [row.q for row in result.layers]
    assert np.isnan(predicted.get_ydata()).tolist() == [True, True, True, False]
    result.plot(again := tmp_path / f"again.{ending}")
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(InvalidArgumentError, match="end in"):
        result.plot(tmp_path / "audit.gif")


def test_points_of_a_residual_stream_are_not_called_lost():
    model = seeded(lambda: mlp(16, *[6] * 20))
    plain = audit(model, points(200, 16))
    assert any("points are lost" in sentence for sentence in plain.verdict)
    residual_(model, 1.0, generator=0)
    found = audit(model, points(200, 16))
    assert not any("lost" in sentence or "freshly drawn" in sentence for sentence in found.verdict)
    assert {layer.living_ratio for layer in found.layers} == {None}
    assert {layer.reason for layer in found.layers} == {"a residual stream carries the points past its layers"}
    assert all(layer.q > 0 and layer.correlation is not None for layer in found.layers)


def test_few_points_call_no_unit_dead():
    model = seeded(lambda: mlp(64, 256, 256))
    few = audit(model, points(2, 64))
    assert "silent on these 2 points" in str(few)
    assert "too few to call a unit dead" in str(few)
    assert "on up to 87.1 % of all inputs" in str(few)
    assert not any(call.startswith(("remove_dead_units", "reset_units")) for call in few.remedies)
    assert any(call.startswith("audit(model, loader)") for call in few.remedies)
    with torch.no_grad():
        model[0].weight[:9] = -model[0].weight[:9].abs()
    enough = audit(model, points(500, 64).abs())
    assert "each fires on less than 1.83 % of all inputs (95 % confidence)" in str(enough)
    assert any(call.startswith("remove_dead_units") for call in enough.remedies)


def test_signals_that_grow_and_fall_back_are_said_to_do_what_they_do():
    model = seeded(lambda: mlp(20, 300, 300, 300, 300))
    with torch.no_grad():
        model[2].weight.mul_(10.0)  # the second layer
        model[6].weight.mul_(0.08)
    (sentence,) = [one for one in audit(model, points(60, 20)).verdict if one.startswith("q, the mean square")]
    assert "shrinks from" in sentence
    assert "at `5` (relu) to" in sentence or "at `3` (relu) to" in sentence
    assert "at `7`" in sentence
    with torch.no_grad():
        model[6].weight.mul_(12.5)
    (sentence,) = [one for one in audit(model, points(60, 20)).verdict if one.startswith("q, the mean square")]
    assert "grows from" in sentence
    assert "at `1` (relu) to" in sentence

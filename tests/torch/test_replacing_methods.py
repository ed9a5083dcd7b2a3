"""Continual Backprop, self-normalised resets and L2 Init against plain twins, with every optimiser, and resumed."""

import copy
import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.methods.continual_backprop import ContinualBackprop
from neurondeath_torch.methods.l2_init import L2Init
from neurondeath_torch.methods.misuse import MisuseWarning
from neurondeath_torch.methods.replacement_rules import record_silences, replaceable_units, silence_limits
from neurondeath_torch.methods.self_normalised_resets import SelfNormalisedResets
from neurondeath_torch.methods.unit_traffic import UnitTraffic
from neurondeath_torch.surgery.removal import remove_units
from neurondeath_torch.surgery.resetting import UnitResetter
from tests.references.replacement_twins import ContinualBackpropTwin, SelfNormalisedTwin
from tests.references.statistical import assert_agrees, assert_refutes, seeds
from tests.references.torch_methods import assert_resumes, build, kill, points, train

X, Y = points(64, 5), points(64, 2, seed=2)
OPTIMISERS = {
    "sgd": lambda m: torch.optim.SGD(m.parameters(), lr=0.05),
    "momentum": lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
    "adam": lambda m: torch.optim.Adam(m.parameters(), lr=0.02),
    "adamw": lambda m: torch.optim.AdamW(m.parameters(), lr=0.02),
}


def perceptron(seed=0, width=8):
    return build(seed, lambda: nn.Linear(5, width), nn.ReLU, lambda: nn.Linear(width, width), nn.ReLU,
                 lambda: nn.Linear(width, 2))  # fmt: skip


def step(model, optimiser, method, inputs=X, targets=Y):
    model.train()
    optimiser.zero_grad()
    (F.mse_loss(model(inputs), targets) + method.penalty()).backward()
    optimiser.step()
    method.after_step()


def watch_resets(method):
    """Record the units of every call of the method's resetter, by step and layer."""
    calls, reset = [], method._resetter.reset

    def recorded(units, **options):
        calls.append({layer: sorted(np.asarray(chosen).tolist()) for layer, chosen in units.items()})
        return reset(units, **options)

    method._resetter.reset = recorded
    return calls


def test_continual_backprop_is_the_algorithm_of_the_paper():
    model = perceptron()
    optimiser = OPTIMISERS["momentum"](model)
    method = ContinualBackprop(model, optimiser, data=X, rate=0.03125, maturity=5, decay=0.75)
    twins = {"0": ContinualBackpropTwin(8, 0.03125, 5, 0.75), "2": ContinualBackpropTwin(8, 0.03125, 5, 0.75)}
    calls, expected = watch_resets(method), []
    for number in range(60):
        inputs = points(16, 5, seed=number)
        with torch.no_grad():
            first = model[1](model[0](inputs))
            second = model[3](model[2](first))
        optimiser.zero_grad()
        F.mse_loss(model(inputs), Y[:16]).backward()
        optimiser.step()
        read = [model[2].weight.detach().tolist(), model[4].weight.detach().tolist()]
        method.after_step()
        chosen = {
            layer: sorted(twins[layer].step(h.tolist(), weights))
            for layer, h, weights in zip(("0", "2"), (first, second), read, strict=True)
        }
        if any(chosen.values()):
            expected.append({layer: units for layer, units in chosen.items() if units})
        for layer, twin in twins.items():
            np.testing.assert_allclose(method.utility(layer).numpy(), twin.utility, rtol=1e-4, atol=1e-7)
    assert calls == expected
    assert len(calls) > 8


def test_replacements_that_are_owed_wait_for_mature_units():
    utility, age = torch.arange(4.0), torch.tensor([9, 9, 0, 0])
    assert replaceable_units(utility, age, 0.0, rate=1.0, maturity=5)[0].tolist() == [0, 1]
    chosen, owed = replaceable_units(utility, age, 0.25, rate=0.25, maturity=5)
    assert (chosen.tolist(), owed) == ([], 0.75)
    assert replaceable_units(utility, age - 9, 0.75, rate=0.25, maturity=5)[1] == 0.75


@pytest.mark.parametrize("every", [1, 7])
def test_self_normalised_resets_are_those_of_a_plain_record(every):
    rng = np.random.default_rng(3)
    rates = np.array([1.0, 0.6, 0.3, 0.1, 0.0, 0.9])
    twins = [SelfNormalisedTwin(0.08, 30, every) for _ in rates]
    model = build(0, lambda: nn.Linear(6, 6), nn.ReLU, lambda: nn.Linear(6, 2))
    method = SelfNormalisedResets(model, None, data=points(20, 6), level=0.08, longest=30, every=every)
    calls, expected = watch_resets(method), []
    layer = model[2]
    for number in range(400):
        fires = rng.random(6) < np.where(number < 250, rates, rates[::-1])
        model.train()
        layer(torch.from_numpy(fires).float()[None])  # what the reading layer receives
        method.after_step()
        chosen = [unit for unit, twin in enumerate(twins) if twin.step(bool(fires[unit]))]
        if chosen:
            expected.append({"0": chosen})
        assert method.silence("0").tolist() == [twin.silence for twin in twins]
    assert calls == expected
    assert sum(len(call["0"]) for call in calls) > 20


@seeds
def test_a_living_unit_is_reset_at_most_at_the_level(seed):
    """Units that fire independently at every step with one probability: each silence is too long with p <= level."""
    level, n_units, rng = 0.05, 400, np.random.default_rng(seed)
    records = torch.zeros(n_units, 200, dtype=torch.int64)
    silence = torch.zeros(n_units, dtype=torch.int64)
    ended = too_long = 0
    for number in range(1500):
        fired = torch.from_numpy(rng.random(n_units) < 0.2)
        if number >= 500:
            limits = silence_limits(records, level)
            ended += int(fired.sum())
            too_long += int((fired & (silence >= limits)).sum())
        records, silence = record_silences(records, silence, fired)
    share = too_long / ended
    assert 0.5 * level < share
    assert share <= level + 5 * np.sqrt(level * (1 - level) / ended)
    # the law of the silences is that of the firing
    counts = records.sum(0).double().numpy()
    share = counts[0] / counts.sum()
    assert_agrees(share, np.sqrt(0.16 / counts.sum()), 0.2)
    assert_refutes(share, np.sqrt(0.16 / counts.sum()), 0.21)


class Convolutions(nn.Module):
    """Two readers of one layer, one of them behind pooling and flattening."""

    def __init__(self):
        super().__init__()
        self.first, self.second = build(0, lambda: nn.Conv2d(2, 4, 3), lambda: nn.Conv2d(4, 3, 2))
        self.out, self.up = build(1, lambda: nn.Linear(4 * 9, 2), lambda: nn.ConvTranspose2d(3, 2, 2))

    def forward(self, x):
        h = F.relu(self.first(x))
        return self.out(F.max_pool2d(h, 2).flatten(1)).sum() + self.up(F.relu(self.second(h))).sum()


def test_what_units_send_is_what_their_readers_receive():
    model, x = Convolutions(), points(5, 2, 8, 8)
    traffic = UnitTraffic(model, x, UnitResetter(model, x))
    model(x[:3])
    model(x[3:])
    sent = traffic.take()
    h = F.relu(model.first(x)).detach()
    pooled = F.max_pool2d(h, 2)
    expected = h.abs().mean((0, 2, 3)) * model.second.weight.abs().sum((0, 2, 3))
    for unit in range(4):  # nine columns of the flattened layer each
        for pixel in range(9):
            column = 9 * unit + pixel
            expected[unit] += pooled.flatten(1)[:, column].mean() * model.out.weight[:, column].abs().sum()
    torch.testing.assert_close(sent["first"].contribution, expected.detach())
    second = F.relu(model.second(h)).detach()
    torch.testing.assert_close(
        sent["second"].contribution, second.mean((0, 2, 3)) * model.up.weight.detach().abs().sum((1, 2, 3))
    )
    traffic.take()  # the calls above
    assert traffic.take() == {}
    model.eval()
    model(x)
    assert traffic.take() == {}


def test_copies_and_files_of_the_model_have_no_working_hooks():
    model = perceptron()
    method = ContinualBackprop(model, None, data=X)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        other.train()(X)
        assert method._traffic.take() == {}
    hooks = len(model[2]._forward_pre_hooks)
    del method
    assert len(model[2]._forward_pre_hooks) == hooks - 1


METHODS = {
    "continual backprop": lambda m, o: ContinualBackprop(m, o, data=X, rate=0.02, maturity=3),
    "self-normalised": lambda m, o: SelfNormalisedResets(m, o, data=X, level=0.2, longest=6, every=2),
}


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_replacing_resumes(kind, optimiser):
    def make_model(seed):
        model = perceptron(seed)
        kill(model[0], [0, 3])
        return model

    assert_resumes(make_model, OPTIMISERS[optimiser], METHODS[kind], X, Y, epochs=8, cut=3)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_replaced_units_are_new_to_the_optimiser(optimiser):
    model = perceptron()
    made = OPTIMISERS[optimiser](model)
    method = ContinualBackprop(model, made, data=X, rate=1 / 8, maturity=4)
    calls = watch_resets(method)
    for _ in range(5):
        before = copy.deepcopy(model)
        step(model, made, method)
    (unit,) = calls[0]["0"]
    assert (model[0].weight[unit] != before[0].weight[unit]).all()
    assert not model[2].weight[:, unit].any()
    for parameter, rows in ((model[0].weight, (unit,)), (model[2].weight, (slice(None), unit))):
        for key in ("momentum_buffer", "exp_avg", "exp_avg_sq"):
            if key in made.state[parameter]:
                assert not made.state[parameter][key][rows].any()
                assert made.state[parameter][key].any()
    others = [other for other in range(8) if other != unit]
    change = (model[0].weight[others] - before[0].weight[others]).abs().max()
    for _ in range(3):  # the replaced unit takes steps of the size of the others', not six times as large
        before = copy.deepcopy(model)
        step(model, made, method)
        if optimiser.startswith("adam"):
            assert (model[0].weight[unit] - before[0].weight[unit]).abs().max() <= 0.021
        assert change < 1.0


def test_streams_are_left_alone_with_the_reason():
    class Stream(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c, self.out = build(0, *[lambda: nn.Linear(5, 5)] * 3, lambda: nn.Linear(5, 2))

        def forward(self, x):
            h = F.relu(self.a(x) + self.b(x))
            return self.out(F.relu(self.c(h)))

    method = ContinualBackprop(Stream(), None, data=X)
    assert method._traffic.layers == ["c"]
    assert set(method.left_alone) == {"a", "b"}
    assert "is written by" in method.left_alone["a"] or "are written by" in method.left_alone["a"]


def test_l2_init_is_the_sum_over_all_parameters():
    model = perceptron()
    start = copy.deepcopy(model)
    optimiser = OPTIMISERS["adam"](model)
    method = L2Init(model, optimiser, strength=0.3)
    train(model, optimiser, method, X, Y, 3)
    pairs = list(zip(model.parameters(), start.parameters(), strict=True))
    expected = 0.3 * sum(float(((p - q) ** 2).sum().detach()) for p, q in pairs)
    assert method.penalty().item() == pytest.approx(expected, rel=1e-6)
    assert method.distance() == pytest.approx((expected / 0.3) ** 0.5, rel=1e-6)
    for parameter in model.parameters():
        parameter.grad = None
    method.penalty().backward()
    for p, q in pairs:
        torch.testing.assert_close(p.grad, 0.6 * (p - q).detach())
    assert method.report().misuse == ()
    other = L2Init(model, strength=0.3, layers=["0", "2"])
    with torch.no_grad():
        model[4].weight.add_(1.0)
        model[2].bias.add_(1.0)
    assert other.penalty().item() == pytest.approx(0.3 * 8, rel=1e-5)


def test_l2_init_holds_the_weights_near_their_start():
    distances = []
    for strength in (0.0, 0.3, 5.0):
        model = perceptron()
        optimiser = OPTIMISERS["sgd"](model)
        method = L2Init(model, optimiser, strength=strength)
        train(model, optimiser, method, X, Y, 10)
        distances.append(method.distance())
    assert distances[0] > 1.3 * distances[1] > 1.3 * 1.3 * distances[2]


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_l2_init_resumes(optimiser):
    """The report has no events, so that the training itself is compared, and the start must be the first one."""

    def trained(cut):
        model = perceptron(0)
        made = OPTIMISERS[optimiser](model)
        method = L2Init(model, made, strength=0.05)
        if not cut:
            train(model, made, method, X, Y, 4)
            return model
        train(model, made, method, X, Y, 2)
        other = perceptron(7)
        made_again = OPTIMISERS[optimiser](other)
        resumed = L2Init(other, made_again, strength=0.05)
        other.load_state_dict(model.state_dict())
        made_again.load_state_dict(made.state_dict())
        resumed.load_state_dict(method.state_dict())
        train(other, made_again, resumed, X, Y, 2)
        return other

    for whole, resumed in zip(trained(False).parameters(), trained(True).parameters(), strict=True):
        assert torch.equal(whole, resumed)


def test_misuse_and_bad_input_are_one_clear_line():
    model = perceptron()
    method = ContinualBackprop(model, None, data=X)
    model.eval()(X)
    with pytest.warns(MisuseWarning, match="call model.train"):
        method.after_step()
    optimiser = OPTIMISERS["sgd"](model)
    pulled = L2Init(model, optimiser)
    F.mse_loss(model(X), Y).backward()
    optimiser.step()
    with pytest.warns(MisuseWarning, match="penalty.. was not called"):
        pulled.after_step()
    shrunk = perceptron()
    replacing = ContinualBackprop(shrunk, None, data=X, rate=1.0, maturity=0)
    pulling = L2Init(shrunk)
    remove_units(shrunk, {"0": [1]}, data=X)
    shrunk.train()(X)
    cases = [
        (lambda: ContinualBackprop(model, None, data=X, rate=-0.1), "rate"),
        (lambda: ContinualBackprop(model, None, data=X, rate=float("nan")), "rate"),
        (lambda: ContinualBackprop(model, None, data=X, decay=1.0), "decay"),
        (lambda: ContinualBackprop(model, None, data=X, maturity=-1), "maturity"),
        (lambda: ContinualBackprop(model, None, data=X, layers=["9"]), "choose among"),
        (lambda: ContinualBackprop(model, "sgd", data=X), "optimiser"),
        (lambda: SelfNormalisedResets(model, None, data=X, level=1.0), "level"),
        (lambda: SelfNormalisedResets(model, None, data=X, longest=0), "longest"),
        (lambda: SelfNormalisedResets(model, None, data=X, every=0), "every"),
        (lambda: L2Init(model, strength=-1.0), "strength"),
        (lambda: L2Init(model, layers=["9"]), "name modules"),
        (lambda: L2Init(model, layers=["1"]), "trainable parameters"),
        (lambda: ContinualBackprop(perceptron(width=9), None, data=X).load_state_dict(method.state_dict()), "fit"),
        (lambda: L2Init(perceptron(width=9)).load_state_dict(pulled.state_dict()), "of this model"),
        (replacing.after_step, "keep its parameters"),
        (pulling.penalty, "keep the parameters"),
    ]
    for case, words in cases:
        with pytest.raises(InvalidArgumentError) as caught:
            case()
        assert words in str(caught.value), caught.value
        assert "\n" not in str(caught.value)

"""Features resampled towards inputs with a large loss: the draw, the new weights, and what is left alone."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.networks.sparse_codes import TopK
from neurondeath_torch.surgery.resampling import resample_units
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.references.sparse_autoencoders import Autoencoder, activations
from tests.references.statistical import assert_agrees, assert_refutes, seeds

X = activations()
UNITS = [3, 40, 41]


def directions(model, x=X):
    rows = x - model.centre.detach()
    return rows / rows.norm(dim=1, keepdim=True)


def drawn(model, x=X):
    """Return which input each of the units points at, and the cosine with it."""
    rows = torch.nn.functional.normalize(model.encoder.weight.detach()[UNITS], dim=1)
    return (rows @ directions(model, x).T).max(1)


@pytest.mark.parametrize("tied", [False, True])
def test_exactly_the_weights_of_the_units_change(tied):
    model = Autoencoder(TopK(4), tied=tied)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    (model(X) - X).square().mean().backward()
    optimiser.step()
    old, moments = copy.deepcopy(model), copy.deepcopy(optimiser.state_dict())["state"]
    reset = resample_units(model, {"encoder": UNITS}, data=X, optimiser=optimiser, scale=0.5)
    assert (reset.n_reset, reset.weights, reset.reasons) == (3, (48,), ("",))
    others = [unit for unit in range(96) if unit not in UNITS]
    found, places = drawn(model)
    assert found.min() > 1 - 1e-5
    assert len(set(places.tolist())) == 3  # without replacement
    lengths = old.encoder.weight[others].norm(dim=1).mean()
    torch.testing.assert_close(model.encoder.weight[UNITS].norm(dim=1), (0.5 * lengths).expand(3).detach())
    assert torch.equal(model.encoder.weight[others], old.encoder.weight[others])
    assert not model.encoder.bias[UNITS].any()
    assert torch.equal(model.encoder.bias[others], old.encoder.bias[others])
    names = [name for name, _ in model.named_parameters()]
    state = dict(zip(names, (optimiser.state[p] for p in model.parameters()), strict=True))
    weight = names.index("encoder.weight")
    assert not state["encoder.weight"]["exp_avg"][UNITS].any()
    assert torch.equal(state["encoder.weight"]["exp_avg"][others], moments[weight]["exp_avg"][others])
    if not tied:
        columns = model.decoder.weight[:, UNITS]
        cosines = (torch.nn.functional.normalize(columns, dim=0) * directions(model)[places].T).sum(0)
        assert cosines.min() > 1 - 1e-5
        length = old.decoder.weight[:, others].norm(dim=0).mean().detach()
        torch.testing.assert_close(columns.norm(dim=0).detach(), length.expand(3))
        assert torch.equal(model.decoder.weight[:, others], old.decoder.weight[:, others])
        assert not state["decoder.weight"]["exp_avg"][:, UNITS].any()


def test_dead_features_fire_again_at_full_scale():
    model = Autoencoder(TopK(4))
    with DeadUnitMonitor(model) as monitor:
        model(X)
    dead = monitor.report().dead_units("layer")
    n_dead = int(dead["encoder"].sum())
    assert n_dead > 20
    resample_units(model, dead, data=X, scale=3.0)
    with DeadUnitMonitor(model) as monitor:
        model(X)
    assert (dead["encoder"] & monitor.report().dead_units("layer")["encoder"]).sum() < 0.2 * n_dead


@seeds
def test_inputs_are_drawn_by_their_squared_losses(seed):
    model = Autoencoder(TopK(4))
    x = X[:4]
    losses = torch.tensor([0.0, 1.0, 2.0, 3.0])
    counts = np.zeros(4)
    draws = 120
    for draw in range(draws):
        resample_units(
            model, {"encoder": UNITS[:1]}, data=x.split(2), loss=lambda inputs, output: _of(inputs, x, losses),
            seed=1000 * seed + draw,
        )  # fmt: skip
        counts[int(drawn(model, x)[1][0])] += 1
    expected = np.array([0.0, 1.0, 4.0, 9.0]) / 14.0
    error = np.sqrt(expected * (1.0 - expected) / draws)
    assert counts[0] == 0
    assert_agrees((counts / draws)[1:], error[1:], expected[1:])
    assert_refutes((counts / draws)[1:], error[1:], np.array([3.0, 2.0, 1.0]) / 6.0)


def _of(inputs, x, losses):
    return torch.stack([losses[int((x == row).all(1).nonzero()[0, 0])] for row in inputs])


def test_the_largest_default_losses_are_the_likeliest():
    model = Autoencoder(TopK(4))
    x = X.clone()
    x[7] *= 1e3
    resample_units(model, {"encoder": UNITS[:1]}, data=x)
    assert int(drawn(model, x)[1][0]) == 7


def test_fewer_inputs_than_units_are_used_again_and_runs_repeat():
    model = Autoencoder(TopK(4))
    twin = copy.deepcopy(model)
    state = torch.get_rng_state()
    resample_units(model, {"encoder": UNITS}, data=X[:2], seed=5)
    assert set(drawn(model, X[:2])[1].tolist()) == {0, 1}
    resample_units(twin, {"encoder": UNITS}, data=X[:2], seed=5)
    assert torch.equal(model.encoder.weight, twin.encoder.weight)
    assert torch.equal(state, torch.get_rng_state())
    assert model.training


def test_other_readers_get_zeros_and_other_shapes_work():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    tokens = torch.randn(5, 7, 6)
    reset = resample_units(model, {"0": [2]}, data=tokens, loss=lambda inputs, output: output.square().sum(-1))
    assert reset.n_reset == 1
    assert not model[2].weight[:, 2].any()
    unreachable = resample_units(model, {"2": [0]}, data=tokens, loss=lambda inputs, output: output.square().sum(-1))
    assert (unreachable.n_reset, unreachable.reasons) == (0, ("it is the output layer",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": {"activation": [0]}}, "`units` must name linear layers"),
        ({"units": {"encoder": [96]}}, "must hold indices from 0 to 95"),
        ({"scale": 0.0}, "`scale` must be a finite number above 0"),
        ({"seed": -1}, "`seed` must be a whole number"),
        ({"loss": lambda inputs, output: 1.0}, "`loss` must return a tensor"),
        ({"loss": lambda inputs, output: output[:, 0] * torch.nan}, "`loss` must be finite"),
        (
            {"loss": lambda inputs, output: output.square()},
            "`loss` must have one number per vector that `encoder` reads",
        ),
        ({"loss": lambda inputs, output: 0.0 * output[:, 0]}, "`data` must hold nonzero inputs with a loss above 0"),
    ],
)
def test_wrong_arguments(arguments, message):
    model = Autoencoder(TopK(4))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InvalidArgumentError, match=message):
        resample_units(model, **{"units": {"encoder": [0]}, "data": X, **arguments})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.encoder._forward_pre_hooks


def test_a_model_that_returns_no_reconstruction_needs_a_loss():
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    with pytest.raises(InvalidArgumentError, match="`loss` must be given where the model returns no reconstruction"):
        resample_units(model, {"0": [2]}, data=torch.randn(5, 6))


def test_models_called_in_their_own_way_are_resampled_alike():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))
    with torch.no_grad():
        plain[0].bias[2] = -50.0
    other, x = copy.deepcopy(plain), torch.randn(64, 4)
    batches = [{"points": x[:32], "name": "a"}, {"points": x[32:], "name": "b"}]
    resample_units(plain, {"0": [2]}, data=[x[:32], x[32:]])
    found = resample_units(other, {"0": [2]}, data=batches, call=lambda model, batch: model(batch["points"]))
    assert found.n_reset == 1
    torch.testing.assert_close(other.state_dict(), plain.state_dict())
    seen = []

    def loss(batch, output):
        seen.append(batch["name"])
        return (output - batch["points"]).square().sum(1)

    resample_units(other, {"0": [2]}, data=batches, call=lambda model, batch: model(batch["points"]), loss=loss)
    assert seen == ["a", "b"]

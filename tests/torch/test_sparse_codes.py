"""TopK, JumpReLU and tied decoders: values, gradients, and that every tool sees and cuts their dead features."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.remedies.sparse_autoencoders import sparse_autoencoder_death
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.methods.redo import ReDo
from neurondeath_torch.networks.sparse_codes import JumpReLU, TiedLinear, TopK
from neurondeath_torch.surgery.removal import remove_dead_units
from neurondeath_torch.surgery.resetting import reset_units
from neurondeath_torch.surgery.shrunk_models import load_shrunk
from neurondeath_torch.watching.monitor import DeadUnitMonitor
from tests.references.sparse_autoencoders import Autoencoder, activations

X = activations()
SPREAD = torch.linspace(0.1, 1.5, 96)
KINDS = {
    "top-k": lambda: TopK(4),
    "jump": lambda: JumpReLU(0.3),
    "jump per feature": lambda: JumpReLU(SPREAD, learnable=True),
    "relu": nn.ReLU,
}


def features(model, x):
    with torch.no_grad():
        return model.activation(model.encoder(x - model.centre))


def test_top_k_keeps_the_largest_by_sorting():
    x = torch.randn(5, 3, 11, generator=torch.Generator().manual_seed(0))
    for k in (1, 4, 11, 20):
        for rectify in (True, False):
            rank = x.argsort(-1, descending=True).argsort(-1)
            expected = torch.where((rank < k) & ((x > 0) | (not rectify)), x, 0.0)
            assert torch.equal(TopK(k, rectify=rectify)(x), expected)


def test_gradients_of_top_k_reach_what_is_kept_alone():
    x = torch.randn(7, 9, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = TopK(3)(x)
    y.square().sum().backward()
    assert torch.equal(x.grad, 2.0 * y.detach())


def test_jump_relu_leaves_what_is_above_its_threshold():
    x = torch.tensor([[-2.0, 0.5, 1.0, 3.0, torch.nan, -torch.inf, torch.inf]])
    y = JumpReLU(1.0)(x)
    assert torch.equal(y[0, [0, 1, 2, 3, 5, 6]], torch.tensor([0.0, 0.0, 0.0, 3.0, 0.0, torch.inf]))
    assert y[0, 4].isnan()
    per_feature = JumpReLU([0.0, 1.0])(torch.tensor([[0.5, 0.5], [2.0, 2.0]]))
    assert per_feature.tolist() == [[0.5, 0.0], [2.0, 2.0]]
    assert JumpReLU(1.0)(x.to(torch.bfloat16)).dtype == torch.bfloat16


def test_the_gradient_of_a_threshold_is_the_straight_through_estimate():
    theta, width = np.array([0.2, 0.5, 0.9]), 0.1
    x = np.random.default_rng(0).uniform(0.0, 1.0, (400, 3))
    module = JumpReLU(theta, learnable=True, bandwidth=width).double()
    inputs = torch.tensor(x, requires_grad=True)
    factor = torch.linspace(-1.0, 2.0, 400, dtype=torch.float64).unsqueeze(1)
    (factor * module(inputs)).sum().backward()
    expected = np.zeros(3)
    for row, weight in zip(x, factor[:, 0].tolist(), strict=True):
        for i in range(3):
            if abs(row[i] - theta[i]) < width / 2:
                expected[i] -= weight * theta[i] / width
    np.testing.assert_allclose(module.raw_threshold.grad.numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(inputs.grad.numpy(), np.where(x > module.threshold.detach().numpy(), factor, 0.0))


def test_a_threshold_that_crosses_zero_is_reflected():
    module = JumpReLU(0.1, learnable=True)
    with torch.no_grad():
        module.raw_threshold.fill_(-0.4)
    assert module(torch.tensor([0.3, 0.5])).tolist() == [0.0, 0.5]
    assert not JumpReLU(0.1).raw_threshold.requires_grad
    assert repr(TopK(3, rectify=False)) == "TopK(k=3, rectify=False)"
    assert repr(JumpReLU(0.25)) == "JumpReLU(threshold=0.25)"


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_removal_of_dead_features_leaves_the_outputs(kind, tied):
    model = Autoencoder(KINDS[kind](), tied=tied)
    full = copy.deepcopy(model)
    fired = (features(model, X) != 0).any(0)
    before = model(X).detach()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    (model(X) - X).square().mean().backward()
    with DeadUnitMonitor(model) as monitor:
        model(X)
    dead = monitor.report().dead_units("layer")["encoder"]
    assert np.array_equal(dead, ~fired.numpy())
    assert dead.sum() > 10
    removal = remove_dead_units(model, X, optimiser=optimiser, layers=["encoder"])
    assert removal.removed[0].tolist() == np.flatnonzero(dead).tolist()
    assert removal.dead_kept == (0,)
    assert removal.deviation <= 1e-6
    assert (model(X) - before).abs().max() <= 1e-6 * before.abs().max()
    assert model.encoder.out_features == int(fired.sum())
    if kind == "jump per feature":
        assert torch.equal(model.activation.raw_threshold, SPREAD[fired])
        assert model.activation.raw_threshold.requires_grad
    optimiser.step()  # the optimiser holds the smaller parameters
    assert (model(X) - before).abs().max() > 0
    load_shrunk(full, model.state_dict())
    assert torch.equal(full(X), model(X))


def test_the_audit_and_the_counts_of_every_definition_see_them():
    model = Autoencoder(TopK(4))
    result = audit(model, X)
    (layer,) = result.layers
    codes = features(model, X)
    assert (layer.activation, layer.layer, layer.units) == ("activation", "encoder", 96)
    assert layer.dead == int((codes == 0).all(0).sum())
    assert layer.sparsity == pytest.approx(float((codes == 0).double().mean()))
    assert "TopK" in layer.reason
    assert layer.predicted_sparsity is None


def test_a_jump_relu_without_threshold_is_a_relu():
    model = Autoencoder(JumpReLU(0.0))
    assert audit(model, X).layers[0].predicted_sparsity is not None
    assert torch.equal(JumpReLU(0.0)(X - 1), torch.relu(X - 1))


class OwnTopK(nn.Module):
    """A top-k module of a user, written in another way."""

    def forward(self, x):
        return x * (x >= x.sort(-1, descending=True).values[..., 3:4]).to(x.dtype) * (x > 0)


def test_modules_of_a_user_are_named_in_watch():
    model = Autoencoder(OwnTopK())
    dead = int((features(model, X) == 0).all(0).sum())
    with DeadUnitMonitor(model, watch=["activation"]) as monitor:
        model(X)
    assert monitor.report().n_dead == dead
    assert audit(model, X, watch=[OwnTopK]).layers[0].dead == dead
    redo = ReDo(copy.deepcopy(model), None, data=X, tau=0.0, watch=[OwnTopK])
    assert redo.recycle().n_reset == dead
    with pytest.raises(InvalidArgumentError, match="`watch` must name modules"):
        remove_dead_units(model, X, watch=["nothing"])
    with pytest.raises(InvalidArgumentError, match="`model` must have a weight layer followed by an activation"):
        ReDo(model, None, data=X)
    removal = remove_dead_units(model, X, layers=["encoder"], watch=[OwnTopK])
    assert len(removal.removed[0]) == dead


@pytest.mark.parametrize("kind", KINDS)
def test_dead_features_are_reset(kind):
    model = Autoencoder(KINDS[kind]())
    before = model(X).detach()
    redo = ReDo(model, None, data=X, tau=0.0)
    dead = (features(model, X) == 0).all(0)
    reset = redo.recycle()
    assert reset.units[0].tolist() == dead.nonzero().flatten().tolist()
    assert not model.decoder.weight[:, dead].any()
    if kind != "top-k":  # where a new feature may take the place of an old one
        assert (model(X) - before).abs().max() <= 1e-6


def test_a_tied_feature_is_reset_with_its_outgoing_weights_kept():
    model = Autoencoder(TopK(4), tied=True)
    old = model.encoder.weight.detach().clone()
    left = reset_units(model, {"encoder": [0, 5]}, data=X)
    assert left.n_reset == 0
    assert "`decoder` reads its units by their incoming weights" in left.reasons[0]
    assert torch.equal(model.encoder.weight, old)
    assert reset_units(model, {"encoder": [0, 5]}, data=X, outgoing="keep").n_reset == 2
    changed = (model.encoder.weight != old).any(1).nonzero().flatten().tolist()
    assert changed == [0, 5]


def test_what_a_tied_decoder_prevents_is_explained():
    """Units that the encoder reads would have to be cut from the decoder's outputs as well."""
    encoder = nn.Linear(8, 20)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), encoder, TopK(3), TiedLinear(encoder))
    with torch.no_grad():
        model[0].weight[3] = 0.0
        model[0].bias[3] = -1.0
    removal = remove_dead_units(model, torch.rand(64, 4), layers=["0"])
    assert removal.n_removed == 0
    assert removal.dead_kept[0] >= 1
    assert removal.reasons == ("`4` has the weights of `2`, which reads it",)


def test_a_tied_decoder_is_the_transpose_and_travels_with_its_encoder():
    model = Autoencoder(TopK(4), tied=True)
    codes = features(model, X)
    torch.testing.assert_close(model(X), codes @ model.encoder.weight + model.centre)
    assert [name for name in model.state_dict() if "decoder" in name] == []
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.decoder.source is twin.encoder
        assert torch.equal(twin(X), model(X))
    moved = model.double()
    assert moved(X.double()).dtype == torch.float64
    biased = TiedLinear(nn.Linear(3, 5), bias=True)
    assert biased.bias.shape == (3,)
    assert repr(biased) == "TiedLinear(in_features=5, out_features=3, bias=True)"


def test_the_theory_forecasts_the_dead_features_of_a_module():
    """Rows of equal length and no biases; the theory knows neither PyTorch nor this encoder."""
    model = Autoencoder(TopK(32), dimension=16, features=4096)
    with torch.no_grad():
        rows = torch.randn(4096, 16, generator=torch.Generator().manual_seed(0))
        model.encoder.weight.copy_(torch.nn.functional.normalize(rows))
        model.encoder.bias.zero_()
    for centre in (torch.zeros(16), X.mean(0)):
        model.centre.data.copy_(centre)
        with DeadUnitMonitor(model) as monitor:
            model(X)
        share = monitor.report().n_dead / 4096
        forecast = sparse_autoencoder_death((X - centre).numpy(), n_features=4096, k=32)
        assert abs(forecast.dead - share) <= 0.03  # .02 of the theory, and one encoder


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TopK(0), "`k` must be a whole number"),
        (lambda: TopK(2.5), "`k` must be a whole number"),
        (lambda: JumpReLU(-1.0), "`threshold` must hold finite numbers"),
        (lambda: JumpReLU([[1.0]]), "`threshold` must be one number, or one per feature"),
        (lambda: JumpReLU([]), "`threshold` must be one number, or one per feature"),
        (lambda: JumpReLU(torch.tensor([torch.nan])), "`threshold` must hold finite numbers"),
        (lambda: JumpReLU(1.0, bandwidth=0.0), "`bandwidth` must be a finite number above 0"),
        (lambda: TiedLinear(nn.ReLU()), "`source` must be a torch.nn.Linear"),
        (lambda: TiedLinear(nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))), "`source` must have a weight"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(InvalidArgumentError, match=message):
        call()

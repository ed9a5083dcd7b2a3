"""Predictions of an audit, compared with networks for which they hold exactly or on average."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.utils.data import DataLoader, TensorDataset

from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.networks.thresholded_activations import ShiftedReLU
from tests.references.statistical import assert_agrees, assert_refutes, seeds
from tests.torch.test_audit import mlp, mlp_of_one
from tests.torch.test_monitor import points, seeded


def orthonormal_(weight, groups=1, transposed=False):
    """Fill a weight so that its units are a basis of the patches: z_i . z_j over units then equals x_i . x_j."""
    outputs = weight.shape[1] if transposed else weight.shape[0] // groups
    fan_in = weight.numel() // (outputs * groups)
    assert outputs == fan_in
    with torch.no_grad():
        for group in range(groups):
            basis = torch.linalg.qr(points(outputs, outputs, seed=group))[0]
            if transposed:
                inputs = weight.shape[0] // groups
                block = basis.reshape(outputs, inputs, *weight.shape[2:]).transpose(0, 1)
                weight[group * inputs : (group + 1) * inputs] = block
            else:
                weight[group * outputs : (group + 1) * outputs] = basis.reshape(outputs, *weight.shape[1:])


CONVOLUTIONS = {
    "linear": (lambda: nn.Linear(12, 12, bias=False), (12,), False),
    "tokens": (lambda: nn.Linear(6, 6, bias=False), (5, 6), False),
    "padded": (lambda: nn.Conv2d(2, 18, 3, padding=1, bias=False), (2, 5, 6), False),
    "strided, dilated": (lambda: nn.Conv2d(2, 8, 2, stride=2, dilation=2, bias=False), (2, 7, 9), False),
    "circular": (lambda: nn.Conv1d(3, 9, 3, padding=1, padding_mode="circular", bias=False), (3, 8), False),
    "grouped": (lambda: nn.Conv2d(4, 36, 3, padding=1, groups=2, bias=False), (4, 4, 5), False),
    "3d": (lambda: nn.Conv3d(1, 8, 2, bias=False), (1, 3, 4, 3), False),
    "transposed": (lambda: nn.ConvTranspose2d(2, 18, 3, stride=2, bias=False), (2, 4, 3), True),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_variance_and_correlation_of_an_orthonormal_layer_are_exactly_predicted(kind):
    build, shape, transposed = CONVOLUTIONS[kind]
    layer = build()
    orthonormal_(layer.weight, getattr(layer, "groups", 1), transposed)
    x = points(7, *shape)
    (row,) = audit(nn.Sequential(layer, nn.ReLU()), x).layers
    z = layer(x).detach().double().flatten(1)
    assert row.q == pytest.approx(float(z.square().mean()), rel=1e-6)
    assert row.predicted_q == pytest.approx(row.q, rel=1e-5)
    cosines = F.normalize(z) @ F.normalize(z).T
    off = ~np.eye(7, dtype=bool)
    assert row.correlation == pytest.approx(float(cosines[off].mean()), abs=1e-6)
    assert row.predicted_correlation == pytest.approx(row.correlation, abs=1e-5)
    assert (row.basis, row.predicted_sparsity) == ("measured inputs" if kind == "circular" else "data", 0.5)
    assert row.sigma_w2 == pytest.approx(1.0, rel=1e-5)


def test_sparsity_is_predicted_position_by_position():
    conv, tau = nn.Conv2d(2, 18, 3, padding=1), 0.7
    x = points(5, 2, 4, 4)
    (row,) = audit(nn.Sequential(conv, ShiftedReLU(tau)), x).layers
    patches = F.unfold(x.double(), 3, padding=1)  # (points, patch, positions)
    weight, bias = conv.weight.detach().double(), conv.bias.detach().double()
    q = weight.square().mean() * patches.square().sum(1) + bias.square().mean()
    off = norm.cdf(tau / q.sqrt().numpy())
    assert row.predicted_sparsity == pytest.approx(off.mean(), rel=1e-6)
    assert row.predicted_q == pytest.approx(float(q.mean()), rel=1e-6)
    assert row.death_probability == pytest.approx((off.min(axis=1) ** 18).mean(), rel=1e-5)
    assert row.bounds_only
    assert abs(row.predicted_sparsity - norm.cdf(tau / q.mean().sqrt().item())) > 1e-3  # the mean q would not suffice


@pytest.mark.parametrize(
    ("between", "basis"),
    [
        (nn.Dropout(), "previous layer"),
        (nn.Flatten(), "previous layer"),
        (nn.Unflatten(1, (2, 4)), "measured inputs"),
        (nn.Softmax(1), "measured inputs"),
        (nn.BatchNorm1d(8), "measured inputs"),
    ],
)
def test_only_what_changes_nothing_carries_a_prediction_on(between, basis):
    last = nn.Linear(4 if isinstance(between, nn.Unflatten) else 8, 6)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), between, last, nn.ReLU())
    assert [row.basis for row in audit(model, points(9, 3)).layers] == ["data", basis]


def arc_cosine(covariance):
    """Compute E relu(u) relu(v) from the angle between u and v."""
    size = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    angle = np.arccos(np.clip(covariance / size, -1.0, 1.0))
    return size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)


def test_a_chain_of_layers_follows_the_covariance_map():
    model, x = seeded(lambda: mlp(6, 40, 30, 20, bias=True, gain=1.7)), points(50, 6)
    for layer in model[::2]:
        nn.init.normal_(layer.bias, std=0.3)
    result = audit(model, DataLoader(TensorDataset(x, x), batch_size=30), n_probe=20)
    covariance = None
    for row, layer in zip(result.layers, model[::2], strict=False):
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        probe = x[:20].double().numpy()
        moments = probe @ probe.T / 6 if covariance is None else arc_cosine(covariance)
        covariance = weight.shape[1] * (weight**2).mean() * moments + (bias**2).mean()
        roots = np.sqrt(np.diag(covariance))
        rho = covariance / np.outer(roots, roots)
        assert row.predicted_q == pytest.approx(np.diag(covariance).mean(), rel=1e-6)
        assert row.predicted_correlation == pytest.approx((rho.sum() - 20) / (20 * 19), abs=1e-6)
        assert row.basis == ("data" if layer is model[0] else "previous layer")


@seeds
def test_random_networks_do_on_average_as_predicted(seed):
    """For ReLU without biases q is linear in every layer's weight variance: unbiased at any width."""
    x = points(12, 10)
    gaps, sparsities = [], []
    for draw in range(80):
        layers = audit(seeded(lambda: mlp(10, 40, 40, 40), 1000 * seed + draw), x, n_probe=12).layers
        gaps.append([row.q / layers[0].predicted_q - row.predicted_q / layers[0].predicted_q for row in layers])
        thresholded = mlp_of_one(1000 * seed + draw)
        (row,) = audit(thresholded, x, n_probe=12).layers
        sparsities.append(row.sparsity - row.predicted_sparsity)
    error = np.std(gaps, axis=0, ddof=1) / len(gaps) ** 0.5
    assert_agrees(np.mean(gaps, axis=0), error, 0.0)
    assert_refutes(np.mean(gaps, axis=0)[1:], error[1:], 0.3)
    spread = np.std(sparsities, ddof=1) / len(sparsities) ** 0.5
    assert_agrees(np.mean(sparsities), spread, 0.0)
    assert_refutes(np.mean(sparsities), spread, 0.1)

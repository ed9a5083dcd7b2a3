"""Laws of the weights: orthogonal matrices and their moments, RAI, uniform; the twin draws the same."""

import numpy as np
import pytest

from neurondeath.simulations.kernels import initialisers
from neurondeath.simulations.kernels.packed_arguments import WeightLaw
from neurondeath.simulations.samplers.passed_layers import no_passed_layers
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.rai import rai_constant
from tests.references.architecture_twins import draw
from tests.references.statistical import assert_agrees, assert_refutes


def drawn_layer(init, width, fan_in, *, trials, scale, parameter=0.0, draws_biases=False, layer=0):
    """Yield weights and biases as the kernel draws them, network by network."""
    weight_law = WeightLaw(init, parameter, draws_biases)
    none = no_passed_layers(np.dtype(np.float64))
    buffers = initialisers.layer_buffers(np.array([width]), np.array([fan_in]), weight_law, none, np.zeros(1))
    law = initialisers.LayerLaw(weight_law, width, fan_in, np.float32(scale), np.float32(0))
    weights, biases = buffers.parameters
    for trial in range(trials):
        initialisers.draw_layer(buffers, law, (np.uint64(7), np.uint64(8)), layer, trial)
        yield weights[: width * fan_in].reshape(width, fan_in).copy(), biases.copy()


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (1, 5), (5, 1), (60, 60)])
def test_orthogonal_rows_are_orthonormal(shape):
    width, fan_in = shape
    for weights, _ in drawn_layer(initialisers.ORTHOGONAL, width, fan_in, trials=5, scale=1.0):
        unit = weights / np.sqrt(max(shape))
        gram = unit @ unit.T if width <= fan_in else unit.T @ unit
        np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-13)
        assert (weights**2).mean() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.statistical
def test_orthogonal_law_is_haar():
    """Moments of Haar matrices: E q11^4 = 3/(n (n + 2)), E q11^2 q22^2 = (n + 1)/((n - 1) n (n + 2)), and no mean."""
    n, trials = 3, 20_000
    q = np.array([w for w, _ in drawn_layer(initialisers.ORTHOGONAL, n, n, trials=trials, scale=1.0)]) / np.sqrt(n)
    for values, truth, wrong in (
        (q[:, 0, 0] ** 4, 3 / (n * (n + 2)), 3 / n**2),
        (q[:, 2, 2] ** 4, 3 / (n * (n + 2)), 3 / n**2),
        (q[:, 0, 0] ** 2 * q[:, 1, 1] ** 2, (n + 1) / ((n - 1) * n * (n + 2)), 1 / n**2),
        (q[:, 0, 0], 0.0, 0.1),
        (np.linalg.det(q), 0.0, 0.1),
    ):
        error = values.std() / np.sqrt(trials)
        assert_agrees(values.mean(), error, truth)
        assert_refutes(values.mean(), error, wrong)


@pytest.mark.statistical
def test_rai_moments():
    """An entry is normal with probability fan_in/(fan_in + 1), else Beta(2, 1); one entry per row, bias included."""
    fan_in, trials = 3, 20_000
    sigma = rai_constant()
    layers = list(drawn_layer(initialisers.RAI, 2, fan_in, trials=trials, scale=sigma / np.sqrt(fan_in)))
    rows = np.concatenate([np.column_stack(layer) for layer in layers])
    share = 1 / (fan_in + 1)
    for column in range(fan_in + 1):
        for values, truth, wrong in (
            (rows[:, column], share * 2 / 3, 2 / 3 / fan_in),
            (rows[:, column] ** 2, share / 2 + (1 - share) * sigma**2 / fan_in, 1 / fan_in),
        ):
            error = values.std() / np.sqrt(len(values))
            assert_agrees(values.mean(), error, truth)
            assert_refutes(values.mean(), error, wrong)
    # the entries redrawn in a row are one: the sum has the mean of a single Beta
    total = rows.sum(axis=1)
    assert_agrees(total.mean(), total.std() / np.sqrt(len(total)), 2 / 3)
    # the second moment of the output obeys the bound that defines sigma, and the true factor is well below it
    x = np.array([0.5, 1.0, 0.2, 1.0])
    factor = fan_in / 2 * (np.maximum(rows @ x, 0).reshape(-1, 2) ** 2).sum(axis=1) / (x @ x)
    assert 0.5 < factor.mean() < 1.0


@pytest.mark.statistical
@pytest.mark.parametrize(("init", "kurtosis"), [("uniform", 1.8), ("gaussian", 3.0)])
def test_variance_of_weights(init, kurtosis):
    code = {"uniform": initialisers.UNIFORM, "gaussian": initialisers.GAUSSIAN}[init]
    weights = np.concatenate([w.ravel() for w, _ in drawn_layer(code, 5, 4, trials=3000, scale=0.7)])
    size = np.sqrt(len(weights))
    assert_agrees((weights**2).mean(), (weights**2).std() / size, 0.49)
    assert_refutes((weights**2).mean(), (weights**2).std() / size, 0.51)
    assert_agrees((weights**4).mean(), (weights**4).std() / size, kurtosis * 0.49**2)
    assert_refutes((weights**4).mean(), (weights**4).std() / size, 2.4 * 0.49**2)


def test_twin_draws_are_those_of_the_kernel():
    for init in ("gaussian", "uniform", "orthogonal", "rai"):
        network = Network([5], input_dim=3, init=init, weight_variance=1.5 if init == "gaussian" else None)
        code = getattr(initialisers, init.upper())
        scale = np.sqrt(network.weight_variance / 3)
        for trial, (weights, biases) in enumerate(drawn_layer(code, 5, 3, trials=4, scale=scale)):
            expected_weights, expected_biases = draw(network, (7, 8), 0, trial)
            np.testing.assert_allclose(weights, expected_weights, atol=3e-6)
            np.testing.assert_allclose(biases, expected_biases, atol=3e-6)

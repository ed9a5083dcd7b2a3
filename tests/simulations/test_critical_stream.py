"""The critical residual stream: exact life at width 1, sizes by the chain, gradients by finite differences."""

import numpy as np
import pytest
from scipy.special import ndtr

from neurondeath import simulate
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.samplers import crude_general
from neurondeath.simulations.task import Task
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos, sparse_design
from neurondeath_theory.networks.activations import leaky_relu
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.network_bounds import bounds_that_hold
from neurondeath_theory.trainability.residual_chain import residual_chain
from neurondeath_theory.trainability.residual_fluctuations import residual_fluctuations
from tests.references.architecture_twins import make_task
from tests.references.statistical import assert_agrees, assert_refutes, seeds

SPARSE, RELU = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7), edge_of_chaos("relu")


def stream(design, width, depth, effective_depth):
    return Network(
        width=width,
        depth=depth,
        architecture="residual",
        effective_depth=effective_depth,
        input_mean_square=design.q,
        activation=design.activation,
        init="gaussian",
        weight_variance=design.sigma_w2,
        bias_variance=design.sigma_b2,
    )


def test_description():
    network = stream(SPARSE, 6, 10, 2.5)
    assert Network.from_description(network.description()) == network
    assert network.description()["effective_depth"] == 2.5
    assert not {"effective_depth", "input_mean_square"} & Network([3] * 4, architecture="residual").description().keys()
    assert Network([3] * 4, architecture="residual") != Network([3] * 4, architecture="residual", effective_depth=4.0)
    assert "effective depth 2.5, inputs of mean square 1" in str(network)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"effective_depth": 0.0}, "effective_depth"),
        ({"effective_depth": 4.1}, "effective_depth.*at most the number of layers, 4"),
        ({"effective_depth": 1.0, "architecture": "plain"}, "effective_depth.*left out of the plain"),
        ({"effective_depth": 1.0, "architecture": "skip", "block_depth": 2}, "effective_depth.*left out of the skip"),
        ({"effective_depth": 1.0, "input_dim": 2}, "widths"),
        ({"input_mean_square": 1.0}, "input_mean_square.*without an effective depth"),
        ({"effective_depth": 1.0, "input_mean_square": 0.0}, "input_mean_square"),
    ],
)
def test_refusals(options, named):
    with pytest.raises(ValueError, match=named):
        Network([3] * 4, **{"architecture": "residual"} | options)


def test_bounds_are_withheld():
    result = simulate(stream(RELU, 3, 4, 1.0), "gaussian:4", trials=20)
    assert np.isnan(result.lower_bound).all()
    assert "keep signs" in result.withheld["lower"]
    leaky = Network([3] * 4, architecture="residual", effective_depth=1.0, activation=leaky_relu(0.1))
    assert bounds_that_hold(leaky).always_active


@pytest.mark.statistical
@seeds
def test_life_at_width_one(seed):
    """One unit, input 1: h_1 = sqrt(1 - a^2) + a sqrt(2) N; a stream below 0 stays there, and so does its death."""
    one, depth, trials = InputSet("one", np.ones((1, 1))), 5, 20_000
    for effective_depth, sign in ((1.5, True), (5.0, False)):
        network = Network([1] * depth, architecture="residual", effective_depth=effective_depth)
        found = crude_general.sample(make_task(network, one), seed, 0, trials)["alive"] / trials
        share = effective_depth / depth
        once = ndtr(np.sqrt((1.0 - share) / share / 2.0))
        truth = np.full(depth, once) if sign else once ** np.arange(1, depth + 1)  # D = L: every layer must be active
        assert_agrees(found, np.sqrt(truth * (1 - truth) / trials), truth)
        assert_refutes(found, np.sqrt(truth * (1 - truth) / trials), truth[::-1] if not sign else truth + 0.05)


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize("design", [SPARSE, RELU], ids=["sparse", "relu"])
def test_sizes_against_the_exact_chain(design, seed):
    """Mean and spread of log q and the zeros, from inputs of one length in random directions."""
    for width, depth, effective_depth in ((12, 10, 0.5), (12, 16, 4.0), (40, 10, 0.5), (40, 16, 4.0)):
        network, trials = stream(design, width, depth, effective_depth), 1000
        found = simulate(
            network, "gaussian:1", trials=trials, seed=seed, outputs=["variance", "sparsity"], resample_inputs=True
        ).outputs
        settings = {"width": width, "depth": depth, "effective_depth": effective_depth, "random_start": False}
        chain = residual_chain(design, **settings, n_paths=4 * trials, seed=seed)
        logs = np.log(chain.q[:, 1:])
        spread, shares = logs.std(axis=0), chain.sparsity[:, 1:]
        fourth = ((logs - logs.mean(axis=0)) ** 4).mean(axis=0)
        spread_error = np.sqrt((fourth - spread**4) / len(logs)) / (2 * spread)
        for name, truth, error in (
            ("log_variance", logs.mean(axis=0), spread / np.sqrt(len(logs))),
            ("log_variance_sd", spread, spread_error),
            ("sparsity", shares.mean(axis=0), shares.std(axis=0) / np.sqrt(len(logs))),
        ):
            mean, stderr = found[name]
            assert_agrees(mean, np.hypot(stderr, error), truth)
        assert_refutes(*found["log_variance_sd"], 1.3 * spread)
    first_order = residual_fluctuations(design, depth, effective_depth, random_start=False).signal[-1]
    assert found["log_variance_sd"][0][-1] ** 2 * width == pytest.approx(first_order, rel=0.4)  # up to O(1/n)


def finite_differences(design, width, depth, effective_depth, rng, n_networks):
    """Log squared gradients of read-outs by central differences of the stream after branch 1, one per network."""
    a = np.sqrt(effective_depth / depth)
    assert design is RELU

    def phi(h):
        return np.maximum(h, 0.0)

    def branch(h, weights, biases):
        return np.sqrt(1 - a**2) * h + a * (weights @ phi(h) + biases)

    def draw():
        weights = rng.standard_normal((n_networks, width, width)) * np.sqrt(design.sigma_w2 / width)
        return weights, rng.standard_normal((n_networks, width, 1)) * np.sqrt(design.sigma_b2)

    h = rng.standard_normal((n_networks, width, 1))
    h = branch(h * np.sqrt(design.q / np.mean(h**2, axis=1, keepdims=True)), *draw())
    step = 1e-7 * np.eye(width)
    moved = np.concatenate([h + step, h - step], axis=2)
    for _ in range(depth - 1):
        moved = branch(moved, *draw())
    readout = rng.standard_normal((n_networks, width)) / np.sqrt(width)
    output = np.einsum("ni,nis->ns", readout, phi(moved))
    slopes = (output[:, :width] - output[:, width:]) / 2e-7
    with np.errstate(divide="ignore"):
        return np.log((slopes**2).sum(axis=1))


@pytest.mark.statistical
@seeds
def test_gradients_against_finite_differences(seed):
    rng = np.random.default_rng(seed)
    for width, depth, effective_depth in ((10, 6, 1.0), (24, 6, 3.0)):
        task = Task(
            stream(RELU, width, depth, effective_depth),
            input_set("gaussian:1", dimension=width, resample=True),
            outputs=("log_gradient",),
        )
        found = simulate(
            task.network, task.inputs, trials=4000, seed=seed, outputs=task.outputs, resample_inputs=False
        ).outputs
        logs = finite_differences(RELU, width, depth, effective_depth, rng, 8000)
        logs = logs[logs > -np.inf]
        for name, truth, error in (
            ("log_gradient", logs.mean(), logs.std() / np.sqrt(len(logs))),
            ("log_gradient_sd", logs.std(), logs.std() / np.sqrt(len(logs))),
        ):
            mean, stderr = (values[0] for values in found[name])
            assert_agrees(mean, np.hypot(stderr, error), truth)
            assert_refutes(mean, np.hypot(stderr, error), truth + 0.25)


def test_inputs_are_scaled_to_their_mean_square():
    """Scaling in the network is scaling the points; zeros and huge points do not disturb it."""
    rng = np.random.default_rng(3)
    points = rng.standard_normal((6, 5))
    scaled = points * np.sqrt(1.7 / np.mean(points**2, axis=1, keepdims=True))
    settings = {"architecture": "residual", "effective_depth": 2.0, "bias_variance": 0.2}
    own = make_task(
        Network([5] * 8, **settings, input_mean_square=1.7), InputSet("points", points), outputs=["variance"]
    )
    by_hand = make_task(Network([5] * 8, **settings), InputSet("scaled", scaled), outputs=["variance"])
    huge = make_task(
        own.network, InputSet("huge", points * 10.0 ** np.arange(-150, 150, 50)[:, None]), outputs=["variance"]
    )
    one, two, three = (crude_general.sample(task, 0, 0, 50) for task in (own, by_hand, huge))
    for name, values in one.items():
        np.testing.assert_allclose(values, two[name], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(values, three[name], rtol=1e-9, err_msg=name)
    zero = make_task(own.network, InputSet("zero", np.zeros((1, 5))), outputs=["variance"])
    assert np.isfinite(crude_general.sample(zero, 0, 0, 5)["variance"]).all()


@pytest.mark.parametrize("variance", [0.01, 40.0])
def test_depth_neither_over_nor_underflows(variance):
    network = Network(
        [24] * 600, architecture="residual", effective_depth=500.0, init="gaussian", weight_variance=variance
    )
    points = np.random.default_rng(1).standard_normal((4, 24)) * np.array([1e-150, 1e-30, 1.0, 1e150])[:, None]
    for dtype in ("float32", "float64"):
        task = make_task(network, InputSet("extreme", points), dtype=dtype, outputs=["variance", "log_gradient"])
        found = crude_general.sample(task, 1, 0, 3)
        assert found["living"][-1] == 12
        for name in ("log_variance", "log_gradient"):
            assert (found[f"{name}_trials"] == 3).all()
            assert np.isfinite(found[name]).all()

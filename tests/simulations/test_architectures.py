"""Every architecture, activation and init compared with plain twins and, within error bars, with the theory."""

from dataclasses import replace

import numpy as np
import pytest

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.engines import is_plain_gaussian
from neurondeath.simulations.estimation.expectations import expected
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.outputs import precision_for
from neurondeath.simulations.samplers import crude_dense, crude_general
from neurondeath_theory.networks.activations import (
    absolute_value,
    clipped_shifted_relu,
    clipped_soft_threshold,
    hard_tanh,
    identity,
    leaky_relu,
    shifted_relu,
    soft_threshold,
)
from neurondeath_theory.networks.law import Law
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.remedies.streams_and_batch_norm import (
    batch_norm_statement,
    dense_survival,
    residual_survival,
    skip_survival,
)
from tests.references.architecture_twins import make_task, outputs_of, statistics
from tests.references.statistical import assert_agrees, assert_refutes, seeds

NETWORKS = [
    (Network([3] * 8, bias_variance=0.4), "gaussian:9"),
    (Network([4] * 6, init="uniform"), "gaussian:12"),
    (Network([3, 5, 2, 7], input_dim=4, init="orthogonal", bias_variance=0.2), "gaussian:9"),
    (Network([4] * 10, init="orthogonal", weight_variance=1.3), "sphere:9"),
    (Network([5, 4, 6], input_dim=3, init="rai"), "orthant:9"),
    (Network([2] * 6, architecture="residual"), "gaussian:9"),
    (Network([2] * 6, architecture="residual", bias_variance=1.0), "gaussian:9"),
    (Network([1] * 5, architecture="residual", init="rai"), "interval:6"),
    (Network([3, 1, 2, 1, 4, 2], input_dim=2, architecture="skip", block_depth=3), "cube:9"),
    (Network([2] * 8, architecture="skip", block_depth=2, bias_variance=0.3, init="uniform"), "gaussian:9"),
    (Network([1, 2, 1, 3], input_dim=2, architecture="dense"), "gaussian:9"),
    (Network([2, 1, 2], architecture="dense", bias_variance=0.5, init="orthogonal"), "gaussian:9"),
    (Network([3] * 6, architecture="batch_norm"), "gaussian:11"),
    (Network([2] * 7, input_dim=5, architecture="batch_norm", init="orthogonal"), "gaussian:4"),
    (Network([3] * 7, architecture="residual", effective_depth=0.7), "gaussian:9"),
    (Network([2] * 6, architecture="residual", effective_depth=6.0), "gaussian:9"),
    (Network([4] * 5, architecture="residual", effective_depth=2.0, bias_variance=0.3, init="orthogonal"), "cube:9"),
    (Network([3] * 4, architecture="residual", effective_depth=1.0, input_mean_square=1.7, init="rai"), "sphere:7"),
]
ACTIVATIONS = [
    shifted_relu(0.4),
    shifted_relu(-0.6),
    soft_threshold(0.5),
    clipped_shifted_relu(0.3, 0.9),
    clipped_shifted_relu(-0.3, 0.1),
    clipped_soft_threshold(0.4, 0.7),
    leaky_relu(0.1),
    absolute_value(),
    hard_tanh(0.6),
    PiecewiseLinear([-1.0, -0.5, 0.2], [0.5, 0.0, -1.0, 2.0], value_at_zero=-0.5),
]
NETWORKS += [
    (Network([3] * 5, activation=phi, architecture=architecture, bias_variance=variance), "gaussian:7")
    for phi in ACTIVATIONS
    for architecture, variance in (("plain", 0.0), ("residual", 0.3))
]
NETWORKS += [
    (Network([3] * 4, activation=phi, architecture=architecture), "gaussian:7")
    for phi in ACTIVATIONS[::3]
    for architecture in ("dense", "batch_norm")
]
UNEQUAL = Law("unequal", lambda rng, fan_in, fan_out: rng.uniform(-1, 2, (fan_out, fan_in)) / fan_in**0.5)
TWO_SIDED = Law(
    "two-sided",
    lambda rng, fan_in, fan_out: (rng.laplace(size=(fan_out, fan_in)), rng.logistic(size=fan_out) / fan_in),
    symmetric=True,
)
NETWORKS += [
    (Network([3, 5, 2, 7], input_dim=4, init="torch-default"), "gaussian:9"),
    (Network([4] * 5, init="truncated-normal", bias_variance=0.3), "gaussian:9"),
    (Network([4, 3] * 2, init="truncated-normal", weight_variance=1.5, bias_law="weights"), "sphere:9"),
    (Network([2, 3, 1], input_dim=4, init="laplace", architecture="dense", bias_law="weights"), "gaussian:9"),
    (Network([3] * 5, init="student-t", degrees_of_freedom=2.5, architecture="residual"), "gaussian:9"),
    (Network([3] * 5, init="student-t", degrees_of_freedom=7, bias_law="weights", sign_flip="neuron"), "gaussian:9"),
    (Network([4] * 6, init="sparse", zero_share=0.4), "gaussian:9"),
    (Network([3] * 5, init="sparse", zero_share=0.7, architecture="residual", bias_law="weights"), "gaussian:9"),
    (Network([4] * 4, init="sparse", zero_share=0.6, architecture="batch_norm"), "gaussian:9"),
    (Network([3] * 4, init="he", bias_law="weights"), "gaussian:9"),
    (Network([4, 8, 8, 2, 6], input_dim=5, init="looks-linear"), "gaussian:9"),
    (Network([8, 4, 4], input_dim=3, init="looks-linear-gaussian", activation=leaky_relu(0.2)), "gaussian:9"),
    (Network([3] * 5, init=UNEQUAL), "gaussian:9"),
    (Network([3, 2, 4], input_dim=5, init=TWO_SIDED, sign_flip="layer"), "gaussian:9"),
    (Network([2, 3] * 2, input_dim=3, architecture="skip", block_depth=2, init=TWO_SIDED), "gaussian:9"),
    (Network([2, 3], input_dim=3, architecture="dense", init=TWO_SIDED, activation=shifted_relu(0.4)), "gaussian:9"),
    (Network([3] * 5, architecture="batch_norm", init=UNEQUAL), "gaussian:9"),
]
NETWORKS += [
    (Network([3] * 5, activation=phi, architecture="residual", effective_depth=1.5, bias_variance=0.3), "gaussian:7")
    for phi in ACTIVATIONS
]


def in_single(network):
    """All outputs of a network that are computed in single precision."""
    return tuple(output for output in outputs_of(network) if precision_for([output], "float32") == "float32")


@pytest.mark.parametrize(("network", "spec"), NETWORKS, ids=lambda value: str(value)[:70])
def test_twin(network, spec):
    inputs = input_set(spec, dimension=network.input_dim, seed=3)
    task = make_task(network, inputs, outputs=outputs_of(network))
    trials = range(3, 63)
    sampled = crude_general.sample(task, 11, trials.start, trials.stop)
    truth = statistics(network, inputs.points, stream_key(11, task.stream_name), trials)
    assert sampled.keys() == truth.keys()
    for name, values in truth.items():
        if values.dtype.kind == "i":
            assert sampled[name].tolist() == values.tolist(), name
        else:  # weights are drawn in single precision
            np.testing.assert_allclose(sampled[name], values, rtol=1e-4, atol=1e-4, err_msg=name)
    single = crude_general.sample(make_task(network, inputs, dtype="float32"), 11, 0, 60)
    assert set(single) <= set(truth)
    # without outputs the kernel may stop early: same numbers
    brief = crude_general.sample(make_task(network, inputs), 11, trials.start, trials.stop)
    for name, values in brief.items():
        assert values.tolist() == sampled[name].tolist(), name


def test_single_and_double_precision_agree():
    """The same random numbers: only signs of pre-activations within rounding of zero may differ."""
    for network, spec in NETWORKS[:14]:
        inputs = input_set(spec, dimension=network.input_dim, seed=3)
        double = make_task(network, inputs)
        single = replace(double, dtype="float32")
        one, two = (crude_general.sample(task, 5, 0, 100) for task in (single, double))
        for name, values in one.items():
            np.testing.assert_allclose(values, two[name], rtol=2e-3, atol=2, err_msg=f"{network} {name}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_agrees_with_the_fast_kernel(dtype):
    for network in (Network([3] * 12), Network([5, 2, 9], input_dim=4, bias_variance=0.4)):
        task = make_task(network, input_set("gaussian:33", dimension=network.input_dim), dtype=dtype)
        assert is_plain_gaussian(network, task.inputs)
        fast, general = crude_dense.sample(task, 1, 0, 200), crude_general.sample(task, 1, 0, 200)
        for name, values in fast.items():
            assert values.tolist() == general[name].tolist()


def test_trials_do_not_depend_on_how_they_are_cut():
    network = Network([3] * 6, architecture="residual", init="orthogonal", bias_variance=0.1)
    for outputs in (outputs_of(network), in_single(network)):
        task = make_task(network, input_set("gaussian:16", dimension=3), outputs=outputs, dtype="float32")
        whole = crude_general.sample(task, 0, 0, 40)
        parts = [crude_general.sample(task, 0, start, stop) for start, stop in [(0, 1), (1, 17), (17, 40)]]
        for name, values in whole.items():
            np.testing.assert_allclose(values, sum(part[name] for part in parts), rtol=1e-12)


def living_ratio(network, inputs, seed, trials):
    """Mean and standard error of the living ratio, and P(alive), layer by layer."""
    sampler = crude_dense if network.law is None else crude_general
    found = sampler.sample(make_task(network, inputs, dtype="float32"), seed, 0, trials)
    mean = found["living"] / trials
    variance = (found["living_squares"] - trials * mean**2) / (trials - 1)
    return mean / inputs.n_points, np.sqrt(variance / trials) / inputs.n_points, found["alive"] / trials


THEORY = [
    (Network([1] * 5, architecture="residual"), "rays", residual_survival(1, 5).some_alive),
    (Network([2] * 4, architecture="residual"), "gaussian:8", residual_survival(2, 4).some_alive),
    (Network([2] * 4, architecture="residual", bias_variance=1.0), "gaussian:8", residual_survival(2, 4).some_alive),
    (Network([2] * 4, architecture="residual", init="orthogonal"), "gaussian:8", residual_survival(2, 4).some_alive),
    (Network([1, 2, 1], input_dim=2, architecture="dense"), "gaussian:8", dense_survival([1, 2, 1]).some_alive),
    (
        Network([2, 1, 1], input_dim=3, architecture="dense", init="uniform", bias_variance=0.5),
        "gaussian:8",
        dense_survival([2, 1, 1]).some_alive,
    ),
    (Network([1, 1] * 3, architecture="skip", block_depth=2), "rays", skip_survival([1, 1], 3).some_alive),
    (
        Network([3, 1, 2] * 3, input_dim=2, architecture="skip", block_depth=3, bias_variance=0.2),
        "gaussian:8",
        skip_survival([3, 1, 2], 3).some_alive,
    ),
    (Network([3] * 6, init="uniform"), "gaussian:8", None),
    (Network([3] * 6, init="orthogonal", bias_variance=0.5), "gaussian:8", None),
    (Network([3] * 6, activation=clipped_shifted_relu(0.0, 0.5)), "gaussian:8", None),
    (Network([3] * 6, init="torch-default"), "gaussian:8", None),
    (Network([3] * 6, init="truncated-normal", bias_law="weights"), "gaussian:8", None),
    (Network([3] * 6, init="laplace"), "gaussian:8", None),
    (Network([3] * 6, init="student-t", degrees_of_freedom=3), "gaussian:8", None),
    (Network([3] * 6, init="sparse", zero_share=0.6, bias_variance=0.5), "gaussian:8", None),
    (Network([2] * 4, architecture="residual", init="laplace"), "gaussian:8", residual_survival(2, 4).some_alive),
    (Network([3] * 2, init=TWO_SIDED), "gaussian:8", None),
]


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize(("network", "spec", "formula"), THEORY, ids=lambda value: str(value)[:60])
def test_theory_holds(network, spec, formula, seed):
    inputs = input_set(spec, dimension=network.input_dim, seed=1)
    trials = 6000
    ratio, error, alive = living_ratio(network, inputs, seed, trials)
    theory = expected(network, inputs.description())
    if formula is not None:  # the formulas of the remedies, at the ends of blocks
        ends = slice(network.block_depth - 1, None, network.block_depth)
        np.testing.assert_allclose(theory.living_ratio[ends], formula, rtol=1e-12)
    assert_agrees(ratio, error, theory.living_ratio)
    assert_refutes(ratio, error, 1 - 1.3 * (1 - theory.living_ratio))
    spread = np.sqrt(alive * (1 - alive) / trials) + 5 / trials
    assert (alive >= theory.lower - 5 * spread).all()
    if theory.upper is not None:
        assert (alive <= theory.upper + 5 * spread).all()


@pytest.mark.statistical
@seeds
def test_upper_bounds_in_the_orthant(seed):
    """Points from near 0 to far out represent the ray x >= 0, on which the bound for branches is attained (to 1e-5)."""
    points = np.concatenate([[0.0], 10.0 ** np.arange(-3.0, 6.0)])[:, None]
    inputs, trials = InputSet("near and far", points), 8000
    for architecture, options in (("residual", {}), ("dense", {}), ("skip", {"block_depth": 2})):
        network = Network([1] * 4, architecture=architecture, bias_variance=1.0, **options)
        _, _, alive = living_ratio(network, inputs, seed, trials)
        upper = expected(network, inputs.description()).upper
        error = np.sqrt(upper * (1 - upper) / trials)
        if architecture == "skip":
            assert (alive <= upper + 5 * error).all()
            assert (upper < 1).all()
            continue
        np.testing.assert_allclose(upper, 1 - 4.0 ** -np.arange(1, 5), rtol=1e-12)
        assert_agrees(alive, error, upper)
        assert_refutes(alive, error, 1 - 2.0 * (1 - upper))
        both_signs = InputSet("both signs", np.vstack([points, -points]))
        assert (expected(network, both_signs.description()).upper == 1).all()


@pytest.mark.statistical
@seeds
def test_bounds_from_one_side(seed):
    """More than half of the line active: at least the product; silent beyond half: no lower, but an upper bound."""
    inputs = input_set("orthant:8", dimension=2, seed=1)
    wide = Network([2] * 5, activation=shifted_relu(-0.5))
    ratio, error, _ = living_ratio(wide, inputs, seed, 3000)
    theory = expected(wide, inputs.description())
    assert theory.living_ratio is None
    assert "living_ratio" in theory.reasons
    assert (ratio >= theory.living_ratio_at_least - 5 * error).all()
    narrow = Network([2] * 5, activation=shifted_relu(0.8))
    _, _, alive = living_ratio(narrow, inputs, seed, 3000)
    theory = expected(narrow, inputs.description())
    assert theory.lower is None
    assert (alive <= theory.upper + 5 * np.sqrt(0.25 / 3000)).all()
    assert alive[-1] < expected(Network([2] * 5), inputs.description()).lower[-1] - 5 * np.sqrt(0.25 / 3000)


@pytest.mark.parametrize("phi", [leaky_relu(0.2), absolute_value(), identity(), hard_tanh()], ids=str)
def test_activations_that_never_die(phi):
    points = np.vstack([np.zeros((1, 2)), np.eye(2)])
    inputs = InputSet("with zero", points)
    for init in ("he", "rai"):
        network = Network([2] * 20, activation=phi, init=init)
        ratio, _, alive = living_ratio(network, inputs, 0, 50)
        theory = expected(network, inputs.description())
        np.testing.assert_allclose(ratio, theory.living_ratio, rtol=1e-12)
        assert theory.living_ratio[0] == pytest.approx(2 / 3 if init == "he" else 1)
        assert (alive == 1).all()
        assert (theory.lower == 1).all()
        assert (theory.upper == 1).all()


def test_orthogonal_layers_never_kill_the_orthant():
    """The reason why the upper bound is withheld: a square orthogonal matrix has a positive entry in some row."""
    inputs = InputSet("axes", np.eye(2))
    _, _, alive = living_ratio(Network([2], init="orthogonal"), inputs, 0, 4000)
    theory = expected(Network([2], init="orthogonal"), inputs.description())
    assert theory.upper is None
    assert "orthogonal" in theory.reasons["upper"]
    gaussian = expected(Network([2]), inputs.description())
    assert alive[0] == 1 > gaussian.upper[0]
    _, _, control = living_ratio(Network([2]), inputs, 0, 4000)
    assert control[0] < 1


def test_batch_norm():
    """No layer and no unit is dead on the batch; points still die one by one; a batch of equal points is dead."""
    for spec, dimension in (("gaussian:2", 3), ("gaussian:16", 3), ("interval:4", 1), ("cube:100", 2)):
        inputs = input_set(spec, dimension=dimension)
        for dtype in ("float32", "float64"):
            network = Network([2] * 30, input_dim=dimension, architecture="batch_norm")
            outputs = outputs_of(network) if dtype == "float64" else in_single(network)
            found = crude_dense.sample(make_task(network, inputs, outputs=outputs, dtype=dtype), 0, 0, 100)
            assert (found["layerwise_alive"] == 100).all()
            assert (found["dead_units"] == 0).all()
            np.testing.assert_allclose(found["variance"], 100, rtol=1e-5)
            assert found["alive"][-1] < 100
            assert (expected(network, inputs.description()).layerwise_alive == 1).all()
    same = InputSet("same", np.full((5, 3), 0.1))
    network = Network([4] * 3, input_dim=3, architecture="batch_norm")
    found = crude_dense.sample(make_task(network, same), 0, 0, 20)
    assert not found["layerwise_alive"].any()
    assert not found["alive"].any()
    assert not expected(network, same.description()).layerwise_alive.any()


@pytest.mark.statistical
@seeds
def test_batch_norm_does_not_keep_points_alive(seed):
    inputs = input_set("gaussian:16", dimension=3)
    network = Network([3] * 6, architecture="batch_norm")
    ratio, error, _ = living_ratio(network, inputs, seed, 4000)
    truth = batch_norm_statement([3] * 6, 16).point_alive_at_most
    assert_agrees(ratio, error, truth)
    assert_refutes(ratio, error, truth**0.5)
    # a point that equals the mean of its batch is dead, so the bound is not attained
    symmetric = InputSet("with its mean", np.array([[-1.0, 0.3], [1.0, -0.3], [0.0, 0.0]]))
    ratio, error, _ = living_ratio(Network([2], architecture="batch_norm"), symmetric, seed, 4000)
    assert_agrees(ratio, error, [0.75 * 2 / 3])
    assert_refutes(ratio, error, [0.75])


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_norm_of_evenly_spaced_points(dtype, seed):
    """Points -3, -1, 1, 3 on a line: after one unit, 1 is the mean of (0, 0, 1, 3), so it dies: 1/8, not 1/4."""
    network, inputs, trials = Network([1, 1], architecture="batch_norm"), input_set("interval:4"), 4000
    found = crude_dense.sample(make_task(network, inputs, dtype=dtype), seed, 0, trials)
    assert found["living"][0] == 2 * trials
    ratio = found["living"][1] / trials / 4
    error = np.sqrt(found["living_squares"][1] / trials - (4 * ratio) ** 2) / 4 / np.sqrt(trials)
    assert_agrees(ratio, error, 1 / 8)
    assert_refutes(ratio, error, 1 / 4)
    assert expected(network, inputs.description()).living_ratio is None


def test_batch_norm_does_not_depend_on_offset_and_scale():
    points = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32).astype(float)
    network = Network([3] * 6, architecture="batch_norm")
    base = make_task(network, InputSet("base", points))
    for shift, scale in ((0.0, 2.0**-500), (0.0, 2.0**500), (2.0**20, 1.0)):
        moved = replace(base, inputs=InputSet("moved", points * scale + shift))
        for name, values in crude_general.sample(base, 0, 0, 50).items():
            assert values.tolist() == crude_general.sample(moved, 0, 0, 50)[name].tolist()


@pytest.mark.parametrize("variance", [0.01, 40.0])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias_variance": 1.0},
        {"activation": shifted_relu(-1.0)},
        {"architecture": "residual"},
        {"architecture": "skip", "block_depth": 300},
        {"init": "orthogonal"},
    ],
    ids=str,
)
def test_depth_neither_over_nor_underflows(options, variance):
    """Width 24 dies at a layer with probability 6e-8: nearly all must live, in single precision, at any scale."""
    init = options.get("init", "gaussian")
    network = Network([24] * 600, weight_variance=variance, **{"init": init, **options})
    points = np.random.default_rng(1).standard_normal((4, 24)) * np.array([1e-150, 1e-30, 1.0, 1e150])[:, None]
    found = crude_general.sample(make_task(network, InputSet("extreme", points), dtype="float32"), 1, 0, 3)
    assert found["living"][-1] == 12


def test_signs_do_not_depend_on_norms():
    rng = np.random.default_rng(5)
    directions, scales = rng.standard_normal((6, 2)), np.array([1e-150, 1e-30, 1.0, 1.0, 1e30, 1e150])
    for options in ({}, {"architecture": "residual"}, {"architecture": "dense"}, {"init": "uniform"}):
        network = Network([2] * 6, **options)
        base = make_task(network, InputSet("base", directions), dtype="float32")
        scaled = replace(base, inputs=InputSet("scaled", directions * scales[:, None]))
        one, two = (crude_general.sample(task, 0, 0, 100) for task in (base, scaled))
        assert one["living"].tolist() == pytest.approx(two["living"].tolist(), abs=1)  # rounding of the points
    # with thresholds and biases it does: tiny points depend only on the bias, huge ones not at all
    for options in (
        {"bias_variance": 1.0},
        {"activation": shifted_relu(0.2)},
        {"activation": clipped_shifted_relu(0, 1)},
    ):
        network = Network([2] * 5, **options)
        task = make_task(network, InputSet("scaled", directions * scales[:, None]))
        truth = statistics(network, task.inputs.points, stream_key(0, task.stream_name), range(60))
        assert crude_general.sample(task, 0, 0, 60)["living"].tolist() == truth["living"].tolist()

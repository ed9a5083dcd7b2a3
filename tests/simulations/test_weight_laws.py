"""Laws of single weights: distributions, moments, streams of earlier versions, and what sparse rows do to survival."""

import numpy as np
import pytest
from scipy import special, stats

from neurondeath.simulations.estimation.expectations import expected
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.kernels import initialisers
from neurondeath.simulations.outputs import OUTPUTS
from neurondeath.simulations.samplers import crude_general
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.activations import leaky_relu, shifted_relu
from neurondeath_theory.networks.network import Network
from neurondeath_theory.trainability.looks_linear import mirrored_weights
from tests.references.architecture_twins import draw, make_task
from tests.references.statistical import assert_agrees, assert_refutes, seeds
from tests.simulations.test_initialisers import drawn_layer

SCALE = 0.7
# law, parameter, the distribution of an entry over its standard deviation, and a near one that must be refused
LAWS = {
    "uniform": (initialisers.UNIFORM, 0.0, stats.uniform(-(3**0.5), 2 * 3**0.5), stats.uniform(-1.7, 3.4)),
    "truncated-normal": (
        initialisers.TRUNCATED_NORMAL,
        0.0,
        stats.truncnorm(-2, 2, scale=1 / stats.truncnorm.std(-2, 2)),
        stats.truncnorm(-2.5, 2.5, scale=1 / stats.truncnorm.std(-2.5, 2.5)),
    ),
    "laplace": (initialisers.LAPLACE, 0.0, stats.laplace(scale=0.5**0.5), stats.t(5, scale=0.6**0.5)),
    "student-t": (initialisers.STUDENT_T, 5.0, stats.t(5, scale=0.6**0.5), stats.t(6, scale=(4 / 6) ** 0.5)),
    "nearly normal t": (initialisers.STUDENT_T, 1e5, stats.norm(), stats.t(20, scale=(18 / 20) ** 0.5)),
    "barely a variance": (initialisers.STUDENT_T, 2.1, stats.t(2.1, scale=(0.1 / 2.1) ** 0.5), stats.t(2.1, scale=0.2)),
}


def entries(kind, parameter, seed, trials, *, biases=False):
    """Draw layers of 40 units with 25 inputs; the seed selects the trials."""
    layers = drawn_layer(
        kind, 40, 25, trials=(seed + 1) * trials, scale=SCALE, parameter=parameter, draws_biases=biases
    )
    kept = list(layers)[seed * trials :]
    return np.concatenate([layer[biases].ravel() for layer in kept])


def distance(sample, law):
    """Kolmogorov and Smirnov's distance as the normal deviate of the same tail probability, at most 30."""
    return min(stats.norm.isf(stats.kstest(sample, law.cdf).pvalue / 2), 30.0)


@seeds
@pytest.mark.parametrize("name", LAWS)
def test_distribution_and_variance(name, seed):
    kind, parameter, law, wrong = LAWS[name]
    sample = entries(kind, parameter, seed, 150) / SCALE
    assert_agrees(distance(sample, law), 1.0, 0.0)
    assert_refutes(distance(sample, wrong), 1.0, 0.0)
    if np.isfinite(law.stats("k")):  # otherwise the mean square has no standard error
        error = (sample**2).std() / np.sqrt(len(sample))
        assert_agrees((sample**2).mean(), error, 1.0)
        assert_refutes((sample**2).mean(), error, 1.1)
    assert_agrees((sample > 0).mean(), 0.5 / np.sqrt(len(sample)), 0.5)
    # biases by the law of the weights are drawn from it, from other random numbers
    of_biases = entries(kind, parameter, seed, 2000, biases=True) / SCALE
    assert_agrees(distance(of_biases, law), 1.0, 0.0)
    assert_refutes(distance(of_biases, stats.cauchy()), 1.0, 0.0)
    pairs = np.corrcoef(sample[:40_000], of_biases[:40_000])[0, 1]
    assert_agrees(pairs, 1 / np.sqrt(40_000), 0.0)


@seeds
def test_sparse_weights(seed):
    share = 0.3
    sample = entries(initialisers.SPARSE, share, seed, 150) / SCALE
    error = np.sqrt(share * (1 - share) / len(sample))
    assert_agrees((sample == 0).mean(), error, share)
    assert_refutes((sample == 0).mean(), error, share + 0.02)
    kept = sample[sample != 0]
    assert_agrees(distance(kept, stats.norm(scale=(1 - share) ** -0.5)), 1.0, 0.0)
    assert_refutes(distance(kept, stats.norm()), 1.0, 0.0)
    # zeros are independent within rows: the numbers per row are binomial
    numbers = (sample.reshape(-1, 25) == 0).sum(axis=1)
    assert_agrees(numbers.var(), np.sqrt(2 / len(numbers)) * 25 * share * (1 - share), 25 * share * (1 - share))


def test_truncated_normals_are_redrawn_and_not_clipped():
    sample = np.abs(entries(initialisers.TRUNCATED_NORMAL, 0.0, 0, 60)) / SCALE * stats.truncnorm.std(-2, 2)
    assert sample.max() <= 2.0 + 1e-6
    assert (sample > 1.999).mean() < 0.001


def test_torch_default_is_the_uniform_law_of_a_third():
    same = Network([5], input_dim=3, init="uniform", weight_variance=1 / 3, bias_law="weights")
    assert same == Network([5], input_dim=3, init="torch-default")
    assert same.has_bias
    edge = 3**-0.5
    for weights, biases in drawn_layer(
        initialisers.UNIFORM, 5, 3, trials=200, scale=np.sqrt(same.weight_variance / 3), draws_biases=True
    ):
        assert np.abs(weights).max() <= edge * (1 + 1e-6)
        assert np.abs(biases).max() <= edge * (1 + 1e-6)
    assert np.abs(weights).max() > 0.7 * edge


# Task ids, and living points per layer of 200 networks of four layers of width 3 on gaussian:9 (input seed 3, seed 11)
# in double precision, as `crude_general` sampled them before it knew the other laws.
FORMER = {
    "he": ({}, "3c2e5233aef2e1db", [1568, 1354, 1194, 1042]),
    "he with biases": ({"bias_variance": 0.5}, "76cac9bb296d66cd", [1589, 1406, 1192, 1027]),
    "gaussian": (
        {"init": "gaussian", "weight_variance": 1.5, "bias_variance": 0.5},
        "e3b17aceca15fd99",
        [1583, 1384, 1218, 1009],
    ),
    "uniform": ({"init": "uniform"}, "95091773265615d5", [1562, 1368, 1193, 990]),
    "uniform with biases": ({"init": "uniform", "bias_variance": 0.5}, "5711492ce2a9fc08", [1583, 1392, 1218, 1048]),
    "orthogonal": ({"init": "orthogonal", "bias_variance": 0.5}, "31cb31900133cac5", [1567, 1387, 1220, 1052]),
    "rai": ({"init": "rai"}, "efec1233bda0fc18", [1564, 1508, 1476, 1453]),
}


@pytest.mark.parametrize("name", FORMER)
def test_streams_of_earlier_laws_have_not_changed(name):
    options, task_id, living = FORMER[name]
    task = Task(Network([3] * 4, **options), input_set("gaussian:9", dimension=3, seed=3), dtype="float64")
    assert task.task_id == task_id
    assert crude_general.sample(task, 11, 0, 200)["living"].tolist() == living


def test_mirrored_weights_are_those_of_the_theory():
    """The layers of a twin are mirrored as the theory does, and u_l = A_l .. A_1 x are the pre-activations."""
    for init, slope in (("looks-linear", 0.0), ("looks-linear-gaussian", 0.25)):
        network = Network([4, 8, 6], input_dim=3, init=init, activation=leaky_relu(slope) if slope else None)
        layers = [draw(network, (7, 8), layer, 0)[0] for layer in range(3)]
        halves = [
            layer[: len(layer) // 2, : layer.shape[1] // (2 if i else 1)] * (1 + slope if i else 1)
            for i, layer in enumerate(layers)
        ]
        expected_layers = mirrored_weights([*halves, np.ones((1, 3))])[:-1]
        x = u = np.array([0.3, -1.0, 2.0])
        for i, (layer, mirrored, half) in enumerate(zip(layers, expected_layers, halves, strict=True)):
            np.testing.assert_allclose(layer, mirrored / (1 + slope if i else 1), atol=1e-14)
            z, u = layer @ x, half @ u
            np.testing.assert_allclose(z, [*u, *-u], atol=1e-13)
            x = network.activation(z)
            if init == "looks-linear" and i < 2:  # the half widths 2, 4 are not both above the input dimension
                gram = half @ half.T if len(half) <= half.shape[1] else half.T @ half
                np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-14)
        for kernel_layer, of_twin in enumerate(layers):
            width, fan_in = of_twin.shape
            scale = 1 / (1 + slope if kernel_layer else 1)
            scale /= np.sqrt(fan_in / (2 if kernel_layer else 1)) if slope else 1
            kind = initialisers.MIRRORED_GAUSSIAN if slope else initialisers.MIRRORED_ORTHOGONAL
            ((weights, _),) = drawn_layer(kind, width, fan_in, trials=1, scale=scale, layer=kernel_layer)
            np.testing.assert_allclose(weights, of_twin, atol=3e-6)


def test_looks_linear_networks_keep_every_point_and_its_length():
    inputs = InputSet("with zero", np.vstack([np.zeros((1, 8)), np.random.default_rng(0).standard_normal((20, 8))]))
    network = Network([16] * 200, input_dim=8, init="looks-linear")
    theory = expected(network, inputs.description())
    found = crude_general.sample(make_task(network, inputs, outputs=OUTPUTS, dtype="float32"), 0, 0, 10)
    assert (theory.lower == 1).all()
    assert (theory.upper == 1).all()
    np.testing.assert_allclose(theory.living_ratio, 20 / 21)
    assert (found["living"] == 10 * 20).all()
    # |z|^2 = 2 |u|^2 = 2 |x|^2, so that the mean square over 16 units is |x|^2 / 8
    np.testing.assert_allclose(found["variance"] / 10, (inputs.points**2).sum() / 8 / 21, rtol=1e-4)
    assert (found["sparsity"] == 10 * (8 * 20 + 16)).all()
    # negative control: without mirrors points die
    plain = crude_general.sample(make_task(Network([4] * 200, input_dim=8), inputs), 0, 0, 10)
    assert plain["living"][-1] < 10 * 20


def sparse_survival(width, share, n_features):
    """P(a point survives two sparse layers without biases), summed over the number of active units of the first."""
    active = (1 - share**n_features) / 2
    numbers = np.arange(1, width + 1)
    weights = special.comb(width, numbers) * active**numbers * (1 - active) ** (width - numbers)
    return [1 - (1 - active) ** width, float(weights @ (1 - ((1 + share**numbers) / 2) ** width))]


@seeds
def test_sparse_rows_without_biases_break_the_lower_bound(seed):
    """A row is zero on the m nonzero features with probability s^m: exact for one point, and below the bound."""
    network, trials = Network([2, 2], input_dim=5, init="sparse", zero_share=0.5), 20_000
    inputs = InputSet("two features", np.array([[0.0, 1.0, 0.0, -2.0, 0.0]]))
    theory = expected(network, inputs.description())
    assert theory.lower is None
    assert theory.living_ratio is None
    assert "can be zero" in theory.reasons["lower"]
    alive = crude_general.sample(make_task(network, inputs), seed, 0, trials)["alive"] / trials
    truth = np.array(sparse_survival(2, 0.5, 2))
    error = np.sqrt(truth * (1 - truth) / trials)
    assert_agrees(alive, error, truth)
    assert_refutes(alive, error, expected(Network([2, 2], input_dim=5), inputs.description()).lower)
    # with Gaussian biases no pre-activation is 0, and all statements hold
    biased = expected(
        Network([2, 2], input_dim=5, init="sparse", zero_share=0.5, bias_variance=0.1),
        {**inputs.description(), "nonnegative": True},
    )
    assert biased.lower is not None
    assert biased.upper is not None


@seeds
def test_sparse_layers_kill_the_orthant_more_often_than_the_upper_bound_says(seed):
    """Dead on the orthant when no weight is positive: ((1 + s)/2)^(n f), at least the 2^(-n f) of the bound."""
    network, trials, inputs = Network([2], init="sparse", zero_share=0.5), 8000, InputSet("axes", np.eye(2))
    alive = crude_general.sample(make_task(network, inputs), seed, 0, trials)["alive"] / trials
    truth = 1 - 0.75**4
    assert_agrees(alive, np.sqrt(truth * (1 - truth) / trials), truth)
    bound = expected(network, inputs.description()).upper
    assert_refutes(alive, np.sqrt(truth * (1 - truth) / trials), bound)
    assert (alive <= bound).all()


def test_activations_that_never_vanish_still_die_of_sparse_weights():
    inputs = InputSet("one", np.ones((1, 1)))
    network = Network([1], init="sparse", zero_share=0.5, activation=leaky_relu(0.2))
    alive = crude_general.sample(make_task(network, inputs), 0, 0, 1000)["alive"][0]
    assert 400 < alive < 600
    theory = expected(network, inputs.description())
    assert theory.lower is None
    assert theory.upper is None
    # phi(0) > 0: a zero row is active, so the lower bound holds
    lifted = Network([2] * 3, init="sparse", zero_share=0.5, activation=shifted_relu(-0.5))
    assert expected(lifted, input_set("gaussian:4", dimension=2).description()).lower is not None


def test_sign_flips_and_batch_norm_promise_nothing_for_sparse_weights():
    inputs = InputSet("two", np.array([[1.0, 0.0], [0.0, 1.0]]))
    flipped = Network([1], input_dim=2, init="sparse", zero_share=0.9, sign_flip="neuron")
    theory = expected(flipped, inputs.description())
    assert theory.lower is None
    assert "exactly 0" in theory.reasons["lower"]
    assert crude_general.sample(make_task(flipped, inputs), 0, 0, 100)["alive"][0] < 100
    normalised = Network([1], input_dim=2, init="sparse", zero_share=0.9, architecture="batch_norm")
    assert expected(normalised, inputs.description()).layerwise_alive is None
    assert crude_general.sample(make_task(normalised, inputs), 0, 0, 100)["layerwise_alive"][0] < 100

"""Effective rank: eigenvalues and ranks of the kernels against SciPy's, sampled ranks against sampling in NumPy."""

import numpy as np
import pytest

from neurondeath import simulate
from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.estimation.outputs import estimate_outputs
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.kernels.feature_rank import entropy_rank, rank_scratch
from neurondeath.simulations.kernels.symmetric_eigenvalues import eigenvalues
from neurondeath.simulations.samplers import crude_general
from neurondeath_theory.networks.network import Network
from neurondeath_theory.trainability import feature_rank
from tests.references.architecture_twins import make_task, statistics
from tests.references.statistical import assert_agrees, assert_refutes, seeds

RNG = np.random.default_rng(5)
SQUARES = {
    "one entry": np.array([[3.0]]),
    "two": np.array([[1.0, 2.0], [2.0, -3.0]]),
    "random": (lambda a: a + a.T)(RNG.standard_normal((30, 30))),
    "of rank 2": (lambda a: a @ a.T)(RNG.standard_normal((40, 2))),
    "diagonal": np.diag(RNG.standard_normal(7)),
    "zeros": np.zeros((4, 4)),
    "one eigenvalue but for two": np.eye(20)
    + np.outer(np.ones(20), np.arange(20))
    + np.outer(np.arange(20), np.ones(20)),
    "decades": (lambda q: (q * 10.0 ** -np.arange(12)) @ q.T)(np.linalg.qr(RNG.standard_normal((12, 12)))[0]),
    "Wilkinson's": np.diag(np.abs(np.arange(-10.0, 11.0))) + np.eye(21, k=1) + np.eye(21, k=-1),
}


@pytest.mark.parametrize("matrix", SQUARES.values(), ids=list(SQUARES))
def test_eigenvalues(matrix):
    size = len(matrix)
    found, beside, scratch = np.empty(size), np.empty(size), np.empty(size)
    eigenvalues(matrix.copy(), found, beside, scratch)
    truth = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose(np.sort(found), truth, rtol=0, atol=1e-14 * size * np.abs(truth).max())


FEATURES = {
    "more units": np.maximum(RNG.standard_normal((30, 9)), 0.0),
    "more points": np.maximum(RNG.standard_normal((5, 40)), 0.0),
    "a dead point": np.maximum(RNG.standard_normal((5, 12)), 0.0) * (np.arange(12) > 0),
    "one living point": RNG.standard_normal((5, 12)) * (np.arange(12) == 3),
    "one direction": np.outer([1.0, 0.0, 2.0], [1.0, 2.0, 3.0, 5.0]),
    "nearly one direction": np.abs(RNG.standard_normal((8, 1))) + 1e-9 * RNG.standard_normal((8, 6)),
    "all sizes": RNG.standard_normal((4, 6)) * 10.0 ** np.array([-300.0, -160.0, -1.0, 0.0, 200.0, 300.0]),
    "one unit": RNG.standard_normal((1, 6)),
}


@pytest.mark.parametrize("features", FEATURES.values(), ids=list(FEATURES))
def test_rank_of_features(features):
    found = entropy_rank(features, len(features), rank_scratch(*features.shape))
    assert found == pytest.approx(feature_rank.entropy_rank(features.T), rel=1e-6)  # 1e-9 to a power less 1e-15
    more_rows = np.vstack([features, np.ones((2, features.shape[1]))])  # the rows after them are not read
    assert entropy_rank(more_rows, len(features), rank_scratch(*more_rows.shape)) == found


def test_no_rank_without_features():
    assert np.isnan(entropy_rank(np.zeros((3, 4)), 3, rank_scratch(3, 4)))


@pytest.mark.statistical
@seeds
def test_ranks_of_deep_networks(seed):
    """Collapse in 40 layers of width 6, and in a residual stream, against matrices drawn by NumPy."""
    inputs, trials = input_set("gaussian:12", dimension=6, seed=2), 1200
    rng = np.random.default_rng(seed)
    for architecture in ("plain", "residual"):
        network = Network([6] * 40, architecture=architecture)
        task = make_task(network, inputs, outputs=["effective_rank"])
        ranks, errors = estimate_outputs(crude_general.sample(task, seed, 0, trials), trials, [6] * 40, 12)[
            "effective_rank"
        ]
        x = np.broadcast_to(inputs.points.T, (2000, 6, 12))
        for layer in range(40):
            y = np.maximum(rng.standard_normal((2000, 6, 6)) * np.sqrt(2 / 6) @ x, 0.0)
            x = x + y if architecture == "residual" else y
            x = x / np.maximum(np.abs(x).max(axis=(1, 2), keepdims=True), 1e-300)
            if layer in (0, 4, 39):
                sample = [feature_rank.entropy_rank(one.T) for one in x if one.any()]
                error = np.hypot(errors[layer], np.std(sample) / np.sqrt(len(sample)))
                assert_agrees(ranks[layer], error, np.mean(sample))
                assert_refutes(ranks[layer], error, 1.4 * np.mean(sample))


def test_ranks_are_computed_in_double_precision():
    """Points whose differences are far below single precision have the rank that NumPy finds in double."""
    points = np.abs(RNG.standard_normal((1, 10))) + 1e-9 * RNG.standard_normal((8, 10))
    network, inputs = Network([10] * 5), InputSet("close", points)
    asked = [make_task(network, inputs, dtype=dtype, outputs=("effective_rank",)) for dtype in ("float32", "float64")]
    assert asked[0] == asked[1]
    assert asked[0].dtype == "float64"
    assert make_task(network, inputs, dtype="float32", outputs=("variance",)).dtype == "float32"
    found = crude_general.sample(asked[0], 0, 0, 40)
    truth = statistics(network, inputs.points, stream_key(0, asked[0].stream_name), range(40))
    np.testing.assert_allclose(found["effective_rank"], truth["effective_rank"], rtol=1e-4)
    single, double = (entropy_rank(x, 10, rank_scratch(10, 8)) for x in (points.T.astype(np.float32), points.T))
    assert abs(single - double) > 0.1


def test_dead_networks_have_no_rank_and_collapsed_ones_rank_zero():
    points = InputSet("one ray", np.array([[1.0, 2.0], [2.0, 4.0]]))
    result = simulate(Network([1, 1], input_dim=2), points, trials=64, outputs=["effective_rank"])
    assert 0.0 < result.alive[-1] < result.alive[0] < 1.0
    assert (result.outputs["effective_rank"][0] == 0.0).all()
    two = InputSet("two rays", np.array([[1.0, 0.0], [-1.0, 0.0]]))
    result = simulate(Network([1], input_dim=2), two, trials=64, outputs=["effective_rank"])
    np.testing.assert_allclose(result.outputs["effective_rank"][0], 1.0)  # one alive, one dead at the origin

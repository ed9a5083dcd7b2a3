"""The variance chain against whole sampled networks and exact moments; fluctuations; escapes."""

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit import variance_chain as finite_width
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.gaussian_limit.escapes import escape_probability
from neurondeath_theory.gaussian_limit.variance import step_variance, variance_map
from neurondeath_theory.gaussian_limit.variance_chain import variance_chain, variance_fluctuation
from neurondeath_theory.networks.activations import clipped_shifted_relu, leaky_relu, relu
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.trainability.log_sizes import log_sizes
from tests.references.statistical import assert_agrees, assert_refutes, seeds

STABLE = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


@seeds
def test_chain_is_the_law_of_whole_networks(seed):
    """Networks with weight matrices, 3 layers of 4 units: q = sigma_w2 |x|^2 / n + sigma_b2 has the chain's moments."""
    n, n_networks, weight, bias = 4, 60_000, 2.5, 0.4
    phi = clipped_shifted_relu(0.2, 1.0)
    rng = np.random.default_rng((seed, 1))
    x = np.full((n_networks, n), np.sqrt((1.0 - bias) / weight))  # makes q of the first layer 1
    for _ in range(2):
        w = rng.standard_normal((n_networks, n, n)) * np.sqrt(weight / n)
        x = phi((w @ x[:, :, None])[:, :, 0] + np.sqrt(bias) * rng.standard_normal((n_networks, n)))
    whole = weight * (x**2).mean(axis=1) + bias
    chain = variance_chain(phi, weight, bias, width=n, depth=3, n_paths=n_networks, seed=seed).paths[:, 2]
    for power in (1, 2, 3):
        error = np.hypot((whole**power).std(), (chain**power).std()) / np.sqrt(n_networks)
        assert_agrees((chain**power).mean(), error, (whole**power).mean())
        assert_refutes((chain**power).mean(), error, 1.2 * (whole**power).mean())


@seeds
def test_one_step_has_the_exact_moments(seed):
    for phi in (relu(), leaky_relu(0.3), clipped_shifted_relu(0.5, 1.0)):
        chain = variance_chain(phi, 1.7, 0.2, width=7, depth=2, initial_q=1.3, n_paths=50_000, seed=seed)
        assert_agrees(chain.mean[1], chain.mean_error[1], variance_map(phi, 1.3, 1.7, 0.2))
        assert_agrees(chain.variance[1], chain.variance_error[1], step_variance(phi, 1.3, 1.7) / 7)
        assert_refutes(chain.variance[1], chain.variance_error[1], step_variance(phi, 1.3, 1.7) / 6)


@seeds
def test_constant_work_chain_agrees_with_the_unit_by_unit_chain(seed):
    """A distant kink with an almost vanishing jump makes ReLU take the general route."""
    general = PiecewiseLinear([0.0, 1e6], [0.0, 1.0, 1.0 + 1e-12])
    fast, slow = (
        variance_chain(phi, 2.0, 0.1, width=5, depth=4, n_paths=50_000, seed=seed) for phi in (relu(), general)
    )
    assert_agrees(fast.mean[3], np.hypot(fast.mean_error[3], slow.mean_error[3]), slow.mean[3])
    low = [np.mean(chain.paths[:, 3] < 0.5) for chain in (fast, slow)]
    assert_agrees(low[0], np.sqrt(sum(p * (1 - p) for p in low) / 50_000), low[1])


@seeds
def test_stationary_fluctuation(seed):
    width = 2000
    chain = variance_chain(
        STABLE.activation, STABLE.sigma_w2, STABLE.sigma_b2, width=width, depth=25, n_paths=3000, seed=seed
    )
    predicted = variance_fluctuation(STABLE, width, 25) ** 2
    assert predicted == pytest.approx(variance_fluctuation(STABLE, width) ** 2, rel=1e-6)
    slack = np.hypot(chain.variance_error[-1], 10 / width * predicted)  # the next order in 1/width
    assert_agrees(chain.variance[-1], slack, predicted)
    assert_refutes(chain.variance[-1], slack, predicted * (1 - 0.49))


def test_fluctuation_grows_without_clipping():
    design = sparse_design("shifted-relu", 0.85)
    assert variance_fluctuation(design, 100) == np.inf
    one, many = variance_fluctuation(design, 100, 2), variance_fluctuation(design, 100, 10)
    assert many == pytest.approx(3 * one, rel=1e-9)
    assert variance_fluctuation(design, 100, 1) == 0.0
    assert variance_fluctuation(STABLE, 400) == pytest.approx(variance_fluctuation(STABLE, 100) / 2)


@seeds
def test_escapes_match_the_known_sizes(seed):
    """P(q > 10 after 100 layers of width 300) is .6 at s = .7 and .87 at s = .85 (to a digit or two)."""
    for sparsity, known in ((0.7, 0.6), (0.85, 0.87)):
        escape = escape_probability(sparse_design("shifted-relu", sparsity), 300, 100, n_paths=400, seed=seed)
        assert escape.threshold == 10.0
        error = np.sqrt(known * (1 - known) / 400)
        assert_agrees(escape.probability[-1], np.hypot(error, 0.005), known)
    calm = escape_probability(sparse_design("clipped-shifted-relu", 0.85, v_prime=0.5), 300, 50, n_paths=200, seed=seed)
    assert calm.counts[-1] == 0
    assert 0 < calm.high[-1] < 0.02


def test_escape_threshold_is_the_unstable_fixed_point():
    escape = escape_probability(sparse_design("clipped-shifted-relu", 0.9, v_prime=0.9), 50, 3, n_paths=50)
    assert escape.threshold == pytest.approx(1.39895, abs=1e-5)
    assert "P(q > 1.399 at layer 3)" in str(escape)


def test_explosion_stays_finite():
    chain = variance_chain(relu(), 50.0, 0.0, width=50, depth=400, n_paths=5)
    assert np.isfinite(chain.paths).all()
    assert np.isfinite(chain.log_paths).all()
    assert chain.paths[:, -1].max() == pytest.approx(finite_width.LARGEST)
    assert chain.log_mean[-1] == pytest.approx(399 * np.log(25), rel=0.05)


@seeds
def test_log_sizes_of_deep_narrow_networks(seed):
    """Against the exact law; the sample mean of q is worthless, the exact mean is 1."""
    depth, width = 2000, 16
    chain = variance_chain(relu(), 2.0, 0.0, width=width, depth=depth, n_paths=400, seed=seed)
    assert chain.exact_mean == pytest.approx(np.ones(depth))
    assert chain.mean[-1] < 1e-9
    law = log_sizes(width=width, depth=depth - 1)
    assert_agrees(chain.log_mean[-1], chain.log_mean_error[-1], law.mean[-1])
    assert_agrees(chain.log_sd[-1], chain.log_sd_error[-1], np.sqrt(law.variance[-1]))
    assert_refutes(chain.log_mean[-1], chain.log_mean_error[-1], law.mean[-1] * 0.97)
    alive = (1 - 2.0**-width) ** (depth - 1)
    assert_agrees(chain.alive[-1], np.sqrt(alive * (1 - alive) / 400), alive)


def test_a_dead_network_has_no_log_size():
    chain = variance_chain(relu(), 2.0, 0.0, width=1, depth=60, n_paths=20)
    assert chain.alive[-1] == 0.0
    assert np.isnan(chain.log_mean[-1])
    assert np.isnan(chain.log_sd[-1])
    assert "0 of them alive" in str(chain)


def test_same_seed_same_paths():
    first, again, other = (
        variance_chain(STABLE.activation, 7.0, 0.6, width=9, depth=5, n_paths=20, seed=s).paths for s in (3, 3, 4)
    )
    assert (first == again).all()
    assert (first[:, 1:] != other[:, 1:]).any()


@pytest.mark.parametrize(
    ("name", "value"), [("width", 0), ("depth", 1.5), ("n_paths", 1), ("seed", -1), ("initial_q", 0.0)]
)
def test_bad_arguments(name, value):
    arguments = {"width": 3, "depth": 2} | {name: value}
    with pytest.raises(InvalidArgumentError, match=f"`{name}` must"):
        variance_chain(relu(), 2.0, 0.0, **arguments)
    with pytest.raises(InvalidArgumentError, match="`design` must be an edge-of-chaos design"):
        escape_probability(relu(), 3, 2)

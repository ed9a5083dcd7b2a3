"""Fluctuation constants: limits in closed form, quadrature, sampled networks with and without their matrices."""

import math

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos, sparse_design
from neurondeath_theory.gaussian_limit.variance import step_variance
from neurondeath_theory.gaussian_limit.variance_chain import variance_fluctuation
from neurondeath_theory.networks.activations import hard_tanh
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.trainability.hermite_coefficients import N_MODES, hermite_coefficients
from neurondeath_theory.trainability.residual_chain import residual_chain
from neurondeath_theory.trainability.residual_fluctuations import largest_effective_depth, residual_fluctuations
from tests.references.feature_networks import sample_residual
from tests.references.statistical import assert_agrees, assert_refutes, seeds

RELU = edge_of_chaos("relu")
CLIPPED = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
UNCLIPPED = sparse_design("shifted-relu", 0.85)
BENT = edge_of_chaos(PiecewiseLinear([-1.0, 0.5, 2.0], [0.3, -0.4, 1.2, 0.1], -0.1), q=0.8)


@pytest.mark.parametrize("design", [RELU, CLIPPED, BENT], ids=["relu", "clipped", "bent"])
def test_coefficients_by_quadrature(design):
    """Panels that end at every kink, 20 Gauss points each; exact to rounding."""
    signal, slope = hermite_coefficients(design)
    q, weight = design.q, design.sigma_w2
    edges = np.union1d(np.linspace(-12.0, 12.0, 49), np.array(design.activation.kinks) / math.sqrt(q))
    node, rule = np.polynomial.legendre.leggauss(20)
    z = (0.5 * (edges[1:] + edges[:-1])[:, None] + 0.5 * np.diff(edges)[:, None] * node).ravel()
    mass = (0.5 * np.diff(edges)[:, None] * rule).ravel() * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    u = math.sqrt(q) * z
    for k in (1, 2, 3, 4, 7, 12):
        hermite = np.polynomial.hermite_e.hermeval(z, np.eye(k + 1)[k]) / math.sqrt(math.factorial(k))
        first = weight / q * np.sum(mass * design.activation(u) ** 2 * hermite)
        second = weight * np.sum(mass * design.activation.derivative(u) ** 2 * hermite)
        assert signal[k - 1] == pytest.approx(first, abs=1e-11)
        assert slope[k - 1] == pytest.approx(second, abs=1e-11)
    assert np.abs(signal[:4] - slope[:4]).max() > 0.05
    assert np.sum(signal**2) == pytest.approx(float(step_variance(design.activation, q, weight)) / q**2, rel=1e-12)
    assert signal[-1] ** 2 < 0.01 * np.sum(signal**2)
    assert len(slope) == N_MODES


@pytest.mark.parametrize("design", [RELU, CLIPPED, UNCLIPPED, BENT], ids=["relu", "clipped", "unclipped", "bent"])
def test_plain_networks_are_the_end_of_the_scale(design):
    """At D = L the constant is that of the plain chain of variances, plus 2 of the last layer's own chi-square."""
    plain = residual_fluctuations(design, 8, 8.0)
    for layer in (1, 3, 8):
        chain = variance_fluctuation(design, 100, layer + 1) ** 2 * 100 / design.q**2
        assert plain.signal[layer] == pytest.approx(chain + 2.0, rel=1e-9)
    total = design.sigma_w2**2 * sum(
        s**4 * m for s, m in zip(design.activation.slopes, _piece_masses(design), strict=True)
    )
    assert np.diff(plain.gradient)[:1] == pytest.approx([3.0 * total - 1.0], rel=1e-9)  # sw2^2 E (phi' w)^4 - 1


def _piece_masses(design):
    edges = np.array([-np.inf, *design.activation.kinks, np.inf]) / math.sqrt(design.q)
    cdf = np.array([0.5 * math.erfc(-edge / math.sqrt(2)) for edge in edges])
    return np.diff(cdf)


@pytest.mark.parametrize(("design", "effective_depth"), [(RELU, 4.0), (CLIPPED, 2.0)], ids=["relu", "clipped"])
def test_many_branches_tend_to_the_integrals(design, effective_depth):
    """The double integrals of the persistence terms in closed form, against Richardson steps in the depth."""
    signal, slope = hermite_coefficients(design)
    k = np.arange(1, N_MODES + 1)
    decay, d, loss = k / 2.0, effective_depth, 1.0 - design.v_prime
    if loss == 0.0:
        integral = 2 / decay * (d - (1 - np.exp(-decay * d)) / decay)
        memory = 4 * d
    else:
        whole = (1 - math.exp(-2 * loss * d)) / (2 * loss)
        part = (1 - np.exp(-(loss + decay) * d)) / (loss + decay)
        integral = 2 / (decay - loss) * (whole - part)
        memory = 4 * whole
    weights = np.where(k == 2, 0.0, signal**2)
    limit = 2 * math.exp(-2 * loss * d) + memory + float(weights @ integral)
    coarse, fine = (residual_fluctuations(design, depth, d) for depth in (400, 800))
    assert 2 * fine.signal[-1] - coarse.signal[-1] == pytest.approx(limit, rel=5e-4)
    assert memory + 2 < 0.9 * limit or design is CLIPPED  # without persistence it is far off
    if design is RELU:  # chi_2 = 0: the gradient too is a sum of integrals
        faster = (k + 2) / 2.0
        own = 2 / faster * (d - (1 - np.exp(-faster * d)) / faster)
        limit = 4 * d + float(2 * slope**2 @ own + slope**2 @ integral)
        assert 2 * fine.gradient[-1] - coarse.gradient[-1] == pytest.approx(limit, rel=2e-3)


def test_numbers_of_relu_and_of_a_clipped_design():
    relu = [residual_fluctuations(RELU, 1000, d, random_start=False).signal[-1] / d for d in (0.25, 1.0, 4.0, 16.0)]
    assert relu == pytest.approx([4.7, 6.5, 10.3, 13.4], abs=0.06)
    clipped = residual_fluctuations(CLIPPED, 500, 16.0)
    assert clipped.signal.max() < 11.0
    assert clipped.gradient[-1] > 800.0  # V' < 1 does not hold the gradient
    gradient = [residual_fluctuations(CLIPPED, 500, d, random_start=False).gradient[-1] for d in (1.0, 4.0)]
    assert gradient == pytest.approx([13.4, 112.6], abs=0.3)


@seeds
@pytest.mark.parametrize(
    ("design", "depth", "effective_depth"), [(RELU, 24, 4.0), (CLIPPED, 24, 4.0), (edge_of_chaos(hard_tanh()), 16, 2.0)]
)
def test_sampled_chains(seed, design, depth, effective_depth):
    width, n_paths = 400, 500
    options = {"effective_depth": effective_depth, "random_start": False}
    sample = residual_chain(design, width=width, depth=depth, n_paths=n_paths, seed=seed + 3, **options)
    theory = residual_fluctuations(design, depth, effective_depth, random_start=False)
    for values, constant in ((sample.q, theory.signal), (sample.gradient, theory.gradient)):
        logs = np.log(values[:, -1])
        spread = ((logs - logs.mean()) ** 2).std() / math.sqrt(n_paths)
        assert_agrees(width * logs.var(ddof=1), width * spread, constant[-1])
        assert_refutes(width * logs.var(ddof=1), width * spread, constant[depth // 4])
    plain = residual_fluctuations(design, depth, depth, random_start=False)
    assert plain.gradient[-1] > theory.gradient[-1]
    mean = sample.gradient[:, -1]
    assert_agrees(mean.mean(), mean.std() / math.sqrt(n_paths), 1.0)
    assert_agrees(sample.q[:, 1].mean(), sample.q[:, 1].std() / math.sqrt(n_paths), design.q)


@seeds
def test_the_chain_is_the_law_of_whole_networks(seed):
    """Networks with all their matrices at width 12: same moments as the chain; backwards as forwards."""
    design, depth, effective_depth, n = CLIPPED, 8, 2.0, 1500
    rng = np.random.default_rng((seed, 10))
    whole = sample_residual(design, 12, depth, effective_depth, n, rng)
    chain = residual_chain(design, width=12, depth=depth, effective_depth=effective_depth, n_paths=20_000, seed=seed)
    for logs, values in ((whole[0], chain.q), (whole[1], chain.gradient)):
        other = np.log(values[:, -1])
        for power in (1, 2):
            first, second = logs**power, other**power
            stderr = math.hypot(first.std() / math.sqrt(n), second.std() / math.sqrt(20_000))
            assert_agrees(first.mean(), stderr, second.mean())
    wrong = np.log(chain.q[:, 0])
    assert_refutes(whole[0].var(), (whole[0] ** 2).std() / math.sqrt(n), wrong.var())
    wide = sample_residual(design, 60, depth, effective_depth, 400, rng)
    theory = residual_fluctuations(design, depth, effective_depth)
    for logs in wide[1:]:  # by duality one constant
        spread = ((logs - logs.mean()) ** 2).std() / 20.0
        assert_agrees(60 * logs.var(ddof=1), 60 * spread, theory.gradient[-1])


def test_escapes_of_unclipped_designs():
    escaped = [
        residual_chain(UNCLIPPED, width=300, depth=60, effective_depth=d, n_paths=40, seed=2).escaped()[0][-1]
        for d in (4.0, 60.0)
    ]
    assert escaped[0] == 0.0
    assert escaped[1] > 0.3
    stable = residual_chain(CLIPPED, width=300, depth=60, effective_depth=60.0, n_paths=40, seed=2)
    assert stable.escaped()[0].max() == 0.0
    assert stable.log_q_sd[-1] < 0.4


def test_limit_of_depth():
    for design, width in ((RELU, 100), (RELU, 400), (UNCLIPPED, 300)):
        reach = largest_effective_depth(design, width, 100)
        at = residual_fluctuations(design, 100, reach).probability_within(2.0, width)
        assert at == pytest.approx(0.95, abs=0.002)
        assert residual_fluctuations(design, 100, 1.1 * reach).probability_within(2.0, width) < 0.95
    assert largest_effective_depth(RELU, 400, 100) > 2 * largest_effective_depth(RELU, 100, 100)
    assert largest_effective_depth(CLIPPED, 300, 100) == 100.0
    assert largest_effective_depth(RELU, 100, 100, factor=1.01) == 0.0
    assert "variance of log q" in str(residual_fluctuations(RELU, 4))
    assert len(residual_fluctuations(RELU, 4).columns()["signal"]) == 5
    assert "networks of width" in str(residual_chain(RELU, width=5, depth=3, n_paths=4))


def test_domain():
    with pytest.raises(InvalidArgumentError, match="effective_depth"):
        residual_fluctuations(RELU, 4, 5.0)
    with pytest.raises(InvalidArgumentError, match="factor"):
        residual_fluctuations(RELU, 4).probability_within(1.0, 10)
    with pytest.raises(InvalidArgumentError, match="probability"):
        largest_effective_depth(RELU, 10, 10, probability=1.0)
    with pytest.raises(InvalidArgumentError, match="n_paths"):
        residual_chain(RELU, width=5, depth=3, n_paths=1)

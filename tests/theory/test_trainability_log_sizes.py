"""Laws of log sizes: closed forms, a second derivation by Laplace transforms in high precision, sampled networks."""

import math

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.special import k1
from scipy.stats import chi2, norm

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.trainability.layer_factors import factor_moments, mean_factor, relative_variance
from neurondeath_theory.trainability.log_sizes import log_sizes
from tests.references.feature_networks import sample_plain_sizes
from tests.references.statistical import assert_agrees, assert_refutes, seeds

RELU = (0.0, 1.0)
LEAKY = (0.2, 1.0)


@pytest.mark.parametrize("width", [1, 12])
def test_moments_of_relu_by_laplace_transform(width):
    """Psi functions averaged over K against integrals of the transform of X given X > 0; no formula is shared."""
    with mp.workdps(30):
        none = mpf(2) ** -width

        def gap(t):
            transform = ((mpf(1) + 1 / mp.sqrt(1 + 2 * t / width)) / 2) ** width
            return mp.exp(-t) - (transform - none) / (1 - none)

        cuts = [mpf(10) ** k for k in range(-12, 31, 3)]
        mean = mp.quad(lambda u: gap(mp.exp(u)), [mp.log(c) for c in cuts])
        square = -2 * mp.quad(lambda u: gap(mp.exp(u)) * (u + mp.euler), [mp.log(c) for c in cuts])
    got = factor_moments(width, RELU)
    assert got == pytest.approx((float(mean), float(square - mean**2)), abs=1e-9)


def test_moments_of_leaky_relu_in_closed_form():
    low, high = 0.3, 1.5
    euler = np.euler_gamma
    one_unit = -euler - math.log(2.0)  # E log chi^2_1
    mean, variance = factor_moments(1, (low, high))
    assert mean == pytest.approx(one_unit + math.log(low * high), abs=1e-12)
    assert variance == pytest.approx(math.pi**2 / 2 + math.log(high / low) ** 2, abs=1e-12)
    # two units: E log(low^2 cos^2 + high^2 sin^2) = 2 log((low + high) / 2) over the circle
    two_units = math.log(2.0) - euler + 0.5 * math.log(low * high) + math.log((low + high) / 2)
    assert factor_moments(2, (low, high))[0] == pytest.approx(two_units - math.log(2.0), abs=1e-12)
    assert factor_moments(7, (-1.0, 1.0)) == pytest.approx(factor_moments(7, (1.0, 1.0)), abs=1e-14)
    nearly = factor_moments(7, (1.0 - 1e-9, 1.0))
    assert nearly == pytest.approx(factor_moments(7, (1.0, 1.0)), abs=1e-8)


@pytest.mark.parametrize("width", [100, 1000])
def test_expansion_in_the_width(width):
    mean, variance = factor_moments(width, RELU)
    shift = mean + math.log(2.0)
    assert shift == pytest.approx(-5 / (2 * width) - 49 / (12 * width**2), abs=15 / width**3)
    assert variance == pytest.approx(5 / width + 37 / (2 * width**2), abs=100 / width**3)
    assert variance != pytest.approx(5 / width + 37 / width**2, abs=100 / width**3)
    assert mean_factor(RELU) == 0.5
    assert relative_variance(RELU) == 5.0
    assert relative_variance((1.0, 1.0)) == 2.0


@pytest.mark.parametrize("width", [10**4, 10**6, 10**9])
def test_very_wide_layers_keep_their_digits(width):
    for slopes in (RELU, LEAKY):
        mean, variance = factor_moments(width, slopes)
        expected = relative_variance(slopes) / width
        assert variance == pytest.approx(expected, rel=10 / width + 1e-7)
        assert mean - math.log(mean_factor(slopes)) == pytest.approx(-expected / 2, rel=10 / width, abs=1e-12)


def test_first_order_limit_is_good_in_wide_and_wrong_in_narrow_networks():
    narrow, wide = log_sizes(width=10, depth=60), log_sizes(width=1000, depth=60)
    assert narrow.variance[-1] / narrow.normal_variance[-1] == pytest.approx(1.7335, abs=1e-4)
    assert not narrow.normal_is_valid
    assert wide.normal_is_valid
    shares = np.array([0.01, 0.5, 0.99])
    limit = wide.normal_mean[-1] + math.sqrt(wide.normal_variance[-1]) * norm.ppf(shares)
    assert np.abs(wide.probability_below(limit) - shares).max() < 0.01
    limit = narrow.normal_mean[-1] + math.sqrt(narrow.normal_variance[-1]) * norm.ppf(shares)
    assert np.abs(narrow.probability_below(limit) - shares).max() > 0.05
    assert log_sizes([10, 20]).mean[-1] == pytest.approx(log_sizes([10]).mean[0] + log_sizes([20]).mean[0], abs=1e-14)


def test_probabilities_of_one_and_two_layers_in_closed_form():
    at = np.linspace(-6.0, 2.0, 9)
    single = log_sizes([1]).probability_below(at)
    assert single == pytest.approx(chi2.cdf(np.exp(at) / 2, 1), abs=1e-9)
    pair = log_sizes([2]).probability_below(at)
    assert pair == pytest.approx(2 / 3 * chi2.cdf(np.exp(at), 1) + 1 / 3 * chi2.cdf(np.exp(at), 2), abs=1e-9)
    linear = log_sizes([6], "identity").probability_below(at)
    assert linear == pytest.approx(chi2.cdf(6 * np.exp(at), 6), abs=1e-9)
    twice = log_sizes([2, 2], "identity").probability_below(at)  # a product of two exponential variables
    root = 2 * np.exp(at / 2)
    assert twice == pytest.approx(1 - root * k1(root), abs=1e-9)
    leaky = log_sizes([1], "leaky-relu(0.5)", 1.0).probability_below(at)
    assert leaky == pytest.approx(0.5 * (chi2.cdf(np.exp(at), 1) + chi2.cdf(4 * np.exp(at), 1)), abs=1e-9)
    assert np.abs(leaky - chi2.cdf(np.exp(at), 1)).max() > 0.1


def test_quantiles_invert_probabilities_and_the_mean_is_rare():
    law = log_sizes(width=10, depth=60)
    for share in (0.001, 0.5, 0.99):
        assert float(law.probability_below(law.quantile(share))) == pytest.approx(share, abs=1e-8)
    assert law.median == law.quantile(0.5)
    assert law.share_above_mean < 0.003
    assert log_sizes(width=10, depth=1).share_above_mean > 0.3
    assert law.log_mean_size[-1] == pytest.approx(-60 * math.log1p(-(2.0**-10)), rel=1e-12)
    assert log_sizes([4] * 3, sigma_w2=6.0).mean[-1] == pytest.approx(log_sizes([4] * 3).mean[-1] + 3 * math.log(3.0))


@seeds
@pytest.mark.parametrize(("slopes", "name"), [(RELU, "relu"), (LEAKY, "leaky-relu(0.2)")])
def test_sampled_networks(seed, slopes, name):
    """Signal and Jacobian of whole networks, forwards from the input and backwards from a Gaussian read-out."""
    widths, weight = [3, 6, 4], 2.0 / (slopes[0] ** 2 + 1.0)
    rng = np.random.default_rng((seed, 3))
    size, forward, backward = sample_plain_sizes(widths, 5, slopes, weight, 40_000, rng)
    law = log_sizes(widths, name)
    truth = law.mean[-1] + math.log(4 / 5)  # |x_k|^2 / |x_0|^2 = q_k n_k / (q_0 n_0)
    for sample in (size, forward):
        n = len(sample)
        assert_agrees(sample.mean(), sample.std() / math.sqrt(n), truth)
        spread = ((sample - sample.mean()) ** 2).std() / math.sqrt(n)
        assert_agrees(sample.var(), spread, law.variance[-1])
        assert_refutes(sample.mean(), sample.std() / math.sqrt(n), law.normal_mean[-1] + math.log(4 / 5))
        assert_refutes(sample.var(), spread, law.normal_variance[-1])
    # backwards the factors have the widths of fan-out, and the read-out's own length is divided out
    moments = [factor_moments(width, slopes) for width in widths]
    read_out = factor_moments(4, (1.0, 1.0))[0] + math.log(4)
    expected = sum(m[0] + math.log(w) for m, w in zip(moments, widths, strict=True))
    expected += factor_moments(5, (1.0, 1.0))[0] + math.log(5)
    expected += sum(math.log(weight / fan_in) for fan_in in (5, 3, 6)) - read_out
    assert_agrees(backward.mean(), backward.std() / math.sqrt(len(backward)), expected)


def test_gradients_of_one_network_share_their_size():
    """Backward and forward vector keep their inner product, so the spread within networks stays bounded."""
    rng = np.random.default_rng(1)
    within, between = [], []
    for _ in range(40):
        x, layers, logs = rng.standard_normal(20), [], []
        for _ in range(100):
            weights = rng.standard_normal((20, 20)) * math.sqrt(0.1)
            layers.append((weights, x))
            x = np.maximum(weights @ x, 0.0)
        gradient = rng.standard_normal(20)
        output = gradient @ x
        for weights, before in reversed(layers):
            active = gradient * (weights @ before > 0)
            logs.append(math.log((active @ active) * (before @ before)))
            gradient = weights.T @ active
            assert gradient @ before == pytest.approx(output, rel=1e-9)
        within.append(np.var(logs))
        between.append(np.mean(logs))
    assert np.mean(within) < math.pi**2 / 2
    assert np.var(between) > 15.0


def test_domain():
    for activation in ("shifted-relu(tau=1)", "hard-tanh"):
        with pytest.raises(InvalidArgumentError, match="linear on each side of 0"):
            log_sizes([4], activation)
    with pytest.raises(InvalidArgumentError, match="sigma_w2"):
        log_sizes([4], sigma_w2=0.0)
    with pytest.raises(InvalidArgumentError, match="widths"):
        log_sizes([0])
    with pytest.raises(InvalidArgumentError, match="probability"):
        log_sizes([4]).quantile(1.0)
    assert "standard deviation" in str(log_sizes([4, 4]))
    assert len(log_sizes([4, 4]).columns()["sd"]) == 2

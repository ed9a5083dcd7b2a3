"""Angles at finite width: closed forms, exhaustive signs, the operator, sampled pairs, normal steps against both."""

import itertools
import math

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival.angle_operator import angle_operators
from neurondeath_theory.survival.two_point import two_point_survival
from neurondeath_theory.trainability import angle_steps
from neurondeath_theory.trainability.angle_steps import angle_step, parallel_probability, small_angle_step
from neurondeath_theory.trainability.angles import angle_law
from tests.references.feature_networks import sample_angles
from tests.references.statistical import SIGMAS, assert_agrees, assert_refutes, seeds

LN2, PI2 = math.log(2.0), math.pi**2


@pytest.fixture(autouse=True, scope="module")
def _operators():
    angle_operators([5, 10])  # together they share their integration nodes


def test_small_angle_step_in_closed_form():
    """K = 2 for width 2; K = 2 or 3 for width 3, with weights 3/4 and 1/4."""
    assert small_angle_step(2) == pytest.approx((-2 * LN2, PI2 / 2 + PI2 / 6), abs=1e-13)
    two, three = -2 * LN2, 2 * LN2 - 2.0  # psi(1/2) - psi(1), psi(1) - psi(3/2)
    mean = 0.75 * two + 0.25 * three
    within = 0.75 * (PI2 / 2 + PI2 / 6) + 0.25 * (PI2 / 6 + PI2 / 2 - 4.0)
    spread = 0.75 * (two - mean) ** 2 + 0.25 * (three - mean) ** 2
    assert small_angle_step(3) == pytest.approx((mean, within + spread), abs=1e-13)
    mean, variance = small_angle_step(10_000)
    assert (mean * 1e4, variance * 1e4) == pytest.approx((-2.0, 8.0), rel=1e-3)
    assert small_angle_step(10)[0] * 10 < -3.0  # the first order is far off in narrow layers


def test_moments_against_closed_forms():
    """Quadrature over arcs against mixed moments of rectified Gaussians (Stein's identity)."""
    theta = np.array([1e-3, 0.4, 1.3, 2.5])
    s, c = np.sin(theta), np.cos(theta)
    j11 = (s + (np.pi - theta) * c) / (2 * np.pi)
    j22 = (3 * s * c + (np.pi - theta) * (1 + 2 * c**2)) / (2 * np.pi)
    j31 = (s * (2 + c**2) + 3 * (np.pi - theta) * c) / (2 * np.pi)
    mean, covariance = angle_steps._unit_moments(theta)
    assert mean[0] == pytest.approx(0.5 * np.ones(4), abs=1e-14)
    assert mean[0] + theta * mean[1] == pytest.approx(j11, abs=1e-14)
    assert mean[0] + 2 * theta * mean[1] + theta**2 * mean[2] == pytest.approx(0.5 * np.ones(4), abs=1e-13)
    products = covariance[0] + mean[0] * mean
    assert products[0] + theta * products[1] == pytest.approx(j31, abs=1e-13)
    assert products[0] + 2 * theta * products[1] + theta**2 * products[2] == pytest.approx(j22, abs=1e-13)


def test_limits_of_one_step():
    theta = np.array([0.01, 0.5, 1.5])
    wide = angle_step(theta, 10**7)
    cosine = (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / np.pi
    assert wide.log_sin2_mean == pytest.approx(np.log1p(-(cosine**2)), abs=1e-6)
    assert wide.v_mean == pytest.approx(np.log((1 - cosine) / (1 + cosine)), abs=1e-6)
    _, first, second = angle_steps._first_order(np.array([0.0, 1e-8]))
    assert first == pytest.approx(-2.0 * np.ones((2, 2)), abs=1e-6)
    assert second == pytest.approx(8.0 * np.ones((2, 2)), abs=1e-6)
    near = angle_step(1e-9, 5)
    assert float(near.log_sin2_mean) - 2 * math.log(1e-9) == pytest.approx(small_angle_step(5)[0], abs=1e-7)
    assert float(near.v_variance) == pytest.approx(small_angle_step(5)[1], abs=1e-7)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_parallel_pairs_by_enumeration(width):
    """At a right angle the signs of both pre-activations of every unit are independent fair coins."""
    units = list(itertools.product((False, True), repeat=2))
    count = 0
    for pattern in itertools.product(units, repeat=width):
        active = [unit for unit in pattern if any(unit)]
        count += active == [(True, True)]
    assert float(parallel_probability(math.pi / 2, width)) == pytest.approx(count / 4**width, abs=1e-15)


@seeds
@pytest.mark.parametrize(("width", "angle", "bias"), [(10, 1e-4, 0.0), (10, 1.0, 0.012), (40, 0.5, 0.0015)])
def test_one_step_against_sampling(seed, width, angle, bias):
    """Small angles within the sampling error; others within the claimed error of order n^-2, `bias`, besides."""
    alive, parallel, theta = sample_angles(width, 1, angle, 40_000, np.random.default_rng((seed, 5)))
    v = 2 * np.log(np.tan(theta[0][alive[0] & ~parallel[0]] / 2))
    stderr = v.std() / math.sqrt(len(v))
    step = angle_step(angle, width)
    assert_agrees(v.mean(), stderr + bias / 5, float(step.v_mean))
    assert_refutes(v.mean(), stderr + bias / 5, float(angle_step(angle, 10**7).v_mean))
    assert v.var() == pytest.approx(float(step.v_variance), rel=0.06)
    limit, _, second = angle_steps._first_order(np.array([angle]))
    assert abs(second[1, 0] / width / v.var() - 1) > 0.06  # the first order alone is too small
    assert limit.shape == (2, 1)


@seeds
@pytest.mark.parametrize(("width", "depth", "angle"), [(5, 12, 1.0), (10, 30, math.pi / 2)])
def test_law_against_sampled_pairs(seed, width, depth, angle):
    law = angle_law(width=width, depth=depth, angle=angle)
    alive, parallel, theta = sample_angles(width, depth, angle, 20_000, np.random.default_rng((seed, 6)))
    for layer in (3, depth // 2, depth - 1):
        both = alive[layer]
        n = both.sum()
        assert_agrees(both.mean(), both.std() / math.sqrt(len(both)), law.both_alive[layer])
        together = parallel[layer][both]
        assert_agrees(together.mean(), together.std() / math.sqrt(n) + 1 / n, law.parallel[layer])
        angles = theta[layer][both]
        for sample, truth in ((angles, law.mean_angle), (np.cos(angles), law.mean_cosine)):
            assert_agrees(sample.mean(), sample.std() / math.sqrt(n), truth[layer])
            assert_refutes(sample.mean(), sample.std() / math.sqrt(n), truth[layer - 3])
        square = np.cos(angles) ** 2
        assert_agrees(
            square.mean(), square.std() / math.sqrt(n), law.sd_cosine[layer] ** 2 + law.mean_cosine[layer] ** 2
        )
        for quantile in (0.5, 0.9):
            at = float(np.quantile(angles, quantile))
            if at > 0:
                chance = SIGMAS * math.sqrt(quantile * (1 - quantile) / n)
                assert abs(law.probability_below(at)[layer] - quantile) < 0.03 + chance
        logs = 2 * np.log(np.sin(angles[~together]))
        chance = SIGMAS * logs.std() / math.sqrt(len(logs))
        assert law.log_sin2_mean[layer] == pytest.approx(logs.mean(), abs=(0.5 if width == 5 else 0.1) + chance)
        chance = SIGMAS * ((logs - logs.mean()) ** 2).std() / (2 * logs.var() * math.sqrt(len(logs)))
        assert law.log_sin2_sd[layer] == pytest.approx(logs.std(), rel=(0.15 if width == 5 else 0.05) + chance)


def test_both_routes_agree():
    """The operator's exact mean angle and cosine against those of the normal steps; they share no formula."""
    law = angle_law(width=10, depth=60)
    centre = 2 * np.arctan(np.exp((law._edges[1:] + law._edges[:-1]) / 4))
    apart = 1 - law.parallel
    by_steps = apart * (law._mass @ centre)
    cosine = 1 - apart * (law._mass @ (1 - np.cos(centre)))
    assert np.abs(by_steps - law.mean_angle).max() < 0.03
    assert np.abs(cosine - law.mean_cosine).max() < 0.025
    assert np.abs(cosine - law.mean_cosine)[9:].max() < 0.005
    assert np.abs(by_steps[1:] - law.mean_angle[:-1]).max() > 0.1  # one layer more or less is seen
    exact = two_point_survival([10] * 60, math.pi / 2)
    assert law.both_alive == pytest.approx(exact.both, rel=1e-7)
    assert law.mean_angle_error.max() < 1e-6


def test_width_decides_in_deep_networks():
    law = angle_law(width=10, depth=60)
    assert law.parallel[-1] == pytest.approx(0.359, abs=0.001)
    assert law.same_direction()[-1] > law.parallel[-1] + 0.05
    assert law.same_direction(0.0)[-1] == pytest.approx(law.parallel[-1], abs=1e-12)
    assert law.quantile(0.3)[-1] == 0.0
    assert 0.0 < law.quantile(0.9)[-1] < law.quantile(0.9)[9]
    drop = np.diff(law.log_sin2_mean[-3:])
    assert drop == pytest.approx(small_angle_step(10)[0] * np.ones(2), abs=0.02)
    opposite = angle_law([10], math.pi)
    assert opposite.mean_angle[0] == pytest.approx(math.pi / 2, abs=1e-12)
    assert "both alive" in str(law)
    assert len(law.columns()["median_angle"]) == 60


def test_domain():
    with pytest.raises(InvalidArgumentError, match=r"widths\[1\]"):
        angle_law([10, 1])
    with pytest.raises(InvalidArgumentError, match="depth"):
        angle_law(width=10, depth=10_001)
    for angle in (0.0, 4.0):
        with pytest.raises(InvalidArgumentError, match="angle"):
            angle_law([10], angle)
    with pytest.raises(InvalidArgumentError, match="angle"):
        angle_step(math.pi, 10)
    with pytest.raises(InvalidArgumentError, match="width"):
        small_angle_step(1)

"""Simulation against theory: the mean living ratio is exact, P(alive) lies between its bounds, a wrong bound fails."""

import numpy as np
import pytest
from scipy.stats import binomtest

from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.intervals import exact_interval
from neurondeath_theory.networks.network import Network
from tests.references.statistical import assert_agrees, assert_refutes, seeds

TRIALS = 4000
CASES = [
    (Network([2] * 4), "gaussian:32"),
    (Network([3] * 10), "gaussian:32"),
    (Network([4] * 25), "gaussian:32"),
    (Network([5] * 60), "gaussian:32"),
    (Network([8] * 100, input_dim=20), "cube:16"),
    (Network([6, 2, 9, 3, 4], input_dim=5), "sphere:32"),
    (Network([3, 30, 2, 30], input_dim=2), "orthant:32"),
    (Network([3] * 12, bias_variance=1.0), "gaussian:32"),
    (Network([7, 2, 4, 5, 2], input_dim=3, bias_variance=0.3), "orthant:16"),
    (Network([4] * 15, input_dim=64), "digits:64"),
    (Network([3] * 8, init="gaussian", weight_variance=0.5, bias_variance=2.0), "cube:16"),
    (Network([2] * 5, input_dim=1), "rays"),
]


@seeds
@pytest.mark.parametrize(("network", "spec"), CASES, ids=lambda value: str(value)[:50])
def test_theory_holds(network, spec, seed):
    result = simulate(network, spec, trials=TRIALS, seed=seed)
    truth = result.expected_living_ratio
    assert_agrees(result.living_ratio, result.living_ratio_stderr, truth)
    assert_refutes(result.living_ratio, result.living_ratio_stderr, truth * 0.5)
    # exact intervals at the suite's false-alarm level must overlap the bounds ...
    successes = np.rint(result.alive * result.trials).astype(int)
    low, high = exact_interval(successes, result.trials, confidence=1 - 5.7e-7)
    assert (high >= result.lower_bound).all()
    assert (low <= result.upper_bound).all()
    # ... and deliberately wrong bounds must not pass the same check
    wrong_lower = np.prod(1 - 4.0 ** -np.array(network.widths[:2]))  # 2^-2n for 2^-n
    wrong_upper = result.lower_bound * 0.5
    assert high[-1] < wrong_lower or network.depth < 10
    assert low[0] > wrong_upper[0]


def test_one_point_meets_the_lower_bound():
    result = simulate(Network([3] * 6), np.ones((1, 3)), trials=20_000)
    stderr = np.sqrt(result.lower_bound * (1 - result.lower_bound) / result.trials)
    assert_agrees(result.alive, stderr, result.lower_bound)
    assert_refutes(result.alive, stderr, result.upper_bound)


def test_exact_interval_is_the_one_of_scipy():
    counts = np.array([0, 1, 17, 499, 500])
    low, high = exact_interval(counts, 500)
    for count, left, right in zip(counts, low, high, strict=True):
        interval = binomtest(int(count), 500).proportion_ci(0.95, method="exact")
        assert (left, right) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_living_ratio_and_its_error_by_hand():
    result = simulate(Network([2] * 3), "gaussian:4", trials=300)
    from neurondeath.simulations.inputs.input_sets import input_set
    from neurondeath.simulations.samplers.shard_sampling import run_shard
    from neurondeath.simulations.task import Task

    task = Task(Network([2] * 3), input_set("gaussian:4", dimension=2))
    ratios = np.array([run_shard(task, 0, t, t + 1).statistics["living"] for t in range(300)]) / 4
    np.testing.assert_allclose(result.living_ratio, ratios.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(result.living_ratio_stderr, ratios.std(axis=0, ddof=1) / np.sqrt(300), rtol=1e-12)


def test_zero_points_count_as_dead():
    points = np.vstack([np.zeros((1, 5)), np.eye(5)[:3]])
    result = simulate(Network([5] * 2), points, trials=4000)
    assert_agrees(result.living_ratio, result.living_ratio_stderr, result.expected_living_ratio)
    assert result.expected_living_ratio[0] == pytest.approx(0.75 * (1 - 2**-5))
    nothing = simulate(Network([5] * 2), np.zeros((2, 5)), trials=10)
    assert not nothing.alive.any()
    assert not nothing.upper_bound.any()

"""Rare death of many points: intervals that hold the truth, and reasons where there is none."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr
from scipy.stats import kstest

from neurondeath.simulations.estimation.chain_estimates import from_chains
from neurondeath.simulations.estimation.estimates import read_simulation
from neurondeath.simulations.estimation.expectations import expected
from neurondeath.simulations.estimation.log_averages import log_average, student_quantile
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.kernels.tails import log_tail, log_two_tails, normal_above
from neurondeath.simulations.monte_carlo import simulate
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.stores.shards import sum_statistics
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.task import Task, identify
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.two_point import two_point_survival
from tests.references.statistical import assert_agrees, assert_refutes, seeds

REFERENCES = json.loads((Path(__file__).parent.parent / "references" / "rare_death.json").read_text())


def rare(network, points, seed, trials=1000):
    return simulate(network, points, trials=trials, seed=seed, estimator="conditional", workers=1)


def assert_interval_holds(result, truth, layer=-1):
    """Compare the logarithm with the truth on the scale of its interval, which has few degrees of freedom."""
    assert not result.interval_withheld[layer]
    half = (result.log10_death_high[layer] - result.log10_death_low[layer]) / 2
    populations = result.trials / 64
    assert half > 0
    error = half / student_quantile(populations, 0.95)
    assert_agrees(result.log10_death[layer], error, truth, samples=populations)
    assert_refutes(result.log10_death[layer], error, truth + 8 * half, samples=populations)


# --- exact cases -----------------------------------------------------------------------------------------------------


@seeds
@pytest.mark.parametrize("n", [4, 8, 12, 16])
def test_unit_vectors(n, seed):
    """P(dead) = 2^(-n^2): one probe per unit is off by orders of magnitude from n = 8 on."""
    result = rare(Network([n]), np.eye(n), seed)
    assert_interval_holds(result, -n * n * math.log10(2))
    assert result.effective_chains[0] > 100


@seeds
@pytest.mark.parametrize(("n", "rho"), [(6, 0.02), (12, 0.3), (20, 0.5)])
def test_equicorrelated_points(n, rho, seed):
    slope = math.sqrt(rho / (1 - rho))
    q, _ = quad(lambda t: math.exp(n * log_ndtr(-slope * t) - t * t / 2) / math.sqrt(2 * math.pi), -12, 12)
    result = rare(Network([n]), np.linalg.cholesky((1 - rho) * np.eye(n) + rho), seed)
    assert_interval_holds(result, n * math.log10(q))


@seeds
@pytest.mark.parametrize(("width", "depth"), [(3, 60), (8, 5), (16, 20)])
def test_rays(width, depth, seed):
    truth = math.log10(two_point_survival([width] * depth, math.pi).none[-1])
    assert_interval_holds(rare(Network([width] * depth, input_dim=1), "rays", seed), truth)


@seeds
@pytest.mark.parametrize("name", REFERENCES)
def test_references(name, seed):
    """Deep networks on many points, against a second implementation (`tests/references/rare_death.py`)."""
    spec, shape = name.split()
    width, depth = (int(number) for number in shape.split("x"))
    network = Network([width] * depth, input_dim=64 if spec.startswith("digits") else width)
    assert_interval_holds(rare(network, spec, seed), REFERENCES[name]["log10_death"][-1])


# --- without an interval ---------------------------------------------------------------------------------------------


def test_few_effective_chains_promise_no_interval():
    result = rare(Network([20] * 4), "gaussian:32", 0, trials=128)
    assert result.effective_chains[1] < 40
    assert "effective chains" in result.interval_withheld[1]
    assert np.isnan(result.log10_death_low[1])
    assert np.isfinite(result.log10_death[1])
    assert result.low[1] == result.lower_bound[1]
    assert result.columns()["withheld"][1] == result.interval_withheld[1]


def test_an_uncertain_first_layer_does_not_spoil_the_others():
    """A unit is inactive on 64 digits with 1e-20 or less; populations differ by factors, so layer 1 has no interval."""
    for seed in range(3):
        result = rare(Network([8] * 3, input_dim=64), "digits:64", seed, trials=256)
        assert np.isfinite(result.log10_death).all()
        assert (result.log10_death <= np.log10(1 - result.lower_bound)).all()
        assert result.log10_death[0] < result.log10_death[1] < result.log10_death[2]


def test_the_width_of_a_large_network_does_not_underflow():
    result = rare(Network([4096] * 2), "gaussian:8", 0, trials=8)
    assert np.isfinite(result.log10_death[-1])
    assert result.log10_death[-1] < -4096 * math.log10(2)
    assert "P(dead)" in str(result)


@pytest.mark.parametrize("estimator", ["conditional", "splitting"])
def test_rows_of_an_older_version_have_no_interval(estimator):
    network, points = Network([3] * 4), input_set("gaussian:8", dimension=3)
    task = Task(network, points, estimator=estimator)
    description = {
        name: value for name, value in task.description().items() if name not in ("estimator_version", "population")
    }
    assert identify(description) != task.task_id
    if estimator == "conditional":
        statistics = {name: np.full(4, 5.0) for name in ("alive", "dead", "living")}
        statistics |= {f"{name}_squares": np.full(4, 7.0) for name in ("alive", "dead", "living")}
    else:
        statistics = run_shard(task, 0, 0, 5).statistics
    with Store(":memory:") as store:
        store.add_description(identify(description), description)
        shard = replace(run_shard(task, 0, 0, 5), task_id=identify(description), statistics=statistics)
        store.add(shard)
        result = read_simulation(store, shard.task_id, 0, description)
    assert np.isnan(result.log10_death_low).all()
    assert np.isnan(result.alive_stderr).all()
    assert all("older version" in reason for reason in result.interval_withheld)
    np.testing.assert_array_equal(result.low, result.lower_bound)


def test_an_estimate_beyond_the_bounds_is_caught():
    network, points = Network([6] * 5), input_set("gaussian:16", dimension=6)
    task = Task(network, points, estimator="conditional")
    trials, totals = sum_statistics([run_shard(task, 0, 0, 640)])
    theory = expected(network, points.description())
    right = from_chains(totals, trials, network, points.description(), theory)
    assert not right.reasons[-1]
    for shift, word in ((5.0, "above"), (-200.0, "below")):
        wrong = dict(totals)
        wrong["log_dead"] = totals["log_dead"] + shift * trials
        mean = totals["log_dead"] / trials
        wrong["log_dead_squares"] = totals["log_dead_squares"] + trials * ((mean + shift) ** 2 - mean**2)
        found = from_chains(wrong, trials, network, points.description(), theory)
        assert word in found.reasons[-1]
        assert np.isnan(found.log10_death_low[-1])


def test_splitting_without_a_death_holds_the_truth():
    """[8]*5 on 32 points dies with 2.6e-5: five populations see no death, or one."""
    result = simulate(Network([8] * 5), "gaussian:32", trials=5, estimator="splitting", workers=1)
    assert result.low[-1] < 1 - 2.6e-5 < result.high[-1]
    assert result.high[0] > result.low[0]


# --- parts -----------------------------------------------------------------------------------------------------------


def test_log_average_of_log_normals():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        logs = rng.normal(-500.0, 1.2, 16)
        mean, error, spread = log_average(
            np.array([64 * logs.sum()]), np.array([64 * (logs**2).sum()]), 1024, np.array([16.0])
        )
        held += abs(mean[0] - (-500.0 + 0.72)) <= student_quantile(16, 0.95) * error[0]
        assert 0.5 < spread[0] < 2.5
    assert 370 <= held <= 400
    assert np.isinf(student_quantile(1, 0.95))
    assert np.isnan(log_average(np.zeros(1), np.zeros(1), 64, np.ones(1)).error[0])


def test_tails_keep_their_digits():
    for z in (0.0, 0.3, 5.0, 24.9, 25.0, 40.0, 200.0):
        assert log_tail(z) == pytest.approx(log_ndtr(-z), rel=1e-12)
        for other in (0.0, 1.0, 26.0, 30.0):
            assert log_two_tails(z, other) == pytest.approx(np.logaddexp(log_ndtr(-z), log_ndtr(-other)), rel=1e-12)
    for limit in (0.0, 2.0, 15.0):
        drawn = np.array([normal_above(limit, u) for u in (np.arange(500) + 0.5) / 500])
        assert (drawn >= limit).all()
        shares = np.exp(log_ndtr(-drawn) - log_ndtr(-limit))
        np.testing.assert_allclose(shares, (np.arange(500) + 0.5) / 500, rtol=1e-9)
    assert (
        kstest([normal_above(0.0, u) for u in np.linspace(0.001, 0.999, 999)], lambda x: 2 * ndtr(x) - 1).pvalue > 0.99
    )

"""The conditional and the splitting estimator compared with exact cases and the crude estimator."""

import math
from itertools import pairwise

import numpy as np
import pytest

from neurondeath.simulations.estimation.estimates import read_simulation
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.populations import population_of
from neurondeath.simulations.samplers import splitting_dense
from neurondeath.simulations.samplers.half_space import half_space
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.first_layer import first_layer_death
from neurondeath_theory.survival.two_point import two_point_survival
from tests.references.statistical import assert_agrees, assert_refutes, seeds
from tests.references.twins import assert_same_numbers, other_compilations

RAYS = np.array([[1.0, 0.0], [math.cos(2.0), math.sin(2.0)]])


def estimate(network, inputs, estimator, trials, seed=0, dtype="float32"):
    points = input_set(inputs, dimension=network.input_dim, seed=3)
    task = Task(network, points, estimator=estimator, dtype=dtype)
    with Store(":memory:") as store:
        store.add_task(task)
        store.add(run_shard(task, seed, 0, trials))
        return read_simulation(store, task.task_id, seed, task.description())


# --- exact cases -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias_variance", [0.0, 2.0])
@pytest.mark.parametrize(("width", "depth"), [(1, 20), (3, 40), (45, 30), (600, 4)])
def test_one_point_is_exact(width, depth, bias_variance):
    network = Network([width] * depth, input_dim=3, bias_variance=bias_variance)
    result = estimate(network, np.array([[1.0, -2.0, 0.5]]), "conditional", 130)
    log_alive = np.arange(1, depth + 1) * math.log1p(-(0.5**width))
    np.testing.assert_allclose(result.log10_alive, log_alive / math.log(10), rtol=1e-12)
    np.testing.assert_allclose(result.death, -np.expm1(log_alive), rtol=1e-9)
    assert (result.alive_stderr <= 1e-7 * np.minimum(result.death, result.alive)).all()
    rare = result.death < 0.5
    assert (result.log10_death_low[rare] < result.log10_death[rare]).all()
    assert (result.log10_death[rare] < result.log10_death_high[rare]).all()
    assert not any(result.interval_withheld)


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize(("width", "depth", "settled"), [(3, 10, 1), (8, 30, 8), (20, 60, 40), (45, 150, 149)])
def test_two_points(width, depth, settled, seed):
    """Two points, sampled by their angle, and five on the same rays, sampled by the weights across their mean."""
    truth = two_point_survival([width] * depth, 2.0)
    network = Network([width] * depth, input_dim=2)
    for points in (RAYS, np.vstack([RAYS, 2 * RAYS, 3 * RAYS[:1]])):
        result = estimate(network, points, "conditional", 4000, seed)
        shown = slice(settled, None)  # earlier, few chains have most of the weight and the error is not reliable
        assert_agrees(result.death[shown], result.alive_stderr[shown], truth.none[shown])
        if len(points) == 2:  # exact in the first layer, up to the rounding of the points
            np.testing.assert_allclose(result.death[0], truth.none[0], rtol=1e-5 * width)
        independent = -np.expm1(depth * np.log1p(-(0.5**width)))
        assert_refutes(result.death[-1], result.alive_stderr[-1], independent)
        assert result.alive_stderr[-1] < 0.2 * result.death[-1]
        assert result.log10_death == pytest.approx(np.log10(result.death), rel=1e-12)


def test_rare_death_keeps_its_digits():
    """P(dead) near 1e-12 within 10 %, where 1 - P(alive) has four digits and crude sampling counts no death."""
    truth = two_point_survival([45] * 200, 0.5).none[-1]
    result = estimate(Network([45] * 200, input_dim=2), np.array([[1, 0], [math.cos(0.5), math.sin(0.5)]]),
                      "conditional", 1000)  # fmt: skip
    assert 1e-13 < truth < 1e-11
    assert_agrees(result.death[-1], result.alive_stderr[-1], truth)
    assert result.alive_stderr[-1] < 0.1 * truth
    assert "P(dead)" in str(result)


@pytest.mark.statistical
@seeds
def test_splitting_of_two_points(seed):
    truth = two_point_survival([2] * 60, 2.0)
    result = estimate(Network([2] * 60, input_dim=2), RAYS, "splitting", 40, seed)
    assert_agrees(result.alive, result.alive_stderr, truth.alive)
    assert_refutes(result.alive, result.alive_stderr, 1.2 * truth.alive)
    assert_agrees(result.living_ratio, result.living_ratio_stderr, result.expected_living_ratio)
    assert_refutes(result.living_ratio, result.living_ratio_stderr, 1.2 * result.expected_living_ratio)


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize("bias_variance", [0.0, 1.5])
def test_first_layer(bias_variance, seed):
    """Points of both signs within a half-space that their mean direction does not show."""
    points = np.array([[1.0, 0.1], [1.0, 0.12], [1.0, 0.15], [-0.95, 0.1], [0.3, 0.2]])
    network = Network([1], input_dim=2, bias_variance=bias_variance)
    truth = first_layer_death(points, 1, bias_variance=bias_variance).value
    result = estimate(network, points, "conditional", 20_000, seed)
    assert_agrees(result.death, result.alive_stderr, truth)
    assert_refutes(result.death, result.alive_stderr, 1.3 * truth)


def test_points_all_round_cannot_die_in_the_first_layer():
    result = estimate(Network([2] * 3), np.array([[1.0, 0.0], [-1.0, 1.0], [-1.0, -1.0]]), "conditional", 100)
    assert result.death[0] == 0
    assert result.log10_death_high[0] == -np.inf
    assert (result.low[0], result.high[0]) == (1, 1)
    assert result.death[1] > 0


def test_half_space():
    rng = np.random.default_rng(2)
    for dimension, n_points in [(2, 3), (5, 12), (30, 4000)]:
        points = rng.standard_normal((n_points, dimension))
        points[:, 0] = np.abs(points[:, 0]) + 1e-3
        rotation = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        points = points @ rotation * np.exp(5 * rng.standard_normal((n_points, 1)))
        u = half_space(points, 0.0)
        assert np.linalg.norm(u) == pytest.approx(1)
        assert (points @ u[:-1] > 0).all()
        assert not half_space(np.vstack([points, -points[:1]]), 0.0).any()
        assert half_space(np.vstack([points, -points[:1]]), 1.0).any()


@pytest.mark.parametrize("estimator", ["conditional", "splitting"])
def test_points_at_zero(estimator):
    all_zero = estimate(Network([3] * 2), np.zeros((4, 3)), estimator, 5)
    assert not all_zero.alive.any()
    assert (all_zero.death == 1).all()
    some = estimate(Network([5] * 2), np.vstack([np.zeros((1, 5)), np.eye(5)[:3]]), estimator, 400)
    assert_agrees(some.living_ratio, some.living_ratio_stderr, some.expected_living_ratio)
    assert_refutes(some.living_ratio, some.living_ratio_stderr, some.expected_living_ratio / 0.75)


# --- agreement -------------------------------------------------------------------------------------------------------

AGREEMENT = [
    (Network([3] * 10), "gaussian:3", 40_000),
    (Network([3] * 10), "gaussian:64", 40_000),
    (Network([6] * 40), "gaussian:64", 20_000),
    (Network([6, 2, 9, 3, 4], input_dim=5), "sphere:32", 40_000),
    (Network([3, 30, 2, 30], input_dim=2), "orthant:32", 40_000),
    (Network([3] * 12, bias_variance=1.0), "gaussian:32", 40_000),
    (Network([4] * 10, input_dim=2, bias_variance=0.1), "cube:6", 40_000),
    (Network([7, 2, 4, 5, 2], input_dim=3, bias_variance=0.3), "orthant:16", 40_000),
    (Network([3] * 8, init="gaussian", weight_variance=0.5, bias_variance=2.0), "cube:16", 40_000),
    (Network([4] * 15, input_dim=64), "digits:64", 20_000),
    (Network([2] * 5, input_dim=1), "rays", 40_000),
]


@pytest.mark.statistical
@seeds
@pytest.mark.parametrize(("network", "spec", "trials"), AGREEMENT, ids=lambda value: str(value)[:50])
def test_estimators_agree(network, spec, trials, seed):
    crude = estimate(network, spec, "crude", trials, seed)
    # where all crude trials have the same outcome, the standard error is that of one trial with the other outcome
    floor = 1.0 / trials
    for estimator, n in (("conditional", 4000), ("splitting", 16)):
        other = estimate(network, spec, estimator, n, seed)
        samples = 16 if estimator == "splitting" else None  # populations
        stderr = np.hypot(np.maximum(crude.alive_stderr, floor), other.alive_stderr)
        assert_agrees(crude.alive, stderr, other.alive, samples=samples)
        assert_agrees(1 - other.death, other.alive_stderr + 1e-12, other.alive)
        assert_refutes(crude.alive, stderr, other.alive * 0.9, samples=samples)
        error = other.living_ratio_stderr + 1e-12
        assert_agrees(other.living_ratio, error, other.expected_living_ratio, samples=samples)
        assert_refutes(other.living_ratio, error, other.expected_living_ratio * 0.8, samples=samples)
        assert (other.low <= other.alive).all()
        assert (other.alive <= other.high).all()


@pytest.mark.statistical
@seeds
def test_wrong_estimators_are_refuted(seed):
    """(S/K)^n, 1 - prod(1 - u) and dead points that count must fail the comparison that the estimator passes."""
    network = Network([4] * 3, input_dim=2, bias_variance=2.0)
    points = np.array([[3.0, 0.0], [-3.0, 1.0], [0.0, 3.0]])
    rng = np.random.default_rng(seed)
    trials = 6000
    names = ("right", "plug-in", "product", "dead points")
    dead = {name: np.zeros(trials) for name in names}
    for trial in range(trials):
        states = dict.fromkeys(names[:1], points.T), dict.fromkeys(names[3:], points.T)
        for counted, state in zip((False, True), states, strict=True):
            (x,) = state.values()
            total = dict.fromkeys(names, 0.0)
            for width, fan_in in zip(network.widths, network.fan_ins, strict=True):
                extended = np.vstack([x, np.full(x.shape[1], np.sqrt(2.0 / 2.0 * fan_in))])
                off = (rng.standard_normal((2 * width, fan_in + 1)) @ extended <= 0).all(axis=1)
                share = math.comb(int(off.sum()), width) / math.comb(2 * width, width)
                updates = {"dead points": share} if counted else {
                    "right": share, "plug-in": off.mean() ** width, "product": 1 - (1 - off.mean()) ** width
                }  # fmt: skip
                for name, u in updates.items():
                    total[name] += (1 - total[name]) * u
                z = np.full((width, x.shape[1]), -1.0)
                while not (z > 0).any():
                    z = rng.standard_normal((width, fan_in + 1)) @ extended * np.sqrt(2.0 / fan_in)
                x = np.maximum(z, 0)
                if not counted:
                    x = x[:, x.any(axis=0)]
            for name in updates:
                dead[name][trial] = total[name]
    result = estimate(network, points, "conditional", 20_000, seed)
    for name in names:
        stderr = np.hypot(dead[name].std() / math.sqrt(trials), result.alive_stderr[-1])
        (assert_agrees if name == "right" else assert_refutes)(dead[name].mean(), stderr, result.death[-1])


# --- invariants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias_variance", [0.0, 0.4])
@pytest.mark.parametrize(("estimator", "edges"), [("conditional", (0, 64, 192, 201)), ("splitting", range(10))])
def test_trials_do_not_depend_on_their_shards(estimator, edges, bias_variance):
    """Shards that divide no population add up to one shard of all trials."""
    network = Network([3] * 6, input_dim=5, bias_variance=bias_variance)
    task = Task(network, input_set("gaussian:40", dimension=5), estimator=estimator)
    whole = run_shard(task, 0, edges[0], edges[-1]).statistics
    each = [run_shard(task, 0, start, stop).statistics for start, stop in pairwise(edges)]
    for name, values in whole.items():
        total = np.zeros(6)
        for one in each:
            total += one[name]
        # the last digit depends on the number of roundings per trial; nothing else depends on earlier trials
        np.testing.assert_allclose(values, total, rtol=1e-13)
    other = run_shard(task, 1, edges[0], edges[-1]).statistics
    assert not np.array_equal(whole["living"], other["living"])


def test_a_shard_divides_no_population():
    for network in (Network([3]), Network([20] * 5), Network([3000] * 4)):
        points = input_set("gaussian:64", dimension=network.input_dim)
        task = Task(network, points, estimator="conditional")
        assert task.shard_trials % population_of(network, points).trials == 0
        assert task.description()["population"] == list(population_of(network, points))


@pytest.mark.parametrize("bias_variance", [0.0, 1.0])
@pytest.mark.parametrize("variance", [0.05, 40.0])
def test_two_thousand_layers_neither_over_nor_underflow(variance, bias_variance):
    network = Network([12] * 2000, input_dim=3, init="gaussian", weight_variance=variance, bias_variance=bias_variance)
    result = estimate(network, "gaussian:8", "conditional", 20)
    assert np.isfinite(result.alive).all()
    assert result.living_ratio[-1] == pytest.approx(result.expected_living_ratio[-1], rel=0.1)
    lone = 1 - (1 - 2.0**-12) ** 2000
    assert 0.5 * lone < result.death[-1] < lone
    narrow = Network([2] * 2000, init="gaussian", weight_variance=variance, bias_variance=bias_variance)
    result = estimate(narrow, "gaussian:8", "splitting", 3)
    assert result.log10_alive[-1] == pytest.approx(2000 * math.log10(0.75), abs=1.5)


def test_when_every_population_dies_the_interval_says_so(monkeypatch):
    monkeypatch.setattr(splitting_dense, "POPULATION", 2)
    result = estimate(Network([1] * 200), "gaussian:4", "splitting", 10)
    assert result.alive[-1] == 0
    assert result.high[-1] == pytest.approx(1 - 0.025 ** (1 / 10))


def test_one_population_has_no_error():
    result = estimate(Network([3] * 4), "gaussian:4", "conditional", 64)
    assert np.isnan(result.alive_stderr).all()
    assert np.isnan(result.log10_death_low).all()
    assert np.isfinite(result.log10_death[1:]).all()
    assert "one population" in result.withheld["log10_death"]
    np.testing.assert_array_equal(result.low, result.lower_bound)
    np.testing.assert_array_equal(result.high, result.upper_bound)
    splitting = estimate(Network([3] * 4), "gaussian:4", "splitting", 1)
    assert (splitting.low == 0).all()
    assert (splitting.high == 1).all()


def test_a_population_that_fills_the_memory_is_refused():
    task = Task(Network([500] * 2), input_set(np.ones((4000, 500))), estimator="splitting")
    with pytest.raises(InvalidArgumentError, match="GiB"):
        run_shard(task, 0, 0, 1)


@pytest.mark.parametrize("estimator", ["conditional", "splitting"])
@other_compilations
def test_same_numbers_without_the_compiler_and_with_bounds_checked(estimator, setting, tmp_path):
    program = (
        "from neurondeath.simulations.samplers import splitting_dense; splitting_dense.POPULATION = 6;"
        "task = Task(Network([3, 2, 5], bias_variance=0.3), input_set('gaussian:6', dimension=3), "
        f"estimator={estimator!r});"
        "print({k: [float(f'{x:.4g}') for x in v] for k, v in run_shard(task, 2, 0, 4).statistics.items()})"
    )
    assert_same_numbers(program, setting, tmp_path)

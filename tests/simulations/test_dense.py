"""The dense engine compared with its plain twin, in both precisions, and without the compiler."""

import numpy as np
import pytest

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network
from tests.references.twins import assert_same_numbers, other_compilations, sample_plain

NETWORKS = [
    (Network([1] * 4), "gaussian:5"),
    (Network([2] * 12), "gaussian:33"),
    (Network([3] * 20, input_dim=7), "gaussian:64"),
    (Network([5, 2, 9, 3, 3, 17], input_dim=4), "cube:20"),
    (Network([4] * 15, bias_variance=0.5), "gaussian:64"),
    (Network([3, 6, 2, 5], input_dim=2, init="gaussian", weight_variance=0.7, bias_variance=1.3), "orthant:10"),
    (Network([70, 3], input_dim=300), "sphere:7"),
    (Network([8] * 100, input_dim=20), "cube:16"),
    (Network([9, 30, 8] * 20, input_dim=20, bias_variance=1e-9), "cube:40"),
    (Network([2] * 6, input_dim=1), "rays"),
    (Network([2] * 6, input_dim=1, bias_variance=0.1), "interval:9"),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("network", "spec"), NETWORKS, ids=lambda value: str(value)[:60])
def test_twin(network, spec, dtype):
    points = input_set(spec, dimension=network.input_dim, seed=3)
    task = Task(network, points, dtype=dtype)
    trials = range(5, 205)
    shard = run_shard(task, 11, trials.start, trials.stop)
    alive = sample_plain(network, points.points, stream_key(11, task.stream_name), trials)
    living = alive.sum(axis=2)
    assert shard.statistics["alive"].tolist() == (living > 0).sum(axis=0).tolist()
    assert shard.statistics["living"].tolist() == living.sum(axis=0).tolist()
    assert shard.statistics["living_squares"].tolist() == (living**2).sum(axis=0).tolist()
    assert (
        0 < shard.statistics["living"].sum() < len(trials) * network.depth * points.n_points or max(network.widths) > 20
    )


def test_trials_do_not_depend_on_how_they_are_cut():
    task = Task(Network([3] * 10), input_set("gaussian:16", dimension=3))
    whole = run_shard(task, 0, 0, 40).statistics
    parts = [run_shard(task, 0, start, stop).statistics for start, stop in [(0, 1), (1, 17), (17, 40)]]
    for name, values in whole.items():
        assert np.array_equal(values, sum(part[name] for part in parts))


@pytest.mark.parametrize("bias_variance", [0.0, 1.0])
@pytest.mark.parametrize("variance", [0.05, 2.0, 40.0])
def test_ten_thousand_layers_neither_over_nor_underflow(variance, bias_variance):
    """Width 24 dies at a layer with probability 6e-8: nearly all networks must live, at any scale."""
    network = Network(
        [24] * 10_000, input_dim=3, init="gaussian", weight_variance=variance, bias_variance=bias_variance
    )
    task = Task(network, input_set("gaussian:4", dimension=3))
    statistics = run_shard(task, 1, 0, 4).statistics
    assert statistics["alive"][-1] == 4
    assert statistics["living"][-1] == 16


@pytest.mark.parametrize("bias_variance", [0.0, 1.0])
def test_extreme_norms_give_the_same_signs(bias_variance):
    rng = np.random.default_rng(5)
    directions = rng.standard_normal((6, 3))
    scales = np.array([1e-150, 1e-30, 1.0, 1.0, 1e30, 1e150])
    network = Network([3] * 8, bias_variance=bias_variance)
    task = Task(network, InputSet("extreme", directions * scales[:, None]))
    alive = sample_plain(network, task.inputs.points, stream_key(0, task.stream_name), range(50))
    assert run_shard(task, 0, 0, 50).statistics["living"].tolist() == alive.sum(axis=(0, 2)).tolist()


def test_points_at_zero_are_dead_without_biases_and_live_with_them():
    points = InputSet("zeros", np.array([[0.0, 0.0], [1.0, 2.0]]))
    assert run_shard(Task(Network([30]), points_of(points, 2)), 0, 0, 10).statistics["living"][0] == 10
    with_bias = Task(Network([30], input_dim=2, bias_variance=1.0), points)
    assert run_shard(with_bias, 0, 0, 10).statistics["living"][0] == 20


def points_of(points, dimension):
    """Return the points in the input dimension of the network, padded with zeros."""
    filled = np.zeros((points.n_points, 30))
    filled[:, :dimension] = points.points
    return InputSet("filled", filled)


@other_compilations
def test_same_numbers_without_the_compiler_and_with_bounds_checked(setting, tmp_path):
    program = (
        "task = Task(Network([3, 2, 5], bias_variance=0.3), input_set('gaussian:6', dimension=3));"
        "print({k: v.tolist() for k, v in run_shard(task, 2, 0, 12).statistics.items()})"
    )
    assert_same_numbers(program, setting, tmp_path)

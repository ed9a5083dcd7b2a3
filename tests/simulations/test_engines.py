"""Three engines, one law: each compared with its twin, the others, and exact theory."""

import math

import numpy as np
import pytest

from neurondeath.simulations.counter_random import PURPOSE_SIGNS, stream_key, stream_words
from neurondeath.simulations.engines import choose_engine
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.two_point import two_point_survival
from tests.references.statistical import assert_agrees, assert_refutes, seeds

CASES = [
    (Network([4] * 12), "gaussian:3"),
    (Network([4] * 12), "gaussian:40"),
    (Network([5] * 20, input_dim=3), "orthant:12"),
    (Network([3] * 8, bias_variance=0.5), "gaussian:20"),
    (Network([6, 3, 9, 4], input_dim=2, init="gaussian", weight_variance=5.0, bias_variance=0.1), "cube:7"),
    (Network([3] * 6, input_dim=1), "rays"),
    (Network([4] * 10, input_dim=64), "digits:30"),
]


@seeds
@pytest.mark.parametrize(("network", "spec"), CASES, ids=lambda value: str(value)[:50])
def test_gram_agrees_with_dense(network, spec, seed):
    trials = 8000
    dense, gram = (simulate(network, spec, trials=trials, seed=seed, engine=engine) for engine in ("dense", "gram"))
    together = (dense.alive + gram.alive) / 2
    stderr = np.sqrt(2 * together * (1 - together) / trials)
    moved = stderr > 0
    assert_agrees(dense.alive[moved], stderr[moved], gram.alive[moved])
    assert_refutes(dense.alive[moved], stderr[moved], gram.alive[moved] * 0.8)
    assert_agrees(gram.living_ratio, gram.living_ratio_stderr, gram.expected_living_ratio)


def pair_at(angle):
    return InputSet("pair", np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)]]))


@seeds
@pytest.mark.parametrize("engine", ["dense", "gram"])
@pytest.mark.parametrize("angle", [0.3, math.pi / 2, math.pi])
@pytest.mark.parametrize("widths", [[2] * 8, [3] * 12, [5, 2, 4, 3] * 3])
def test_two_points_survive_as_the_exact_theory_says(engine, angle, widths, seed):
    result = simulate(Network(widths, input_dim=2), pair_at(angle), trials=10_000, seed=seed, engine=engine)
    exact = two_point_survival(widths, angle).alive
    stderr = np.sqrt(exact * (1 - exact) / result.trials)
    moved = exact < 1
    assert_agrees(result.alive[moved], stderr[moved], exact[moved])
    assert_refutes(result.alive[moved], stderr[moved], result.lower_bound[moved])


@pytest.mark.parametrize("width", [1, 2, 3, 31, 32, 33, 100, 127, 128, 129, 1000, 10**6])
def test_one_point_is_exact_at_every_width(width):
    widths = [width] * 40 if width < 5 else [3, width] * 20
    network = Network(widths, input_dim=2)
    result = simulate(network, np.array([[1.0, -2.0]]), trials=20_000, engine="single")
    exact = survival_bounds(widths).lower
    assert_agrees(result.alive, np.sqrt(exact * (1 - exact) / result.trials), exact)


def test_single_twin():
    """The i-th word of a layer contains the signs of units 32 i .. 32 i + 31."""
    network = Network([2, 5, 40, 1, 3, 2, 70, 2], input_dim=1)
    task = Task(network, InputSet("one", np.ones((1, 1))), engine="single")
    key = stream_key(4, task.stream_name)
    alive = np.zeros(network.depth, int)
    for trial in range(300):
        for layer, width in enumerate(network.widths):
            words = stream_words(key, -(-width // 32), layer=layer, trial=trial, purpose=PURPOSE_SIGNS)
            bits = [(int(words[unit // 32]) >> (unit % 32)) & 1 for unit in range(width)]
            if not any(bits):
                break
            alive[layer] += 1
    assert run_shard(task, 4, 0, 300).statistics["alive"].tolist() == alive.tolist()


def test_gram_drops_what_no_longer_differs():
    """Scaled copies of a point are alive exactly when the point is."""
    points = np.array([[1.0, 2.0, 0.5]]) * np.array([[1.0], [1e-9], [1e9], [3.0]])
    task = Task(Network([3] * 10), InputSet("copies", points), engine="gram")
    statistics = run_shard(task, 0, 0, 500).statistics
    assert statistics["living"].tolist() == (4 * statistics["alive"]).tolist()
    assert 0 < statistics["alive"][-1] < 500


@pytest.mark.parametrize("bias_variance", [0.0, 1.0])
@pytest.mark.parametrize("variance", [0.05, 40.0])
def test_gram_neither_over_nor_underflows(variance, bias_variance):
    network = Network([24] * 5000, init="gaussian", weight_variance=variance, bias_variance=bias_variance)
    task = Task(network, input_set("gaussian:4", dimension=24), engine="gram")
    assert run_shard(task, 1, 0, 3).statistics["living"][-1] == 12


def test_zero_points_in_the_gram_engine():
    points = InputSet("zeros", np.array([[0.0, 0.0], [1.0, 2.0]]))
    assert run_shard(Task(Network([30], input_dim=2), points, engine="gram"), 0, 0, 10).statistics["living"][0] == 10
    biased = Task(Network([30], input_dim=2, bias_variance=1.0), points, engine="gram")
    assert run_shard(biased, 0, 0, 10).statistics["living"][0] == 20
    origin = InputSet("origin", np.zeros((2, 2)))
    assert not run_shard(Task(Network([30], input_dim=2), origin, engine="gram"), 0, 0, 10).statistics["alive"].any()


def test_choice():
    one, few, many = (input_set(f"gaussian:{n}", dimension=4) for n in (1, 4, 500))
    assert choose_engine(Network([3], input_dim=4), one)[0] == "single"
    assert choose_engine(Network([500] * 3, input_dim=4), few)[0] == "gram"
    assert choose_engine(Network([500] * 3, input_dim=4), many)[0] == "dense"
    assert choose_engine(Network([3] * 3, input_dim=4), many)[0] == "dense"
    with pytest.raises(InvalidArgumentError, match="follows one point"):
        Task(Network([3], input_dim=4), few, engine="single")
    with pytest.raises(InvalidArgumentError, match="at most"):
        Task(Network([3], input_dim=4), input_set("gaussian:3000", dimension=4), engine="gram")


@pytest.mark.parametrize("engine", ["gram", "single"])
def test_engines_keep_the_promise_of_identical_numbers(engine):
    points = "gaussian:1" if engine == "single" else "gaussian:5"
    results = [simulate(Network([3] * 10), points, trials=3000, engine=engine, workers=workers) for workers in (1, 3)]
    assert results[0].alive.tolist() == results[1].alive.tolist()
    assert results[0].living_ratio_stderr.tolist() == results[1].living_ratio_stderr.tolist()


def test_common_random_numbers_make_differences_sharp():
    """On a common stream a layer flip changes nothing where most points live anyway; on separate streams it does."""
    points = input_set("gaussian:20", dimension=3)

    def living(sign_flip, stream):
        task = Task(Network([1, 2], input_dim=3, sign_flip=sign_flip), points, stream=stream)
        return np.array([run_shard(task, 0, trial, trial + 1).statistics["living"][0] for trial in range(200)])

    plain, flipped, other = living("none", "pair"), living("layer", "pair"), living("layer", "")
    unflipped = plain >= 10
    assert 50 < unflipped.sum() < 150
    assert (plain[unflipped] == flipped[unflipped]).all()
    assert (flipped[~unflipped] >= 10).all()
    assert not (plain[unflipped] == other[unflipped]).all()
    shared = simulate(Network([3] * 5), points, trials=50, stream="pair")
    own = simulate(Network([3] * 5), points, trials=50)
    assert shared.task_id != own.task_id
    assert shared.living_ratio.tolist() != own.living_ratio.tolist()

"""Sign flips in the simulator: equal to the plain algorithm, and their guarantees in every single trial."""

from types import SimpleNamespace

import numpy as np
import pytest

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.estimation.expectations import expected
from neurondeath.simulations.inputs.input_sets import InputSet, input_set
from neurondeath.simulations.kernels.sign_flips import FLIP_LAYER, FLIP_NEURON, flip_layer
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.task import Task
from neurondeath_theory.networks.network import Network
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee
from tests.references.architecture_twins import flip_signs, statistics

MODES = ["layer", "neuron"]


def points_of(kind, count, dimension):
    """Make sets on which a wrong flip would fail."""
    rng = np.random.default_rng(count)
    generic = rng.standard_normal((count, dimension))
    if kind == "antipodal":
        half = generic[: -(-count // 2)]
        return np.vstack([half, -half])[:count]
    if kind == "duplicates":
        return generic[rng.integers(0, 3, count) % count]
    if kind == "collinear":
        return np.linspace(-1.0, 2.0, count)[:, None] * np.ones(dimension) + 1e-3
    if kind == "norms":
        return generic * 10.0 ** np.linspace(-150, 150, count)[:, None]
    if kind == "corners":
        return np.array([[1.0 if i >> j & 1 else -1.0 for j in range(dimension)] for i in range(count)])
    return generic


KINDS = ["generic", "antipodal", "duplicates", "collinear", "norms", "corners"]


def living_by_trial(network, points, trials, dtype="float32", seed=0):
    """Living points after each layer of each network."""
    task = Task(network, InputSet("set", points), dtype=dtype)
    return np.array([run_shard(task, seed, t, t + 1).statistics["living"] for t in range(trials)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias_variance": 0.3},
        {"init": "orthogonal"},
        {"init": "uniform", "bias_variance": 1.0},
        {"init": "rai"},
    ],
    ids=str,
)
def test_twin(mode, options):
    for kind in KINDS:
        network = Network([3, 2, 4, 2, 3], input_dim=3, sign_flip=mode, **options)
        points = np.vstack([points_of(kind, 11, 3), np.zeros((2, 3))])
        if kind == "norms" and network.has_bias:
            points = np.clip(points, -1e100, 1e100)
        task = Task(network, InputSet(kind, points), dtype="float64")
        truth = statistics(network, points, stream_key(4, task.stream_name), range(40))
        found = run_shard(task, 4, 0, 40).statistics
        for name in ("alive", "living", "living_squares"):
            assert found[name].tolist() == truth[name].tolist(), (kind, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_fewer_points_than_patterns_all_stay_alive(width, kind, dtype):
    """With probability one: |S| = 2^n - 1 keeps every point at any depth, in every trial; also with biases."""
    count = 2**width - 1
    for options in ({}, {"bias_variance": 0.5}, {"init": "orthogonal"}):
        network = Network([width] * 40, input_dim=4, sign_flip="neuron", **options)
        living = living_by_trial(network, points_of(kind, count, 4), 25, dtype)
        assert (living == count).all()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_one_point_more_breaks_it(width):
    """The guarantee is sharp: with 2^n points some die, within the bound, and without flips nearly all die."""
    count = 2**width
    points = points_of("antipodal", count, 4)
    network = Network([width] * 40, input_dim=4, sign_flip="neuron")
    living = living_by_trial(network, points, 40)
    assert (living < count).any()
    promised = sign_flip_guarantee([width] * 40, count, "neuron").living_points
    assert (living >= promised).all()
    unflipped = living_by_trial(Network([width] * 40, input_dim=4), points, 40)
    assert (unflipped[:, -1] == 0).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_guarantees_hold_in_every_trial(mode, kind, dtype):
    for widths in ([1] * 8, [2, 1, 3, 2, 1], [3] * 12):
        for count in (1, 5, 16, 64):
            network = Network(widths, input_dim=6, sign_flip=mode)
            points = points_of(kind, count, 6)
            living = living_by_trial(network, points, 8, dtype)
            promised = sign_flip_guarantee(widths, count, mode).living_points
            assert (living >= promised).all()
            theory = expected(network, InputSet("set", points).description())
            assert (living >= theory.living_ratio_at_least * count - 1e-9).all()
            assert (theory.lower == 1).all()
            assert theory.living_ratio is None


@pytest.mark.parametrize("mode", MODES)
def test_points_at_zero_do_not_vote(mode):
    """Nine zeros and three points: without biases the zeros are dead, and the rest keep their own guarantee."""
    points = np.vstack([np.zeros((9, 3)), points_of("generic", 3, 3)])
    network = Network([2] * 12, input_dim=3, sign_flip=mode)
    living = living_by_trial(network, points, 60)
    promised = sign_flip_guarantee([2] * 12, 3, mode).living_points
    assert (living >= promised).all()
    assert living.max() <= 3
    if mode == "neuron":
        assert (living == 3).all()
    theory = expected(network, InputSet("set", points).description())
    assert theory.living_ratio_at_least[0] == promised[0] / 12
    with_bias = Network([2] * 12, input_dim=3, sign_flip=mode, bias_variance=1.0)
    assert (living_by_trial(with_bias, points, 60) >= sign_flip_guarantee([2] * 12, 12, mode).living_points).all()
    nothing = expected(network, InputSet("zeros", np.zeros((2, 3))).description())
    assert not nothing.upper.any()
    assert not living_by_trial(network, np.zeros((2, 3)), 5).any()


def test_rows_are_negated_as_the_rules_say():
    """By hand: the layer flip counts all points, the neuron flip the points that are not covered yet."""
    z = np.array([[1.0, -1.0, -1.0, -1.0], [-1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, 1.0, -1.0]])
    alive = np.array([True, True, True, True])
    for flip, mode, expected_z in (
        (FLIP_LAYER, "layer", z),  # three of four stay
        (
            FLIP_NEURON,
            "neuron",
            np.array([-z[0], z[1], z[2]]),
        ),  # then only point 0 is not covered: unit 1 is inactive there ...
    ):
        flipped, scratch = z.copy(), np.zeros(4, dtype=bool)
        flip_layer(flipped, alive, scratch, flip, 3)
        assert flipped.tolist() == flip_signs(z, alive, mode).tolist()
        if mode == "layer":
            assert flipped.tolist() == expected_z.tolist()
        else:
            assert flipped[0].tolist() == (-z[0]).tolist()
            assert flipped[1].tolist() == (-z[1]).tolist()  # ... so it is negated too, and everything is covered
            assert flipped[2].tolist() == z[2].tolist()
    flipped = z.copy()
    flip_layer(flipped, np.array([False, False, False, True]), np.zeros(4, dtype=bool), FLIP_LAYER, 3)
    assert flipped.tolist() == (-z).tolist()


@pytest.mark.parametrize("flip", [FLIP_LAYER, FLIP_NEURON])
def test_random_layers_against_the_plain_algorithm(flip):
    rng = np.random.default_rng(0)
    for _ in range(300):
        z = rng.standard_normal((rng.integers(1, 6), rng.integers(1, 20))) - rng.uniform(0, 2)
        alive = rng.random(z.shape[1]) < 0.7
        flipped = z.copy()
        flip_layer(flipped, alive, np.zeros(z.shape[1], dtype=bool), flip, len(z))
        assert flipped.tolist() == flip_signs(z, alive, MODES[flip - 1]).tolist()


def test_flips_look_at_the_set_of_their_trial():
    """Resampled inputs: the guarantee holds for every trial's own points."""
    inputs = input_set("gaussian:7", dimension=3, resample=True)
    task = Task(Network([3] * 20, sign_flip="neuron"), inputs)
    assert (run_shard(task, 0, 0, 30).statistics["living"] == 7 * 30).all()
    seen = {inputs.points_of_trial(stream_key(0, task.stream_name), trial).tobytes() for trial in range(30)}
    assert len(seen) == 30
    assert SimpleNamespace(**inputs.description()).resample

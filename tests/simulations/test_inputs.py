import numpy as np
import pytest

from neurondeath.simulations.counter_random import stream_key
from neurondeath.simulations.estimation.expectations import expected
from neurondeath.simulations.inputs.input_sets import InputSet, centred_points, check_fit, input_set
from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.activations import leaky_relu
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.bounds import survival_bounds
from tests.references.architecture_twins import draw
from tests.references.statistical import assert_agrees, assert_refutes, seeds


@pytest.mark.parametrize("kind", ["gaussian", "sphere", "cube", "orthant"])
def test_random_sets(kind):
    points = input_set(f"{kind}:500", dimension=3, seed=4)
    assert points.points.shape == (500, 3)
    assert (points.points == points.points.astype(np.float32)).all()
    assert points.content_hash == input_set(f"{kind}:500", dimension=3, seed=4).content_hash
    assert points.content_hash != input_set(f"{kind}:500", dimension=3, seed=5).content_hash
    assert points.nonnegative == (kind == "orthant")
    size = np.linalg.norm(points.points, axis=1)
    if kind == "sphere":
        np.testing.assert_allclose(size, 1, rtol=1e-6)
    if kind == "cube":
        assert np.abs(points.points).max() <= 1
        assert points.points.mean() == pytest.approx(0, abs=0.1)
        assert points.points.std() == pytest.approx(3**-0.5, abs=0.05)
    if kind in ("gaussian", "orthant"):
        assert (size**2).mean() == pytest.approx(3, abs=0.5)


def test_known_content():
    """The points of a specification are part of every task id: they must never change."""
    assert input_set("gaussian:64", dimension=8).content_hash == "50ef3d3176d9a52b"
    assert input_set("digits:256").content_hash == "6ddbabd0d6a07deb"


def test_digits():
    digits = input_set("digits")
    assert digits.points.shape == (1797, 64)
    assert digits.points.mean(axis=0) == pytest.approx(0, abs=1e-6)
    some = input_set("digits:256", seed=1)
    assert some.n_points == 256
    assert {tuple(row) for row in some.points} <= {tuple(row) for row in digits.points}
    assert some.content_hash != input_set("digits:256", seed=2).content_hash


def test_one_dimensional_sets():
    assert input_set("rays").points.tolist() == [[1.0], [-1.0]]
    assert input_set("interval:5").points[:, 0].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert input_set("interval:5").n_nonzero == 4


def test_files(tmp_path):
    points = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "a.npy", points)
    np.savez(tmp_path / "b.npz", points)
    for name in ("a.npy", "b.npz"):
        assert input_set(str(tmp_path / name)).points.tolist() == points.tolist()
    assert input_set(tmp_path / "a.npy").content_hash == input_set(points).content_hash


def write_bad_files(folder):
    np.save(folder / "nan.npy", np.array([[1.0, np.nan]]))
    np.save(folder / "inf.npy", np.array([[1.0, -np.inf]]))
    np.save(folder / "flat.npy", np.arange(3.0))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "complex.npy", np.ones((2, 2)) * 1j)
    np.save(folder / "none.npy", np.zeros((0, 3)))
    np.savez(folder / "two.npz", np.ones((1, 2)), np.ones((1, 2)))
    np.save(folder / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    (folder / "text.npy").write_text("hello")
    (folder / "empty.npy").write_text("")
    whole = folder / "whole.npy"
    np.save(whole, np.ones((100, 10)))
    (folder / "torn.npy").write_bytes(whole.read_bytes()[:500])
    (folder / "torn.npz").write_bytes((folder / "two.npz").read_bytes()[:100])
    (folder / "folder.npy").mkdir()


BAD_FILES = ["nan", "inf", "flat", "words", "complex", "none", "objects", "text", "empty", "torn", "folder", "missing"]


@pytest.mark.parametrize("name", [*(f"{stem}.npy" for stem in BAD_FILES), "two.npz", "torn.npz"])
def test_bad_files(name, tmp_path):
    write_bad_files(tmp_path)
    with pytest.raises(InvalidArgumentError) as caught:
        input_set(str(tmp_path / name))
    assert "`inputs`" in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    ["nosuch:3", "gaussian", "gaussian:", "gaussian:0", "gaussian:x", "gaussian:1.5", "interval", "", "digits:99999"],
)
def test_bad_specifications(spec):
    with pytest.raises(InvalidArgumentError):
        input_set(spec, dimension=1)


def test_dimension_must_fit():
    with pytest.raises(InvalidArgumentError, match="dimension 64"):
        input_set("digits:5", dimension=3)
    with pytest.raises(InvalidArgumentError, match="input_dim"):
        input_set("gaussian:5")
    with pytest.raises(InvalidArgumentError, match="at most"):
        input_set("gaussian:1000000", dimension=100_000)
    for spec, dimension in (("interval:2000000000", 1), ("orthant", 2**31 - 1), ("cube:2147483647", 1)):
        with pytest.raises(InvalidArgumentError, match=f"at most {2**28} numbers"):
            input_set(spec, dimension=dimension)


def test_the_orthant_without_a_size_is_the_whole():
    whole = input_set("orthant", dimension=3)
    assert whole.infinite
    assert whole.nonnegative
    assert whole.dimension == 3
    assert whole.description()["infinite"] is True
    assert str(whole) == "the whole orthant of dimension 3"
    assert whole.content_hash != input_set(np.ones((1, 3))).content_hash
    assert whole.content_hash != input_set("orthant", dimension=4).content_hash
    assert "infinite" not in input_set("orthant:5", dimension=3).description()
    with pytest.raises(InvalidArgumentError, match="input_dim"):
        input_set("orthant")


ORTHANTS = [
    (Network([2], input_dim=1), True),
    (Network([1], input_dim=2, bias_variance=0.5), True),
    (Network([2], input_dim=2, init="uniform"), True),
    (Network([2], input_dim=2, init="orthogonal"), False),
    (Network([2], input_dim=2, init="rai"), False),
    (Network([1, 2, 1], input_dim=1), True),
]


@pytest.mark.parametrize(("network", "bounded"), ORTHANTS, ids=str)
def test_the_orthant_is_decided_from_the_signs(network, bounded):
    """Every trial: dead exactly when no weight and no bias of layer 1 is positive; with more layers, one ray."""
    task = Task(network, input_set("orthant", dimension=network.input_dim))
    key = stream_key(3, task.stream_name)
    for trial in range(200):
        x, alive = np.ones(1), True
        for layer in range(network.depth):
            weights, biases = draw(network, key, layer, trial)
            if layer == 0:
                alive = bool((weights > 0).any() or (biases > 0).any())
            if network.input_dim == 1 and not network.has_bias:
                x = np.maximum(weights @ x, 0)
                alive = alive and bool(x.any())
            assert run_shard(task, 3, trial, trial + 1).statistics["alive"][layer] == alive
    assert (expected(network, task.inputs.description()).upper is not None) == bounded
    assert expected(network, task.inputs.description()).living_ratio is None


@pytest.mark.statistical
@seeds
def test_the_upper_bound_is_exact_for_one_layer_on_the_orthant(seed):
    trials = 20_000
    for network in (Network([2], input_dim=2), Network([1], input_dim=2, bias_variance=0.5)):
        inputs = input_set("orthant", dimension=2)
        alive = run_shard(Task(network, inputs), seed, 0, trials).statistics["alive"] / trials
        truth = survival_bounds(network.widths, input_dim=2, bias=network.has_bias, nonnegative_inputs=True).upper
        assert expected(network, inputs.description()).upper.tolist() == truth.tolist()
        error = np.sqrt(truth * (1 - truth) / trials)
        assert_agrees(alive, error, truth)
        assert_refutes(alive, error, truth**2)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Network([2, 2], input_dim=2), "more than one layer"),
        (Network([2, 2], input_dim=1, bias_variance=1.0), "more than one layer"),
        (Network([2], architecture="residual"), "plain ReLU"),
        (Network([2], activation=leaky_relu()), "plain ReLU"),
        (Network([2], sign_flip="layer"), "plain ReLU"),
    ],
    ids=str,
)
def test_what_the_signs_do_not_decide_is_refused(network, words):
    inputs = input_set("orthant", dimension=network.input_dim)
    with pytest.raises(InvalidArgumentError, match=words):
        check_fit(network, inputs)
    with pytest.raises(InvalidArgumentError, match=words):
        run_shard(Task(network, inputs), 0, 0, 1)
    check_fit(network, input_set("orthant:5", dimension=network.input_dim))


@pytest.mark.parametrize("kind", ["gaussian", "sphere", "cube", "orthant"])
def test_resampled_sets(kind):
    fixed = input_set(f"{kind}:6", dimension=3)
    fresh = input_set(f"{kind}:6", dimension=3, resample=True)
    assert fresh.content_hash == input_set(f"{kind}:6", dimension=3, resample=True, seed=5).content_hash
    assert fresh.content_hash != fixed.content_hash
    assert fresh.content_hash != input_set(f"{kind}:7", dimension=3, resample=True).content_hash
    assert fresh.description()["resample"] is True
    assert "resample" not in fixed.description()
    assert fresh.seed is None
    sets = [fresh.points_of_trial((1, 2), trial) for trial in range(20)]
    assert len({points.tobytes() for points in sets}) == 20
    assert all(points.shape == (6, 3) for points in sets)
    assert (np.concatenate(sets) >= 0).all() == (kind == "orthant")
    if kind == "sphere":
        np.testing.assert_allclose(np.linalg.norm(sets[3], axis=1), 1, rtol=1e-6)


def test_resampled_trials_are_those_of_their_points():
    """A trial on resampled points equals a trial on these points as fixed inputs, for plain and other networks."""
    for network in (Network([2] * 4), Network([2] * 4, architecture="residual"), Network([2] * 4, sign_flip="neuron")):
        task = Task(network, input_set("gaussian:5", dimension=2, resample=True))
        found = run_shard(task, 7, 10, 40).statistics["living"]
        total = np.zeros(4, dtype=int)
        for trial in range(10, 40):
            points = task.inputs.points_of_trial(stream_key(7, task.stream_name), trial)
            same = InputSet("these", points)
            single = Task(network, same)
            single.__dict__["task_id"] = task.task_id  # the random stream depends on the id
            total += run_shard(single, 7, trial, trial + 1).statistics["living"]
        assert found.tolist() == total.tolist()


@pytest.mark.parametrize("inputs", ["rays", "interval:5", "digits:5", "orthant", [[1.0, 2.0]]])
def test_only_random_sets_are_resampled(inputs):
    with pytest.raises(InvalidArgumentError, match="random set"):
        input_set(inputs, dimension=None if inputs != "orthant" else 2, resample=True)
    with pytest.raises(InvalidArgumentError, match="resample"):
        input_set("gaussian:3", dimension=2, resample="yes")


def test_points_that_are_the_mean_of_their_set():
    rng = np.random.default_rng(0)
    half = rng.standard_normal((20, 3))
    centre = rng.standard_normal(3)
    for scale in (1e-150, 1.0, 1e150, 1e307):
        points = (np.vstack([half, -half, np.zeros((1, 3))]) / 10 + centre) * scale
        centred = centred_points(points)
        assert np.isfinite(centred).all()
        assert centred.any(axis=1).sum() == 40
        np.testing.assert_allclose(centred[:20] / scale, half / 10, atol=1e-14)
    assert not centred_points(np.full((7, 2), 0.1)).any()
    assert not centred_points(np.zeros((2, 2))).any()
    assert input_set([[0.1, 1.0], [0.1, 1.0]]).several_points is False
    assert input_set([[0.1, 1.0], [0.1, 2.0]]).several_points is True

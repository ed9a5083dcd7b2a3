import numpy as np
import pytest

from neurondeath_theory.errors import InvalidArgumentError
from simulations.inputs import input_set


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

"""Sign-flip guarantees against brute force on adversarial data, in plain NumPy."""

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee


def adversarial_sets(rng: np.random.Generator) -> dict[str, np.ndarray]:
    x = rng.standard_normal((1, 3))
    return {
        "duplicates": np.repeat(x, 21, axis=0),
        "collinear": x * np.r_[1e-6, 1, 7, 1e6, -1e-3, -5, 2, 2, 3][:, None],
        "antipodal": np.vstack([g := rng.standard_normal((16, 3)), -g]),
        "two clusters": np.vstack([x + 1e-9 * rng.standard_normal((20, 3)), -x + 1e-9 * rng.standard_normal((11, 3))]),
        "cloud": rng.standard_normal((100, 3)),
        "one point": x,
        "orthant axes": np.repeat(np.eye(3), [1, 2, 4], axis=0),
    }


def living_points(x: np.ndarray, widths: list[int], mode: str, rng: np.random.Generator) -> list[int]:
    """Build one network with flips exactly as defined and count the points alive."""
    h, alive, counts = x, np.ones(len(x), dtype=bool), []
    for n in widths:
        z = h @ rng.standard_normal((h.shape[1], n))
        if mode == "layer":
            kept = (z[alive] > 0).any(axis=1).sum()
            if 2 * kept < alive.sum():
                z = -z
        elif mode == "neuron":
            uncovered = alive.copy()
            for unit in range(n):
                if 2 * (z[uncovered, unit] > 0).sum() < uncovered.sum():
                    z[:, unit] *= -1
                uncovered &= z[:, unit] <= 0
        h = np.maximum(z, 0.0)
        alive = alive & h.any(axis=1)
        counts.append(int(alive.sum()))
        largest = h.max(axis=1, keepdims=True)
        h = h / np.where(largest > 0, largest, 1.0)
    return counts


@pytest.mark.parametrize("mode", ["layer", "neuron"])
@pytest.mark.parametrize("widths", [[1] * 6, [2] * 8, [3, 1, 2, 4], [5] * 10, [7] * 3])
def test_guarantees_hold_on_adversarial_data(mode: str, widths: list[int]) -> None:
    rng = np.random.default_rng(11)
    closest = np.inf
    for _ in range(40):
        for x in adversarial_sets(rng).values():
            guarantee = sign_flip_guarantee(widths, len(x), mode)
            counts = np.array(living_points(x, widths, mode, rng))
            assert (counts >= guarantee.living_points).all()
            assert (counts / len(x) >= guarantee.living_ratio - 1e-15).all()
            assert (guarantee.living_ratio >= np.exp(guarantee.log_living_ratio) * (1 - 1e-12)).all()
            closest = min(closest, (counts - guarantee.living_points).min())
    assert closest == 0, "the guarantee is never met with equality: it may be too weak to test"


def test_without_flips_the_guarantees_fail() -> None:
    """Negative control: without flips the simulator does kill points that the flips keep alive."""
    rng = np.random.default_rng(12)
    guarantee = sign_flip_guarantee([2] * 8, 100, "neuron")
    worst = min(living_points(rng.standard_normal((100, 3)), [2] * 8, "none", rng)[-1] for _ in range(50))
    assert worst < guarantee.living_points[-1]


def test_layer_flip_does_not_reach_the_neuron_guarantee() -> None:
    """Negative control: the two guarantees differ, and the simulator distinguishes them."""
    rng = np.random.default_rng(13)
    guarantee = sign_flip_guarantee([3] * 6, 100, "neuron").living_points[-1]
    x = np.vstack([g := rng.standard_normal((50, 3)), -g])
    assert min(living_points(x, [3] * 6, "layer", rng)[-1] for _ in range(200)) < guarantee


def test_first_layer_guarantee_is_attained() -> None:
    """Opposite clusters of m+1 and m points: a layer of width 1 keeps ceil of half, whatever is drawn."""
    rng = np.random.default_rng(14)
    x = np.array([[1.0]] * 8 + [[-1.0]] * 7)
    for mode in ("layer", "neuron"):
        assert sign_flip_guarantee([1], 15, mode).living_points.tolist() == [8]
        assert {living_points(x, [1], mode, rng)[0] for _ in range(30)} == {8}


def test_recursions() -> None:
    for n_points in range(1, 70):
        guarantee = sign_flip_guarantee([2, 3, 1], n_points, "neuron")
        a = n_points
        expected = []
        for n in (2, 3, 1):
            dead = a
            for _ in range(n):  # one unit after another
                dead //= 2
            a -= dead
            expected.append(a)
        assert guarantee.living_points.tolist() == expected
        halved = sign_flip_guarantee([2, 3, 1], n_points, "layer").living_points
        assert halved.tolist() == [-(-n_points // 2), -(-n_points // 4), -(-n_points // 8)]


def test_few_points_all_live_at_any_depth() -> None:
    assert (sign_flip_guarantee([5] * 10_000, 31, "neuron").living_points == 31).all()
    assert sign_flip_guarantee([5], 32, "neuron").living_points.tolist() == [31]
    assert (sign_flip_guarantee([1] * 10_000, 10**9, "layer").living_points >= 1).all()


def test_sets_of_any_size() -> None:
    guarantee = sign_flip_guarantee([1, 2, 3], mode="neuron")
    assert guarantee.living_points is None
    assert guarantee.living_ratio == pytest.approx([1 / 2, 3 / 8, 21 / 64])
    layered = sign_flip_guarantee([4] * 2000, mode="layer")
    assert layered.log_living_ratio[-1] == pytest.approx(-2000 * np.log(2.0))
    assert list(guarantee.to_dataframe()) == ["depth", "width", "living_ratio"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 3, "neuron"), "`widths`"),
        (([2], 0, "neuron"), "`n_points` must be"),
        (([2], 2.5, "neuron"), "`n_points` must be"),
        (([2], 3, "unit"), "`mode` must be one of layer, neuron"),
        (([2], 3, None), "`mode` must be one of"),
    ],
)
def test_refuses(arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        sign_flip_guarantee(*arguments)

"""Data-aware bounds against direct simulation of networks, and against each other."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_digits

import neurondeath_theory.survival.data_aware as data_aware
from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from neurondeath_theory.survival.bounds import survival_bounds
from neurondeath_theory.survival.data_aware import data_aware_bounds, pairwise_angles
from neurondeath_theory.survival.two_point import pair_survival
from tests.references.statistical import assert_agrees, assert_refutes, seeds


def living_ratios(x: np.ndarray, widths: list[int], trials: int, rng: np.random.Generator) -> np.ndarray:
    """Living ratio of every one of many freshly drawn networks; h has shape (networks, points, units)."""
    h = np.broadcast_to(x, (trials, *x.shape))
    for n in widths:
        h = np.maximum(h @ rng.standard_normal((trials, h.shape[2], n)), 0.0)
        largest = h.max(axis=(1, 2), keepdims=True)
        h = h / np.where(largest > 0, largest, 1.0)
    return h.any(axis=2).mean(axis=1)


@seeds
@pytest.mark.parametrize("angle", [0.4, 2.0, math.pi])
def test_two_points_exactly(seed: int, angle: float) -> None:
    x = np.array([[2.0, 0.0], [5 * math.cos(angle), 5 * math.sin(angle)]])
    widths = [2, 3, 2]
    bounds = data_aware_bounds(x, widths)
    alive = living_ratios(x, widths, 60_000, np.random.default_rng([seed, 1])) > 0
    stderr = alive.std() / math.sqrt(len(alive))
    assert bounds.exact is not None
    assert_agrees(alive.mean(), stderr, bounds.exact)
    assert_refutes(alive.mean(), stderr, bounds.lower)
    assert bounds.lower <= bounds.de_caen <= bounds.gallot <= bounds.exact + bounds.pair_error
    assert bounds.exact == pytest.approx(2 * bounds.lower - pair_survival([angle], widths)[0], abs=1e-12)


@seeds
def test_bounds_hold_and_matter_on_digits(seed: int) -> None:
    """Width 4, depth 20: the bounds lie above that of one point and below the truth, as simulated."""
    digits = load_digits().data
    x = digits[:100]
    widths = [4] * 20
    bounds = data_aware_bounds(x, widths)
    ratios = living_ratios(x, widths, 6000, np.random.default_rng([seed, 2]))
    alive = (ratios > 0).mean()
    stderr = math.sqrt(alive * (1 - alive) / len(ratios))
    assert bounds.lower + 0.03 < bounds.de_caen < bounds.gallot < alive - 5 * stderr
    assert_agrees(ratios.mean(), ratios.std() / math.sqrt(len(ratios)), bounds.mean_living_ratio)
    pairs = pair_survival(pairwise_angles(x), widths)  # its mean is the mean square of the living ratio
    stderr = (ratios**2).std() / math.sqrt(len(ratios))
    assert_agrees((ratios**2).mean(), stderr, pairs.mean())
    assert_refutes((ratios**2).mean(), stderr, bounds.lower**2)


def test_gallot_is_the_pseudo_inverse_where_it_is_well_posed() -> None:
    x = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, 0.3], [0.2, 0.1, -1.0]])
    widths = [2, 2, 3]
    bounds = data_aware_bounds(x, widths)
    p = float(survival_bounds(widths).lower[-1])
    pairs = pair_survival(pairwise_angles(x), widths)
    np.fill_diagonal(pairs, p)
    assert bounds.gallot == pytest.approx(p**2 * np.linalg.pinv(pairs).sum(), abs=1e-6)
    assert bounds.de_caen == pytest.approx((p**2 / pairs.sum(axis=1)).sum(), abs=1e-6)


def test_scale_duplicates_and_zeros_change_nothing() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((7, 4))
    plain = data_aware_bounds(x, [3, 3])
    copies = data_aware_bounds(np.vstack([x, 1e200 * x, 1e-200 * x[:3], x[:2], np.zeros((5, 4))]), [3, 3])
    assert (copies.n_points, copies.n_zero, copies.n_rays) == (24, 5, 7)
    assert copies.gallot == pytest.approx(plain.gallot, rel=1e-12)
    assert copies.de_caen == pytest.approx(plain.de_caen, rel=1e-12)
    assert copies.mean_living_ratio == pytest.approx(plain.mean_living_ratio * 19 / 24)
    assert "5 of 24 points are zero" in str(copies)


def test_nearly_parallel_points_do_not_break_the_bound() -> None:
    """A cluster within 1e-7 is one point for all practical purposes: the matrix of pairs is singular to rounding."""
    rng = np.random.default_rng(4)
    x = np.array([1.0, 2.0, 3.0]) + 1e-7 * rng.standard_normal((60, 3))
    bounds = data_aware_bounds(x, [3] * 4)
    assert bounds.n_rays == 60
    assert bounds.lower <= bounds.gallot <= bounds.lower * (1 + 1e-5)


def test_errors_of_the_pairs_are_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise in the pairs' survival must not lift Gallot's bound above the truth once its size is known."""
    x = load_digits().data[:200]
    truth = data_aware_bounds(x, [4] * 20)
    rng = np.random.default_rng(5)

    def noisy(angles: np.ndarray, widths: np.ndarray) -> np.ndarray:
        noise = rng.uniform(-1e-3, 1e-3, angles.shape)
        return pair_survival(angles, widths) + (noise + noise.T) / 2

    monkeypatch.setattr(data_aware, "pair_survival", noisy)
    monkeypatch.setattr(data_aware, "pair_survival_error", lambda widths: 0.0)
    reckless = data_aware_bounds(x, [4] * 20).gallot
    monkeypatch.setattr(data_aware, "pair_survival_error", lambda widths: 1e-3)
    careful = data_aware_bounds(x, [4] * 20).gallot
    assert careful <= truth.gallot < reckless


def test_one_ray_is_the_lower_bound() -> None:
    bounds = data_aware_bounds([[1, 2], [2, 4]], [2, 5])
    assert bounds.exact == bounds.lower == pytest.approx(0.75 * 31 / 32)
    assert bounds.exact_error == 0.0
    assert bounds.gallot == pytest.approx(bounds.lower, rel=1e-12)


def test_extreme_depths_stay_finite() -> None:
    x = np.random.default_rng(6).standard_normal((20, 3))
    for widths in ([1] * 1000, [1] * 1100, [2] * 3000, [1], [200] * 50):
        bounds = data_aware_bounds(x, widths)
        assert 0.0 <= bounds.lower <= bounds.de_caen <= bounds.gallot <= 1.0


def test_angles_near_their_ends() -> None:
    for angle in (1e-150, 1e-12, 1e-6, 0.3, 1.5, math.pi - 1e-9):
        x = np.array([[3.0, 0.0], [1e-3 * math.cos(angle), 1e-3 * math.sin(angle)]])
        assert pairwise_angles(x)[0, 1] == pytest.approx(angle, rel=1e-14, abs=0)
    assert pairwise_angles(np.array([[1e300, -1e300], [-1e-300, 1e-300]]))[0, 1] == math.pi


def test_thousand_points_in_seconds() -> None:
    x = np.random.default_rng(7).standard_normal((1000, 64))
    bounds = data_aware_bounds(x, [3] * 10)
    assert bounds.n_rays == 1000
    assert bounds.lower < bounds.de_caen < bounds.gallot


@pytest.mark.parametrize(
    ("inputs", "widths", "message"),
    [
        ([1.0, 2.0], [2], "`inputs` must be a numeric array of shape"),
        ([[1.0, float("nan")]], [2], "`inputs` must hold finite numbers only"),
        ([["a"]], [2], "`inputs` must be a numeric array"),
        (np.empty((0, 3)), [2], "`inputs` must be a numeric array of shape"),
        (np.ones((4001, 2)), [2], "`inputs` must hold at most 4000 nonzero points"),
        ([[1.0]], [], "`widths` must be"),
        ([[1.0]], [0], r"`widths\[0\]` must be"),
    ],
)
def test_refuses(inputs, widths: list[int], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        data_aware_bounds(inputs, widths)


def test_zero_points_alone_are_withheld() -> None:
    with pytest.raises(AssumptionError, match="zero points only"):
        data_aware_bounds(np.zeros((3, 2)), [4])

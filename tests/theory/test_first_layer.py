"""Death of the first layer against partitions of space, closed forms, quadrature and simulated layers."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import block_diag
from scipy.special import log_ndtr, stdtrit

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival import nested_cones
from neurondeath_theory.survival.first_layer import first_layer_death, nearest_of_hull
from neurondeath_theory.survival.nested_cones import Cone, sample_directions, sample_nested_cones, sample_tilted
from neurondeath_theory.survival.tilted_orthant import draw_tilted, tilted_orthant
from tests.references.statistical import assert_agrees, assert_refutes, seeds


def n_cells(m: int, d: int) -> int:
    """Count the sign patterns that a plane through 0 can give m points in general position in d dimensions (Cover)."""
    return 2 * sum(math.comb(m - 1, i) for i in range(d))


@pytest.mark.parametrize(("m", "d"), [(1, 1), (3, 1), (2, 2), (7, 2), (3, 3), (6, 3), (9, 3)])
def test_sign_patterns_partition_space(m: int, d: int) -> None:
    """Over all signs of the points the polar cones tile the space: shares add up to one, and Cover counts them."""
    x = np.random.default_rng(10 * m + d).standard_normal((m, d))
    results = [first_layer_death(x * np.array(signs)[:, None], 1) for signs in product([-1.0, 1.0], repeat=m)]
    assert math.fsum(result.value for result in results) == pytest.approx(1.0, abs=1e-12)
    assert sum(result.value > 0 for result in results) == n_cells(m, d)
    assert {result.method for result in results} <= {"exact", "impossible"}
    assert all((result.value == 0) == (result.method == "impossible") for result in results)


@seeds
def test_sign_patterns_partition_four_dimensions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nested_cones, "PAIRS", (256, 64))
    x = np.random.default_rng(3).standard_normal((6, 4))
    signs = list(product([-1.0, 1.0], repeat=6))
    results = [first_layer_death(x * np.array(s)[:, None], 1, seed=100 * seed + i) for i, s in enumerate(signs)]
    assert sum(result.value > 0 for result in results) == n_cells(6, 4)
    stderr = math.sqrt(sum(result.error**2 for result in results))
    assert stderr < 0.005
    assert_agrees(sum(result.value for result in results), stderr, 1.0)
    assert_refutes(sum(result.value for result in results[1:]), stderr, 1.0)


def test_three_points_in_closed_form() -> None:
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((3, 3))
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        exact = 1 / 8 + np.arcsin((unit @ unit.T)[np.triu_indices(3, 1)]).sum() / (4 * math.pi)
        assert first_layer_death(x, 1).value == pytest.approx(exact, abs=1e-13)


@pytest.mark.parametrize("m", [1, 2, 4, 30, 1000])
def test_solid_angle_by_quadrature(m: int) -> None:
    """Around an axis inside the polar cone: a ray at azimuth f is inside up to the slope of the steepest constraint."""
    rng = np.random.default_rng(m)
    x = np.column_stack([rng.uniform(-1.5, 1.5, (m, 2)), np.ones(m)]) * rng.uniform(0.1, 10, (m, 1))
    slopes = x[:, :2] / x[:, 2:]

    # midpoints at distance h: the few kinks leave an error of order h^2 / 8
    azimuth = (np.arange(50_000) + 0.5) * (2 * math.pi / 50_000)
    steepest = np.concatenate(
        [(np.column_stack([np.cos(a), np.sin(a)]) @ slopes.T).max(axis=1) for a in np.split(azimuth, 10)]
    )
    exact = ((1 - steepest / np.hypot(1, steepest)) / 2).mean()
    assert first_layer_death(x, 1).value == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("d", [4, 9, 12, 16, 40])
def test_orthogonal_points(d: int) -> None:
    turned = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))[0]
    for x in (np.eye(d), turned):
        result = first_layer_death(x, d)
        assert result.log_unit == pytest.approx(-d * math.log(2.0), rel=1e-12)
        assert result.log10_death_low <= -d * d * math.log10(2.0) * (1 - 1e-12)
        assert result.log10_death_high >= -d * d * math.log10(2.0) * (1 + 1e-12)


def test_orthogonal_sets_of_points_multiply() -> None:
    """Twelve planes with two points at 120 degrees in each, and a wedge with an opening of 1e-6 in another."""
    pair = np.array([[1.0, 0.0], [-0.5, math.sqrt(0.75)]])
    result = first_layer_death(np.kron(np.eye(12), pair), 3)
    assert (result.method, result.rank) == ("exact", 24)
    assert result.log_death == pytest.approx(-36 * math.log(6.0), rel=1e-12)
    assert result.log10_death_low == result.log10_death == result.log10_death_high
    wedge = np.array([[math.sin(5e-7), math.cos(5e-7)], [math.sin(5e-7), -math.cos(5e-7)]])
    both = first_layer_death(block_diag(pair, wedge), 1)
    assert both.log_unit == pytest.approx(math.log(1e-6 / (12 * math.pi)), rel=1e-9)


@pytest.mark.parametrize(("d", "rho"), [(4, 0.1), (12, 0.02), (12, 0.5)])
def test_equally_correlated_points_by_quadrature(d: int, rho: float) -> None:
    """Most intervals hold log10 q^d, q = int pdf(t) Phi(-sqrt(rho / (1 - rho)) t)^d dt, and all are narrow."""
    slope = math.sqrt(rho / (1 - rho))
    exact = math.log10(quad(lambda t: math.exp(-t * t / 2 + d * log_ndtr(-slope * t)), -30, 30, epsabs=0)[0])
    exact = d * (exact - math.log10(2 * math.pi) / 2)
    x = np.linalg.cholesky((1 - rho) * np.eye(d) + rho)
    results = [first_layer_death(x, d, seed=seed) for seed in range(8)]
    held = [result.log10_death_low <= exact <= result.log10_death_high for result in results]
    assert sum(held) >= 5  # each with 0.95: fewer with probability 4e-4
    assert all(abs(result.log10_death - exact) < 0.05 for result in results)
    assert all(result.log10_death_low < result.log10_death < result.log10_death_high for result in results)
    wrong = exact + 0.05
    assert not any(result.log10_death_low <= wrong <= result.log10_death_high for result in results)


@pytest.mark.parametrize("way", [sample_directions, sample_tilted, sample_nested_cones])
@pytest.mark.parametrize(("sets", "m"), [(2, 4), (3, 8), (2, 200)])
def test_every_way_gives_the_product_of_solid_angles(way, sets: int, m: int) -> None:
    """More points than dimensions: m around an axis in each of several orthogonal spaces, exact by solid angles."""
    rng = np.random.default_rng(sets)
    cones = [np.column_stack([rng.uniform(-1.5, 1.5, (m, 2)), np.ones(m)]) for _ in range(sets)]
    exact = sum(first_layer_death(cone, 1).log_unit for cone in cones)
    y = block_diag(*(cone / np.linalg.norm(cone, axis=1, keepdims=True) for cone in cones))
    assert first_layer_death(y, 1).log_unit == pytest.approx(exact, rel=1e-12)
    cone = Cone(y, nearest_of_hull(y)[0])
    arguments = () if way is sample_nested_cones else (0.0,)
    logs = way(cone, np.random.default_rng(7), *arguments)
    mean, error = logs.mean() + logs.var(ddof=1) / 2, logs.std(ddof=1) / 4
    assert error < 0.02
    assert_agrees(mean, error, exact)
    assert_refutes(mean, error, exact + 12 * error + 0.01)


def test_any_tilt_is_unbiased_and_the_minimax_tilt_is_sharp() -> None:
    x = np.linalg.cholesky(0.5 * np.eye(10) + 0.5)
    y = x / np.linalg.norm(x, axis=1, keepdims=True)
    orthant = tilted_orthant(y, nearest_of_hull(y)[0])
    uniforms = np.random.default_rng(1).random((200_000, 10))
    spreads = []
    for tilt in (orthant.tilt, np.zeros(10), orthant.tilt + 0.3):
        g, log_weights = draw_tilted(replace(orthant, tilt=tilt), uniforms)
        assert (g @ y.T <= 1e-12).all()
        weights = np.exp(log_weights)
        spreads.append(weights.std())
        assert_agrees(weights.mean(), spreads[-1] / math.sqrt(len(weights)), 1 / 11)
        assert_refutes(weights.mean(), spreads[-1] / math.sqrt(len(weights)), 1 / 12)
    assert 2 * spreads[0] < min(spreads[1:])
    assert abs(orthant.tilt[-1]) < 1e-6


def test_thin_cones_in_general_position() -> None:
    """Four wedges with an opening of 1e-6 that are joined by a slight turn: q near 4 factors of 1e-6 / (2 pi)."""
    wedge = np.array([[math.sin(5e-7), math.cos(5e-7)], [math.sin(5e-7), -math.cos(5e-7)]])
    y = np.kron(np.eye(4), wedge)
    y = y @ np.linalg.qr(np.random.default_rng(3).standard_normal((8, 8)))[0]
    logs = sample_tilted(Cone(y, nearest_of_hull(y)[0]), np.random.default_rng(0), 0.2)
    assert logs is not None
    assert logs.mean() == pytest.approx(4 * math.log(1e-6 / (2 * math.pi)), abs=1e-3)


def test_gaussian_points_against_plain_sampling() -> None:
    """Points with a bias in 8 dimensions, whose q counting still finds; the interval is on the scale of q^n."""
    x = np.random.default_rng(11).standard_normal((64, 8))
    rng = np.random.default_rng(12)
    hits, trials = 0, 2_000_000
    for _ in range(20):
        g = rng.standard_normal((trials // 20, 9)).astype(np.float32)
        hits += int(((g[:, :8] @ (x.T / math.sqrt(8.0)).astype(np.float32) + g[:, 8:]).max(axis=1) <= 0).sum())
    result = first_layer_death(x, 3, bias_variance=1.0, weight_variance=1.0)
    assert hits > 500
    error = math.hypot(result.log_unit_error, 1 / math.sqrt(hits))
    assert_agrees(result.log_unit, error, math.log(hits / trials))
    half = (result.log10_death_high - result.log10_death_low) / 2
    assert half == pytest.approx(stdtrit(15, 0.975) * result.log_death_error / math.log(10.0))


@seeds
@pytest.mark.parametrize(("m", "d", "sb2"), [(3, 1, 0.5), (5, 2, 1.0), (4, 2, 0.0), (8, 5, 0.3), (6, 4, 0.0)])
def test_simulated_layers(seed: int, m: int, d: int, sb2: float) -> None:
    rng = np.random.default_rng([seed, m, d])
    x = rng.standard_normal((m, d)) + 2.0  # far enough from surrounding the origin that units die
    trials, width = 400_000, 2
    dead = np.ones(trials, dtype=bool)
    for _ in range(width):
        w = rng.standard_normal((trials, d)) * math.sqrt(1.5 / d)
        b = rng.standard_normal((trials, 1)) * math.sqrt(sb2)
        dead &= (w @ x.T + b <= 0).all(axis=1)
    result = first_layer_death(x, width, bias_variance=sb2, weight_variance=1.5)
    share = dead.mean()
    assert share > 1e-3
    stderr = math.hypot(result.error, math.sqrt(share * (1 - share) / trials))
    assert_agrees(share, stderr, result.value)
    assert_refutes(share, stderr, result.value ** (1 / width))


def test_two_rays_with_bias() -> None:
    """The unit probability P(b <= -|w| s) is pi minus the angle between (s, 1) and (-s, 1), over 2 pi."""
    for sw2, sb2 in [(2.0, 1.0), (0.1, 3.0), (5.0, 1e-6)]:
        between = 2 * math.atan2(math.sqrt(sw2), math.sqrt(sb2))
        result = first_layer_death([[1.0], [-1.0]], 4, weight_variance=sw2, bias_variance=sb2)
        assert result.unit_probability == pytest.approx((math.pi - between) / (2 * math.pi), rel=1e-9)
        assert result.log_death == pytest.approx(4 * result.log_unit)


def test_rank_not_dimension_counts() -> None:
    rng = np.random.default_rng(9)
    plane = rng.standard_normal((5, 2)) + np.array([3.0, 0.0])
    wide = plane @ rng.standard_normal((2, 200))
    lying, flat = first_layer_death(wide, 1), first_layer_death(plane @ np.linalg.qr(rng.normal(size=(200, 2)))[0].T, 1)
    assert lying.rank == flat.rank == 2
    assert flat.value == pytest.approx(first_layer_death(plane, 1).value, abs=1e-12)


@pytest.mark.parametrize(
    "x",
    [
        [[1.0, 2.0], [-2.0, -4.0]],  # antipodal
        [[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [0.0, 0.0, 1.0]],  # they span a plane positively
        np.vstack([np.eye(6), -np.ones((1, 6))]),  # they span all of space positively
        np.vstack([g := np.random.default_rng(1).standard_normal((40, 8)), -g[:1]]),
    ],
)
def test_points_in_no_open_half_space_cannot_all_be_missed(x) -> None:
    result = first_layer_death(x, 3)
    assert (result.value, result.error, result.method) == (0.0, 0.0, "impossible")
    assert result.log_death == -math.inf
    # moved into a half-space, as many points can all be missed
    assert first_layer_death(np.abs(x) + 0.1, 3).value > 0


def test_scale_zeros_and_duplicates_change_nothing() -> None:
    x = np.array([[1.0, 2.0, 0.5], [0.3, -0.2, 2.0], [2.0, 0.1, 0.1], [0.5, 0.5, 0.4]])
    plain = first_layer_death(x, 2).value
    same = np.vstack([1e300 * x, 1e-300 * x, x, np.zeros((3, 3))])
    assert first_layer_death(same, 2).value == pytest.approx(plain, rel=1e-12)
    assert first_layer_death(np.zeros((2, 3)), 5).value == 1.0
    assert first_layer_death(np.zeros((2, 3)), 5, bias_variance=1.0).value == pytest.approx(2.0**-5)


def test_same_seed_same_number() -> None:
    x = np.abs(np.random.default_rng(2).standard_normal((9, 6)))
    assert first_layer_death(x, 1, seed=4) == first_layer_death(x, 1, seed=4)
    assert first_layer_death(x, 1, seed=4).value != first_layer_death(x, 1, seed=5).value


def test_thin_cones_keep_their_digits() -> None:
    for gap in (1e-3, 1e-6, 1e-9):
        x = [[math.sin(gap / 2), math.cos(gap / 2)], [math.sin(gap / 2), -math.cos(gap / 2)]]
        assert first_layer_death(x, 1).value == pytest.approx(gap / (2 * math.pi), abs=1e-15)
    for gap in (1e-2, 1e-4, 1e-6):  # the same cut in half by a plane across
        wedge = [[math.sin(gap / 2), math.cos(gap / 2), 0], [math.sin(gap / 2), -math.cos(gap / 2), 0], [0, 0, 1]]
        assert first_layer_death(wedge, 1).value == pytest.approx(gap / (4 * math.pi), abs=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": [1.0]}, "`inputs` must be a numeric array of shape"),
        ({"inputs": [[math.inf]]}, "`inputs` must hold finite numbers"),
        ({"width": 0}, "`width` must be"),
        ({"bias_variance": -1.0}, "`bias_variance` must be"),
        ({"weight_variance": 0.0}, "`weight_variance` must be"),
        ({"weight_variance": math.nan}, "`weight_variance` must be"),
        ({"seed": -1}, "`seed` must be"),
    ],
)
def test_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        first_layer_death(**{"inputs": [[1.0]], "width": 2, **arguments})

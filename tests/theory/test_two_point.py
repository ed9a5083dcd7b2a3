import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival.two_point import pair_survival, pair_survival_error, two_point_survival
from tests.references.statistical import assert_agrees, assert_refutes, seeds

HALF_PI = math.pi / 2


def both_survive(angle, width):
    return 1 - 2.0 ** (1 - width) + ((math.pi - angle) / (2 * math.pi)) ** width


def two_units_from_a_right_angle(function):
    """E[f(new angle); both survive] for width 2 and orthogonal inputs, by the 16 equally likely sign patterns.

    Both units on for both points (1): the directions are independent and uniform on a quarter circle. One unit on for
    both and the other for one (4): a uniform direction against an axis. One unit on for both, the other off (2):
    parallel. One unit for each point (2): orthogonal.
    """
    quarter = mpmath.pi / 2
    gap = mpmath.quad(lambda t: function(t) * 2 * (quarter - t) / quarter**2, [0, quarter])
    uniform = mpmath.quad(lambda t: function(t) / quarter, [0, quarter])
    return (gap + 4 * uniform + 2 * function(mpmath.mpf(0)) + 2 * function(quarter)) / 16


@pytest.mark.parametrize("width", [1, 2, 3, 7, 20])
def test_width_two_from_a_right_angle_equals_the_sum_over_sign_patterns(width):
    exact = two_units_from_a_right_angle(
        lambda t: 1 - mpmath.mpf(2) ** (1 - width) + ((mpmath.pi - t) / (2 * mpmath.pi)) ** width
    )
    result = two_point_survival([2, width], HALF_PI)
    assert result.both[-1] == pytest.approx(float(exact), rel=1e-9)
    assert abs(result.both[-1] - float(exact)) <= result.both_error[-1]
    from_opposite = two_point_survival([5, 2, width], math.pi)  # one layer makes opposite points orthogonal
    assert from_opposite.both[-1] == pytest.approx(both_survive(math.pi, 5) * float(exact), rel=1e-9)


@pytest.mark.parametrize("width", [2, 5])
def test_death_of_both_from_a_right_angle_equals_the_sum_over_sign_patterns(width):
    def both_die(t):
        return ((mpmath.pi - t) / (2 * mpmath.pi)) ** width

    exact = two_units_from_a_right_angle(both_die)
    exact += mpmath.mpf(1) / 16 + 2 * (mpmath.mpf(1) / 4 - mpmath.mpf(1) / 16) * mpmath.mpf(2) ** -width
    assert two_point_survival([2, width], HALF_PI).none[-1] == pytest.approx(float(exact), rel=1e-9)


def two_units_by_directions(angle, function, nodes=64):
    """E[f(new angle); both survive] for width 2: sums over the directions of the two units and their shares of length.

    A unit sees the points as R cos(a) and R cos(a - angle), a uniform on the circle, and R1^2/(R1^2 + R2^2) is uniform.
    """
    abscissae, weights = np.polynomial.legendre.leggauss(nodes)
    unit, unit_weights = (abscissae + 1) / 2, weights / 2
    # graded towards both ends, where the new angle changes fast
    grade = unit**3 * (10 - 15 * unit + 6 * unit**2)
    grade_weights = unit_weights * 30 * unit**2 * (1 - unit) ** 2

    def arc(low, high):
        return low + (high - low) * grade, (high - low) * grade_weights / (2 * math.pi)

    split, split_weights = grade * math.pi / 2, grade_weights * math.pi / 2  # R1 = cos, R2 = sin of this
    first, second = np.cos(split)[:, None, None], np.sin(split)[:, None, None]
    measure = split_weights[:, None, None] * 2 * first * second
    on_both, on_both_weights = arc(angle - math.pi / 2, math.pi / 2)
    on_first, on_first_weights = arc(-math.pi / 2, angle - math.pi / 2)
    off = (math.pi - angle) / (2 * math.pi)
    total = off**2 * 2 * function(0.0) + 2 * (angle / (2 * math.pi)) ** 2 * function(math.pi / 2)
    # one unit on for both, the other on for one point: the two cases are mirror images, two orders each
    a, b = on_both[None, :, None], on_first[None, None, :]
    weight = measure * on_both_weights[None, :, None] * on_first_weights[None, None, :]
    total += 4 * (weight * function(np.arctan2(second * np.cos(b), first * np.cos(a)))).sum()
    # both units on for both: a < b and its mirror image
    low = on_both[:, None]
    high = low + (math.pi / 2 - low) * grade
    weight = measure * (on_both_weights[:, None] * (math.pi / 2 - low) * grade_weights / math.pi)[None]
    x1, x2 = first * np.cos(low)[None], second * np.cos(high)[None]
    y1, y2 = first * np.cos(low - angle)[None], second * np.cos(high - angle)[None]
    cross = first * second * math.sin(angle) * np.sin(high - low)[None]
    return total + (weight * function(np.arctan2(cross, x1 * y1 + x2 * y2))).sum()


@pytest.mark.parametrize("angle", [0.001, 0.05, 0.6, 1.4, 2.0, 2.7])
def test_width_two_equals_the_integral_over_directions(angle):
    for width in (2, 5):
        exact = two_units_by_directions(angle, lambda t, width=width: both_survive(t, width))
        assert two_point_survival([2, width], angle).both[-1] == pytest.approx(exact, abs=1e-11)


def sampled_angles(angle, width, count, rng):
    """Draw the units: new angles of the pairs, and which pairs survive both."""
    first, noise = rng.standard_normal((2, count, width))
    x, y = np.maximum(first, 0), np.maximum(math.cos(angle) * first + math.sin(angle) * noise, 0)
    xx, yy, xy = (x * x).sum(1), (y * y).sum(1), (x * y).sum(1)
    alive = (xx > 0) & (yy > 0)
    return np.arctan2(np.sqrt(np.maximum(xx * yy - xy * xy, 0)), xy), alive


@seeds
@pytest.mark.parametrize(("angle", "width"), [(0.02, 2), (0.3, 3), (1.0, 10), (2.0, 2), (2.9, 4), (0.8, 40)])
def test_one_step_agrees_with_drawn_units(angle, width, seed):
    rng = np.random.default_rng([seed, width])
    new, alive = sampled_angles(angle, width, 120_000, rng)
    for following in (2, 6):
        values = np.where(alive, both_survive(new, following), 0.0)
        truth = two_point_survival([width, following], angle).both[-1]
        stderr = values.std() / math.sqrt(values.size)
        assert_agrees(values.mean(), stderr, truth)
        assert_refutes(values.mean(), stderr, truth * 1.02)


@seeds
def test_whole_networks_agree(seed):
    """Brute force: draw all weights of networks on three inputs that span angles of 0.7 and 2.2."""
    widths, networks = [3, 4, 2, 5], 60_000
    rng = np.random.default_rng([seed, 5])
    for angle in (0.7, 2.2):
        points = np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)]]).T
        state = np.broadcast_to(points, (networks, 2, 2))
        alive = np.ones((networks, 2), dtype=bool)
        result = two_point_survival(widths, angle)
        for layer, width in enumerate(widths):
            weights = rng.standard_normal((networks, width, state.shape[1]))
            state = np.maximum(weights @ state, 0)
            alive &= (state > 0).any(1)
            for number, truth in enumerate([result.none, result.one, result.both]):
                share = (alive.sum(1) == number).mean()
                stderr = math.sqrt(truth[layer] * (1 - truth[layer]) / networks)
                assert_agrees(share, stderr, truth[layer])
        assert_refutes(share, stderr, two_point_survival(widths, angle + 0.8).both[-1])


def particle_chain(widths, count, rng):
    """P(none alive) from opposite points: probabilities summed exactly given the angles, angles resampled."""
    angle = np.full(count, math.pi)
    both, one, none = 1.0, 0.0, 0.0
    for width in widths:
        die = ((math.pi - angle) / (2 * math.pi)) ** width
        stay = 1 - 2.0 ** (1 - width) + die
        none += both * die.mean() + one * 2.0**-width
        one = one * (1 - 2.0**-width) + both * 2 * (2.0**-width - die.mean())
        both *= stay.mean()
        angle = rng.choice(angle, count, p=stay / stay.sum())
        waiting = np.arange(count)
        while waiting.size:
            first, noise = rng.standard_normal((2, waiting.size, width))
            at = angle[waiting, None]
            x, y = np.maximum(first, 0), np.maximum(np.cos(at) * first + np.sin(at) * noise, 0)
            xx, yy, xy = (x * x).sum(1), (y * y).sum(1), (x * y).sum(1)
            done = (xx > 0) & (yy > 0)
            cross = np.sqrt(np.maximum(xx * yy - xy * xy, 0))
            angle[waiting[done]] = np.arctan2(cross, xy)[done]
            waiting = waiting[~done]
    return none


@seeds
@pytest.mark.parametrize("widths", [[2] * 9, [3] * 9, [6, 3, 4, 8, 2, 5]])
def test_particle_chain_agrees(widths, seed):
    # 40 batches: Student's t beyond 6.1 has probability 4e-7 at 39 degrees of freedom
    rng = np.random.default_rng([seed, 7])
    estimates = np.array([particle_chain(widths, 2500, rng) for _ in range(40)])
    stderr = estimates.std(ddof=1) / math.sqrt(40) * 6.1 / 5
    truth = two_point_survival(widths, math.pi).none[-1]
    assert_agrees(estimates.mean(), stderr, truth)
    assert_refutes(estimates.mean(), stderr, truth * 1.02)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 3, 10, 17]), min_size=1, max_size=12), st.floats(0, math.pi))
def test_forward_and_backward_agree_and_the_identities_hold(widths, angle):
    result = two_point_survival(widths, angle)
    assert pair_survival(np.array([angle]), widths)[0] == pytest.approx(result.both[-1], abs=1e-9, rel=1e-8)
    assert result.both + result.one + result.none == pytest.approx(1.0, abs=1e-9)
    single = np.cumprod(1 - 2.0 ** -np.array(widths))  # P(the first point is alive)
    assert result.both + result.one / 2 == pytest.approx(single, rel=1e-9)
    assert (result.alive >= single * (1 - 1e-9)).all()
    assert (result.alive <= 2 * single * (1 + 1e-9)).all()
    assert abs(result.alive + result.none - 1).max() <= 1e-9


def test_parallel_points_are_one_point():
    widths = [2, 5, 3, 1, 4]
    single = np.cumprod(1 - 2.0 ** -np.array(widths))
    result = two_point_survival(widths, 0.0)
    assert result.both == pytest.approx(single, rel=1e-13)
    assert (result.one == 0).all()
    assert pair_survival(0.0, widths) == pytest.approx(single[-1], rel=1e-12)


def test_a_layer_of_one_unit_makes_survivors_parallel():
    for angle in (0.4, 1.9, math.pi):
        ratio = (math.pi - angle) / (2 * math.pi)
        result = two_point_survival([1, 3], angle)
        assert result.both == pytest.approx([ratio, ratio * 7 / 8], rel=1e-13)


@pytest.mark.parametrize("width", [5, 64, 500])
def test_death_from_opposite_points_keeps_its_relative_precision(width):
    single = Fraction(1, 2**width)
    one, both = 2 * single, 1 - 2 * single
    exact = both * single**2 + one * single
    log_exact = math.log(exact.numerator) - math.log(exact.denominator)
    result = two_point_survival([width] * 2, math.pi)
    assert result.log_none[0] == -math.inf
    assert result.log_none[1] == pytest.approx(log_exact, abs=1e-11)


def test_death_keeps_its_relative_precision_with_depth():
    # deep and wide: P(none) is the sum over layers of terms near 2^-40, far below the rounding of 1 - P(alive)
    result = two_point_survival([40] * 200, 1.0)
    single = -math.expm1(200 * math.log1p(-(2.0**-40)))
    assert result.none_relative_error[-1] < 1e-4
    assert 0.2 * single < result.none[-1] < single
    assert (np.diff(result.log_none) > 0).all()


def test_the_angle_of_a_very_wide_layer_follows_the_infinite_width_map():
    angle, width = 1.3, 50_000
    new = math.acos((math.sin(angle) + (math.pi - angle) * math.cos(angle)) / math.pi)
    wide = two_point_survival([width, 3], angle).both[-1]
    assert wide == pytest.approx(both_survive(new, 3), abs=2e-5)
    assert abs(wide - both_survive(angle, 3)) > 1e-3


def test_error_covers_the_difference_from_neighbouring_methods():
    for widths in ([2] * 30, [3] * 12, [10] * 50):
        forward = two_point_survival(widths, 1.2)
        assert forward.both_error[-1] <= 1e-6 * forward.both[-1]
        assert abs(pair_survival([1.2], widths)[0] - forward.both[-1]) <= pair_survival_error(widths)
        assert 0 < pair_survival_error(widths) < 1e-6


def test_deep_narrow_networks_stay_finite():
    result = two_point_survival([1, 2] * 3000, 0.5)
    assert np.isfinite(result.log_both).all()
    assert np.isfinite(result.log_alive).all()
    ratio = math.exp(result.log_alive[-1] - result.log_both[-1])
    assert 1.0 <= ratio < 4.0


def test_pair_survival_keeps_the_shape_and_falls_with_the_angle():
    angles = np.linspace(0, math.pi, 5000)
    values = pair_survival(angles, [4, 7, 3])
    assert (np.diff(values) < 1e-10).all()
    assert pair_survival(angles.reshape(50, 100), [4, 7, 3]).shape == (50, 100)
    assert pair_survival(np.empty((0, 3)), [4]).shape == (0, 3)
    assert pair_survival(angles, [6]) == pytest.approx(both_survive(angles, 6), abs=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: two_point_survival([2, 2], 4.0), "`angle` must lie in [0, 3.14159] radians; got 4.0"),
        (lambda: two_point_survival([2, 2], math.nan), "`angle` must lie in [0, 3.14159] radians; got nan"),
        (lambda: two_point_survival([], 1.0), "`widths` must be a non-empty sequence"),
        (lambda: two_point_survival([2, 0], 1.0), "`widths[1]` must be a whole number from 1"),
        (lambda: two_point_survival([10**6], 1.0), "`widths[0]` must be at most 100000; got 1000000"),
        (lambda: pair_survival([0.1, -0.2], [3]), "`angles[1]` must lie in [0, pi]; got -0.2"),
        (lambda: pair_survival([math.nan], [3]), "`angles[0]` must lie in [0, pi]; got nan"),
        (lambda: pair_survival(["a"], [3]), "`angles` must be a numeric array"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidArgumentError) as caught:
        call()
    assert message in str(caught.value)


def test_result_shows_itself():
    result = two_point_survival([3, 4], 2.0)
    assert str(result).startswith("P(alive through 2 layers) = 0.")
    frame = result.to_dataframe()
    assert frame["alive"].tolist() == result.alive.tolist()
    assert len(result.columns()["depth"]) == 2

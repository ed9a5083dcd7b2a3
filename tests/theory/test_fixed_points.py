"""Completeness of the fixed points, against a dense scan and exact cases; roots of exponential polynomials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.gaussian_limit.exponential_roots import exponential_polynomial_roots
from neurondeath_theory.gaussian_limit.fixed_points import fixed_points, inflections
from neurondeath_theory.gaussian_limit.variance import chi1, variance_curvature, variance_map, variance_slope
from neurondeath_theory.networks.activations import (
    absolute_value,
    clipped_shifted_relu,
    clipped_soft_threshold,
    hard_tanh,
    leaky_relu,
    relu,
    shifted_relu,
)
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

ZIGZAG = PiecewiseLinear([-1.0, 0.5, 2.0], [0.3, -1.0, 2.0, -0.2], 0.4)
SCAN = np.geomspace(1e-6, 1e6, 20_001)


def decimals(low, high):
    """Numbers of two decimals, so that no example depends on 1e-300."""
    return st.integers(round(100 * low), round(100 * high)).map(lambda n: n / 100)


piecewise = st.builds(
    lambda gaps, slopes, start, value: PiecewiseLinear(list(np.cumsum([start, *gaps])), slopes[: len(gaps) + 2], value),
    st.lists(decimals(0.05, 2.0), min_size=0, max_size=3),
    st.lists(decimals(-2.0, 2.0), min_size=5, max_size=5),
    decimals(-2.0, 1.0),
    decimals(-1.0, 1.0),
)


def crossings(values):
    return int((np.sign(values[:-1]) * np.sign(values[1:]) < 0).sum())


@pytest.mark.parametrize(
    ("scale", "value", "expected"), [(1.0, 0.02, 1), (3.0, 0.02, 1), (7.0, 0.02, 1), (1.7, 0.3, 1), (1.0, 0.3, 0)]
)
def test_a_slope_of_1_at_infinity_hides_no_crossing(scale, value, expected):
    """V' tends to 1 there, up to rounding, and V(q) - q to sqrt(q) times a constant, whose sign decides."""
    phi = PiecewiseLinear([0.0, 0.05, 0.1, 0.15], [-scale, 0.0, 0.0, 0.0, 2.0 * scale], value)
    weight = 0.4 / scale**2
    found = [point.q for point in fixed_points(phi, weight, 0.0).points if point.q > 0.0]
    gap = variance_map(phi, SCAN, weight, 0.0) - SCAN
    cuts = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0)
    assert len(found) == len(cuts) == expected
    assert all(SCAN[cut] <= q <= SCAN[cut + 1] for q, cut in zip(found, cuts, strict=True))


@settings(max_examples=40, deadline=None)
@given(piecewise, decimals(0.1, 10.0), decimals(0.0, 2.0))
def test_none_is_missed_by_a_dense_scan(activation, weight, bias):
    found = fixed_points(activation, weight, bias)
    gap = variance_map(activation, SCAN, weight, bias) - SCAN
    inside = [point.q for point in found.points if SCAN[0] < point.q < SCAN[-1]]
    firm = np.abs(gap) > 1e-12 * SCAN  # the sign of a smaller gap is a rounding error
    assert len(inside) >= crossings(gap[firm])
    for point in found.points:
        image = float(variance_map(activation, point.q, weight, bias))
        assert image == pytest.approx(point.q, rel=1e-11, abs=1e-300)
    for cut in np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0):
        if firm[cut] and firm[cut + 1]:
            assert any(SCAN[cut] <= q <= SCAN[cut + 1] for q in inside)


@settings(max_examples=40, deadline=None)
@given(piecewise)
def test_inflections_hold_every_sign_change_of_the_curvature(activation):
    cuts = inflections(activation)
    bend = variance_curvature(activation, SCAN) * SCAN
    firm = np.abs(bend) > 1e-10
    for left in np.flatnonzero(firm[:-1] & firm[1:] & (bend[:-1] * bend[1:] < 0)):
        assert any(SCAN[left] <= cut <= SCAN[left + 1] for cut in cuts)


@pytest.mark.parametrize(("tau", "m"), [(0.5, 1.0), (1.5, 0.01), (3.0, 5.0), (0.1, 40.0)])
def test_clipped_activations_have_one_inflection(tau, m):
    for phi in (clipped_shifted_relu(tau, m), clipped_soft_threshold(tau, m)):
        real = [
            q for q in inflections(phi) if variance_curvature(phi, q * 0.999) * variance_curvature(phi, q * 1.001) < 0
        ]
        assert len(real) == 1


def test_second_chaotic_fixed_point():
    design = sparse_design("clipped-shifted-relu", 0.9, v_prime=0.9)
    points = design.fixed_points.points
    assert [p.stability for p in points] == ["stable", "unstable", "stable"]
    np.testing.assert_allclose([p.q for p in points], [1.0, 1.399, 3.475], atol=6e-4)
    assert points[2].chi1 == pytest.approx(1.891, abs=6e-4)
    assert points[0].q == 1.0


def test_slopes_and_gains_are_those_of_the_map():
    for phi, weight, bias in ((hard_tanh(), 4.0, 0.0), (ZIGZAG, 2.0, 1.0)):
        for point in fixed_points(phi, weight, bias).points:
            if point.q > 0:
                assert point.v_prime == pytest.approx(float(variance_slope(phi, point.q, weight)))
                assert point.chi1 == pytest.approx(float(chi1(phi, point.q, weight)))
                assert point.stable == (abs(point.v_prime) < 1)


def test_linear_maps():
    assert fixed_points(relu(), 2.0, 0.0).continuum
    assert str(fixed_points(relu(), 2.0, 0.0)) == "every q is a fixed point of the variance map"
    without = fixed_points(relu(), 2.0, 0.5)
    assert (without.points, without.unbounded, without.continuum) == ((), True, False)
    (point,) = fixed_points(leaky_relu(), 1.0, 0.5).points
    assert point.q == pytest.approx(0.5 / (1 - 0.5 * (1 + 1e-4)), rel=1e-14)
    (zero,) = fixed_points(absolute_value(), 0.5, 0.0).points
    assert (zero.q, zero.v_prime, zero.stable) == (0.0, 0.5, True)


def test_unclipped_double_root():
    design = sparse_design("shifted-relu", 0.85)
    (point,) = design.fixed_points.points
    assert (point.q, point.stability, point.v_prime) == (1.0, "semi-stable", pytest.approx(1.0, abs=1e-14))
    slightly_less = fixed_points(design.activation, design.sigma_w2, design.sigma_b2 - 1e-4)
    slightly_more = fixed_points(design.activation, design.sigma_w2, design.sigma_b2 + 1e-4)
    assert [p.stability for p in slightly_less.points] == ["stable", "unstable"]
    assert slightly_more.points == ()
    assert slightly_more.unbounded


def test_many_scales():
    for scale in (1e-6, 1.0, 1e6):
        phi = clipped_shifted_relu(1.2815515655446004 * scale, 1.6105503363856677 * scale)
        points = fixed_points(phi, 10.195069299000632, 0.6204295096590293 * scale**2).points
        np.testing.assert_allclose([p.q / scale**2 for p in points], [1.0, 1.3989510613, 3.4744689548], rtol=1e-8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(decimals(0.1, 5.0), decimals(-2, 2), decimals(-2, 2)), min_size=1, max_size=4))
def test_exponential_polynomials(terms):
    given_terms = {exponent: [constant, slope] for exponent, constant, slope in terms}
    roots = np.array(exponential_polynomial_roots(given_terms))
    w = np.geomspace(1e-4, 30.0, 20_001)
    parts = np.array([(c[0] + c[1] * w) * np.exp(-(e - min(given_terms)) * w) for e, c in given_terms.items()])
    value, size = parts.sum(axis=0), np.abs(parts).sum(axis=0)
    assert len(roots) <= 2 * len(given_terms) + 4  # cuts at tangencies may repeat a root
    for left in np.flatnonzero(value[:-1] * value[1:] < 0):
        if min(abs(value[left]) / size[left], abs(value[left + 1]) / size[left + 1]) > 1e-10:
            assert ((roots >= w[left]) & (roots <= w[left + 1])).any()


def test_bad_arguments():
    with pytest.raises(InvalidArgumentError, match="`sigma_w2` must be a finite number above 0"):
        fixed_points(relu(), 0.0, 0.0)
    with pytest.raises(InvalidArgumentError, match="`sigma_b2` must be a finite number of at least 0"):
        fixed_points(relu(), 1.0, -1.0)
    with pytest.raises(InvalidArgumentError, match="`activation`"):
        fixed_points("tanh", 1.0, 1.0)


def test_shifted_relu_without_bias_dies_out_or_grows():
    found = fixed_points(shifted_relu(1.0), 5.0, 0.0)
    assert [p.stability for p in found.points] == ["stable", "unstable"]
    assert found.points[0].q == 0.0
    assert found.unbounded

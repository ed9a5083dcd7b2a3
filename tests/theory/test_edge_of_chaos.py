"""Edge-of-chaos designs: reference numbers, identities, limits, feasibility, and what a larger q* changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.edge_of_chaos import KINDS, edge_of_chaos, sparse_design
from neurondeath_theory.gaussian_limit.growing_variance import growing_variance
from neurondeath_theory.gaussian_limit.variance import chi1, variance_map
from neurondeath_theory.networks.activations import (
    clipped_shifted_relu,
    clipped_soft_threshold,
    hard_tanh,
    relu,
    shifted_relu,
    soft_threshold,
)
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear


@pytest.mark.parametrize(("target", "m"), [(0.5, 1.0511), (0.7, 1.4469), (0.9, 2.0540)])
def test_clip_for_a_target_slope(target, m):
    design = sparse_design("clipped-shifted-relu", 0.7, v_prime=target)
    assert design.m == pytest.approx(m, abs=5e-5)
    assert design.v_prime == pytest.approx(target, rel=1e-12)


def test_reference_design():
    design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    got = [design.tau, design.m, design.sigma_w2, design.sigma_b2]
    np.testing.assert_allclose(got, [1.0364, 1.1704, 7.3348, 0.5953], atol=5e-5)
    assert design.v_second == pytest.approx(0.023, abs=5e-4)
    assert design.stable
    assert design.verdict.startswith("stable: q* = 1 attracts")


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS[1:]), st.floats(0.5, 0.995), st.floats(0.02, 0.98), st.floats(1e-3, 1e3))
def test_every_design_sits_on_the_edge(kind, sparsity, slope, q):
    target = slope if kind.startswith("clipped") else None
    design = sparse_design(kind, sparsity, v_prime=target, q=q)
    assert float(variance_map(design.activation, q, design.sigma_w2, design.sigma_b2)) == pytest.approx(q, rel=1e-12)
    assert float(chi1(design.activation, q, design.sigma_w2)) == pytest.approx(1.0, rel=1e-12)
    assert design.sparsity == pytest.approx(sparsity, rel=1e-11)
    assert design.v_prime == pytest.approx(slope if target else 1.0, rel=1e-10)
    assert any(point.q == q for point in design.fixed_points.points) or design.fixed_points.continuum
    again = edge_of_chaos(design.activation, q)
    assert (again.tau, again.m) == (pytest.approx(design.tau, abs=1e-300), design.m and pytest.approx(design.m))


@pytest.mark.parametrize("sparsity", [0.3, 0.7, 0.95])
def test_soft_threshold_is_a_sparser_rectifier(sparsity):
    """CST at sparsity s has the tau, m, sigma_b2, V', V'' of CReLU at (1 + s)/2 and half its sigma_w2."""
    soft = sparse_design("clipped-soft-threshold", sparsity, v_prime=0.7)
    hard = sparse_design("clipped-shifted-relu", (1 + sparsity) / 2, v_prime=0.7)
    for name in ("tau", "m", "sigma_b2", "v_prime", "v_second"):
        assert getattr(soft, name) == pytest.approx(getattr(hard, name), rel=1e-11)
    assert soft.sigma_w2 == pytest.approx(hard.sigma_w2 / 2, rel=1e-11)


def test_slope_increases_with_the_clip():
    slopes = [sparse_design("clipped-shifted-relu", 0.85, m=m).v_prime for m in np.geomspace(0.01, 8.0, 40)]
    assert (np.diff(slopes) > 0).all()
    assert 0 < slopes[0] < 0.02
    assert 1 - 1e-9 < slopes[-1] <= 1


def test_limits():
    wide = sparse_design("clipped-shifted-relu", 0.85, m=30.0)
    bare = sparse_design("shifted-relu", 0.85)
    for name in ("tau", "sigma_w2", "sigma_b2", "v_prime", "v_second"):
        assert getattr(wide, name) == pytest.approx(getattr(bare, name), rel=1e-12)
    near = edge_of_chaos(shifted_relu(1e-9))
    plain = edge_of_chaos(relu())
    assert near.sigma_w2 == pytest.approx(plain.sigma_w2, rel=1e-8)
    assert near.sigma_b2 == pytest.approx(0.0, abs=1e-8)
    assert (plain.sigma_w2, plain.sigma_b2, plain.v_second) == (2.0, 0.0, 0.0)


def test_unclipped_designs_are_semi_stable():
    for kind, s in (("shifted-relu", 0.7), ("soft-threshold", 0.85)):
        design = sparse_design(kind, s)
        assert design.v_prime == pytest.approx(1.0, abs=1e-13)
        assert design.v_second > 0
        assert not design.stable
        assert design.verdict.startswith("semi-stable: V'(q*) = 1")
        q = np.geomspace(1e-3, 1e3, 2001)
        gap = variance_map(design.activation, q, design.sigma_w2, design.sigma_b2) - q
        assert (gap >= -1e-13 * q).all()


def test_verdicts():
    jump = sparse_design("clipped-shifted-relu", 0.9, v_prime=0.9).verdict
    assert "second stable fixed point, chaotic with chi_1 = 1.8911" in jump
    assert "crosses q = 1.399" in jump
    assert sparse_design("relu", 0.5).verdict.startswith("marginal: V(q) = q for every q")
    growing = PiecewiseLinear([-2.0, -1.0, 1.0, 2.0], [2.0, 1.0, 0.5, 1.0, 2.0])
    verdict = edge_of_chaos(growing).verdict
    assert verdict.startswith("unstable: V'(q*)")


def test_edge_of_any_activation():
    design = edge_of_chaos(hard_tanh(1.0), 2.0)
    assert design.sigma_w2 == pytest.approx(1 / (2 * norm.cdf(1 / np.sqrt(2)) - 1), rel=1e-13)
    assert (design.tau, design.m) == (0.0, 1.0)
    assert edge_of_chaos(PiecewiseLinear([-1.0, 0.5], [0.0, 1.0, 0.0], 0.0)).tau is None


@pytest.mark.parametrize(
    ("activation", "tau", "m"),
    [
        (relu(), 0.0, None),
        (shifted_relu(0.7), 0.7, None),
        (soft_threshold(0.7), 0.7, None),
        (clipped_shifted_relu(0.7, 1.1), 0.7, 1.1),
        (clipped_soft_threshold(0.7, 1.1), 0.7, 1.1),
    ],
    ids=str,
)
def test_threshold_and_clip_are_recognised(activation, tau, m):
    design = edge_of_chaos(activation)
    assert (design.tau, design.m) == (tau, m if m is None else pytest.approx(m, rel=1e-15))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("relu", 0.7), {}, "`sparsity` must be 0.5 for relu"),
        (("gelu", 0.7), {}, "`kind` must be one of relu"),
        (("shifted-relu", 1.0), {}, r"`sparsity` must lie in \(0, 1\)"),
        (("shifted-relu", float("nan")), {}, "`sparsity`"),
        (("shifted-relu", 0.7), {"m": 1.0}, "`m` must be left out for shifted-relu"),
        (("clipped-shifted-relu", 0.7), {}, "`v_prime` must be given for a clipped kind"),
        (("clipped-shifted-relu", 0.7), {"m": 1.0, "v_prime": 0.5}, "not both"),
        (("clipped-shifted-relu", 0.7), {"v_prime": 1.0}, r"`v_prime` must lie in \(0, 1\)"),
        (("clipped-shifted-relu", 0.7), {"m": 0.0}, "`m` must be a finite number above 0"),
        (("clipped-shifted-relu", 0.7), {"m": 1.0, "q": -1.0}, "`q` must be a finite number above 0"),
        (("shifted-relu", 0.3), {}, "`sparsity` must be at least 0.5 here"),
    ],
)
def test_bad_designs(arguments, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        sparse_design(*arguments, **options)


def test_infeasible_and_flat_activations():
    with pytest.raises(InvalidArgumentError, match=r"bias variance of at least 0 at the edge of chaos, not -0\.5"):
        edge_of_chaos(shifted_relu(-0.5))
    with pytest.raises(InvalidArgumentError, match="no weight variance gives chi_1 = 1"):
        edge_of_chaos(shifted_relu(100.0))


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 3.0), st.floats(0.05, 3.0), st.floats(0.01, 100.0))
def test_odd_activations_are_always_feasible(tau, m, q):
    assert edge_of_chaos(clipped_soft_threshold(tau, m), q).sigma_b2 >= 0


def test_scaling_changes_nothing_but_the_scale():
    """phi_{ct,cm}(cx) = c phi_{t,m}(x), checked on the whole map and on the designs."""
    table = growing_variance("clipped-shifted-relu", 0.9, m=0.16, q=[0.01, 1.0, 49.0], hold="ratio").columns()
    for name in ("clip", "sigma_w2", "bias_share", "v_prime", "curvature", "fluctuation", "gradient_share"):
        np.testing.assert_allclose(table[name], table[name][0], rtol=1e-11)
    assert set(table["n_fixed_points"]) == {3}
    small, large = (sparse_design("clipped-shifted-relu", 0.9, m=1.6 * c, q=c * c) for c in (1.0, 7.0))
    q = np.geomspace(0.01, 100, 50)
    np.testing.assert_allclose(
        variance_map(large.activation, 49 * q, large.sigma_w2, large.sigma_b2),
        49 * variance_map(small.activation, q, small.sigma_w2, small.sigma_b2),
        rtol=1e-12,
    )


def test_fixed_clip_lowers_the_slope_like_a_lower_clip():
    result = growing_variance("clipped-soft-threshold", 0.85, m=1.2, q=[1.0, 2.0, 8.0])
    table = result.columns()
    assert (np.diff(table["v_prime"]) < 0).all()
    assert (np.diff(table["gradient_share"]) < 0).all()
    for q, slope in zip(table["q"], table["v_prime"], strict=True):
        twin = sparse_design("clipped-soft-threshold", 0.85, m=1.2 / np.sqrt(q))
        assert slope == pytest.approx(twin.v_prime, rel=1e-11)
    assert "q* itself has none" in str(result)
    with pytest.raises(InvalidArgumentError, match="`hold` must be one of m, ratio"):
        growing_variance("clipped-soft-threshold", 0.85, m=1.2, hold="tau")
    with pytest.raises(InvalidArgumentError, match="`kind` must be one of clipped"):
        growing_variance("relu", 0.5, m=1.2)


def test_result_surface():
    design = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)
    assert design.to_dataframe().shape == (1, 8)
    assert "<table>" in design._repr_html_()
    assert design.fixed_points.to_dataframe()["stability"].tolist() == ["stable"]

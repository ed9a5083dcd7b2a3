"""The claims on trainability: their verdicts, the refutation of their mutations, and what their checkers rest on."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from neurondeath.paper_check.checkers.trainability import (
    angles,
    correlation_values,
    critical_residual,
    feature_angles,
    log_sizes,
    looks_linear,
    residual_fluctuations,
    tailored_slope,
    width_expansions,
)
from neurondeath.paper_check.checkers.trainability.hermite_quadrature import hermite_series
from neurondeath.paper_check.citations import cite
from neurondeath.paper_check.claims import packaged_claims
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath.paper_check.verification import check
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos
from neurondeath_theory.trainability.layer_factors import factor_moments
from tests.references.statistical import assert_agrees, assert_refutes, seeds

PAPERS = ("hanin2018", "jakub2023", "hayou2021", "shang2016", "balduzzi2017", "zhang2022")
CLAIMS = [claim for claim in packaged_claims() if claim.paper in PAPERS]
QUICK = Setting()
# checks that do not refute a mutation by themselves: it changes another check of the claim, or is too near to be seen
UNDECIDED = {
    *(("T9", "sparse networks are a point better", number) for number in (1, 4, 5, 7)),  # of zeros, without the margin
    *(("T9", "other zeros than designed", number) for number in (0, 2, 3, 6)),  # of accuracies
    *(("T9-silent", "half of the units", number) for number in (1, 2, 3)),  # of soft thresholds
    *(("T9-silent", "soft thresholds at 85 % no better than a tenth", number) for number in (0, 2, 3)),  # of the others
    *(("T9-silent", "forty points fewer with soft thresholds", number) for number in (0, 1)),  # of one activation
    ("T9-convolutions", "two points better than the dense network", 1),  # of zeros
    ("T9-convolutions", "other zeros than designed", 0),  # of accuracies
    *(("T10", "two points better than the dense network", number) for number in (1, 2)),  # of one network, of zeros
    ("T10", "less than 95 %, and more than two points behind", 2),  # of zeros
    *(("T10", "other zeros than designed", number) for number in (0, 1)),  # of accuracies
    *(("T11", "an accuracy beyond 1", number) for number in (1, 2)),  # of deeper ones, of the forecast
    *(("T11", "thirty times as high", number) for number in (0, 1)),  # of accuracies
    ("T2-step", "the variance of linear layers", 0),
    ("T4-signal", "a third of the bound", 1),
    ("T4-signal", "the same of the gradient", 1),
    ("T6-slopes", "the last digits raised", 1),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("claims") / "simulations.sqlite"


def test_every_claim_of_the_list_is_there():
    ids = {claim.id for claim in CLAIMS}
    assert {f"T{number}" for number in range(1, 7)} <= ids
    refuted = {claim.id for claim in CLAIMS if claim.expected is Verdict.REFUTED}
    assert refuted == {"T1-narrow", "T2-finite", "T4-gradient", "T5-angles"}
    assert all(claim.mutations for claim in CLAIMS)


@seeds
def test_every_claim_has_the_verdict_expected_of_it_by_every_check(seed, store):
    report = check(claims=CLAIMS, seed=seed, store=store)
    assert report.passed, str(report)
    for item in report.claims:
        assert all(one.verdict is item.claim.expected for one in item.evidence), item.claim.id


@seeds
def test_every_check_refutes_the_mutations_that_touch_it(seed, store):
    report = check(claims=CLAIMS, self_test=True, seed=seed, store=store)
    assert report.passed, str(report)
    for item in report.claims:
        for mutation in item.mutations:
            for number, one in enumerate(mutation.evidence):
                key = (item.claim.id, mutation.mutation.description, number)
                assert (one.verdict is Verdict.REFUTED) or key in UNDECIDED, (key, one.summary)
                assert one.verdict is not Verdict.ERROR, (key, one.summary)


def test_each_claim_cites_its_paper():
    assert "Products of Many Large Random Matrices" in cite("T1")
    assert "Vanishing Angles" in cite("T2")
    assert cite("T5-angles").startswith("@inproceedings{balduzzi2017,")
    assert cite("log_sizes").startswith("@article{hanin2018,")
    assert "{zhang2022," in cite("tailored_slope")


@pytest.mark.parametrize("width", [1, 7, 100])
def test_exact_moments_are_the_librarys(width):
    mean, variance = width_expansions.size_moments(width)
    ours = factor_moments(width, (0.0, 1.0))
    assert (float(mean), float(variance)) == pytest.approx((ours[0] + math.log(2.0), ours[1]), abs=1e-12)


def test_an_expansion_is_refuted_in_the_term_that_is_wrong():
    right = {"mean": "-5/(2*n) - 49/(12*n**2)", "variance": "5/n + 37/(2*n**2)"}
    for order in (1, 2):
        found = width_expansions.expansion(setting=QUICK, law="size", order=order, **right)
        assert (found.verdict is Verdict.CONFIRMED) == (order == 2)  # at order 1 the rest falls twice as fast
    for wrong in ({"mean": "-5/(2*n) - 50/(12*n**2)"}, {"variance": "5/n + 38/(2*n**2)"}):
        found = width_expansions.expansion(setting=QUICK, law="size", order=2, **{**right, **wrong})
        assert found.verdict is Verdict.REFUTED, wrong


def test_hermite_coefficients_of_known_functions():
    series, square = hermite_series(lambda z: np.maximum(z, 0.0), (0.0,), 5)
    known = [1 / math.sqrt(2 * math.pi), 0.5, 0.5 / math.sqrt(math.pi), 0.0, -1 / math.sqrt(24 * 2 * math.pi), 0.0]
    np.testing.assert_allclose(series, known, atol=1e-14)
    assert square == pytest.approx(0.5, abs=1e-14)
    series, square = hermite_series(lambda z: np.asarray(z > 0.7, dtype=float), (0.7,), 400)
    assert series[0] == pytest.approx(norm.sf(0.7), abs=1e-14)
    # the derivative of the step is a point mass: c_k = pdf h_{k-1} / sqrt(k)
    polynomials = np.ones(401)
    polynomials[1] = 0.7
    for k in range(1, 400):
        polynomials[k + 1] = (0.7 * polynomials[k] - math.sqrt(k) * polynomials[k - 1]) / math.sqrt(k + 1)
    np.testing.assert_allclose(series[1:], norm.pdf(0.7) * polynomials[:400] / np.sqrt(np.arange(1, 401)), atol=1e-11)
    assert square == pytest.approx(norm.sf(0.7), abs=1e-14)


def test_plain_networks_are_sampled_as_a_plain_loop_does():
    signal, gradient = log_sizes._sampled(6, 3, 20_000, 0)
    rng = np.random.default_rng(1)
    sizes = []
    for _ in range(4_000):
        x, v = np.eye(6)[0], np.eye(6)[1]
        for _ in range(3):
            w = rng.standard_normal((6, 6)) / math.sqrt(3.0)
            z = w @ x
            x, v = np.maximum(z, 0.0), (w @ v) * (z > 0)
        if x.any():
            sizes.append((math.log(x @ x), math.log(v @ v)))
    sizes = np.array(sizes)
    for ours, theirs in ((signal, sizes[:, 0]), (gradient, sizes[:, 1])):
        error = math.hypot(ours.std() / math.sqrt(ours.size), theirs.std() / math.sqrt(theirs.size))
        assert_agrees(ours.mean() - theirs.mean(), error, 0.0)
        assert_refutes(ours.mean() - theirs.mean(), error, 0.3)


def test_first_order_steps_are_the_covariance_of_the_averages():
    """The delta method by finite differences of the logarithm, in place of its derivatives."""
    theta = 0.9
    j11 = (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / (2 * math.pi)
    j22, j31 = 0.31, 0.52  # any numbers
    centre, step = np.array([0.5, 0.5, j11]), 1e-4
    cross = np.array([j22 - 0.25, j31 - 0.5 * j11, j31 - 0.5 * j11])
    covariance = np.array([[1.25, cross[0], cross[1]], [cross[0], 1.25, cross[2]], [cross[1], cross[2], j22 - j11**2]])

    def log_sine(averages):
        a, b, c = averages
        return math.log(1.0 - c * c / (a * b))

    unit = step * np.eye(3)
    slope = np.array([(log_sine(centre + e) - log_sine(centre - e)) / (2 * step) for e in unit])
    bend = np.array(
        [
            [
                sum(s * t * log_sine(centre + s * e + t * f) for s in (-1, 1) for t in (-1, 1)) / (4 * step**2)
                for f in unit
            ]
            for e in unit
        ]
    )
    expected = 0.5 * (bend * covariance).sum(), slope @ covariance @ slope
    assert angles._first_order(j11, j22, j31) == pytest.approx(expected, rel=1e-4)


def test_the_diffusion_of_a_linear_stream_is_known():
    """Of the identity g_2 = sqrt 2 alone and no slope varies: n Var log q = 2 + 4 D, the gradient 4 D."""
    for reach in (0.5, 2.0):
        signal, gradient = residual_fluctuations._diffusion(edge_of_chaos("identity"), reach, True, 10)
        assert (signal, gradient) == pytest.approx((2.0 + 4.0 * reach, 4.0 * reach), rel=1e-9)


def test_the_library_is_compared_with_independent_values(monkeypatch):
    """An error in the library is reported as ERROR, not as a refutation of the paper."""
    case = [{"design": "relu", "of": "signal", "D": 1, "value": 8.46}]
    assert residual_fluctuations.constants_by_diffusion(setting=QUICK, cases=case).verdict is Verdict.CONFIRMED
    monkeypatch.setattr(residual_fluctuations, "LIBRARY_BRANCHES", 2)  # far from many branches
    assert residual_fluctuations.constants_by_diffusion(setting=QUICK, cases=case).verdict is Verdict.ERROR
    monkeypatch.setattr(correlation_values, "_cosines", lambda *_: (np.array([0.3444]), np.array([0.5])))
    found = correlation_values.values_by_operator(setting=QUICK, values=[[10, 1, 0.344]], digits=3)
    assert found.verdict is Verdict.ERROR
    monkeypatch.setattr(tailored_slope, "_root", lambda *_: 0.2)
    found = tailored_slope.slopes_by_bisection(setting=QUICK, start=0.0, target=0.9, values=[[20, 0.2]], digits=3)
    assert found.verdict is Verdict.ERROR
    monkeypatch.setattr(critical_residual, "_library_distance", lambda _: 1e-3)
    found = critical_residual.kept_by_quadrature(
        setting=QUICK,
        designs=[[0.85, 0.7]],
        stream="sqrt(1 - a**2)",
        branch="a",
        variance="1",
        sparsity="s",
        gain="1",
        slope="1 - a**2*(1 - v)",
    )
    assert found.verdict is Verdict.ERROR


def test_gradients_in_fractions_are_those_of_differences():
    """Back-propagation in fractions against finite differences of the outputs, in a network of unequal widths."""
    rng = np.random.default_rng(5)
    sizes = [3, 2, 4, 2]
    halves = [looks_linear._rational(rng, m, k, "general") for k, m in pairwise(sizes)]
    x, delta = [3, 5, 7], [2, 3]
    lengths, gradients = looks_linear._squared_lengths(halves, x, delta)
    dense = [np.array([[float(value) for value in row] for row in half]) for half in halves]
    linear = [np.array(x, dtype=float)]
    for half in dense:
        linear.append(half @ linear[-1])
    # |x_l| is that of the linear map, and the gradient of a pair that of its linear unit
    np.testing.assert_allclose([float(one) for one in lengths], [u @ u for u in linear[:-1]], rtol=1e-12)
    back = np.array(delta, dtype=float)
    for number, half in zip((1, 0), dense[:0:-1], strict=True):
        back = half.T @ back
        assert float(gradients[number]) == pytest.approx(back @ back, rel=1e-12)


def test_features_of_orthogonal_networks_are_not_isometric():
    right = "(sin(theta) + (pi - theta)*cos(theta))/pi"
    assert feature_angles.angles_by_quadrature(setting=QUICK, cosine=right).verdict is Verdict.CONFIRMED
    assert feature_angles.angles_by_quadrature(setting=QUICK, cosine="cos(theta)").verdict is Verdict.REFUTED

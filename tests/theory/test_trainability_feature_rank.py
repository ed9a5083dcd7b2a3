"""Ranks of features: exact cases, Gram matrix against features, infinite width against sampled wide networks."""

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.gaussian_limit.correlation import correlation_trajectory
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from neurondeath_theory.networks.activations import relu
from neurondeath_theory.trainability import wide_features
from neurondeath_theory.trainability.feature_rank import (
    entropy_of_spectrum,
    entropy_rank,
    entropy_rank_of_gram,
    participation_ratio,
    participation_ratio_of_gram,
)
from neurondeath_theory.trainability.wide_features import wide_feature_rank
from tests.references.feature_networks import sample_features
from tests.references.statistical import assert_agrees, assert_refutes, seeds

POINTS = np.random.default_rng(2).standard_normal((6, 5))
DESIGN = sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7)


@pytest.mark.parametrize("n_points", [2, 5, 9])
def test_exact_ranks(n_points):
    """Orthogonal features of any lengths have rank M - 1 centred and M uncentred; a cross has both ranks 2."""
    features = np.diag(np.arange(1.0, n_points + 1))
    assert entropy_rank(features) == pytest.approx(n_points - 1, abs=1e-12)
    assert participation_ratio(features) == pytest.approx(n_points - 1, abs=1e-12)
    assert entropy_rank(features, centred=False) == pytest.approx(n_points, abs=1e-12)
    cross = [[1.0, 0.0], [-3.0, 0.0], [0.0, 2.0], [0.0, -1.0]]
    assert entropy_rank(cross) == pytest.approx(2.0, abs=1e-12)
    spread = np.sqrt([0.5, 0.3, 0.2])
    rows = np.vstack([np.diag(spread), -np.diag(spread)])  # of unit length they are alike; the lengths do not count
    assert entropy_rank(rows) == pytest.approx(3.0, abs=1e-12)


def test_known_spectrum():
    """Unit-length points on two axes of weights 3 : 1 give eigenvalues 3/4 and 1/4."""
    rows = np.array([[1.0, 0.0], [-1.0, 0.0]] * 3 + [[0.0, 5.0], [0.0, -2.0]])
    shares = np.array([0.75, 0.25])
    assert entropy_rank(rows) == pytest.approx(float(np.exp(-np.sum(shares * np.log(shares)))), abs=1e-12)
    assert participation_ratio(rows) == pytest.approx(1 / np.sum(shares**2), abs=1e-12)
    assert participation_ratio(rows) < entropy_rank(rows)


def test_gram_matrix_and_features_agree():
    rng = np.random.default_rng(0)
    features = np.maximum(rng.standard_normal((12, 30)), 0.0) * rng.uniform(0.1, 9.0, (12, 1))
    features[3] = 0.0  # a dead point
    gram = features @ features.T
    for centred in (True, False):
        assert entropy_rank_of_gram(gram, centred=centred) == pytest.approx(entropy_rank(features, centred=centred))
        ratio = participation_ratio(features, centred=centred)
        assert participation_ratio_of_gram(gram, centred=centred) == pytest.approx(ratio)
    assert entropy_rank(features * 1e200) == pytest.approx(entropy_rank(features * 1e-200))
    assert entropy_rank(features[::-1]) == pytest.approx(entropy_rank(features))


def test_collapsed_features():
    assert entropy_rank(np.ones((5, 3))) == 0.0
    assert entropy_rank(np.zeros((5, 3))) == 0.0
    assert entropy_rank_of_gram(np.ones((5, 5))) == 0.0
    differences = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [0.5, 0.5]])
    spectrum = np.linalg.svd(differences - differences.mean(axis=0), compute_uv=False) ** 2
    shares = spectrum / spectrum.sum()
    expected = float(np.exp(-np.sum(shares * np.log(shares))))
    for size, accuracy in ((1e-3, 1e-2), (1e-6, 1e-5), (1e-9, 1e-6)):  # the scale of the differences does not count
        features = np.hstack([np.ones((5, 1)), size * differences])
        assert entropy_rank(features) == pytest.approx(expected, abs=accuracy)
    assert abs(expected - 2.0) > 1e-3
    gram = np.hstack([np.ones((5, 1)), 1e-4 * differences])
    assert entropy_rank_of_gram(gram @ gram.T) == pytest.approx(expected, abs=1e-3)
    assert entropy_rank(np.hstack([np.ones((5, 1)), 1e-6 * differences]), centred=False) == pytest.approx(1.0, abs=1e-9)


@seeds
@pytest.mark.parametrize(
    ("architecture", "activation", "weight", "bias", "depth"),
    [
        ("plain", relu(), 2.0, 0.0, 3),
        ("plain", DESIGN.activation, DESIGN.sigma_w2, DESIGN.sigma_b2, 2),
        ("critical-residual", DESIGN.activation, DESIGN.sigma_w2, DESIGN.sigma_b2, 6),
        ("looks-linear", relu(), 2.0, 0.0, 3),
        ("residual", relu(), 1.0, 0.2, 3),
    ],
)
def test_cosines_of_wide_networks(seed, architecture, activation, weight, bias, depth, monkeypatch):
    """The limit's cosines, pair by pair, against the mean over 100 sampled networks of width 200."""
    rng, width, n_networks = np.random.default_rng((seed, 4)), 200, 100
    points = POINTS if architecture != "residual" else rng.standard_normal((6, width)) + 0.3
    reach = 3.0 if architecture == "critical-residual" else None
    limits = []
    original = wide_features.unit_gram
    monkeypatch.setattr(wide_features, "unit_gram", lambda gram: limits.append(original(gram)) or limits[-1])
    wide_feature_rank(points, depth, architecture, activation, weight, bias, effective_depth=reach)
    sampled = []
    for _ in range(n_networks):
        features = sample_features(points, width, depth, architecture, activation, weight, bias, rng, reach)
        sampled.append(original(features @ features.T))
    pairs = np.triu_indices(6, 1)
    mean = np.mean(sampled, axis=0)[pairs]
    stderr = np.std(sampled, axis=0, ddof=1)[pairs] / np.sqrt(n_networks)
    assert_agrees(mean, stderr, limits[-1][pairs])
    other = original(points @ points.T) if architecture == "looks-linear" else limits[0]  # another layer's
    assert_refutes(mean, stderr, other[pairs])


def test_plain_path_is_the_correlation_map():
    points = np.array([[1.0, 0.0], [0.6, 0.8]])
    rank = wide_feature_rank(points, 40)
    path = correlation_trajectory(relu(), 0.6, 41, sigma_w2=2.0)
    assert rank.mean_cosine == pytest.approx(path[1:41], abs=1e-12)
    assert rank.entropy_rank == pytest.approx(np.ones(40), abs=1e-12)  # two points differ in one direction
    stream = wide_feature_rank(points, 40, "critical-residual", effective_depth=1.0)
    assert stream.mean_cosine[-1] < rank.mean_cosine[-1] - 0.2


def test_limits_of_infinite_width():
    """The centred rank of deep plain networks rises to M - 1 although all features point in one direction."""
    points = np.random.default_rng(5).standard_normal((30, 4))
    deep = wide_feature_rank(points, 300, every_layer=False)
    assert deep.layers.tolist() == [300]
    assert deep.entropy_rank[0] > 28.0
    assert deep.uncentred_rank[0] < 1.02
    kept = wide_feature_rank(points, 300, "looks-linear")
    assert np.ptp(kept.entropy_rank) == 0.0
    assert kept.entropy_rank[0] == pytest.approx(wide_feature_rank(points, 1).entropy_rank[0])
    assert "infinite width" in str(kept)
    assert len(kept.columns()["entropy_rank"]) == 300


def test_domain():
    for options, name in [
        ({"architecture": "batch_norm"}, "architecture"),
        ({"effective_depth": 1.0}, "effective_depth"),
        ({"architecture": "critical-residual", "effective_depth": 4.0}, "effective_depth"),
        ({"architecture": "looks-linear", "sigma_b2": 1.0}, "activation"),
        ({"q": 2.0}, "q"),
    ]:
        with pytest.raises(InvalidArgumentError, match=f"`{name}`"):
            wide_feature_rank(POINTS, 3, **options)
    with pytest.raises(InvalidArgumentError, match="2 to 4000"):
        wide_feature_rank(POINTS[:1], 3)
    with pytest.raises(InvalidArgumentError, match="overflow"):
        wide_feature_rank(POINTS, 2000, sigma_w2=8.0)
    with pytest.raises(InvalidArgumentError, match="symmetric"):
        entropy_rank_of_gram([[1.0, 0.5], [0.4, 1.0]])
    with pytest.raises(InvalidArgumentError, match="features"):
        entropy_rank([1.0, 2.0])


def test_shares_that_underflow_count_as_nothing():
    assert entropy_of_spectrum(np.array([1e10, 5e-324])) == 1.0
    assert entropy_of_spectrum(np.array([3.0, 3.0, 1e-323])) == pytest.approx(2.0)

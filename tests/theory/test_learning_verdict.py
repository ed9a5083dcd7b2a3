"""Root rank by singular values, the score and the verdict of learning."""

import math

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.trainability.feature_rank import entropy_rank, root_rank
from neurondeath_theory.trainability.learning_verdict import (
    COLLAPSED,
    LEARNS,
    VERDICTS,
    learning_score,
    learning_verdict,
)


def test_root_rank_is_the_exponential_of_the_entropy_of_cube_roots_of_singular_values():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((20, 6)) * [1, 3, 10, 0.1, 0.01, 5]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    gram = np.linalg.eigvalsh(unit.T @ unit)  # another route than singular values
    shares = gram ** (1 / 6) / np.sum(gram ** (1 / 6))
    assert root_rank(features) == pytest.approx(math.exp(-np.sum(shares * np.log(shares))), rel=1e-10)
    assert root_rank(features) > entropy_rank(features, centred=False)


def test_root_rank_of_orthogonal_equal_and_dead_features_and_of_rounding():
    assert root_rank(np.eye(5)) == pytest.approx(5.0)
    assert root_rank(np.ones((5, 3))) == pytest.approx(1.0)
    assert root_rank(np.zeros((5, 3))) == 0.0
    rounding = 1.0 + 1e-8 * np.random.default_rng(0).standard_normal((50, 30))
    assert root_rank(rounding) == 1.0
    assert root_rank(1.0 + 1e4 * (rounding - 1.0)) > 5.0


@pytest.mark.parametrize(
    ("rank", "gain", "alive", "verdict", "words"),
    [
        (LEARNS, 1.0, 1.0, "learns", "span 7.7 directions and a step gains 1 of its promise"),
        (LEARNS - 1e-9, 1.0, 1.0, "slow", "directions only"),
        (COLLAPSED, 1.0, 1.0, "slow", "directions only"),
        (COLLAPSED - 1e-9, 1.0, 1.0, "collapsed", "directions only"),
        (1.0, 0.9, 1.0, "collapsed", "the same for all points"),
        (40.0, 0.0, 1.0, "collapsed", "gains 0 of what its gradient promises"),
        (40.0, -3.0, 1.0, "collapsed", "gains -3 of what its gradient promises"),
        (15.0, 0.1, 1.0, "slow", "span 15 directions, but the first step"),
        (40.0, 1.0, 0.09, "dead", "9 % of the points reach"),
        (0.0, 0.0, 0.0, "dead", "none of the points reach"),
        (40.0, 1.0, 0.1, "learns", "span 40"),
    ],
)
def test_verdicts(rank, gain, alive, verdict, words):
    found = learning_verdict(rank, gain, alive)
    assert found.verdict == verdict
    assert found.verdict in VERDICTS
    assert words in found.reason


def test_the_score_grows_with_both_and_counts_gains_between_0_and_1():
    assert learning_score(4.0, 0.25) == 2.0
    assert learning_score(4.0, 7.0) == learning_score(4.0, 1.0) == 4.0
    assert learning_score(4.0, -1.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((-1.0, 0.5), "root_rank"), ((math.nan, 0.5), "root_rank"), ((3.0, math.inf), "step_gain")],
)
def test_numbers_outside_their_domain_are_refused(arguments, name):
    with pytest.raises(InvalidArgumentError, match=name):
        learning_verdict(*arguments)
    with pytest.raises(InvalidArgumentError, match="living_ratio"):
        learning_verdict(3.0, 0.5, 1.5)

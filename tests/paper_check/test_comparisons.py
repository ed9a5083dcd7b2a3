import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath.paper_check.comparisons import (
    RELATIONS,
    all_of,
    binomial_limits,
    compare,
    holds,
    normal_limits,
    survival_limits,
)
from neurondeath.paper_check.evidence import Verdict
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.intervals import exact_interval


@pytest.mark.parametrize(
    ("low", "high", "relation", "claimed", "expected"),
    [
        (0.4, 0.6, "==", 0.5, "INCONCLUSIVE"),  # within, but wide
        (0.49, 0.51, "==", 0.505, "CONFIRMED"),
        (0.49, 0.51, "==", 0.52, "REFUTED"),
        (0.49, 0.51, ">=", 0.52, "REFUTED"),
        (0.49, 0.51, ">=", 0.50, "CONFIRMED"),  # undecided, but narrow
        (0.3, 0.7, ">=", 0.50, "INCONCLUSIVE"),
        (0.3, 0.7, ">=", 0.2, "CONFIRMED"),
        (0.49, 0.51, "<=", 0.48, "REFUTED"),
        (0.3, 0.7, "<=", 0.8, "CONFIRMED"),
        (0.49, 0.51, "<", 0.50, "INCONCLUSIVE"),  # a strict relation needs the limits on its side
        (0.49, 0.51, "<", 0.52, "CONFIRMED"),
        (0.49, 0.51, "<", 0.49, "REFUTED"),
        (0.5, 0.5, ">", 0.5, "REFUTED"),
        (0.5, 0.5, "==", 0.5, "CONFIRMED"),
        (0.5, 0.5, "<=", math.inf, "CONFIRMED"),
    ],
)
def test_the_rules(low, high, relation, claimed, expected):
    found = compare((low + high) / 2, low, high, relation, claimed, precision=0.1)
    assert found.verdict.value == expected
    assert (found.margin < 0) == (expected == "REFUTED") or found.margin == 0


def test_one_point_decides_and_the_worst_is_named():
    found = compare([1.0, 2.0, 3.0], [0.9, 1.9, 2.9], [1.1, 2.1, 3.1], "<=", [2.0, 1.0, 2.5], precision=1.0)
    assert found.verdict is Verdict.REFUTED
    assert (found.worst, found.points) == (1, 3)
    assert found.margin == pytest.approx(-0.9)


@settings(deadline=None)
@given(
    low=st.floats(-2, 2),
    width=st.floats(0, 1),
    claimed=st.floats(-2, 2),
    relation=st.sampled_from([">=", "<=", ">", "<", "=="]),
)
def test_a_refuted_relation_holds_nowhere_within_the_limits(low, width, claimed, relation):
    inside = np.linspace(low, low + width, 50)
    truth = RELATIONS[relation](inside, claimed)
    verdict = compare(low, low, inside[-1], relation, claimed).verdict
    if verdict is Verdict.REFUTED:
        assert not truth.any()
    if verdict is Verdict.CONFIRMED and relation != "==":
        assert truth.all()


@pytest.mark.parametrize("values", [([], [], [], []), (1.0, 0.9, 1.1, math.nan), (1.0, 1.1, 1.2, 1.0)])
def test_nothing_to_compare_is_an_error(values):
    estimate, low, high, claimed = values
    with pytest.raises(ValueError, match=r"compare|number|limits"):
        compare(estimate, low, high, "==", claimed)


def test_unknown_relations_are_refused():
    for relation in ("=", "!=", "", None):
        with pytest.raises(InvalidArgumentError, match="relation"):
            compare(1, 1, 1, relation, 1)
        with pytest.raises(InvalidArgumentError, match="relation"):
            holds(1, relation, 1)


def test_limits_share_the_false_alarm():
    low, high = binomial_limits([3, 50], 100, false_alarm=1e-3, comparisons=4)
    each = exact_interval(np.array([3, 50]), 100, confidence=1 - 1e-3 / 4)
    assert low.tolist() == each[0].tolist()
    assert high.tolist() == each[1].tolist()
    left, right = normal_limits([0.0], [1.0], false_alarm=0.05, comparisons=1)
    assert (left[0], right[0]) == (pytest.approx(-1.959964), pytest.approx(1.959964))
    assert normal_limits(0.0, 1.0, false_alarm=0.05, comparisons=50)[1] > right[0]


def test_survival_limits_are_exact_for_counts_and_students_otherwise():
    from neurondeath.simulations.monte_carlo import simulate
    from neurondeath_theory.networks.network import Network

    network = Network([2, 2], input_dim=1)
    found = simulate(network, "rays", trials=400, estimator="crude", workers=1)
    low, high = survival_limits(found, false_alarm=0.05, comparisons=1)
    np.testing.assert_allclose(low, found.low, atol=1e-12)
    np.testing.assert_allclose(high, found.high, atol=1e-12)
    found = simulate(network, "rays", trials=640, estimator="conditional", workers=1)
    low, high = survival_limits(found, false_alarm=0.05, comparisons=1)
    half = 2.262157 * found.alive_stderr  # Student's quantile of ten populations
    np.testing.assert_allclose((low, high), (found.alive - half, found.alive + half), rtol=1e-6)


def test_parts_of_evidence():
    order = [Verdict.CONFIRMED, Verdict.INCONCLUSIVE, Verdict.NOT_TESTED, Verdict.REFUTED, Verdict.ERROR]
    for index, verdict in enumerate(order):
        assert all_of(order[: index + 1]) is verdict
    with pytest.raises(ValueError, match="no part"):
        all_of([])

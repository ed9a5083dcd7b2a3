"""The checkers of dead features: their encoders against plainly drawn ones, and wrong claims."""

import numpy as np
import pytest

from neurondeath.paper_check.checkers.survival import feature_death
from neurondeath.paper_check.evidence import Setting
from tests.references.sparse_encoders import silent_share

SHARE, THRESHOLD = "Phi(t - gamma*a)**M", "sqrt(1 + gamma**2)*quantile(1 - f)"


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(feature_death, "FEATURES", 1024)
    monkeypatch.setattr(feature_death, "DIMENSION", 64)
    monkeypatch.setattr(feature_death, "ENCODERS", {False: 6})


@pytest.mark.parametrize(("k", "p"), [(0, 0.0), (16, 0.0), (16, 1.5)])
def test_encoders_are_those_drawn_plainly(few, k, p):
    inputs = feature_death._inputs({"gamma": 1.0, "k": k, "p": p}, [3, 0])
    assert np.linalg.norm(inputs.mean(axis=0)) / np.linalg.norm(inputs.std(axis=0)) == pytest.approx(1.0, rel=0.15)
    ours = [feature_death._silent_share(inputs, k, np.random.default_rng(seed)) for seed in range(40)]
    plain = [silent_share(inputs, 1024, k or None, seed=100 + seed) for seed in range(40)]
    error = np.hypot(np.std(ours), np.std(plain)) / np.sqrt(40)
    assert abs(np.mean(ours) - np.mean(plain)) < 4 * error
    assert np.mean(plain) > 0.001


@pytest.mark.parametrize("k", [0, 16])
def test_features_are_silent_where_no_input_makes_them_fire(few, k):
    inputs = feature_death._inputs({"gamma": 1.0, "k": k}, [3, 0])[:4]
    rows = np.random.default_rng(5).standard_normal((1024, 64))
    fired = set()
    for point in inputs:
        features = rows @ point / np.linalg.norm(rows, axis=1)
        order = np.argsort(-features)[: k or None]
        fired |= {int(number) for number in order if features[number] > 0.0}
    assert feature_death._silent_share(inputs, k, np.random.default_rng(5)) == 1.0 - len(fired) / 1024


def test_features_that_are_chosen_below_zero_do_not_fire(few):
    inputs = np.outer([1.0, 2.0], np.ones(64))  # all features below zero are silent, however many are chosen
    share = feature_death._silent_share(inputs, 1000, np.random.default_rng(5))
    assert share == feature_death._silent_share(inputs, 0, np.random.default_rng(5)) > 0.4


def test_wrong_formulas_are_refuted_by_quadrature():
    cases = [{"gamma": 1.0, "k": 32}, {"gamma": 3.0, "k": 0}]

    def verdict(**changes):
        claim = {"share": SHARE, "threshold": THRESHOLD, "cases": cases, **changes}
        return feature_death.by_quadrature(setting=Setting(), **claim).verdict.value

    assert verdict() == "CONFIRMED"
    assert verdict(share="Phi(t + gamma*a)**M") == "CONFIRMED"  # a is symmetric
    assert verdict(share="Phi(t - gamma*a)**(M + 1)") == "REFUTED"
    assert verdict(threshold="quantile(1 - f)") == "REFUTED"


def test_a_mean_alone_leaves_nothing_behind(few):
    case = {"gamma": 1.0, "k": 16}
    found = feature_death.without_the_mean(setting=Setting(), cases=[case], relation=">=", right=0.05)
    assert found.verdict.value == "REFUTED"

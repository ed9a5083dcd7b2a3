"""The claims on born-dead networks, always-off units, absorbed walks and dead units: verdicts, and their checkers."""

import numpy as np
import pytest

from neurondeath.paper_check.checkers.survival.absorbing_walk import (
    limit_by_algebra,
    solves_backward_equation,
    walks_by_sampling,
)
from neurondeath.paper_check.checkers.survival.always_off import off_everywhere, probability_by_sampling
from neurondeath.paper_check.checkers.survival.asymmetric_initialisation import (
    inactive_units_by_quadrature,
    root_by_algebra,
)
from neurondeath.paper_check.checkers.survival.born_dead import values_by_quadrature
from neurondeath.paper_check.checkers.training.dead_units import gradients_by_differences, outputs_without
from neurondeath.paper_check.claims import packaged_claims
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath.paper_check.verification import check
from neurondeath_theory.networks.rai import rai_constant
from neurondeath_theory.survival.born_dead import one_dimensional_survival
from tests.references.statistical import assert_agrees, assert_refutes, seeds

MINE = ("lu2018", "lu2019", "brownlowe2024", "dufort2024", "whitaker2023", "liu2022")
QUICK = Setting()
# checks that a mutation does not affect: it changes parameters of another check of the claim
UNTOUCHED = {
    ("L6", "the direction reversed", 1),
    ("L6", "a hundredth of the probability, and units inactive with probability below 1/10", 1),
    ("D1", "the decay's sign reversed", 2),
    ("D1", "a wrong free walk", 0),
    ("D1", "a wrong free walk", 1),
}


def is_mine(claim):
    """Return whether a claim is tested here: claims on training have their own tests in test_check_training."""
    return claim.paper in MINE and not any(one.route == "training" for one in claim.checks)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("claims") / "simulations.sqlite"


@seeds
def test_every_claim_has_the_verdict_expected_of_it(seed, store):
    report = check(claims=[claim for claim in packaged_claims() if is_mine(claim)], seed=seed, store=store)
    assert report.passed, str(report)
    for item in report.claims:
        assert all(one.verdict is Verdict.CONFIRMED for one in item.evidence), item.claim.id


@seeds
def test_every_check_refutes_the_mutations_that_touch_it(seed, store):
    mine = [claim for claim in packaged_claims() if is_mine(claim) and claim.checks]
    report = check(claims=mine, self_test=True, seed=seed, store=store)
    assert report.passed, str(report)
    for item in report.claims:
        for mutation in item.mutations:
            for number, one in enumerate(mutation.evidence):
                key = (item.claim.id, mutation.mutation.description, number)
                expected = Verdict.CONFIRMED if key in UNTOUCHED else Verdict.REFUTED
                assert one.verdict is expected, key


def test_a_unit_that_is_off_everywhere_is_off_wherever_one_looks():
    rng = np.random.default_rng(0)
    for d, n in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 3), (3, 4)):
        parts = (rng.normal(size=size) for size in ((200, n, d), (200, n), (200, n), (200,)))
        weights, biases, outer, bias = parts
        off = off_everywhere(weights, biases, outer, bias)
        # points of all sizes
        x = rng.normal(size=(3000, d)) * 10.0 ** rng.uniform(-1, 4, size=(3000, 1))
        hidden = np.maximum(np.einsum("bnd,pd->bpn", weights, x) + biases[:, None], 0.0)
        seen = (np.einsum("bpn,bn->bp", hidden, outer) + bias[:, None] > 0).any(axis=1)
        assert not (seen & off).any()
        assert (seen | off).mean() > 0.97  # the rest is active in a corner that contains no sampled point
        assert off.any()


@seeds
def test_inactive_units_of_the_asymmetric_initialisation(seed):
    numbers = inactive_units_by_quadrature(setting=QUICK, points="far negative", relation=">", right="1/2").numbers
    # the point is drawn again as the checker draws it, and the rows by the definition
    rng = np.random.default_rng(QUICK.seed)
    d = int(rng.integers(1, 9))
    x = np.append(-rng.uniform(10.0, 100.0, size=d), 1.0)
    sample = np.random.default_rng(seed + 1)
    rows = sample.normal(scale=rai_constant() / np.sqrt(d), size=(200_000, d + 1))
    redrawn = sample.integers(d + 1, size=len(rows))
    rows[np.arange(len(rows)), redrawn] = sample.beta(2.0, 1.0, size=len(rows))
    inactive = rows @ x <= 0
    stderr = inactive.std() / np.sqrt(len(inactive))
    assert numbers["inputs"][0] == d
    assert_agrees(inactive.mean(), stderr, numbers["P(inactive)"][0])
    assert_refutes(inactive.mean(), stderr, 0.5)


def test_the_library_is_held_against_the_integral(monkeypatch):
    values = [[2, 10, 0.880]]
    assert values_by_quadrature(setting=QUICK, values=values, digits=3).verdict is Verdict.CONFIRMED
    wrong = one_dimensional_survival([2] * 39 + [3])
    monkeypatch.setattr(
        "neurondeath.paper_check.checkers.survival.born_dead.one_dimensional_survival", lambda widths: wrong
    )
    assert values_by_quadrature(setting=QUICK, values=values, digits=3).verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        ("erfc(w/(s*sqrt(2*t)))", "CONFIRMED"),
        ("2*Phi(-w/(s*sqrt(t)))", "CONFIRMED"),
        ("1 - erf(w/(s*sqrt(2*t)))", "CONFIRMED"),
        ("erfc(w/(s*sqrt(t)))", "REFUTED"),
        ("1", "REFUTED"),  # solves the equation, but a walk does not begin dead
        ("Phi(-w/(s*sqrt(t)))", "REFUTED"),  # solves it, but is 1/2 at the barrier
    ],
)
def test_the_backward_equation_and_its_ends(probability, verdict):
    assert solves_backward_equation(setting=QUICK, probability=probability, drift="0*w").verdict.value == verdict


def test_free_walks_and_limits():
    right, wrong = "erfc(w/(s*sqrt(2*t)))", "erfc(w/(s*sqrt(2.1*t)))"
    assert walks_by_sampling(setting=QUICK, probability=right, law="free").verdict is Verdict.CONFIRMED
    assert walks_by_sampling(setting=QUICK, probability=wrong, law="free").verdict is Verdict.REFUTED
    assert limit_by_algebra(setting=QUICK, probability="sin(l)/l", name="l", limit="1").verdict is Verdict.CONFIRMED
    assert limit_by_algebra(setting=QUICK, probability="sin(l)/l", name="l", limit="0").verdict is Verdict.REFUTED


def test_a_coarse_sample_says_nothing():
    found = probability_by_sampling(
        setting=Setting(false_alarm=1e-300), relation="==", right="2**(-(n+1))", width_over_dimension=[0, 0]
    )
    assert found.verdict is Verdict.INCONCLUSIVE


def test_the_root_is_rounded_as_stated():
    claim = {"equation": "sigma**2 - mu2", "root": "sqrt(1/2)", "digits": 3, "a": 2, "b": 1}
    assert root_by_algebra(setting=QUICK, **claim, value=0.707).verdict is Verdict.CONFIRMED
    assert root_by_algebra(setting=QUICK, **claim, value=0.708).verdict is Verdict.REFUTED
    assert root_by_algebra(setting=QUICK, **claim, value=0.706).verdict is Verdict.REFUTED


def test_live_units_have_gradients_and_are_missed():
    dead = gradients_by_differences(setting=QUICK, units="dead", relation="==", right="0")
    live = gradients_by_differences(setting=QUICK, units="live", relation="==", right="0")
    assert (dead.verdict.value, live.verdict.value) == ("CONFIRMED", "REFUTED")
    assert np.count_nonzero(live.numbers["derivative"]) > 0.9 * live.points
    gone = outputs_without(setting=QUICK, units="live", inputs="the data")
    assert np.count_nonzero(gone.numbers["change"]) > 0.9 * gone.points

"""Unseen deaths, simulated survival against the bounds of the theory, and the exact mean of q beside its estimates."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from neurondeath.simulations.estimation.contradictions import contradictions, joint_confidence
from neurondeath.simulations.estimation.exact_variance import exact_mean_variance
from neurondeath.simulations.estimation.expectations import Expectation, expected
from neurondeath.simulations.estimation.survival_estimates import from_counts, from_populations
from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.networks.network import Network
from tests.references.statistical import assert_agrees, assert_refutes

NETWORK = Network([4] * 3)
INPUTS = input_set("gaussian:16", dimension=4).description()
THEORY = expected(NETWORK, INPUTS)


def crude(alive: list[int], trials: int, theory: Expectation = THEORY):
    """Estimate from counts of living networks, as if these had been stored."""
    living = np.array(alive) * 16
    totals = {"alive": np.array(alive), "living": living, "living_squares": living * 16}
    return from_counts(totals, trials, NETWORK, 16, theory)


def test_no_death_seen_has_an_exact_upper_limit_only() -> None:
    found = crude([1000, 1000, 990], 1000)
    limit = binomtest(0, 1000).proportion_ci(0.95, "exact").high
    assert found.log10_death_high[:2] == pytest.approx([math.log10(limit)] * 2)
    assert np.isnan(found.log10_death[:2]).all()
    assert np.isnan(found.log10_death_low[:2]).all()
    assert found.unseen == (found.unseen[0],) * 2 + ("",)
    assert found.unseen[0] == f"no death seen in 1000 trials, P(dead) below {limit:.3g}"
    assert found.log10_death_low[2] < found.log10_death[2] == -2.0 < found.log10_death_high[2]


def test_no_living_network_seen_has_an_exact_upper_limit_only() -> None:
    found = crude([3, 0, 0], 200, Expectation())
    limit = binomtest(0, 200).proportion_ci(0.95, "exact").high
    assert found.high[1:] == pytest.approx([limit] * 2)
    assert np.isnan(found.log10_alive[1:]).all()
    assert found.unseen[1] == f"no living network in 200 trials, P(alive) below {limit:.3g}"


def test_results_say_that_no_death_was_seen() -> None:
    result = simulate(Network([12] * 2), "gaussian:16", trials=50)
    assert result.withheld["log10_death"].startswith("no death seen in 50 trials")
    assert "no death seen in 50 trials, P(dead) below" in str(result)
    columns = result.columns()
    assert columns["withheld"] == [*result.unseen]
    assert np.isnan(columns["log10_death"]).all()
    split = simulate(Network([12] * 2), "gaussian:16", trials=3, estimator="splitting")
    assert split.death[-1] == 0.0
    assert np.isnan(split.log10_death[-1])
    assert "no death seen in 3072 networks" in split.withheld["log10_death"]
    assert split.log10_death_high[-1] == pytest.approx(math.log10(-math.expm1(math.log(0.025) / 3072)), rel=1e-6)


def test_wrong_counts_contradict_the_bounds() -> None:
    assert THEORY.lower is not None
    right = [round(10_000 * value) for value in THEORY.lower]
    assert not any(crude(right, 10_000).reasons)
    wrong = [*right[:2], round(10_000 * THEORY.lower[2] - 6 * math.sqrt(10_000 * 0.25))]
    found = crude(wrong, 10_000)
    assert found.reasons[:2] == ("", "")
    assert "above the upper bound on P(dead)" in found.reasons[2]
    assert "please report it" in found.reasons[2]
    assert (found.low[2], found.high[2]) == (THEORY.lower[2], THEORY.upper[2])


def test_wrong_populations_contradict_the_bounds() -> None:
    assert THEORY.lower is not None
    trials, rng = 40, np.random.default_rng(0)
    for share, faulty in ((1.01, False), (0.8, True)):
        values = share * (1.0 + 0.01 * rng.standard_normal((trials, 3)))  # in units of a single point's survival
        sums = {"alive": values.sum(axis=0), "alive_squares": (values**2).sum(axis=0)}
        totals = {**sums, "living": 16 * sums["alive"], "living_squares": 256 * sums["alive_squares"]}
        found = from_populations(totals, trials, NETWORK, 16, THEORY)
        assert all(("please report it" in reason) == faulty for reason in found.reasons)


def test_a_single_network_decides_against_certainty() -> None:
    sure = Expectation(lower=np.ones(3), upper=np.ones(3))
    assert [bool(reason) for reason in crude([5, 5, 4], 5, sure).reasons] == [False, False, True]
    never = Expectation(lower=np.zeros(3), upper=np.zeros(3))
    assert [bool(reason) for reason in crude([1, 0, 0], 5, never).reasons] == [True, False, False]


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Just at its limit a count is no contradiction, one beyond it is; all layers share the level."""
    theory = Expectation(lower=np.full(1, 0.5))
    trials, tail = 400, (1.0 - joint_confidence(1)) / 2
    for alive in range(100, 200):
        interval = binomtest(alive, trials).proportion_ci(1.0 - 2 * tail, "exact")
        value = np.array([alive / trials])
        reason = contradictions(value, np.array([interval.low]), np.array([interval.high]), theory)[0]
        assert bool(reason) == (binomtest(alive, trials, 0.5, "less").pvalue < tail)
    assert 1 - joint_confidence(1000) == pytest.approx(1e-9, rel=1e-5)


@pytest.mark.parametrize("spec", ["gaussian:16", "cube:8", "array"])
@pytest.mark.parametrize(("init", "sb2"), [("he", 0.0), ("he", 0.3), ("uniform", 0.3)])
def test_exact_mean_of_q_against_networks(spec: str, init: str, sb2: float) -> None:
    points = 0.3 + np.random.default_rng(4).standard_normal((5, 6))
    network = Network([20, 12, 20], input_dim=6, init=init, bias_variance=sb2)
    result = simulate(network, points if spec == "array" else spec, trials=4000, outputs=["variance"])
    mean, stderr = result.outputs["variance"]
    assert_agrees(mean, stderr, result.variance_mean_exact)
    assert_refutes(mean, stderr, 1.5 * result.variance_mean_exact)
    assert (result.columns()["variance_mean_exact"] == result.variance_mean_exact).all()


def test_exact_mean_of_q_of_resampled_sets() -> None:
    for spec, square in (("gaussian:8", 1.0), ("orthant:8", 1.0), ("cube:8", 1 / 3), ("sphere:8", 1 / 5)):
        inputs = input_set(spec, dimension=5, resample=True)
        drawn = np.vstack([inputs.points_of_trial((1, 2), trial) for trial in range(400)]) ** 2
        assert_agrees(drawn.mean(), drawn.std() / math.sqrt(drawn.size / 5), square)
        exact, _ = exact_mean_variance(Network([5]), inputs.description())
        assert exact == pytest.approx([2 * square])


def test_why_the_mean_of_q_is_not_known() -> None:
    array = input_set(np.ones((2, 4)))
    assert exact_mean_variance(NETWORK, array.description(), array)[0] == pytest.approx([2.0] * 3)
    for network, inputs, reason in (
        (NETWORK, array.description(), "are not stored"),
        (NETWORK, INPUTS | {"content": "another"}, "are not stored"),
        (Network([4], architecture="dense"), INPUTS, "plain ReLU networks"),
        (Network([4], init="orthogonal"), INPUTS, "orthogonal"),
    ):
        mean, why = exact_mean_variance(network, inputs)
        assert mean is None
        assert reason in why

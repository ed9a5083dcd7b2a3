"""Confidence sequences: limits computed by other methods, and coverage under repeated inspection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurondeath.simulations.estimation import confidence_sequences
from neurondeath.simulations.estimation.confidence_sequences import (
    bernoulli_confidence_sequence,
    bounded_mean_confidence_sequence,
)
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.intervals import exact_interval
from tests.references.statistical import assert_agrees, assert_refutes, seeds

ALPHA = 0.05


def mixture_by_quadrature(p, successes, trials):
    """Average the likelihood ratio over Beta(1/2, 1/2): Chebyshev's rule is exact for polynomials."""
    nodes = np.cos((2 * np.arange(1, trials + 2) - 1) * np.pi / (2 * trials + 2)) / 2 + 0.5
    return np.mean((nodes / p) ** successes * ((1 - nodes) / (1 - p)) ** (trials - successes))


@pytest.mark.parametrize(("successes", "trials"), [(1, 1), (0, 7), (3, 10), (30, 40), (2, 200), (199, 200)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_limits_of_a_probability_against_quadrature(successes, trials, confidence):
    low, high = bernoulli_confidence_sequence(successes, trials, confidence)
    assert 0 <= low < high <= 1
    if successes:
        assert mixture_by_quadrature(low, successes, trials) == pytest.approx(1 / (1 - confidence), rel=1e-9)
    if successes < trials:
        assert mixture_by_quadrature(high, successes, trials) == pytest.approx(1 / (1 - confidence), rel=1e-9)
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)


@pytest.mark.parametrize("trials", [1, 1000, 10**9, 10**15])
def test_an_outcome_that_never_came(trials):
    """(1 - p)^t = alpha B(1/2, t + 1/2) / pi, whose logarithm grows like log t / 2."""
    from mpmath import beta, expm1, log, mp, mpf, pi

    with mp.workdps(50):
        truth = -expm1(log(mpf(1) / 20 * beta(mpf(1) / 2, trials + mpf(1) / 2) / pi) / trials)
        assert float(bernoulli_confidence_sequence(0, trials)[1]) == pytest.approx(float(truth), rel=1e-9)
        assert float(1 - bernoulli_confidence_sequence(trials, trials)[0]) == pytest.approx(float(truth), abs=1e-9)


def probability_of_ever_missing(probability, horizon, interval, first=1):
    """Exact probability, by a sum over all paths, that an interval misses at some t from `first` to `horizon`."""
    law, missed = np.ones(1), 0.0
    for trials in range(1, horizon + 1):
        law = np.append(law, 0.0) * (1 - probability) + np.append(0.0, law) * probability
        if trials >= first:
            low, high = interval(np.arange(trials + 1), trials)
            outside = (probability < low) | (probability > high)
            missed += law[outside].sum()
            law[outside] = 0.0
    return missed


@pytest.mark.parametrize("probability", [0.5, 0.1, 0.01])
def test_a_probability_is_missed_rarely_however_one_looks(probability):
    assert probability_of_ever_missing(probability, 500, bernoulli_confidence_sequence) <= ALPHA
    # negative control: the interval for a fixed number of trials, inspected repeatedly
    assert probability_of_ever_missing(probability, 500, exact_interval) > 1.5 * ALPHA


def test_a_mean_of_coin_flips_is_missed_rarely_however_one_looks():
    def interval(hits, trials):
        return bounded_mean_confidence_sequence(hits, hits, trials)

    for probability in (0.5, 0.03):
        assert probability_of_ever_missing(probability, 70, interval) <= ALPHA


def living_ratios(generator, shape):
    """Values like the living ratio of a deep network: often 0, otherwise a few points of 8."""
    return generator.binomial(8, 0.3, shape) / 8 * (generator.random(shape) < 0.3)


LAWS = {
    "living ratios": (living_ratios, 0.3 * 0.3),
    "uniform": (lambda generator, shape: generator.random(shape), 0.5),
    "nearly constant": (lambda generator, shape: 0.9 + 0.01 * generator.random(shape), 0.905),
    "rare and large": (lambda generator, shape: (generator.random(shape) < 0.01) * 1.0, 0.01),
}


def looks_of(values):
    looks = np.unique(np.geomspace(2, values.shape[1], 30).astype(int))
    return looks, values.cumsum(axis=1)[:, looks - 1], (values**2).cumsum(axis=1)[:, looks - 1]


@seeds
@pytest.mark.parametrize("law", LAWS)
def test_a_mean_is_covered_at_all_looks_at_once(seed, law):
    draw, mean = LAWS[law]
    runs = 200
    looks, sums, squares = looks_of(draw(np.random.default_rng(seed), (runs, 3000)))
    low, high = bounded_mean_confidence_sequence(sums, squares, looks)
    held = ((low <= mean) & (mean <= high)).all(axis=1).mean()
    assert_agrees(min(held, 1 - ALPHA), np.sqrt(ALPHA * (1 - ALPHA) / runs), 1 - ALPHA)
    if law != "rare and large":  # also useful: not much wider than the normal interval at the end
        normal = 1.96 * np.sqrt(squares[:, -1] / looks[-1] - (sums[:, -1] / looks[-1]) ** 2) / np.sqrt(looks[-1])
        slack = 20.0 / looks[-1]  # contribution of values up to 1 that may not have occurred yet
        assert (high[:, -1] - low[:, -1] < 2 * (2.2 * normal + slack)).all()


@seeds
def test_the_normal_interval_misses_a_mean_when_one_looks_often(seed):
    """Negative control: the normal interval fails under repeated inspection."""
    values = np.random.default_rng(seed).random((300, 3000))
    looks, sums, squares = looks_of(values)
    mean = sums / looks
    error = np.sqrt(np.maximum(squares / looks - mean**2, 0.0) / looks)
    held = (np.abs(mean - 0.5) <= 1.96 * error)[:, looks >= 30].all(axis=1).mean()
    assert_refutes(held, np.sqrt(ALPHA * (1 - ALPHA) / 300), 1 - ALPHA)


def test_the_inequality_behind_the_mean():
    deviations = np.linspace(-1.0, 1.0, 2001)
    for rate, penalty in zip(confidence_sequences.RATES, confidence_sequences.PENALTIES, strict=True):
        assert (np.exp(rate * deviations - penalty * deviations**2) <= (1 + rate * deviations) * (1 + 1e-15)).all()
        # without the penalty the inequality fails
        assert (np.exp(rate * deviations) > 1 + rate * deviations).any() or rate < 1e-7
    assert np.exp(confidence_sequences.LOG_WEIGHTS).sum() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize(("mean", "spread", "trials"), [(0.3, 0.1, 50), (0.01, 0.02, 400), (0.5, 0.5, 90), (0.9, 0, 9)])
def test_limits_of_a_mean_against_the_set_itself(mean, spread, trials):
    """Compare with a fine grid of candidates: those not rejected form one interval with these limits."""
    from mpmath import log, mpf

    total, squares = mean * trials, (mean**2 + spread**2) * trials

    def statistic(candidate, s, q):
        drift, variation = s - trials * candidate, q - 2 * candidate * s + trials * candidate**2
        rates = confidence_sequences.RATES
        penalties = np.array([float(-log(1 - mpf(float(rate))) - mpf(float(rate))) for rate in rates])
        weights = np.exp(confidence_sequences.LOG_WEIGHTS)
        return (weights * np.exp(rates * drift - penalties * variation)).sum()

    grid = np.linspace(0, 1, 501)
    above = np.array([statistic(c, total, squares) for c in grid])
    below = np.array([statistic(1 - c, trials - total, trials - 2 * total + squares) for c in grid])
    kept = grid[(above < 2 / ALPHA) & (below < 2 / ALPHA)]
    low, high = bounded_mean_confidence_sequence(total, squares, trials)
    assert np.diff(kept).max(initial=0) < 0.0021
    assert low <= kept[0] <= low + 0.002
    assert high - 0.002 <= kept[-1] <= high


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0.01, 0.99))
def test_sequences_are_symmetric_nested_and_wider_than_fixed_intervals(successes, failures, confidence):
    trials = successes + failures
    low, high = bernoulli_confidence_sequence(successes, trials, confidence)
    assert 0 <= low <= high <= 1
    turned = bernoulli_confidence_sequence(failures, trials, confidence)
    assert 1 - turned[1] == pytest.approx(float(low), abs=1e-12)
    wider = bernoulli_confidence_sequence(successes, trials, (1 + confidence) / 2)
    assert wider[0] <= low
    assert high <= wider[1]
    if trials:
        assert low <= successes / trials <= high
        at_95 = bernoulli_confidence_sequence(successes, trials)
        fixed = exact_interval(np.array(successes), trials)
        assert at_95[0] <= fixed[0] + 1e-12
        assert fixed[1] <= at_95[1] + 1e-12
        mean = bounded_mean_confidence_sequence(successes, successes, trials)
        assert 0 <= mean[0] <= successes / trials <= mean[1] <= 1


def test_shapes_broadcast():
    low, high = bernoulli_confidence_sequence(np.arange(6).reshape(2, 3), 10)
    assert low.shape == high.shape == (2, 3)
    low, high = bounded_mean_confidence_sequence(np.full(4, 2.0), 1.0, np.arange(4, 8))
    assert low.shape == high.shape == (4,)
    assert [float(end) for end in bernoulli_confidence_sequence(0, 0)] == [0.0, 1.0]
    assert [float(end) for end in bounded_mean_confidence_sequence(0, 0, 0)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((-1, 3), "successes"),
        ((4, 3), "successes"),
        ((0.5, 3), "successes"),
        ((1, 2.5), "trials"),
        ((1, float("nan")), "trials"),
        (("1", 3), "successes"),
        (([1, 2], [3, 4, 5]), "successes"),
        ((1, 3, 1.0), "confidence"),
        ((1, 3, 0.0), "confidence"),
    ],
)
def test_bad_counts_are_refused(arguments, name):
    with pytest.raises(InvalidArgumentError, match=f"^`{name}` must"):
        bernoulli_confidence_sequence(*arguments)


@pytest.mark.parametrize("sums", [(5.0, 6.0, 10), (5.0, 2.0, 10), (5.0, -1.0, 10), (11.0, 11.0, 10), (1.0, 1.0, 2.5)])
def test_impossible_sums_are_refused(sums):
    with pytest.raises(InvalidArgumentError):
        bounded_mean_confidence_sequence(*sums)

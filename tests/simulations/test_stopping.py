"""Stop rules: their results, and that estimates stay unbiased and intervals valid under them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurondeath.simulations.stores.seeds import PILOT_SEEDS, pilot_seed
from neurondeath.simulations.sweeps.stopping import (
    LEAST_TRIALS,
    PILOT_TRIALS,
    next_pilot_trials,
    trials_for,
)
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.intervals import exact_interval
from tests.references.statistical import assert_agrees, assert_refutes, seeds

RUNS = 8000
COVERAGE = 0.95


def crude_error(hits, trials):
    share = hits / trials
    return np.sqrt(share * (1 - share) / (trials - 1))


def run_pilot(generator, probability, most):
    """Run a pilot as the driver does: extend it until the rule is met."""
    trials, hits = 0, 0
    while True:
        error = crude_error(hits, trials) if trials else 0.0
        size = next_pilot_trials(trials, hits / trials if trials else 0.0, error, most=most)
        if size is None:
            return trials, hits, error
        hits += generator.binomial(size - trials, probability)
        trials = size


def assert_covers(covered):
    """Fail if intervals miss more often than allowed; covering more often is no error."""
    share = min(np.mean(covered), COVERAGE)
    assert_agrees(share, np.sqrt(COVERAGE * (1 - COVERAGE) / len(covered)), COVERAGE)


def assert_undercovers(covered):
    """Negative control of `assert_covers`."""
    assert np.mean(covered) < COVERAGE
    assert_refutes(np.mean(covered), np.sqrt(COVERAGE * (1 - COVERAGE) / len(covered)), COVERAGE)


def mean_and_error(values):
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


@seeds
def test_a_separate_pilot_leaves_estimate_and_interval_valid(seed):
    probability, goal, most = 0.02, 0.3, 100_000
    generator = np.random.default_rng(seed)
    pilots = [run_pilot(generator, probability, most) for _ in range(RUNS)]
    goals = np.array([trials_for(goal, trials=t, rarer=h / t, stderr=e, most=most) for t, h, e in pilots])
    hits = generator.binomial(goals, probability)
    assert len(set(goals)) > 20
    assert_agrees(*mean_and_error(hits / goals), probability)
    low, high = np.array([exact_interval(h, n) for h, n in zip(hits, goals, strict=True)]).T
    assert_covers((low <= probability) & (probability <= high))
    seen = hits > 0
    reached = crude_error(hits[seen], goals[seen]) / (hits[seen] / goals[seen]) <= goal
    assert 0.7 < reached.mean() < 0.95  # about five of six

    pilot_trials, pilot_hits = np.array([(t, h) for t, h, _ in pilots]).T
    assert_refutes(*mean_and_error((hits + pilot_hits) / (goals + pilot_trials)), probability)


@seeds
def test_stopping_when_the_error_looks_small_is_biased(seed):
    """Negative control, a rule that is not offered: add 50 trials at a time until the error is reached."""
    probability, goal = 0.05, 0.3
    generator = np.random.default_rng(seed)
    hits, trials = np.zeros(RUNS, dtype=int), np.zeros(RUNS, dtype=int)
    running = np.ones(RUNS, dtype=bool)
    while running.any():
        hits[running] += generator.binomial(50, probability, running.sum())
        trials[running] += 50
        running &= (hits == 0) | (np.sqrt((1 - hits / trials) / np.maximum(hits, 1)) > goal)
    assert_refutes(*mean_and_error(hits / trials), probability)


@seeds
def test_stopping_when_the_interval_excludes_a_value_undercovers(seed):
    """Inspect after every 20 trials, and stop as soon as the 95 % interval excludes the true value."""
    generator = np.random.default_rng(seed)
    trials = np.arange(20, 1001, 20)
    hits = np.cumsum(generator.binomial(20, 0.5, (1000, len(trials))), axis=1)
    table = {n: exact_interval(np.arange(n + 1), n) for n in trials.tolist()}
    low = np.stack([table[n][0][hits[:, i]] for i, n in enumerate(trials.tolist())], axis=1)
    high = np.stack([table[n][1][hits[:, i]] for i, n in enumerate(trials.tolist())], axis=1)
    covered = (low <= 0.5) & (high >= 0.5)
    assert_covers(covered[:, -1])
    assert_undercovers(covered.all(axis=1))


def run_with_time_limit(generator, seconds, correlated, noise, *, runs, workers=1, drop_last=False):
    """Average shards that start within the time limit; return averages and counts, one per run.

    A shard's result is a share of 32 coin flips; its time is 1 + correlated * (result - 1/2) + noise.
    """
    n_shards = 4 * int(seconds * workers) + 20
    results = generator.binomial(32, 0.5, (runs, n_shards)) / 32
    times = np.maximum(1.0 + correlated * (results - 0.5) + noise * generator.standard_normal(results.shape), 0.01)
    ready = np.zeros((runs, workers))
    counted = np.zeros((runs, n_shards), dtype=bool)
    for shard in range(n_shards):
        worker = ready.argmin(axis=1)
        started = ready[np.arange(runs), worker]
        ready[np.arange(runs), worker] += times[:, shard]
        counted[:, shard] = (ready[np.arange(runs), worker] <= seconds) if drop_last else (started < seconds)
    counted[:, 0] = True
    assert not counted[:, -1].any()
    return (results * counted).sum(axis=1) / counted.sum(axis=1), counted.sum(axis=1)


@seeds
@pytest.mark.parametrize("workers", [1, 3])
def test_a_time_limit_is_unbiased_if_time_does_not_depend_on_the_outcome(seed, workers):
    generator = np.random.default_rng(seed)
    averages, counts = run_with_time_limit(generator, 6.0, 0.0, 0.3, runs=RUNS, workers=workers)
    assert counts.std() > 0.3
    assert_agrees(*mean_and_error(averages), 0.5)


@seeds
@pytest.mark.parametrize("workers", [1, 3])
def test_the_bias_of_a_time_limit_is_as_documented(seed, workers):
    """Few shards whose time depends only on the outcome: the bias is visible and equals Cov(X, T) / (n E[T])."""
    generator = np.random.default_rng(seed)
    correlated = 4.0
    averages, counts = run_with_time_limit(generator, 6.0, correlated, 0.0, runs=20 * RUNS, workers=workers)
    assert_refutes(*mean_and_error(averages), 0.5)
    formula = correlated * 0.25 / 32 / counts.mean()
    assert abs(averages.mean() - 0.5 - formula) < 0.25 * formula
    # one hundred shards, time with a standard deviation of 9 %: no visible bias in thousands of runs
    averages, counts = run_with_time_limit(generator, 100.0, 1.0, 0.0, runs=RUNS // 4, workers=workers)
    assert_agrees(*mean_and_error(averages), 0.5)
    successes = np.rint(averages * counts * 32).astype(int)
    low, high = np.array([exact_interval(s, 32 * n) for s, n in zip(successes, counts, strict=True)]).T
    assert_covers((low <= 0.5) & (high >= 0.5))


@seeds
def test_to_drop_the_last_shard_is_exact_for_one_worker_only(seed):
    generator = np.random.default_rng(seed)
    averages, _ = run_with_time_limit(generator, 3.0, 4.0, 0.0, runs=10 * RUNS, drop_last=True)
    assert_agrees(*mean_and_error(averages), 0.5)
    averages, _ = run_with_time_limit(generator, 3.0, 4.0, 0.0, runs=10 * RUNS, workers=3, drop_last=True)
    assert_refutes(*mean_and_error(averages), 0.5)


@given(st.floats(1e-6, 0.5), st.floats(0.001, 0.999), st.integers(2, 10**7), st.integers(1, 10**8))
def test_trials_for_a_relative_error(share, goal, trials, most):
    error = np.sqrt(share * (1 - share) / trials)
    asked = trials_for(goal, trials=trials, rarer=share, stderr=error, most=most)
    needed = (1 - share) / share / goal**2
    uncertain = 1 + np.sqrt((1 - share) / share / trials)
    assert asked in (most, LEAST_TRIALS) or abs(asked - needed * uncertain) <= 1 + 1e-9 * asked
    assert asked <= most
    assert asked >= min(most, trials_for(min(2 * goal, 0.9995), trials=trials, rarer=share, stderr=error, most=most))


def test_pilots_are_extended_until_precise_enough():
    sizes, trials = [], 0
    while (size := next_pilot_trials(trials, 0.0, 0.0, most=3000)) is not None:
        sizes.append(trials := size)
    assert sizes == [PILOT_TRIALS, 512, 1024, 2048, 3000]
    assert trials_for(0.1, trials=3000, rarer=0.0, stderr=0.0, most=3000) == 3000
    assert [next_pilot_trials(n, 0.5, 0.001, most=3000) for n in (1, 255, 256, 300, 2049, 3000)] == [
        *(256, 256, None, 512, 3000, None)
    ]
    assert next_pilot_trials(256, 0.1, float("nan"), most=3000) == 512
    assert next_pilot_trials(256, 0.1, 0.0251, most=3000) == 512
    assert next_pilot_trials(256, 0.1, 0.0249, most=3000) is None
    assert next_pilot_trials(0, 0.0, 0.0, most=10) == 10
    assert trials_for(0.5, trials=256, rarer=0.3, stderr=0.0, most=10**6) == LEAST_TRIALS
    assert trials_for(1e-300, trials=256, rarer=1e-300, stderr=1e-300, most=10**6) == 10**6


def test_no_run_can_have_the_seed_of_a_pilot():
    assert pilot_seed(7) == 7 + PILOT_SEEDS > 2**31 - 1
    for seed in (-1, 2**31, 1.5, None):
        with pytest.raises(InvalidArgumentError, match="`seed`"):
            pilot_seed(seed)


@pytest.mark.parametrize("goal", [0.0, 1.0, -0.1, float("nan"), float("inf"), "0.1", None])
def test_a_relative_error_must_be_one(goal):
    with pytest.raises(InvalidArgumentError, match="`relative_error` must"):
        trials_for(goal, trials=256, rarer=0.5, stderr=0.1, most=1000)

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.survival.absorbing_walk import BARRIER_SHIFT, absorbed_probability
from tests.references.statistical import assert_agrees, assert_refutes, seeds


@pytest.mark.parametrize(("start", "noise", "pull"), [(1.0, 1.0, 0.5), (2.0, 0.7, 1.3), (0.3, 2.0, 0.01), (9, 0.5, 2)])
def test_pull_is_the_inverse_gaussian_law(start, noise, pull):
    time = np.array([0.05, 0.3, 1.0, 4.0, 20.0])
    shape = (start / noise) ** 2
    exact = stats.invgauss.cdf(time, start / pull / shape, scale=shape)
    np.testing.assert_allclose(absorbed_probability(start, time, noise=noise, pull=pull), exact, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("decay", [-0.8, 1e-12, 0.3, 2.0])
def test_decay_is_the_integral_of_its_first_passage_density(decay):
    """Density of the passage by a change of clock: w / sqrt(2 pi c^3) exp(-w^2 / 2c) dc/dt, integrated in 30 digits."""
    start, noise = 0.9, 1.4
    with mpmath.workdps(30):
        a = mpmath.mpf(decay)

        def density(t):
            clock = noise**2 * mpmath.expm1(2 * a * t) / (2 * a)
            rate = noise**2 * mpmath.exp(2 * a * t)
            return start / mpmath.sqrt(2 * mpmath.pi * clock**3) * mpmath.exp(-(start**2) / (2 * clock)) * rate

        for time in (0.2, 1.0, 3.0):
            exact = mpmath.quad(density, [0, 0.02, 0.1, 0.2, time] if time > 0.2 else [0, 0.02, 0.1, time])
            assert absorbed_probability(start, time, noise=noise, decay=decay) == pytest.approx(float(exact), rel=1e-9)


def watched_walk(seed, *, step, decay=0.0, pull=0.0, n=40_000, time=1.0, start=1.0):
    """Share of walks that are at or below 0 at one of the observations; exact steps of the linear equation."""
    rng = np.random.default_rng(seed)
    w, dead = np.full(n, start), np.zeros(n, bool)
    keep = math.exp(-decay * step)
    spread = math.sqrt(-math.expm1(-2 * decay * step) / (2 * decay)) if decay else math.sqrt(step)
    for _ in range(round(time / step)):
        w = keep * w - pull * step + spread * rng.standard_normal(n)
        dead |= w <= 0
    return dead.mean(), math.sqrt(dead.mean() * (1 - dead.mean()) / n)


@seeds
@pytest.mark.parametrize("pull", [0.0, 0.6, -0.5])
def test_watched_walks_see_the_barrier_shifted(pull, seed):
    step = 1 / 256
    share, error = watched_walk(seed, pull=pull, step=step, n=100_000)
    assert_agrees(share, error, absorbed_probability(1.0, 1.0, pull=pull, step=step))
    assert_refutes(share, error, absorbed_probability(1.0, 1.0, pull=pull))


@seeds
@pytest.mark.parametrize("decay", [-0.5, 0.7])
def test_decaying_walks_watched_ever_more_often(decay, seed):
    """The gap of a watched walk shrinks like the root of the step: extrapolated from two steps it vanishes."""
    (coarse, error), (fine, fine_error) = (
        watched_walk(seed + i, decay=decay, step=s) for i, s in [(0, 1 / 64), (50, 1 / 256)]
    )
    truth = absorbed_probability(1.0, 1.0, decay=decay)
    assert_agrees(2 * fine - coarse, math.hypot(2 * fine_error, error), truth)
    assert_refutes(coarse, error, truth)


def test_barrier_shift():
    assert pytest.approx(float(-mpmath.zeta(0.5) / mpmath.sqrt(2 * mpmath.pi)), rel=1e-15) == BARRIER_SHIFT


def test_limits():
    assert absorbed_probability(0.0, [0.0, 1.0]).tolist() == [1.0, 1.0]
    assert absorbed_probability([1.0, 2.0], 0.0, pull=1.0).tolist() == [0.0, 0.0]
    assert absorbed_probability(50.0, 1e6, pull=1.0) == 1.0
    assert absorbed_probability(1000.0, 1.0, pull=900.0) == 0.0  # no overflow of the mirrored term
    assert absorbed_probability(1.0, 1e9, decay=1.0) == 1.0
    # with a drift away from 0 some walks never die: a share exp(-2 mu w / sigma^2) does
    assert absorbed_probability(1.0, 1e7, pull=-0.5) == pytest.approx(math.exp(-1.0), rel=1e-9)
    grid = absorbed_probability(np.ones((3, 1)), np.linspace(0.1, 5, 7), decay=0.3)
    assert grid.shape == (3, 7)
    assert (np.diff(grid) > 0).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": -1.0, "time": 1.0},
        {"start": 1.0, "time": -1.0},
        {"start": 1.0, "time": 1.0, "noise": 0.0},
        {"start": 1.0, "time": float("nan")},
        {"start": 1.0, "time": 1.0, "decay": 1.0, "pull": 1.0},
        {"start": 1.0, "time": 1.0, "step": -0.1},
        {"start": 1.0, "time": 1.0, "step": 0.1, "decay": 1.0},
    ],
)
def test_bad_input(arguments):
    with pytest.raises(InvalidArgumentError):
        absorbed_probability(**arguments)

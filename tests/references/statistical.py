"""The one place where a test may fail by chance, with its false-alarm budget.

Every comparison of an estimate with the truth goes through `assert_agrees`: it fails when any of the deviations exceeds
SIGMAS standard errors. For a normal deviate that is a probability of 5.7e-7; with fewer than 2,000 comparisons in the
whole suite a correct build raises a false alarm less than once in 800 runs over fresh seeds - and never by chance on
the fixed seeds that the tests use by default. NEURONDEATH_SEEDS=n repeats statistical tests over n seeds.
"""

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm, t

SIGMAS = 5.0


def seeds(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a statistical test and repeat it over the seeds."""
    each = pytest.mark.parametrize("seed", range(int(os.environ.get("NEURONDEATH_SEEDS", "1"))))
    return each(pytest.mark.statistical(test))


def deviations(estimate: npt.ArrayLike, stderr: npt.ArrayLike, truth: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return deviations in standard errors; an estimate without spread must be exact."""
    estimate, stderr, truth = (np.asarray(value, dtype=float) for value in (estimate, stderr, truth))
    assert np.isfinite(estimate).all()
    assert estimate.size > 0
    gap = np.abs(estimate - truth)
    return np.where(stderr > 0, gap / np.where(stderr > 0, stderr, 1.0), np.where(gap < 1e-12, 0.0, np.inf))


def normal_deviates(
    estimate: npt.ArrayLike, stderr: npt.ArrayLike, truth: npt.ArrayLike, samples: float | None
) -> npt.NDArray[np.float64]:
    """Return deviations as normal ones: with standard errors of few samples, those as improbable in Student's law."""
    found = deviations(estimate, stderr, truth)
    return found if samples is None else np.asarray(norm.isf(t.sf(found, samples - 1)))


def assert_agrees(
    estimate: npt.ArrayLike, stderr: npt.ArrayLike, truth: npt.ArrayLike, *, samples: float | None = None
) -> None:
    """Fail when an estimate lies more than SIGMAS standard errors from the truth."""
    worst = normal_deviates(estimate, stderr, truth, samples).max()
    assert worst <= SIGMAS, f"{worst:.1f} standard errors from the truth"


def assert_refutes(
    estimate: npt.ArrayLike, stderr: npt.ArrayLike, wrong: npt.ArrayLike, *, samples: float | None = None
) -> None:
    """Negative control: the same comparison must fail for a wrong value, or it proves nothing."""
    worst = normal_deviates(estimate, stderr, wrong, samples).max()
    assert worst > SIGMAS, f"only {worst:.1f} standard errors from a wrong value: the test has no power"

"""Limits of means over seeds and of their differences, and of the difference of two networks over the test images.

Over seeds they are Student's: of the differences where both sides have the same seeds, Welch's where they do not. Two
single networks are compared over the images that both were tested on, by Newcombe's interval (1998, method 10) from the
Wilson limits of the two shares. It supposes independent shares, which makes it wide where both networks fail on the
same images, and it says nothing of other seeds.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from neurondeath_theory.foundation.intervals import student_interval

__all__ = ["difference_limits", "image_limits", "mean_limits"]


def difference_limits(a: Mapping[int, float], b: Mapping[int, float], alarm: float) -> tuple[float, float, float, int]:
    """Return the mean of a - b, its limits over seeds, and the number of pairs, or of the smaller side.

    Parameters
    ----------
    a, b : mapping
        Seed -> value.
    alarm : float
        Probability that the limits miss.
    """
    if a.keys() == b.keys() or len(a.keys() & b.keys()) >= max(2, min(len(a), len(b)) - 1):
        shared = sorted(a.keys() & b.keys())
        return *mean_limits([a[seed] - b[seed] for seed in shared], 1.0 - alarm), len(shared)
    from scipy.stats import ttest_ind

    n = min(len(a), len(b))
    estimate = float(np.mean(list(a.values())) - np.mean(list(b.values()))) if n else 0.0
    if n < 2:
        return estimate, -np.inf, np.inf, n
    interval = ttest_ind(list(a.values()), list(b.values()), equal_var=False).confidence_interval(1.0 - alarm)
    return estimate, float(interval.low), float(interval.high), n


def image_limits(a: float, b: float, images: int, alarm: float) -> tuple[float, float, float]:
    """Return a - b, for shares of the same number of images, and its limits over images.

    Examples
    --------
    >>> [round(value, 4) for value in image_limits(0.98, 0.97, 10000, 0.05)]
    [0.01, 0.0057, 0.0144]
    """
    from scipy.stats import binomtest

    (low_a, high_a), (low_b, high_b) = (
        binomtest(round(share * images), images).proportion_ci(1.0 - alarm, method="wilson") for share in (a, b)
    )
    return a - b, a - b - float(np.hypot(a - low_a, high_b - b)), a - b + float(np.hypot(high_a - a, b - low_b))


def mean_limits(values: Sequence[float], confidence: float) -> tuple[float, float, float]:
    """Return a mean with Student's limits; without values, 0 with infinite limits."""
    return student_interval(values, confidence) if values else (0.0, -np.inf, np.inf)

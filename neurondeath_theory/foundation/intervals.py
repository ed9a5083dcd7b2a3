r"""The intervals of the house: exact for counts, Student's for means of few values, normal for means of many.

    exact_interval    Clopper-Pearson: $[B^{-1}(\alpha/2; k, n-k+1),\ B^{-1}(1-\alpha/2; k+1, n-k)]$ for k of n
    student_interval  $\bar x \pm t_{n-1, 1-\alpha/2}\, s / \sqrt n$ for n values

Sources: Clopper, Pearson, Biometrika 26, 404 (1934); Student, Biometrika 6, 1 (1908).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CONFIDENCE", "NORMAL_QUANTILE", "exact_interval", "student_interval"]

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054  # of CONFIDENCE, two-sided

Floats = npt.NDArray[np.float64]


def exact_interval(
    successes: npt.ArrayLike | npt.NDArray[np.integer[Any]], trials: int, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Return the exact (Clopper-Pearson) interval of a probability from counts of successes.

    Parameters
    ----------
    successes : int array, any shape
        Counts, from 0 to `trials`.
    trials : int
        Number of trials, at least 1.
    confidence : float
        Coverage, in (0, 1).

    Returns
    -------
    low, high : float array
        Limits, of the shape of `successes`.

    Examples
    --------
    >>> low, high = exact_interval(np.array([0, 5]), 10)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.1871], [0.3085, 0.8129])
    """
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2.0
    hits = np.asarray(successes, dtype=np.float64)
    misses = trials - hits
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betaincinv(hits + 1, np.maximum(misses, 1), 1.0 - tail), 1.0)
    return low, high


def student_interval(values: Sequence[float] | Floats, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Return the mean of independent values and Student's interval of it.

    Parameters
    ----------
    values : sequence of float
        The values; fewer than two say nothing of their spread.
    confidence : float
        Coverage, in (0, 1).

    Returns
    -------
    mean, low, high : float
        Mean and limits; the limits of fewer than two values are infinite, the mean of none is NaN.

    Examples
    --------
    >>> mean, low, high = student_interval([1.0, 2.0, 3.0])
    >>> mean, round(low, 4), round(high, 4)
    (2.0, -0.4841, 4.4841)
    """
    from scipy.special import stdtrit

    if len(values) < 2:
        return float(np.mean(values)) if len(values) else float("nan"), -np.inf, np.inf
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    width = float(stdtrit(len(values) - 1, (1.0 + confidence) / 2.0)) * error
    return mean, mean - width, mean + width

r"""Mean of independent positive estimates whose logarithms are about normal, from sums of logarithms.

Populations of chains give estimates $Z_b$ of one probability, as small as $10^{-1000}$, that differ by factors.
With mean L and variance $s^2$ of $\ln Z_b$ over B populations the mean of a log-normal law is

    ln E[Z] = L + s^2 / 2,    standard error sqrt(s^2 / B + s^4 / (2 (B - 1))),

as close to the plain average as its error where s is small, and far better than it where a few populations dominate.
Populations of unequal size count by their number of trials m: $\mathrm{Var} \ln Z_b = V / m_b$ has the estimate
$\sum m_b (\ln Z_b - L)^2 / (B - 1) = V$, and the typical $s^2$ is $V B / \sum m_b$. Source of the error: Cox's method,
in Zhou and Gao, Statistics in Medicine 16, 783 (1997).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["LogAverage", "log_average", "student_quantile"]

Floats = npt.NDArray[np.float64]
SQUARES_ERROR = 1e-13  # of sums of squares
MOST_VARIANCE = 4.0  # of a logarithm that the log-normal law is trusted to correct for


class LogAverage(NamedTuple):
    """Logarithm of a mean, its standard error, and the standard deviation of the logarithm between populations."""

    log_mean: Floats
    error: Floats
    spread: Floats


def log_average(sums: Floats, squares: Floats, trials: int, populations: Floats) -> LogAverage:
    """Estimate the logarithm of the mean and its standard error.

    Parameters
    ----------
    sums, squares : float array, any shape
        Sums of logarithms and of their squares over populations, each times its number of trials.
    trials : int
        Number of trials, at least 1.
    populations : float array
        Number of populations.

    Returns
    -------
    LogAverage
        NaN where there is no population; error and spread are NaN below two.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(populations > 0, sums / trials, np.nan)
        deviations = np.maximum(squares - sums * mean, 0.0)
        # what rounding may have left of sums of equal numbers
        deviations = np.where(deviations <= SQUARES_ERROR * np.abs(squares), 0.0, deviations)
        variance = deviations / (populations - 1.0) * populations / trials
        error = np.sqrt(variance / populations + variance**2 / (2.0 * (populations - 1.0)))
        alone = populations < 2
        return LogAverage(
            log_mean=np.where(alone, mean, mean + np.minimum(variance, MOST_VARIANCE) / 2.0),
            error=np.where(alone, np.nan, error),
            spread=np.where(alone, np.nan, np.sqrt(variance)),
        )


def student_quantile(samples: Floats | float, confidence: float) -> Floats:
    """Return the two-sided quantile of Student's t for the mean of a number of samples; infinite below two."""
    from scipy.special import stdtrit

    freedom = np.asarray(samples, dtype=np.float64) - 1.0
    quantile = stdtrit(np.maximum(freedom, 1.0), (1.0 + confidence) / 2.0)
    return np.where(freedom < 1.0, np.inf, quantile)

r"""Intervals valid at all numbers of trials simultaneously, for runs that are inspected and extended repeatedly.

A 95 % interval for a fixed number of trials covers the true value in 95 % of all runs at that number. If a run is
inspected after every extension and stopped when the result looks good, the interval fails far more often. A confidence
sequence is valid at every number of trials simultaneously: with probability 95 % no interval of the whole run, however
it is stopped, misses the true value. It is wider, by a factor of about 2.

Both sequences here need only the sums that a store contains: the number of trials, the sum, and the sum of squares.

**Probabilities** from counts. For independent trials of success probability p the mixture of likelihood ratios

.. math:: M_t(p) = \frac{B(1/2 + s,\ 1/2 + t - s)}{B(1/2, 1/2)\ p^s (1 - p)^{t - s}}

over the Beta(1/2, 1/2) law is a non-negative martingale that starts at 1, so that the probability that it ever
reaches $1/\alpha$ is at most $\alpha$ [Ville 1939; Robbins, Ann. Math. Stat. 41, 1397 (1970)]. The interval is
$\{p : M_t(p) < 1/\alpha\}$; log M is convex in p.

**Means of values in [0, 1]** from sums. For $\xi \ge -1$ and $0 \le \lambda < 1$ it is
$\exp(\lambda \xi - \psi(\lambda) \xi^2) \le 1 + \lambda \xi$ with $\psi(\lambda) = -\log(1 - \lambda) - \lambda$ [Fan,
Grama, Liu, Electron. J. Probab. 20, 1 (2015), lemma 4.1]. With $\xi = X - \mu$ the product over trials is a
supermartingale, for every $\lambda$, and so is a mixture over fixed $\lambda$ with weights that add up to 1:

.. math:: K_t(\mu) = \sum_k w_k \exp(\lambda_k (S - t \mu) - \psi(\lambda_k) (Q - 2 \mu S + t \mu^2))

with the sum S and the sum of squares Q. The lower limit is the $\mu$ below the average with $K_t(\mu) = 2/\alpha$; the
upper limit is the same for $1 - X$. No $\lambda$ exceeds 0.58, where $2 \psi(\lambda) < \lambda$: then
every term decreases up to the average, and the set of values that are not rejected is one interval.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, logsumexp, xlog1py

from neurondeath_theory.foundation.validation import check_real, check_reals, invalid

__all__ = ["bernoulli_confidence_sequence", "bounded_mean_confidence_sequence"]

Floats = npt.NDArray[np.float64]
PRIOR = 0.5  # of Jeffreys: narrow intervals for rare outcomes
HALVINGS = 70  # bisection steps: to the last bit
RATES = 0.58 * np.exp2(-0.5 * np.arange(81))  # lambda, down to the optimum for 10^24 trials of variance 1
WEIGHTS = 1.0 / (np.arange(81) + 2.0) ** 1.5
LOG_WEIGHTS = np.log(WEIGHTS / WEIGHTS.sum())
PENALTIES = -np.log1p(-RATES) - RATES
SMALL_RATES = RATES[RATES < 1e-3]  # where the difference above cancels
PENALTIES[RATES < 1e-3] = SMALL_RATES**2 * (1 / 2 + SMALL_RATES * (1 / 3 + SMALL_RATES * (1 / 4 + SMALL_RATES / 5)))


def bernoulli_confidence_sequence(
    successes: npt.ArrayLike, trials: npt.ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Compute intervals of a probability that are valid after any number of trials, under any stop rule.

    Parameters
    ----------
    successes : array of whole numbers
        Counts of the outcome so far, from 0 to `trials`.
    trials : array of whole numbers
        Numbers of trials so far, at least 0; broadcast with `successes`.
    confidence : float
        Probability that no interval of the run misses, in (0, 1).

    Returns
    -------
    (float array, float array)
        Lower and upper limits, of the common shape; [0, 1] without trials.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> low, high = bernoulli_confidence_sequence([0, 50, 5000], [100, 100, 10_000])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.3383, 0.4802], [0.057, 0.6617, 0.5198])
    """
    confidence = check_real("confidence", confidence, low=0.0, high=1.0, low_open=True, high_open=True)
    hits, total = _broadcast(successes, trials)
    evidence = -np.log1p(-confidence)
    low, not_high = (_log_lower_probability(part, total, evidence) for part in (hits, total - hits))
    return np.exp(low), -np.expm1(not_high)


def bounded_mean_confidence_sequence(
    total: npt.ArrayLike, squares: npt.ArrayLike, trials: npt.ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Compute intervals of the mean of values in [0, 1] that are valid after any number of trials.

    Parameters
    ----------
    total, squares : array of float
        Sums of the values and of their squares.
    trials : array of whole numbers
        Numbers of values, at least 0; broadcast with the sums.
    confidence : float
        Probability that no interval of the run misses, in (0, 1).

    Returns
    -------
    (float array, float array)
        Lower and upper limits, of the common shape.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or no values in [0, 1] can have these sums.

    Examples
    --------
    A thousand values of mean 0.3 and standard deviation 0.1:

    >>> low, high = bounded_mean_confidence_sequence(300.0, 100.0, 1000)
    >>> round(float(low), 3), round(float(high), 3)
    (0.287, 0.313)
    """
    confidence = check_real("confidence", confidence, low=0.0, high=1.0, low_open=True, high_open=True)
    sums, count = _broadcast(total, trials, names=("total", "trials"), whole=False)
    square, count = np.broadcast_arrays(check_reals("squares", squares, low=0.0), count)
    sums, square, count = np.broadcast_arrays(sums, square, count)
    slack = 1e-9 * (1.0 + count)  # rounding of the sums
    if np.any(square > sums + slack) or np.any(square * count < sums * sums - slack * count):
        raise invalid("squares", "lie between total^2 / trials and total", squares, "the values must lie in [0, 1]")
    evidence = np.log(2.0) - np.log1p(-confidence)
    low = _lower_mean(sums, square, count, evidence)
    return low, 1.0 - _lower_mean(count - sums, np.maximum(count - 2.0 * sums + square, 0.0), count, evidence)


def _broadcast(
    part: npt.ArrayLike, trials: npt.ArrayLike, names: tuple[str, str] = ("successes", "trials"), whole: bool = True
) -> tuple[Floats, Floats]:
    """Validate counts and totals, element by element."""
    upper = check_reals(names[1], trials, low=0.0)
    lower = check_reals(names[0], part, low=0.0)
    for name, values, given in ((names[1], upper, trials), (names[0], lower, part)):
        if np.any(values != np.floor(values)) and (whole or name == names[1]):
            raise invalid(name, "be whole numbers of at least 0", given)
    try:
        lower, upper = np.broadcast_arrays(lower, upper)
    except ValueError:
        raise invalid(names[0], f"have the shape of {names[1]}, or one that broadcasts to it", lower.shape) from None
    if np.any(lower > upper):
        raise invalid(names[0], f"be at most {names[1]}", part)
    return lower, upper


def _log_lower_probability(hits: Floats, trials: Floats, evidence: float) -> Floats:
    """Solve log M(p) = evidence below hits / trials, in log p; -infinity without a hit."""
    misses = trials - hits
    mixture = betaln(PRIOR + hits, PRIOR + misses) - betaln(PRIOR, PRIOR) - evidence
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.where(hits > 0, mixture / hits - 1.0, 0.0), np.where(hits > 0, np.log(hits / trials), 0.0)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        rejected = mixture - hits * middle - xlog1py(misses, -np.exp(middle)) > 0.0
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return np.where(hits > 0, low, -np.inf)


def _lower_mean(sums: Floats, squares: Floats, trials: Floats, evidence: float) -> Floats:
    """Solve log K(mu) = evidence below sums / trials."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.zeros(sums.shape), np.where(trials > 0, sums / trials, 0.0)

    def excess(mean: Floats) -> Floats:
        drift, spread = sums - trials * mean, squares - 2.0 * mean * sums + trials * mean * mean
        terms = LOG_WEIGHTS + RATES * drift[..., None] - PENALTIES * np.maximum(spread, 0.0)[..., None]
        return np.asarray(logsumexp(terms, axis=-1)) - evidence

    zero_accepted = excess(low) <= 0.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        rejected = excess(middle) > 0.0
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return np.where(zero_accepted, 0.0, low)

r"""Stop rules that keep estimates unbiased: the number of trials is fixed before the first of them is drawn.

**Relative error.** Running until the error looks small enough biases estimate and interval, because runs that happen to
look precise stop early. Here a pilot on its own random stream (`stores.seeds`) fixes the number of trials N of the main
run. N is independent of the main run's trials 0 .. N - 1, so that given N they are N independent trials: their average
is unbiased and their interval covers as with any fixed number. It does not matter how the pilot was stopped (it is
extended until it is precise enough, `next_pilot_trials`), nor whether a smaller error is requested later: the same
pilot then yields a larger N, still independent of the main stream. The trials of the pilot are never part of an
estimate.

**Time.** Shards are started in the order of the grid until the time is over, and all started shards are finished and
counted. With the result X of a shard and its time T, the bias of the average over n shards is about
Cov(X, T) / (n E[T]): exactly zero if time does not depend on the outcome or if there is only time for one shard, and in
general corr(X, T) sd(T) / (E[T] sqrt(n)) standard errors, which is small for more than some ten shards. (By renewal
theory, see Glynn and Heidelberger, Operations Research 38, 801 (1990): dropping the shard that is running at the end,
unless it is the first, would be exactly unbiased for one worker, though not for several.)

**Repeated inspection.** A run that is extended until its result looks good needs an interval that is valid at all
numbers of trials simultaneously: `neurondeath.simulations.estimation.confidence_sequences`.
"""

import math

from neurondeath_theory.foundation.validation import check_count, check_real

__all__ = ["LEAST_TRIALS", "PILOT_TRIALS", "next_pilot_trials", "trials_for"]

PILOT_TRIALS = 256  # of the first pilot
PILOT_ERROR = 0.25  # relative standard error of the rarer outcome that a pilot must reach
LEAST_TRIALS = 100  # of a main run


def next_pilot_trials(trials: int, rarer: float, stderr: float, *, most: int) -> int | None:
    """Return the number of trials to which a pilot must be extended; None if it is precise enough.

    Parameters
    ----------
    trials : int
        Trials of the pilot so far.
    rarer : float
        Its estimate of the rarer of P(alive) and P(dead) at the last layer.
    stderr : float
        Standard error of the estimate; NaN if unknown.
    most : int
        Largest number of trials of the pilot.

    Returns
    -------
    int or None
        The next size of the pilot: 256 times a power of two, or `most`. It doubles until the relative error of the
        rarer outcome is 25 %; a pilot of another size was interrupted and is completed before its error is used, so
        that it ends at the same size as without the interruption.

    Examples
    --------
    >>> next_pilot_trials(0, 0.0, 0.0, most=10**6), next_pilot_trials(256, 0.0, 0.0, most=10**6)
    (256, 512)
    >>> next_pilot_trials(512, 0.5, 0.02, most=10**6) is None
    True
    """
    most = check_count("most", most)
    trials = check_count("trials", trials, least=0)
    size = PILOT_TRIALS
    while size < trials:
        size *= 2
    if trials >= most or (trials == size and _pilot_error(rarer, stderr) <= PILOT_ERROR):
        return None
    return min(2 * size if trials == size else size, most)


def trials_for(relative_error: float, *, trials: int, rarer: float, stderr: float, most: int) -> int:
    r"""Fix the trials of the main run from its pilot.

    The error of n trials is $\sqrt{v / n}$ for a trial of relative variance v, which the pilot of m trials estimates as
    $m e^2$ from its own relative error e. The result is $n = v (1 + e) / r^2$ trials: with this allowance for the
    uncertainty of the pilot, about five runs of six reach the relative error r.

    Parameters
    ----------
    relative_error : float
        The goal r: relative standard error of the rarer outcome, in (0, 1).
    trials : int
        Trials of the pilot.
    rarer, stderr : float
        Its estimate of the rarer of P(alive) and P(dead) at the last layer, and the standard error.
    most : int
        Largest number of trials; returned if the rarer outcome did not occur in the pilot.

    Returns
    -------
    int
        Trials of the main run, at least `LEAST_TRIALS` unless `most` is smaller.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain.

    Examples
    --------
    >>> trials_for(0.1, trials=1024, rarer=0.5, stderr=0.5 / 32, most=10**6)  # v = 1, e = 1/32
    104
    >>> trials_for(0.1, trials=1024, rarer=0.0, stderr=0.0, most=10**6)
    1000000
    """
    goal = check_real("relative_error", relative_error, low=0.0, high=1.0, low_open=True, high_open=True)
    trials = check_count("trials", trials)
    most = check_count("most", most)
    error = _pilot_error(rarer, stderr)
    required = trials * (error / goal) * (error / goal) * (1.0 + error)
    return most if required >= most else min(most, max(LEAST_TRIALS, math.ceil(required)))


def _pilot_error(rarer: float, stderr: float) -> float:
    """Return the relative error; infinite if the outcome did not occur or its standard error is unknown."""
    return stderr / rarer if rarer > 0.0 and math.isfinite(stderr) else math.inf

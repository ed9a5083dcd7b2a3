r"""Stop rules that leave the estimate honest: how many trials to run, fixed before the first of them is drawn.

**Relative error.** Running until the error looks small enough biases estimate and interval, because runs that happen to
look precise stop early. Here a pilot on a random stream of its own (`stores.seeds`) fixes the number of trials N of the
main run. N is independent of the main run's trials 0 .. N - 1, so that given N they are as many fresh trials: their
average is unbiased and their interval covers as with any fixed number. It does not matter how the pilot was stopped
(it grows until it has seen enough, `next_pilot_trials`), nor what a smaller error asks for later: the same pilot gives
a larger N, still independent of the main stream. The pilot's own trials are never part of an estimate.

**Time.** Shards are started in the order of the grid until the time is over, and all that were started are finished and
counted. Where X is a shard's result and T its time, the average over n shards is then off by about
Cov(X, T) / (n E[T]): exactly nothing where time does not depend on the outcome or where one shard is all there is time
for, and in general corr(X, T) sd(T) / (E[T] sqrt(n)) standard errors, which is small for more than some ten shards.
(By renewal theory, see Glynn and Heidelberger, Operations Research 38, 801 (1990): dropping the shard that is
under way at the end, unless it is the first, would be exactly unbiased for one worker, though not for several.)

**Looking again and again.** Whoever tops up a run until it pleases needs an interval that holds at all times at once:
`neurondeath.simulations.estimation.confidence_sequences`.
"""

import math

from neurondeath_theory.foundation.validation import check_count, check_real

__all__ = ["LEAST_TRIALS", "PILOT_TRIALS", "next_pilot_trials", "trials_for"]

PILOT_TRIALS = 256  # of the first pilot
PILOT_ERROR = 0.25  # relative standard error with which a pilot must know the rarer outcome
LEAST_TRIALS = 100  # of a main run


def next_pilot_trials(trials: int, rarer: float, stderr: float, *, most: int) -> int | None:
    """Say up to how many trials a pilot must grow next; None if it has seen enough.

    Parameters
    ----------
    trials : int
        Trials of the pilot so far; 0 before the first.
    rarer : float
        Its estimate of the rarer of P(alive) and P(dead) at the last layer.
    stderr : float
        Standard error of that; NaN where unknown.
    most : int
        Trials after which the pilot gives up: the cap of the main run.

    Returns
    -------
    int or None
        The pilot's next size: 256 times a power of two, or the cap. It doubles until the pilot knows the rarer outcome
        to 25 %; a pilot of another size was interrupted and is completed before it is judged, so that it ends where it
        would have ended.

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
    $m e^2$ from its own relative error e. Asked for are $n = v (1 + e) / r^2$ trials: with the pilot's own
    uncertainty on top, about five runs of six reach the relative error r.

    Parameters
    ----------
    relative_error : float
        The goal r: relative standard error of the rarer outcome, in (0, 1).
    trials : int
        Trials of the pilot.
    rarer, stderr : float
        Its estimate of the rarer of P(alive) and P(dead) at the last layer, and the standard error.
    most : int
        Cap; what is given where the pilot has not seen the rarer outcome at all.

    Returns
    -------
    int
        Trials of the main run, at least `LEAST_TRIALS` unless the cap is smaller.

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
    asked = trials * (error / goal) * (error / goal) * (1.0 + error)
    return most if asked >= most else min(most, max(LEAST_TRIALS, math.ceil(asked)))


def _pilot_error(rarer: float, stderr: float) -> float:
    """Give the relative error; infinite where the outcome was not seen or nothing is known of its spread."""
    return stderr / rarer if rarer > 0.0 and math.isfinite(stderr) else math.inf

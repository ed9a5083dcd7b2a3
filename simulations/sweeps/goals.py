"""Stop rules of a run: a number of trials, a relative error, a time limit; the first that is met ends it."""

from dataclasses import dataclass

from neurondeath_theory.foundation.validation import check_count, check_real, invalid

__all__ = ["DEFAULT_MAX_TRIALS", "DEFAULT_TRIALS", "MOST_TRIALS", "Goal", "check_goal"]

DEFAULT_TRIALS = 1000  # if no rule is given
DEFAULT_MAX_TRIALS = 1_000_000  # of a task with a relative error as its goal
MOST_TRIALS = 2**31 - 1  # largest number of trials that the random streams can address


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Stop rules of every task of a run; made by `check_goal`.

    Attributes
    ----------
    most_trials : int
        Trials after which a task is done in any case.
    relative_error : float or None
        Relative standard error of the rarer of alive and dead at the last layer at which a task is done.
    max_seconds : float or None
        Time after which the run starts no more shards.
    """

    most_trials: int
    relative_error: float | None = None
    max_seconds: float | None = None

    @property
    def counted(self) -> bool:
        """Whether a number of trials ends the run, not only its time limit."""
        return self.max_seconds is None or self.most_trials < MOST_TRIALS


def check_goal(
    trials: int | None,
    relative_error: float | None = None,
    max_trials: int | None = None,
    max_seconds: float | None = None,
    *,
    option: bool = False,
) -> Goal:
    """Validate stop rules, of which the first that is met ends the run; 1000 trials if none is given.

    Parameters
    ----------
    trials : int, optional
        Trials of every task, at least 1.
    relative_error : float, optional
        Relative standard error of the rarer of alive and dead at the last layer, in (0, 1).
    max_trials : int, optional
        Limit of the trials that `relative_error` may require, 1,000,000 by default.
    max_seconds : float, optional
        Time limit of this run in seconds, above 0.
    option : bool
        Name the arguments in errors as command line options.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or `max_trials` is given without `relative_error`.

    Examples
    --------
    >>> check_goal(None)
    Goal(most_trials=1000, relative_error=None, max_seconds=None)
    >>> check_goal(None, 0.1, max_seconds=60.0)
    Goal(most_trials=1000000, relative_error=0.1, max_seconds=60.0)
    """

    def name(argument: str) -> str:
        return f"--{argument.replace('_', '-')}" if option else argument

    if trials is None:
        alone = relative_error is None and max_seconds is None
        most = DEFAULT_TRIALS if alone else MOST_TRIALS
    else:
        most = check_count(name("trials"), trials)
    if relative_error is not None:
        relative_error = check_real(
            name("relative_error"), relative_error, low=0.0, high=1.0, low_open=True, high_open=True
        )
        most = min(most, DEFAULT_MAX_TRIALS if max_trials is None else check_count(name("max_trials"), max_trials))
    elif max_trials is not None:
        raise invalid(name("max_trials"), f"come with {name('relative_error')}, which it limits", max_trials)
    if max_seconds is not None:
        max_seconds = check_real(name("max_seconds"), max_seconds, low=0.0, low_open=True)
    return Goal(most_trials=most, relative_error=relative_error, max_seconds=max_seconds)

"""State of the pilot of a run with a relative error: it must be extended, or has fixed the number of trials.

`stopping` explains why a pilot is needed and why any rule may end it. A pilot is stored under its own seed, so that
running the same command again costs nothing; its trials enter no estimate.
"""

from dataclasses import dataclass

from neurondeath.simulations.estimation.estimates import read_simulation
from neurondeath.simulations.stores.seeds import pilot_seed
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.goals import Goal
from neurondeath.simulations.sweeps.stopping import PILOT_TRIALS, next_pilot_trials, trials_for
from neurondeath.simulations.task import Task

__all__ = ["PilotReport", "read_pilot"]

PILOT_SHARE = 10  # a pilot has at most 1 / PILOT_SHARE of the largest number of trials


@dataclass(frozen=True, kw_only=True)
class PilotReport:
    """Result of a pilot; exactly one of the two is not None.

    Attributes
    ----------
    pilot_trials : int or None
        Trials to which the pilot must be extended.
    trials : int or None
        Trials that the run needs.
    """

    pilot_trials: int | None = None
    trials: int | None = None


def read_pilot(pilots: Store, task: Task, seed: int, goal: Goal) -> PilotReport:
    """Read the pilot of a task from the store that contains it."""
    if goal.relative_error is None:
        raise ValueError("only a relative error has a pilot")
    most = goal.most_trials
    limit = max(PILOT_TRIALS, most // PILOT_SHARE)
    if not pilots.done(task.task_id, pilot_seed(seed)):
        return PilotReport(pilot_trials=next_pilot_trials(0, 0.0, 0.0, most=limit))
    pilot = read_simulation(pilots, task.task_id, pilot_seed(seed), task.description())
    rarer, stderr = min(float(pilot.alive[-1]), float(pilot.death[-1])), float(pilot.alive_stderr[-1])
    larger = next_pilot_trials(pilot.trials, rarer, stderr, most=limit)
    if larger is not None:
        return PilotReport(pilot_trials=larger)
    needed = trials_for(goal.relative_error, trials=pilot.trials, rarer=rarer, stderr=stderr, most=most)
    return PilotReport(trials=needed)

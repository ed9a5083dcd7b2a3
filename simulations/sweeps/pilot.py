"""Where a run with a relative error stands: its pilot has to grow, or has fixed the number of trials.

Why a pilot, and why it may stop as it likes, is told in `stopping`. A pilot is kept in the store under a
seed of its own, so that the same command again costs nothing; no estimate is read from there.
"""

from dataclasses import dataclass

from neurondeath.simulations.estimation.estimates import read_simulation
from neurondeath.simulations.stores.seeds import pilot_seed
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.goals import Goal
from neurondeath.simulations.sweeps.stopping import PILOT_TRIALS, next_pilot_trials, trials_for
from neurondeath.simulations.task import Task

__all__ = ["PilotReport", "read_pilot"]

PILOT_SHARE = 10  # one part of the cap may go into the pilot


@dataclass(frozen=True, kw_only=True)
class PilotReport:
    """What a pilot says: exactly one of the two is not None.

    Attributes
    ----------
    pilot_trials : int or None
        What the pilot must grow to.
    trials : int or None
        Trials of the run.
    """

    pilot_trials: int | None = None
    trials: int | None = None


def read_pilot(pilots: Store, task: Task, seed: int, goal: Goal) -> PilotReport:
    """Read a task's pilot from the store it is kept in."""
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

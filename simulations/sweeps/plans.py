"""Plan of a run: the stored trials, the trials still to sample, and the time for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.goals import Goal
from neurondeath.simulations.sweeps.parts import WHOLE, Part
from neurondeath.simulations.sweeps.pilot import read_pilot
from neurondeath.simulations.task import Task

__all__ = ["PlannedTask", "plan_tasks"]


@dataclass(frozen=True, kw_only=True)
class PlannedTask:
    """One task of a run that has not begun.

    Attributes
    ----------
    task : Task
        What would be sampled.
    stored : int
        Trials in the store.
    goal : int or None
        Trials that the task is to have, all parts together; None if a pilot has to decide, or only a time limit is set.
    to_do : int or None
        Trials that this run would sample; None if `goal` is None.
    seconds : float or None
        Processor time for them on one core, estimated from the stored trials; None if there are none.
    """

    task: Task
    stored: int
    goal: int | None
    to_do: int | None
    seconds: float | None


def plan_tasks(
    tasks: Sequence[Task], store: Store | None, *, seed: int, goal: Goal, part: Part = WHOLE
) -> list[PlannedTask]:
    """Plan a run of these tasks; nothing is written.

    Parameters
    ----------
    tasks : sequence of Task
        What would be sampled.
    store : Store or None
        The store; None if there is none yet.
    seed : int
        Seed of the trials, at least 0.
    goal : Goal
        Stop rules.
    part : Part
        Which shards belong to the run.

    Returns
    -------
    list of PlannedTask
        One for every task.
    """
    return [_plan(task, store, seed, goal, part) for task in tasks]


def _plan(task: Task, store: Store | None, seed: int, goal: Goal, part: Part) -> PlannedTask:
    trials, cpu_seconds = store.effort(task.task_id, seed) if store is not None else (0, 0.0)
    needed = _goal_of(task, store, seed, goal)
    if needed is None:
        return PlannedTask(task=task, stored=trials, goal=None, to_do=None, seconds=None)
    to_do = part.n_missing(task, store.done(task.task_id, seed) if store is not None else (), needed)
    pace = cpu_seconds / trials if trials else None
    seconds = 0.0 if to_do == 0 else None if pace is None else pace * to_do
    return PlannedTask(task=task, stored=trials, goal=needed, to_do=to_do, seconds=seconds)


def _goal_of(task: Task, store: Store | None, seed: int, goal: Goal) -> int | None:
    if goal.relative_error is not None:
        return None if store is None else read_pilot(store, task, seed, goal).trials
    return goal.most_trials if goal.counted else None

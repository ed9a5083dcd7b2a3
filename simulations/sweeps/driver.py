"""Run tasks shard by shard, into a store; interrupted runs resume where they stopped.

Three rules end a run, whichever is met first: a number of trials, a relative error (`pilot`), a time limit. Shards are
started in the order of the grid and every started shard is finished and stored, so a run that ends by its time limit
keeps the first trials of each task, not those that happened to be quick.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import chain

from neurondeath.simulations.stores.seeds import pilot_seed
from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.stores.store import OverlapError, Store, StoreError
from neurondeath.simulations.sweeps.goals import Goal, check_goal
from neurondeath.simulations.sweeps.parts import WHOLE, Part
from neurondeath.simulations.sweeps.pilot import read_pilot
from neurondeath.simulations.sweeps.pools import Pool, open_pool
from neurondeath.simulations.sweeps.progress import Progress
from neurondeath.simulations.sweeps.shard_queue import in_turn, pieces_of, run_queue
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.interruption import Interrupted, stop_requests
from neurondeath_theory.foundation.number_text import read_whole
from neurondeath_theory.foundation.validation import check_count

__all__ = ["check_workers", "run_tasks"]


def check_workers(name: str, workers: int | str | None) -> int:
    """Validate a number of threads; None or "all" means every core that this process may use."""
    if workers is None or workers == "all":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return check_count(name, read_whole(name, workers) if isinstance(workers, str) else workers, most=4096)


def run_tasks(
    tasks: Sequence[Task],
    store: Store,
    *,
    seed: int,
    trials: int | None = None,
    goal: Goal | None = None,
    workers: int = 1,
    pool: Pool | None = None,
    part: Part = WHOLE,
    quiet: bool = False,
) -> None:
    """Sample every task under `seed` until its goal is reached.

    Only this thread uses the store; workers run shards. On SIGINT or SIGTERM the shards in flight are finished and
    stored before `Interrupted` is raised.

    Parameters
    ----------
    tasks : sequence of Task
        What to sample; each at most once.
    store : Store
        Where shards are stored; trials that it contains are not sampled again.
    seed : int
        Seed of the trials, at least 0.
    trials : int, optional
        Trials per task, if `goal` is not given.
    goal : Goal, optional
        Stop rules.
    workers : int
        Threads, if `pool` is not given.
    pool : Pool, optional
        Where shards run.
    part : Part
        Which shards belong to this run.
    quiet : bool
        Show nothing on stderr.
    """
    rules = check_goal(trials) if goal is None else goal
    with open_pool(workers) if pool is None else nullcontext(pool) as here, stop_requests() as stop_signal:
        _Run(store, seed, rules, part, here, stop_signal, quiet).bring_to_goal(tasks)


@dataclass(frozen=True, kw_only=True)
class _Assignment:
    """A number of trials of each task under a seed that a store has to reach."""

    tasks: Sequence[Task]
    goals: Mapping[str, int]
    store: Store
    seed: int
    part: Part
    label: str = ""


class _Run:
    """One run: settings that its steps share."""

    def __init__(
        self,
        store: Store,
        seed: int,
        goal: Goal,
        part: Part,
        pool: Pool,
        stop_signal: Callable[[], int | None],
        quiet: bool,
    ) -> None:
        self.store, self.seed, self.goal, self.part = store, seed, goal, part
        self.pool, self.stop_signal, self.quiet = pool, stop_signal, quiet
        self.deadline = None if goal.max_seconds is None else time.monotonic() + goal.max_seconds

    def bring_to_goal(self, tasks: Sequence[Task]) -> None:
        """Sample every task until its goal is reached; with a relative error, pilots set the goals first."""
        for task in tasks:
            self.store.add_task(task)
        goals = {task.task_id: self.goal.most_trials for task in tasks}
        if self.goal.relative_error is not None:
            # pilots may differ in the last bit between types of machines, so a part does not store its own
            with Store(":memory:") if self.part != WHOLE else nullcontext(self.store) as pilots:
                goals = self._run_pilots(tasks, pilots)
            tasks = [task for task in tasks if task.task_id in goals]
        self._complete(_Assignment(tasks=tasks, goals=goals, store=self.store, seed=self.seed, part=self.part))

    def _run_pilots(self, tasks: Sequence[Task], pilots: Store) -> dict[str, int]:
        """Return the trials that each task needs; tasks whose pilot did not finish in time are left out."""
        goals: dict[str, int] = {}
        for task in tasks if pilots is not self.store else ():
            pilots.add_task(task)
        while True:
            sizes: dict[str, int] = {}
            for task in tasks:
                report = read_pilot(pilots, task, self.seed, self.goal)
                if report.trials is not None:
                    goals[task.task_id] = report.trials
                elif report.pilot_trials is not None:
                    sizes[task.task_id] = report.pilot_trials
            tasks = [task for task in tasks if task.task_id in sizes]
            if not tasks or self._time_is_up():  # an unfinished pilot sets no goal
                return goals
            seed = pilot_seed(self.seed)
            self._complete(_Assignment(tasks=tasks, goals=sizes, store=pilots, seed=seed, part=WHOLE, label="pilot "))

    def _complete(self, work: _Assignment) -> None:
        """Sample the missing trials, unless it is time to stop."""
        while True:
            left, n_trials = self._sample_missing(work)
            # another run on this store with another shard grid may have been first: sample what it has left
            if not any(left.values()) or self._is_to_stop():
                break
        number = self.stop_signal()
        if number is not None and any(left.values()):
            of = "" if n_trials is None else f" with {sum(left.values())} of {n_trials} {work.label}trials to go"
            raise Interrupted(
                f"stopped by {signal.Signals(number).name}{of}; "
                f"the finished ones are in {self.store.path!r}: run the same command again to continue",
                number,
            )

    def _sample_missing(self, work: _Assignment) -> tuple[dict[str, int], int | None]:
        """Sample the trials that are missing now; return those still missing per task, and the sum before."""
        done = {task.task_id: work.store.done(task.task_id, work.seed) for task in work.tasks}
        left = {
            task.task_id: n_missing
            for task in work.tasks
            if (n_missing := work.part.n_missing(task, done[task.task_id], work.goals[task.task_id]))
        }
        queues = (
            pieces_of(task, work.part.missing(task, done.pop(task.task_id), work.goals[task.task_id]))
            for task in work.tasks
            if task.task_id in left
        )
        # with a time limit the tasks are sampled in turn, so that each gets some trials
        queue = chain.from_iterable(queues) if self.deadline is None else in_turn(queues)
        n_trials = sum(left.values()) if self.goal.counted else None
        seconds = None if self.deadline is None else max(self.deadline - time.monotonic(), 0.0)
        with Progress(len(left), n_trials, quiet=self.quiet, seconds=seconds, what=work.label) as progress:
            if left and self.pool.compiles_here and not _kernels_are_compiled():
                progress.say("compiling the sampling kernels, once per version (some ten seconds)")

            def finish(shards: Sequence[Shard]) -> None:
                for shard in _added(work.store, shards):
                    left[shard.task_id] -= shard.trials
                    progress.advance(shard.trials, task_done=left[shard.task_id] == 0)

            run_queue(queue, work.seed, self.pool, finish=finish, is_to_stop=self._is_to_stop)
        _check_kept(work, left)
        return left, n_trials

    def _is_to_stop(self) -> bool:
        return self.stop_signal() is not None or self._time_is_up()

    def _time_is_up(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


def _kernels_are_compiled() -> bool:
    from neurondeath.simulations.kernels.jit import is_compiled  # loads the compiler, which only sampling needs

    return is_compiled()


def _check_kept(work: _Assignment, left: Mapping[str, int]) -> None:
    """Check that the store contains the trials that were added: a run never reports trials that are not stored."""
    if left:
        work.store.check_file_exists()
    for task in work.tasks:
        if task.task_id in left:
            done = work.store.done(task.task_id, work.seed)
            n_missing = work.part.n_missing(task, done, work.goals[task.task_id])
            if n_missing > left[task.task_id]:  # fewer, if another run has added some
                n_lost = n_missing - left[task.task_id]
                raise StoreError(f"{work.store.path!r} did not keep {n_lost} trials of task {task.task_id}")


def _added(store: Store, shards: Sequence[Shard]) -> Sequence[Shard]:
    """Commit shards; return those that the store now contains."""
    if not shards:
        return shards  # a run that has nothing to add writes nothing
    try:
        store.add_many(shards)
    except OverlapError:
        kept = []
        for shard in shards:
            with suppress(OverlapError):
                store.add(shard)
                kept.append(shard)
        return kept
    return shards

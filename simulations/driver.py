"""Run tasks shard by shard on all cores, into a store; interrupted runs resume where they stopped."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any

from neurondeath_theory._validation import check_count
from neurondeath_theory.errors import NeuronDeathError
from simulations.kernels.jit import is_compiled
from simulations.progress import Progress
from simulations.sampling import run_shard
from simulations.shards import Shard, missing_shards
from simulations.store import Store
from simulations.task import Task

__all__ = ["Interrupted", "check_workers", "run_tasks"]

POLL_SECONDS = 0.2  # how soon a signal is noticed


class Interrupted(NeuronDeathError):  # noqa: N818 - it is no error
    """A run was told to stop; all finished shards are stored.

    Attributes
    ----------
    exit_code : int
        128 plus the signal's number, as shells have it.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def check_workers(name: str, workers: int | str | None) -> int:
    """Accept a number of threads; None or "all" means every core this process may use."""
    if workers is None or workers == "all":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        number = int(workers)
    except ValueError:
        number = workers  # type: ignore[assignment]
    return check_count(name, number, most=4096)


def run_tasks(
    tasks: Sequence[Task], store: Store, *, trials: int, seed: int, workers: int, quiet: bool = False
) -> None:
    """Bring every task to `trials` trials under `seed`.

    Only this thread touches the store; worker threads run shards. On SIGINT or SIGTERM the shards in flight are
    finished and stored before `Interrupted` is raised.
    """
    for task in tasks:
        store.add_task(task)
    plan = {
        task.task_id: (task, list(missing_shards(store.done(task.task_id, seed), trials, task.shard_trials)))
        for task in tasks
    }
    todo = {task_id: len(shards) for task_id, (_, shards) in plan.items() if shards}
    n_trials = sum(stop - start for _, shards in plan.values() for start, stop in shards)
    queue = ((task, start, stop) for task, shards in plan.values() for start, stop in shards)
    with Progress(len(todo), n_trials, quiet=quiet) as progress, _stop_requests() as stop_signal:
        if todo and not is_compiled():
            progress.say("compiling the sampling kernels, once for this version (some ten seconds)")

        def finish(shard: Shard) -> None:
            store.add(shard)
            todo[shard.task_id] -= 1
            progress.advance(shard.trials, task_done=todo[shard.task_id] == 0)

        _run_queue(queue, seed, workers, finish, stop_signal)
        number = stop_signal()
        if number is not None and any(todo.values()):
            left = n_trials - progress.trials_done
            raise Interrupted(
                f"stopped by {signal.Signals(number).name} with {left} of {n_trials} trials to go; "
                f"the finished ones are in {store.path!r}: run the same command again to go on",
                number,
            )


def _run_queue(
    queue: Iterator[tuple[Task, int, int]],
    seed: int,
    workers: int,
    finish: Callable[[Shard], None],
    stop_signal: Callable[[], int | None],
) -> None:
    """Keep a few shards a worker in flight until the queue is empty or a signal has come."""
    in_flight: set[Future[Shard]] = set()
    first = next(queue, None)
    if first is not None:
        task, start, stop = first
        finish(run_shard(task, seed, start, stop))  # alone: two threads must not compile the same kernel
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="shard") as pool:
        exhausted = False
        try:
            while in_flight or not exhausted:
                while not exhausted and len(in_flight) < 2 * workers:
                    shard = next(queue, None) if stop_signal() is None else None
                    if shard is None:
                        exhausted = True
                    else:
                        in_flight.add(pool.submit(run_shard, shard[0], seed, shard[1], shard[2]))
                done, in_flight = wait(in_flight, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                if stop_signal() is not None:
                    exhausted = True
                for future in done:
                    finish(future.result())
        except BaseException:
            for future in in_flight:
                future.cancel()
            raise


@contextmanager
def _stop_requests() -> Iterator[Callable[[], int | None]]:
    """Note SIGINT and SIGTERM instead of dying of them; a second one acts as ever."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    previous: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for other, handler in previous.items():
            signal.signal(other, handler)

    for which in (signal.SIGINT, signal.SIGTERM):
        previous[which] = signal.signal(which, note)
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

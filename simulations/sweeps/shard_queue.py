"""Keep a few shards in flight until a queue is empty or it is time to stop; started shards are always finished."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait

from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.sweeps.pools import Pool
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.interruption import Stopped

__all__ = ["Piece", "in_turn", "pieces_of", "run_queue"]

POLL_SECONDS = 0.2  # between checks whether to stop

Piece = tuple[Task, int, int]  # a shard to do: trials start .. stop - 1 of a task


def pieces_of(task: Task, stretches: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    """Generate the shards of one task."""
    return ((task, start, stop) for start, stop in stretches)


def in_turn(queues: Iterable[Iterator[Piece]]) -> Iterator[Piece]:
    """Take one shard of each queue in turn, until all are empty."""
    left = list(queues)
    while left:
        remaining = []
        for pieces in left:
            piece = next(pieces, None)
            if piece is not None:
                yield piece
                remaining.append(pieces)
        left = remaining


def run_queue(
    queue: Iterator[Piece],
    seed: int,
    pool: Pool,
    *,
    finish: Callable[[Sequence[Shard]], None],
    is_to_stop: Callable[[], bool],
) -> None:
    """Run shards and pass them to `finish` as they are done.

    Parameters
    ----------
    queue : iterator of (task, start, stop)
        The shards, in the order in which they are started; read when there is room in the pool.
    seed : int
        Seed of the trials.
    pool : Pool
        Where they run.
    finish : callable
        Receives finished shards, in this thread.
    is_to_stop : callable
        Returns whether to start no more shards.

    Raises
    ------
    NeuronDeathError
        If a shard failed, after all other started shards are finished and passed to `finish`.
    """
    in_flight: set[Future[list[Shard]]] = set()
    batches = _Batches(queue)
    if pool.compiles_here:
        task, stretches = batches.take(1)
        if task is not None:  # alone, since two threads must not compile the same kernel
            finish(_first_shards(task, seed, stretches, is_to_stop))
    exhausted = False
    failure: BaseException | None = None
    try:
        while in_flight or not exhausted:
            while not exhausted and len(in_flight) < pool.room():
                task, stretches = (None, []) if is_to_stop() else batches.take(pool.batch_size())
                if task is None:
                    exhausted = True
                else:
                    in_flight.add(pool.submit(task, seed, stretches))
            done, in_flight = wait(in_flight, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            failure = _pass_on(done, finish) or failure
            exhausted = exhausted or failure is not None or is_to_stop()
    except BaseException:
        for future in in_flight:
            future.cancel()
        raise
    if failure is not None:
        raise pool.explain(failure) from None


def _first_shards(
    task: Task, seed: int, stretches: Sequence[tuple[int, int]], is_to_stop: Callable[[], bool]
) -> list[Shard]:
    """Run shards in this thread; none if a request to stop ended the compilation of a kernel."""
    try:
        return [run_shard(task, seed, start, stop) for start, stop in stretches]
    except Stopped:
        if is_to_stop():
            return []
        raise


class _Batches:
    """A queue that returns several shards of one task at a time."""

    def __init__(self, queue: Iterator[Piece]) -> None:
        self._queue = queue
        self._next = next(queue, None)

    def take(self, most: int) -> tuple[Task | None, list[tuple[int, int]]]:
        """Take up to `most` neighbouring shards of one task; the task is None when the queue is empty."""
        if self._next is None:
            return None, []
        task = self._next[0]
        stretches: list[tuple[int, int]] = []
        while self._next is not None and self._next[0] is task and len(stretches) < most:
            stretches.append(self._next[1:])
            self._next = next(self._queue, None)
        return task, stretches


def _pass_on(done: Iterable[Future[list[Shard]]], finish: Callable[[Sequence[Shard]], None]) -> BaseException | None:
    """Pass every finished shard to `finish`; return the error of a failed one."""
    shards: list[Shard] = []
    failure: BaseException | None = None
    for future in done:
        try:
            shards.extend(future.result())
        except (Exception, CancelledError) as error:
            failure = error
    finish(shards)
    return failure

"""Where shards run: on this machine's threads, or on a Dask cluster."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from neurondeath.simulations.samplers.shard_sampling import run_shard
from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.lazy_imports import import_or_explain

__all__ = ["BATCHES_PER_WORKER", "LOCAL", "LocalPool", "Pool", "open_pool", "sample_batch"]

LOCAL = "local"
BATCHES_PER_WORKER = 2  # in flight: one running, one waiting


class Pool(Protocol):
    """Interface of a pool for the driver."""

    compiles_here: bool  # whether this process compiles the kernels

    def room(self) -> int:
        """Return how many batches of shards may be in flight."""

    def batch_size(self) -> int:
        """Return how many shards of a task to submit at a time."""

    def submit(self, task: Task, seed: int, stretches: Sequence[tuple[int, int]]) -> Future[list[Shard]]:
        """Submit a batch of shards, each the trials start .. stop - 1."""

    def explain(self, error: BaseException) -> BaseException:
        """Return the error to raise for a failed shard."""


class LocalPool:
    """Threads of this process.

    Parameters
    ----------
    workers : int
        Number of threads.
    """

    compiles_here = True

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="shard")

    def room(self) -> int:
        """Return how many batches of shards may be in flight."""
        return BATCHES_PER_WORKER * self.workers

    def batch_size(self) -> int:
        """Return how many shards of a task to submit at a time."""
        return 1

    def submit(self, task: Task, seed: int, stretches: Sequence[tuple[int, int]]) -> Future[list[Shard]]:
        """Submit a batch of shards."""
        return self._threads.submit(sample_batch, task, seed, stretches)

    def explain(self, error: BaseException) -> BaseException:
        """Return the error unchanged."""
        return error

    def close(self) -> None:
        """Wait for the threads to end; shards that have not started are dropped."""
        self._threads.shutdown(cancel_futures=True)


def sample_batch(task: Task, seed: int, stretches: Sequence[tuple[int, int]]) -> list[Shard]:
    """Sample shards of a task one after another."""
    return [run_shard(task, seed, start, stop) for start, stop in stretches]


@contextmanager
def open_pool(workers: int, scheduler: str = LOCAL) -> Iterator[Pool]:
    """Open the pool of a run.

    Parameters
    ----------
    workers : int
        Threads of the local pool.
    scheduler : str
        "local", or the address of a Dask scheduler.

    Raises
    ------
    MissingExtraError
        If `scheduler` is an address and Dask is not installed.
    SchedulerError
        If the address does not answer, or has no workers.
    """
    if scheduler == LOCAL:
        local = LocalPool(workers)
        try:
            yield local
        finally:
            local.close()
    else:
        with import_or_explain("neurondeath.simulations.sweeps.dask_scheduler").ClusterPool(scheduler) as cluster:
            yield cluster

"""Shards on an existing Dask cluster: the same numbers, whichever workers join or leave.

A shard depends only on its task, seed and trials, so Dask may run it again when a worker is lost; only the driver
writes the store, and each shard once. A task is sent once: it is a key of the task graph, which the scheduler can
compute again when the workers that hold it are lost. Quick shards are sent in batches; at most two batches per thread
are in flight.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import dask
import distributed
from distributed.core import rpc as untyped_rpc

from neurondeath.simulations.stores.provenance import Provenance
from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.sweeps.pools import BATCHES_PER_WORKER, sample_batch
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.version import __version__

__all__ = ["ClusterPool", "SchedulerError"]

CONNECT_SECONDS = 10.0  # to wait for the scheduler
FIRST_WORKER_SECONDS = 10.0
COUNT_SECONDS = 2.0  # between counts of the cluster's threads
BATCH_SECONDS = 0.1  # sampling time per batch, about
MOST_BATCH_SHARDS = 64
MOST_KEPT_TASKS = 256  # tasks that stay on the cluster between their shards

_client: Any = distributed.Client  # has no type annotations
rpc: Any = untyped_rpc
_first_shards = threading.Lock()
_compiled: set[tuple[str, str, str]] = set()


class SchedulerError(NeuronDeathError):
    """A cluster does not answer, has no workers, or failed."""


class ClusterPool:
    """The workers of a Dask cluster.

    Parameters
    ----------
    address : str
        Address of the scheduler, as in tcp://10.0.0.1:8786.

    Raises
    ------
    SchedulerError
        If the address is not valid, the scheduler does not answer in 10 s, or it has no worker 10 s later.
    """

    compiles_here = False

    def __init__(self, address: str) -> None:
        self.address = address
        _check_scheduler(address, CONNECT_SECONDS)
        self._levels = _silenced_loggers()
        try:
            self._client = _client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except OSError as error:  # the scheduler ended or stopped after the check
            _restore(self._levels)
            raise _no_answer(address, error, CONNECT_SECONDS) from None
        try:
            self._client.wait_for_workers(1, timeout=FIRST_WORKER_SECONDS)
        except TimeoutError:
            self.close()
            raise SchedulerError(
                f"the Dask scheduler at {address!r} has no workers; start some with `dask worker {address}`"
            ) from None
        except BaseException:
            self.close()
            raise
        self._executor = self._client.get_executor(pure=False)
        self._tasks: dict[str, Any] = {}
        self._threads, self._counted = 0, -math.inf
        self._shard_seconds = 0.0  # recent sampling time per shard

    def room(self) -> int:
        """Return how many batches may be in flight: two per thread of the present workers."""
        now = time.monotonic()
        if now - self._counted > COUNT_SECONDS:
            self._counted = now
            try:
                self._threads = sum(self._client.nthreads().values())
            except OSError as error:
                raise self.explain(CancelledError(str(error))) from None
        return BATCHES_PER_WORKER * max(self._threads, 1)

    def batch_size(self) -> int:
        """Return how many shards of a task to submit at a time, enough to justify a message in each direction."""
        return (
            max(1, min(MOST_BATCH_SHARDS, int(BATCH_SECONDS / self._shard_seconds))) if self._shard_seconds > 0.0 else 1
        )

    def submit(self, task: Task, seed: int, stretches: Sequence[tuple[int, int]]) -> Future[list[Shard]]:
        """Submit a batch of shards."""
        batch: Future[list[Shard]] = self._executor.submit(_sample, __version__, self._key_of(task), seed, stretches)
        batch.add_done_callback(self._record_shard_seconds)
        return batch

    def _record_shard_seconds(self, batch: Future[list[Shard]]) -> None:
        if not batch.cancelled() and batch.exception() is None and (shards := batch.result()):
            latest = sum(shard.cpu_seconds for shard in shards) / len(shards)
            self._shard_seconds = latest if self._shard_seconds == 0.0 else 0.5 * (latest + self._shard_seconds)

    def explain(self, error: BaseException) -> NeuronDeathError:
        """Return the error to raise for a failed shard."""
        if isinstance(error, NeuronDeathError):
            return error
        reason = f"a shard failed on the Dask cluster at {self.address!r} ({type(error).__name__}: {error})"
        if isinstance(error, CancelledError):
            reason = f"lost the Dask scheduler at {self.address!r}"
        return SchedulerError(f"{reason}; the finished shards are stored: run the same command again to continue")

    def close(self) -> None:
        """Disconnect from the cluster."""
        self._client.close()
        _restore(self._levels)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _key_of(self, task: Task) -> Any:
        """Return the key of a task on the cluster, after sending the task if it is not there."""
        if task.task_id not in self._tasks:
            while len(self._tasks) >= MOST_KEPT_TASKS:
                del self._tasks[next(iter(self._tasks))]
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
                self._tasks[task.task_id] = self._client.submit(_unchanged, task, pure=False)
        return self._tasks[task.task_id]


def _silenced_loggers() -> list[tuple[logging.Logger, int]]:
    """Keep Dask's tracebacks off stderr, where an error is one line; return the previous levels of the loggers."""
    loggers = [one for name, one in logging.root.manager.loggerDict.items() if name.startswith("distributed")]
    levels = [(one, one.level) for one in loggers if isinstance(one, logging.Logger)]
    for logger, _ in levels:
        logger.setLevel(logging.CRITICAL + 1)
    return levels


def _restore(levels: list[tuple[logging.Logger, int]]) -> None:
    for logger, level in levels:
        logger.setLevel(level)


def _check_scheduler(address: str, seconds: float) -> None:
    """Check that a scheduler answers at an address: a client that cannot connect leaves threads and messages behind."""
    try:
        with ThreadPoolExecutor(1) as alone:  # a notebook already runs an event loop
            kind = alone.submit(asyncio.run, _identify(address, seconds)).result()
    except Exception as error:  # a server of another kind can cause any error
        raise _no_answer(address, error, seconds) from None
    if kind != "Scheduler":
        raise SchedulerError(f"{address!r} is a Dask {kind.lower()}, not a scheduler; give the scheduler's address")


def _no_answer(address: str, error: Exception, seconds: float) -> SchedulerError:
    late = isinstance(error, TimeoutError)
    reason = f"no answer in {seconds:g} s" if late else " ".join(str(error).split()) or type(error).__name__
    return SchedulerError(
        f"no Dask scheduler answers at {address!r} ({reason}); "
        "start one with `dask scheduler` and give its address, as in tcp://HOST:8786"
    )


async def _identify(address: str, seconds: float) -> str:
    async with asyncio.timeout(seconds):
        server: Any = rpc(address, timeout=seconds)
        try:
            return str((await server.identity())["type"])
        finally:
            await server.close_rpc()


def _unchanged(task: Task) -> Task:
    return task


def _sample(version: str, task: Task, seed: int, stretches: Sequence[tuple[int, int]]) -> list[Shard]:
    """Run shards on a worker."""
    if version != __version__:
        raise SchedulerError(f"a worker has neurondeath {__version__}, this is {version}; install the same everywhere")
    kind = (task.estimator, task.engine, task.dtype)
    with nullcontext() if kind in _compiled else _first_shards:  # two threads must not compile the same kernel
        shards = sample_batch(task, seed, stretches)
        _compiled.add(kind)
    here = Provenance.here()
    return [replace(shard, provenance=here) for shard in shards]

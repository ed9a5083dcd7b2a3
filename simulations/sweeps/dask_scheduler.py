"""Shards on an existing Dask cluster: the same numbers, whichever workers come and go.

A shard depends on nothing but its task, seed and place, so Dask may run it again wherever a worker is lost; the driver
alone writes the store, and each shard once. A task travels once: it is itself a key of the graph, which the scheduler
can make again when the workers that hold it are gone. Quick shards travel several at a time; at most two such batches a
thread are in flight.
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
from neurondeath.simulations.sweeps.pools import BATCHES_A_WORKER, sample_batch
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.version import __version__

__all__ = ["ClusterPool", "SchedulerError"]

CONNECT_SECONDS = 10.0  # for the scheduler to answer, and again for a first worker
COUNT_SECONDS = 2.0  # between counts of the cluster's threads
BATCH_SECONDS = 0.1  # of sampling in a batch, about
MOST_SHARDS = 64  # in it
MOST_KEPT_TASKS = 256  # tasks the cluster keeps between their shards

_client: Any = distributed.Client  # which has no types
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
        The scheduler's, as in tcp://10.0.0.1:8786.
    seconds : float, optional
        How long to wait for its answer, and for a first worker; 10 by default.

    Raises
    ------
    SchedulerError
        If the address is none, or nobody answers there in time, or no worker does.
    """

    compiles_here = False

    def __init__(self, address: str, seconds: float | None = None) -> None:
        self.address = address
        seconds = CONNECT_SECONDS if seconds is None else seconds
        _check_scheduler(address, seconds)
        self._levels = _silenced_loggers()
        self._client = _client(address, timeout=seconds, set_as_default=False)
        try:
            self._client.wait_for_workers(1, timeout=seconds)
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
        self._pace = 0.0  # seconds a shard has taken of late

    def room(self) -> int:
        """Give how many shards may be in flight: two batches a thread of the workers there are."""
        now = time.monotonic()
        if now - self._counted > COUNT_SECONDS:
            self._counted = now
            try:
                self._threads = sum(self._client.nthreads().values())
            except OSError as error:
                raise self.explain(CancelledError(str(error))) from None
        return BATCHES_A_WORKER * max(self._threads, 1)

    def batch_size(self) -> int:
        """Give how many shards of a task to submit at a time: enough to be worth a message each way."""
        return max(1, min(MOST_SHARDS, int(BATCH_SECONDS / self._pace))) if self._pace > 0.0 else 1

    def submit(self, task: Task, seed: int, stretches: Sequence[tuple[int, int]]) -> Future[list[Shard]]:
        """Have a batch of shards sampled."""
        batch: Future[list[Shard]] = self._executor.submit(_sample, __version__, self._key_of(task), seed, stretches)
        batch.add_done_callback(self._note_pace)
        return batch

    def _note_pace(self, batch: Future[list[Shard]]) -> None:
        if not batch.cancelled() and batch.exception() is None and (shards := batch.result()):
            pace = sum(shard.cpu_seconds for shard in shards) / len(shards)
            self._pace = pace if self._pace == 0.0 else 0.5 * (pace + self._pace)

    def explain(self, error: BaseException) -> NeuronDeathError:
        """Word what went wrong with a shard."""
        if isinstance(error, NeuronDeathError):
            return error
        reason = f"a shard failed on the Dask cluster at {self.address!r} ({type(error).__name__}: {error})"
        if isinstance(error, CancelledError):
            reason = f"lost the Dask scheduler at {self.address!r}"
        return SchedulerError(f"{reason}; the finished shards are stored: run the same command again to go on")

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()
        for logger, level in self._levels:
            logger.setLevel(level)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _key_of(self, task: Task) -> Any:
        """Give the key under which the cluster holds a task, shipping it if it does not."""
        if task.task_id not in self._tasks:
            while len(self._tasks) >= MOST_KEPT_TASKS:
                del self._tasks[next(iter(self._tasks))]
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
                self._tasks[task.task_id] = self._client.submit(_same, task, pure=False)
        return self._tasks[task.task_id]


def _silenced_loggers() -> list[tuple[logging.Logger, int]]:
    """Keep Dask's own tracebacks off stderr, where our one line says what happened; gives the levels to go back to."""
    loggers = [one for name, one in logging.root.manager.loggerDict.items() if name.startswith("distributed")]
    levels = [(one, one.level) for one in loggers if isinstance(one, logging.Logger)]
    for logger, _ in levels:
        logger.setLevel(logging.CRITICAL + 1)
    return levels


def _check_scheduler(address: str, seconds: float) -> None:
    """Ask an address who it is: a client that fails to connect leaves threads and messages behind."""
    try:
        with ThreadPoolExecutor(1) as alone:  # a notebook has an event loop of its own
            kind = alone.submit(asyncio.run, _identify(address, seconds)).result()
    except Exception as error:  # whatever a server of another kind makes the protocol do
        late = isinstance(error, TimeoutError)
        reason = f"nobody in {seconds:g} s" if late else " ".join(str(error).split()) or type(error).__name__
        raise SchedulerError(
            f"no Dask scheduler answers at {address!r} ({reason}); "
            "start one with `dask scheduler` and give its address, as in tcp://HOST:8786"
        ) from None
    if kind != "Scheduler":
        raise SchedulerError(f"{address!r} is a Dask {kind.lower()}, not a scheduler; give the scheduler's address")


async def _identify(address: str, seconds: float) -> str:
    async with asyncio.timeout(seconds):
        server: Any = rpc(address, timeout=seconds)
        try:
            return str((await server.identity())["type"])
        finally:
            await server.close_rpc()


def _same(task: Task) -> Task:
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

"""Run one shard of a task."""

import time
from importlib import import_module

from neurondeath.simulations.engines import SAMPLERS
from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.task import Task

__all__ = ["run_shard"]


def run_shard(task: Task, seed: int, start: int, stop: int) -> Shard:
    """Sample trials start .. stop - 1 of a task; thread-safe, the interpreter is free while the kernel runs."""
    begun = time.thread_time()
    statistics = import_module(SAMPLERS[task.estimator, task.engine]).sample(task, seed, start, stop)
    return Shard(
        task_id=task.task_id,
        seed=seed,
        start=start,
        stop=stop,
        statistics=statistics,
        cpu_seconds=time.thread_time() - begun,
    )

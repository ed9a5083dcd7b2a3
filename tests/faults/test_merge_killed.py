"""Merges that are killed: a source is in the target completely or not at all, and only once."""

import os
import random
import subprocess
import sys
import time

import pytest

from neurondeath.simulations.stores.store import Store, StoreError
from tests.faults.runs import ROOT
from tests.simulations.test_store import TASK, shard

N_SOURCES, N_SHARDS = 4, 8000


def start_merge(folder):
    names = [f"source{index}" for index in range(N_SOURCES)]
    command = [sys.executable, "-m", "neurondeath", "merge", "target", *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def merged(folder):
    """Count the shards of every source in the target."""
    if not (folder / "target").exists() or (folder / "target").stat().st_size == 0:
        return [0] * N_SOURCES
    try:
        store = Store(folder / "target", readonly=True)
    except StoreError as error:
        if "is empty" not in str(error):  # killed while it was being made
            raise
        return [0] * N_SOURCES
    with store:
        return [len(store.done(TASK.task_id, seed)) for seed in range(N_SOURCES)]


@pytest.mark.faults
def test_killed_merges(tmp_path):
    for seed in range(N_SOURCES):
        with Store(tmp_path / f"source{seed}") as store:
            store.add_task(TASK)
            store.add_many(shard(start, start + 1, seed=seed, value=start) for start in range(N_SHARDS))
    begun = time.monotonic()
    assert start_merge(tmp_path).wait() == 0
    uninterrupted_seconds = time.monotonic() - begun
    (tmp_path / "target").unlink()
    choose = random.Random(0)
    seen = set()
    for _ in range(40):
        process = start_merge(tmp_path)
        time.sleep(choose.uniform(0.2, 1.0) * uninterrupted_seconds)
        process.kill()
        process.wait()
        counts = merged(tmp_path)
        assert set(counts) <= {0, N_SHARDS}
        seen.add(tuple(counts))
        if choose.random() < (0.7 if counts[-1] else 0.3):  # start again: to continue takes as long
            for side in ("", "-wal", "-shm", "-journal"):
                (tmp_path / f"target{side}").unlink(missing_ok=True)
    assert len(seen) > 2
    together = [start_merge(tmp_path) for _ in range(3)]
    for process in together:
        assert process.wait(timeout=300) == 0
    assert merged(tmp_path) == [N_SHARDS] * N_SOURCES
    with Store(tmp_path / "target", readonly=True) as store:
        for seed in range(N_SOURCES):
            for one in store.shards(TASK.task_id, seed):
                assert one.same_numbers(shard(one.start, one.stop, seed=seed, value=one.start))
    assert not (tmp_path / "target-wal").exists()

"""Merges that are killed: a source is in the target completely or not at all, and only once."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from neurondeath.simulations.stores.store import Store
from tests.faults.runs import ROOT
from tests.simulations.test_store import TASK, shard

N_SOURCES, N_SHARDS = 4, 1500
N_KILLS = 200
SIDES = ("", "-wal", "-shm", "-journal")


def start_merge(folder, target="target"):
    names = [f"source{index}" for index in range(N_SOURCES)]
    command = [sys.executable, "-m", "neurondeath", "merge", target, *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def merged(path):
    """Count the shards of every source in the target; a target that exists is whole."""
    if not path.exists():
        return (0,) * N_SOURCES
    with Store(path, readonly=True) as store:
        return tuple(len(store.done(TASK.task_id, seed)) for seed in range(N_SOURCES))


def rows(path):
    """Read all rows in the order in which they were stored."""
    with Store(path, readonly=True) as store:
        return list(store.rows("SELECT rowid, * FROM shards ORDER BY rowid"))


def make_sources(folder):
    for seed in range(N_SOURCES):
        with Store(folder / f"source{seed}") as store:
            store.add_task(TASK)
            store.add_many(shard(start, start + 1, seed=seed, value=start) for start in range(N_SHARDS))


def measure(folder):
    """Return the time until a merge makes its target, and the time from then to its end."""
    begun = time.monotonic()
    process = start_merge(folder)
    while not (folder / "target").exists():
        time.sleep(0.001)
    made = time.monotonic()
    assert process.communicate()[1] == b""
    return made - begun, time.monotonic() - made


def kill_at_random(process, target, start, span, choose):
    """Kill a merge while it starts or, mostly, while it writes; return its exit code and its words."""
    if choose.random() < 0.1:
        time.sleep(choose.uniform(0.0, start))
    elif target.exists():  # resumed: its start cannot be seen
        time.sleep(choose.uniform(0.7, 1.0) * start + choose.uniform(0.0, span))
    else:
        while process.poll() is None and not target.exists():
            time.sleep(0.001)
        time.sleep(choose.uniform(0.0, 0.8 * span))  # most before its end
    process.kill()
    _, words = process.communicate()
    return process.returncode, words.decode()


@pytest.mark.faults
def test_two_hundred_killed_merges(tmp_path):
    """Whatever the moment, each source is in the target as a whole or not at all; merging again completes it."""
    make_sources(tmp_path)
    start, span = measure(tmp_path)
    truth = rows(tmp_path / "target")
    assert len(truth) == N_SOURCES * N_SHARDS
    whole = tmp_path / "whole"
    shutil.copy(tmp_path / "target", whole)
    target = tmp_path / "target"
    target.unlink()
    choose = random.Random(0)
    seen, killed, resumed = set(), 0, 0
    while killed < N_KILLS:
        ended, words = kill_at_random(start_merge(tmp_path), target, start, span, choose)
        assert ended in (0, -signal.SIGKILL), words
        killed += ended == -signal.SIGKILL
        counts = merged(target)
        assert set(counts) <= {0, N_SHARDS}
        assert sorted(counts, reverse=True) == list(counts)  # in the order of the sources
        seen.add(counts)
        if counts[-1] or choose.random() < 0.3:  # begin again, after some were resumed to the end
            if choose.random() < 0.2:
                resumed += 1
                assert start_merge(tmp_path).communicate()[1] == b""
                assert rows(target) == truth
                assert target.stat().st_size == whole.stat().st_size
                assert not [side for side in SIDES[1:] if target.with_name(f"target{side}").exists()]
            for side in SIDES:
                target.with_name(f"target{side}").unlink(missing_ok=True)
    print(f"{killed} kills, {resumed} resumed, states {sorted(seen)}")
    assert len(seen) > 2
    assert resumed > 3


@pytest.mark.faults
def test_merges_at_once(tmp_path):
    make_sources(tmp_path)
    together = [start_merge(tmp_path) for _ in range(3)]
    for process in together:
        assert process.communicate(timeout=300)[1] == b""
    target = tmp_path / "target"
    assert merged(target) == (N_SHARDS,) * N_SOURCES
    with Store(target, readonly=True) as store:
        for seed in range(N_SOURCES):
            for one in store.shards(TASK.task_id, seed):
                assert one.same_numbers(shard(one.start, one.stop, seed=seed, value=one.start))
    assert not target.with_name("target-wal").exists()


CREATE = """
import os, sys, time
sys.path.insert(0, os.getcwd())
from neurondeath.simulations.stores.store import Store
print("ready", flush=True)
sys.stdin.readline()
while True:
    Store(sys.argv[1]).close()
    time.sleep(0.001)
    os.unlink(sys.argv[1])
"""


@pytest.mark.faults
def test_a_kill_during_creation_leaves_a_whole_file_or_none(tmp_path):
    """Fifty processes that create and delete the same store without end, each killed within some milliseconds."""
    path = tmp_path / "store.sqlite"
    choose = random.Random(5)
    left = 0
    for _ in range(50):
        command = [sys.executable, "-c", CREATE, str(path)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(b"\n")
        process.stdin.flush()
        time.sleep(choose.uniform(0.0, 0.02))
        process.kill()
        process.communicate()
        assert {file.name for file in tmp_path.iterdir()} <= {path.name}
        if path.exists():
            left += 1
            with Store(path) as store:
                assert store.contents() == []
            path.unlink()
    print(f"a whole store was left {left} times")
    assert 0 < left < 50

"""kill -9 at random moments: no finished shard is lost, none is stored twice, and the result is as without a kill."""

import random
import signal
import time

import pytest

from tests.faults.runs import GridRun

STUDIES = [
    ("--width 4,6 --depth 40 --inputs gaussian:32 --workers 2", 150_000),
    ("--width 8 --depth 20,30 --inputs gaussian:32 --estimator conditional --workers 1", 8000),
    ("--width 3 --depth 30 --inputs gaussian:16 --outputs variance,dead_units --workers 4", 250_000),
    ("--width 2:5 --depth 10 --inputs rays --input-dim 1 --workers 2", 100_000),
]


def kill_and_resume(folder, options, trials, *, seed, kills, by_clock=True):
    """Kill and restart a run several times, then let it end; return the number of kills.

    A kill comes at a random time, which may be too late on a fast machine, or just after some shards were acknowledged.
    """
    choose = random.Random(seed)
    grid_run = GridRun(folder / "killed", f"{options} --seed {seed}", trials)
    killed = 0
    while killed < kills:
        process = grid_run.start()
        if by_clock and choose.random() < 0.4:
            time.sleep(choose.uniform(0.0, 1.5))
        elif grid_run.wait_for(len(grid_run.acknowledged()) + choose.choice((1, 1, 2, 5)), process):
            time.sleep(choose.uniform(0.0, 0.03))
        if ended := process.poll() is not None:
            assert process.returncode == 0, process.stderr.read()
        process.kill()
        process.communicate()
        killed += not ended and process.returncode == -signal.SIGKILL
        grid_run.check()
        if ended:
            break
    grid_run.finish()
    n_shards = grid_run.check()
    whole = GridRun(folder / "whole", f"{options} --seed {seed}", trials)
    whole.finish()
    grid_run.assert_same_as(whole)
    assert n_shards == len(whole.acknowledged()) > 2
    return killed


@pytest.mark.faults
def test_two_hundred_kills(tmp_path):
    killed, seed = 0, 0
    while killed < 200:
        options, trials = STUDIES[seed % len(STUDIES)]
        killed += kill_and_resume(tmp_path / str(seed), options, trials, seed=seed, kills=min(20, 200 - killed))
        seed += 1
        print(f"{killed} kills in {seed} grid runs")
        assert seed < 100


def test_a_few_kills(tmp_path):
    options, trials = STUDIES[0]
    assert kill_and_resume(tmp_path, options, trials // 3, seed=1, kills=3, by_clock=False) >= 2

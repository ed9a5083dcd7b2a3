"""Several runs on one store at once."""

import random
import time

import numpy as np
import pytest

from neurondeath.simulations.stores.shards import sum_statistics
from neurondeath.simulations.stores.store import Store
from tests.faults.runs import GridRun

OPTIONS = "--width 4,5 --depth 30 --inputs gaussian:16 --workers 1"


def totals(grid_run):
    with Store(grid_run.store, readonly=True) as store:
        return {(task_id, seed): sum_statistics(store.shards(task_id, seed)) for task_id, seed, _ in store.contents()}


def assert_same_totals(grid_run, other):
    """Check that two stores count the same trials, however they divide them into shards."""
    ours, theirs = totals(grid_run), totals(other)
    assert ours.keys() == theirs.keys()
    for key, (trials, sums) in ours.items():
        assert trials == theirs[key][0]
        for name, values in sums.items():
            assert np.array_equal(values, theirs[key][1][name])


def run_together(grid_run, goals):
    processes = [grid_run.start(goal) for goal in goals]
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    grid_run.check()


@pytest.mark.faults
@pytest.mark.parametrize("n_writers", [2, 4])
def test_the_same_command_at_once(tmp_path, n_writers):
    grid_run, whole = (GridRun(tmp_path / name, OPTIONS, 40_000) for name in ("grid_run", "whole"))
    run_together(grid_run, [40_000] * n_writers)
    whole.finish()
    grid_run.assert_same_as(whole)


@pytest.mark.faults
def test_other_goals_at_once(tmp_path):
    """With goals that divide the trials differently, the later run does what the earlier one has left."""
    grid_run, whole = (GridRun(tmp_path / name, OPTIONS, 30_000) for name in ("grid_run", "whole"))
    run_together(grid_run, [30_000, 1500, 17_100, 29_999])
    whole.finish()
    assert_same_totals(grid_run, whole)


@pytest.mark.faults
def test_some_writers_are_killed(tmp_path):
    choose = random.Random(0)
    grid_run, whole = (GridRun(tmp_path / name, OPTIONS, 40_000) for name in ("grid_run", "whole"))
    for _ in range(6):
        processes = [grid_run.start() for _ in range(4)]
        grid_run.wait_for(len(grid_run.acknowledged()) + 1, processes[0])
        time.sleep(choose.uniform(0.0, 0.3))
        for process in processes[:3]:
            process.kill()
        processes[3].terminate()  # the remaining run must be able to continue, and to stop
        for process in processes:
            process.communicate(timeout=60)
        assert processes[3].returncode in (0, 143, -15)  # -15: still importing, or already done
        grid_run.check()
    grid_run.finish()
    whole.finish()
    grid_run.assert_same_as(whole)


@pytest.mark.faults
def test_readers_while_a_run_writes(tmp_path):
    grid_run = GridRun(tmp_path / "grid_run", OPTIONS, 40_000)
    process = grid_run.start()
    assert grid_run.wait_for(1, process)
    looks = 0
    while process.poll() is None:
        grid_run.check()
        looks += 1
    assert process.returncode == 0, process.stderr.read()
    process.communicate()
    assert looks > 2
    grid_run.finish()  # only tidies up, which the last reader may have prevented
    whole = GridRun(tmp_path / "whole", OPTIONS, 40_000)
    whole.finish()
    grid_run.assert_same_as(whole)

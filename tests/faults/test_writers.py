"""Several runs on one store at once."""

import random
import time

import numpy as np
import pytest

from neurondeath.simulations.stores.shards import sum_statistics
from neurondeath.simulations.stores.store import Store
from tests.faults.runs import Study

OPTIONS = "--width 4,5 --depth 30 --inputs gaussian:16 --workers 1"


def totals(study):
    with Store(study.store, readonly=True) as store:
        return {(task_id, seed): sum_statistics(store.shards(task_id, seed)) for task_id, seed, _ in store.contents()}


def assert_same_totals(study, other):
    """See that two stores count the same trials, however they cut them."""
    ours, theirs = totals(study), totals(other)
    assert ours.keys() == theirs.keys()
    for key, (trials, sums) in ours.items():
        assert trials == theirs[key][0]
        for name, values in sums.items():
            assert np.array_equal(values, theirs[key][1][name])


def run_together(study, goals):
    processes = [study.start(goal) for goal in goals]
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    study.check()


@pytest.mark.faults
@pytest.mark.parametrize("n_writers", [2, 4])
def test_the_same_command_at_once(tmp_path, n_writers):
    study, whole = (Study(tmp_path / name, OPTIONS, 40_000) for name in ("study", "whole"))
    run_together(study, [40_000] * n_writers)
    whole.finish()
    study.assert_same_as(whole)


@pytest.mark.faults
def test_other_goals_at_once(tmp_path):
    """Goals that cut the grid elsewhere: the later run takes what the earlier has left."""
    study, whole = (Study(tmp_path / name, OPTIONS, 30_000) for name in ("study", "whole"))
    run_together(study, [30_000, 1500, 17_100, 29_999])
    whole.finish()
    assert_same_totals(study, whole)


@pytest.mark.faults
def test_some_writers_are_killed(tmp_path):
    choose = random.Random(0)
    study, whole = (Study(tmp_path / name, OPTIONS, 40_000) for name in ("study", "whole"))
    for _ in range(6):
        processes = [study.start() for _ in range(4)]
        study.wait_for(len(study.acknowledged()) + 1, processes[0])
        time.sleep(choose.uniform(0.0, 0.3))
        for process in processes[:3]:
            process.kill()
        processes[3].terminate()  # the survivor must be able to go on, and to stop
        for process in processes:
            process.communicate(timeout=60)
        assert processes[3].returncode in (0, 143, -15)  # -15: still importing, or past its work
        study.check()
    study.finish()
    whole.finish()
    study.assert_same_as(whole)


@pytest.mark.faults
def test_readers_while_a_run_writes(tmp_path):
    study = Study(tmp_path / "study", OPTIONS, 40_000)
    process = study.start()
    assert study.wait_for(1, process)
    looks = 0
    while process.poll() is None:
        study.check()
        looks += 1
    assert process.returncode == 0, process.stderr.read()
    process.communicate()
    assert looks > 2
    study.finish()  # nothing to do, but to tidy up: the last reader may have been in the way
    whole = Study(tmp_path / "whole", OPTIONS, 40_000)
    whole.finish()
    study.assert_same_as(whole)

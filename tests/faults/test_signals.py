"""SIGTERM and Ctrl-C at random moments: one line that says how to continue, one plain file, nothing lost."""

import random
import signal
import time

import pytest

from tests.faults.runs import GridRun

OPTIONS = "--width 6 --depth 40 --inputs gaussian:32 --workers 2"


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_signals(tmp_path, number, times):
    choose = random.Random(10 * number + times)
    grid_run = GridRun(tmp_path / "grid_run", OPTIONS, 900_000)
    stopped = 0
    for _ in range(8):
        process = grid_run.start()
        if not grid_run.wait_for(len(grid_run.acknowledged()) + 1, process):
            break
        time.sleep(choose.uniform(0.0, 0.1))
        for _ in range(times):
            process.send_signal(number)
            time.sleep(choose.uniform(0.0, 0.01))
        out, err = process.communicate(timeout=60)
        n_shards = grid_run.check()
        if process.returncode == 0:
            break
        stopped += 1
        assert n_shards > 0
        assert out == ""
        if times == 1:  # a second signal has its default effect
            assert process.returncode == 128 + number
            assert "run the same command again" in err.splitlines()[-1]
            assert "Traceback" not in err
            assert [file.name for file in grid_run.folder.iterdir()] == [grid_run.store.name]
    assert stopped >= 2
    grid_run.finish()
    whole = GridRun(tmp_path / "whole", OPTIONS, 900_000)
    whole.finish()
    grid_run.assert_same_as(whole)


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_before_and_after_the_work(tmp_path, number):
    """Nothing is lost, even while modules are imported or results are written."""
    choose = random.Random(int(number))
    grid_run = GridRun(tmp_path / "grid_run", OPTIONS, 2000)
    for trials in range(2000, 2012):
        process = grid_run.start(trials)
        time.sleep(choose.uniform(0.0, 1.2))
        process.send_signal(number)
        process.communicate(timeout=60)
        grid_run.check()
    grid_run.finish(2012)
    assert grid_run.check() >= 2

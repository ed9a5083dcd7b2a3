"""SIGTERM and Ctrl-C at random moments: one line that says how to go on, one plain file, nothing lost."""

import random
import signal
import time

import pytest

from tests.faults.runs import Study

OPTIONS = "--width 6 --depth 40 --inputs gaussian:32 --workers 2"


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_signals(tmp_path, number, times):
    choose = random.Random(10 * number + times)
    study = Study(tmp_path / "study", OPTIONS, 900_000)
    stopped = 0
    for _ in range(8):
        process = study.start()
        if not study.wait_for(len(study.acknowledged()) + 1, process):
            break
        time.sleep(choose.uniform(0.0, 0.1))
        for _ in range(times):
            process.send_signal(number)
            time.sleep(choose.uniform(0.0, 0.01))
        out, err = process.communicate(timeout=60)
        n_shards = study.check()
        if process.returncode == 0:
            break
        stopped += 1
        assert n_shards > 0
        assert out == ""
        if times == 1:  # a second one ends the process as it does any other
            assert process.returncode == 128 + number
            assert "run the same command again" in err.splitlines()[-1]
            assert "Traceback" not in err
            assert [file.name for file in study.folder.iterdir()] == [study.store.name]
    assert stopped >= 2
    study.finish()
    whole = Study(tmp_path / "whole", OPTIONS, 900_000)
    whole.finish()
    study.assert_same_as(whole)


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_before_and_after_the_work(tmp_path, number):
    """Also while modules are imported and while results are written: whatever happens, nothing is lost."""
    choose = random.Random(int(number))
    study = Study(tmp_path / "study", OPTIONS, 2000)
    for trials in range(2000, 2012):
        process = study.start(trials)
        time.sleep(choose.uniform(0.0, 1.2))
        process.send_signal(number)
        process.communicate(timeout=60)
        study.check()
    study.finish(2012)
    assert study.check() >= 2

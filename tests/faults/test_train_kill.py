"""kill -9 of `train` at random moments: no epoch is lost, none is stored twice, and all is as without a kill."""

import os
import random
import signal
import time

import pytest

from tests.faults.training import CONFIG, METHODS, TrainRun

STUDIES = [
    ("none", "sgd", 1),
    ("redo", "adam", 1),
    ("stripping", "sgd", 1),
    ("demon", "adam", 1),
    ("magnitude", "sgd", 1),
    ("redo", "adam", 2),
]
KILLS = 200
KILLS_AT_ONCE = {1: 12, 2: 3}  # of a command; processes of --jobs take seconds to begin


def kill_and_resume(folder, method, optimiser, jobs, *, seed, kills):
    """Kill and restart a run several times, then let it end; return the number of kills."""
    choose = random.Random(seed)
    config = CONFIG.format(method=METHODS[method], optimiser=optimiser)
    run = TrainRun(folder / "killed", config, "--jobs", str(jobs), "--quiet")
    killed = seen = 0
    while killed < kills:
        process = run.start()
        if jobs == 1 and run.wait_for(len(run.acknowledged()) + choose.choice((0, 0, 1, 1, 2, 3)), process):
            time.sleep(choose.expovariate(1 / 0.02))
        elif jobs > 1:
            watch(run, process, choose.uniform(0.0, 12.0))
        ended = process.exitcode is not None
        if ended:
            assert process.exitcode == 0, run.stderr()
        process.kill()
        process.join()
        killed += not ended and process.exitcode == -signal.SIGKILL
        stored = run.check()
        assert stored >= seen
        seen = stored
        if ended:
            break
    run.finish()
    run.check()
    whole = TrainRun(folder / "whole", config, "--jobs", str(jobs), "--quiet")
    whole.finish()
    run.assert_same_as(whole)
    assert len(run.epochs()) == 4 * 5
    return killed


def watch(run, process, seconds):
    """Read what workers have committed, which is acknowledged by that, until they have been at work for a time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.exitcode is None:
        with open(run.log, "a") as log:
            log.writelines(sorted(set(run.epochs()) - run.acknowledged()))
        time.sleep(0.02)


@pytest.mark.faults
def test_two_hundred_kills(tmp_path):
    begun = time.monotonic()
    killed = seed = 0
    while killed < KILLS:
        study = STUDIES[seed % len(STUDIES)]
        kills = min(KILLS_AT_ONCE[study[-1]], KILLS - killed)
        killed += kill_and_resume(tmp_path / str(seed), *study, seed=seed, kills=kills)
        seed += 1
        print(f"{killed} kills in {seed} commands, {time.monotonic() - begun:.0f} s", flush=True)
        assert seed < 100


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("jobs", [1, 2])
def test_signals(tmp_path, number, times, jobs):
    """One signal ends a run in order; the second one at once, and nothing is lost."""
    choose = random.Random(10 * number + times)
    config = CONFIG.format(method=METHODS["redo"], optimiser="adam").replace("epochs = 4", "epochs = 60")
    run = TrainRun(tmp_path / "run", config, "--jobs", str(jobs))
    for _ in range(4 if jobs == 1 else 2):
        process = run.start()
        if jobs == 1:
            assert run.wait_for(len(run.acknowledged()) + 2, process)
        else:
            watch(run, process, choose.uniform(4.0, 12.0))
        for _ in range(times):
            os.kill(process.pid, number)
            time.sleep(choose.uniform(0.0, 0.05))
        process.join(60)
        assert process.exitcode == 128 + number if times == 1 else process.exitcode in (128 + number, -number)
        if times == 1:
            assert "run the same command again to go on" in run.stderr().splitlines()[-1]
            assert "Traceback" not in run.stderr()
            assert run.stdout() == ""
            assert not list(run.folder.glob("*.lock"))
        run.check()


@pytest.mark.faults
@pytest.mark.parametrize("n_bytes", [3000, 40_000, 60_000])
def test_a_limit_on_the_size_of_files(tmp_path, n_bytes):
    config = CONFIG.format(method=METHODS["redo"], optimiser="adam")
    run = TrainRun(tmp_path / "run", config, "--quiet")
    process = run.start(limit=n_bytes)
    process.join(120)
    assert process.exitcode == 2
    assert run.stderr().count("\n") == 1, run.stderr()
    assert "Traceback" not in run.stderr()
    run.check()
    run.finish()
    whole = TrainRun(tmp_path / "whole", config, "--quiet")
    whole.finish()
    run.assert_same_as(whole)


@pytest.mark.faults
@pytest.mark.parametrize("n_writers", [2, 4])
def test_the_same_command_at_once(tmp_path, n_writers):
    """Processes share the runs; a run that another one trains is left to it."""
    config = CONFIG.format(method=METHODS["redo"], optimiser="adam").replace("[0, 1]", "[0, 1, 2, 3, 4, 5]")
    run, whole = (TrainRun(tmp_path / name, config, "--quiet") for name in ("run", "whole"))
    processes = [run.start() for _ in range(n_writers)]
    for process in processes:
        process.join(300)
    codes = [process.exitcode for process in processes]
    assert set(codes) <= {0, 2}
    assert 0 in codes
    if 2 in codes:
        assert "Traceback" not in run.stderr()
    run.check()
    run.finish()
    whole.finish()
    run.assert_same_as(whole)


@pytest.mark.faults
def test_some_writers_are_killed(tmp_path):
    choose = random.Random(0)
    config = CONFIG.format(method=METHODS["stripping"], optimiser="sgd").replace("[0, 1]", "[0, 1, 2, 3]")
    run, whole = (TrainRun(tmp_path / name, config, "--quiet") for name in ("run", "whole"))
    for _ in range(6):
        processes = [run.start() for _ in range(4)]
        run.wait_for(len(run.acknowledged()) + 2, processes[0])
        time.sleep(choose.uniform(0.0, 0.1))
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        run.check()
    run.finish()
    whole.finish()
    run.assert_same_as(whole)


@pytest.mark.faults
def test_the_second_process_says_so_in_one_line(tmp_path):
    config = "epochs = 100000\n[data]\nn_train = 100\n[optimiser]\nlearning_rate = 1e-4\n"
    run = TrainRun(tmp_path / "run", config, "--quiet")
    first = run.start()
    assert run.wait_for(2, first)
    second = run.start()
    second.join(60)
    assert second.exitcode == 2
    assert run.stderr().count("\n") == 1
    assert f"is being trained by process {first.pid} on" in run.stderr()
    first.kill()
    first.join()
    run.check()

"""Runs: the same numbers with any number of workers, interrupted, resumed, extended."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.monte_carlo import simulate
from neurondeath.simulations.stores.seeds import pilot_seed
from neurondeath.simulations.stores.shards import sum_statistics
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.sweeps.driver import run_tasks
from neurondeath.simulations.sweeps.goals import check_goal
from neurondeath.simulations.sweeps.parts import WHOLE, Part
from neurondeath.simulations.sweeps.plans import plan_tasks
from neurondeath.simulations.sweeps.pools import LocalPool
from neurondeath.simulations.sweeps.shard_queue import in_turn
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network
from tests.references.statistical import assert_agrees, assert_refutes, seeds

NETWORK = Network([4] * 12, bias_variance=0.2)


def dump(store_path):
    with Store(store_path, readonly=True) as store:
        return {
            (task_id, seed): [
                (shard.start, shard.stop, {name: v.tolist() for name, v in shard.statistics.items()})
                for shard in store.shards(task_id, seed)
            ]
            for task_id, seed, _ in store.contents()
        }


def test_workers_do_not_matter(tmp_path):
    dumps = []
    for workers in (1, 2, 7):
        path = tmp_path / f"{workers}.sqlite"
        simulate(NETWORK, "gaussian:64", trials=5000, seed=3, workers=workers, store=path)
        dumps.append(dump(path))
    assert len(next(iter(dumps[0].values()))) > 4
    assert dumps[0] == dumps[1] == dumps[2]


def test_topping_up_equals_one_run(tmp_path):
    path = tmp_path / "store.sqlite"
    first = simulate(NETWORK, trials=100, store=path)
    again = simulate(NETWORK, trials=100, store=path)
    assert dump(path).popitem()[1][0][:2] == (0, 100)
    assert first.alive.tolist() == again.alive.tolist()
    more = simulate(NETWORK, trials=3000, store=path)
    whole = simulate(NETWORK, trials=3000)
    assert more.trials == whole.trials == 3000
    assert more.alive.tolist() == whole.alive.tolist()
    assert more.living_ratio_stderr.tolist() == whole.living_ratio_stderr.tolist()
    assert simulate(NETWORK, trials=100, store=path).trials == 3000


def test_seeds_and_input_seeds_differ():
    one = simulate(NETWORK, trials=500, seed=1)
    assert one.living_ratio.tolist() != simulate(NETWORK, trials=500, seed=2).living_ratio.tolist()
    other = simulate(NETWORK, trials=500, seed=1, input_seed=5)
    assert one.task_id != other.task_id


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_runs_resume_with_the_same_numbers(tmp_path, number):
    store, whole = tmp_path / "store.sqlite", tmp_path / "whole.sqlite"

    def command(path, trials):
        options = ["--width", "10", "--depth", "60", "--inputs", "gaussian:64", "--workers", "2", "--format", "csv"]
        return [sys.executable, "-m", "simulations", "simulate", *options, "--store", path, "--trials", str(trials)]

    process = subprocess.Popen(command(store, 10_000_000), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    done = 0
    while done < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        if store.exists() and store.stat().st_size:
            try:
                shards = dump(store)
            except Exception:  # the store is being created
                continue
            done = sum(len(rows) for rows in shards.values())
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert done >= 3
    assert out == ""
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "run the same command again" in err
        assert "Traceback" not in err
        assert os.listdir(tmp_path) == ["store.sqlite"]
    stored = dump(store)
    finished = max(stop for rows in stored.values() for _, stop, _ in rows)
    for path in (store, whole):
        subprocess.run(command(path, finished + 100), capture_output=True, check=True)
    assert dump(store).keys() == dump(whole).keys()
    totals = []
    for path in (store, whole):
        (rows,) = dump(path).values()
        assert rows[0][0] == 0
        assert all(stop == start for (_, stop, _), (start, _, _) in pairwise(rows))
        assert rows[-1][1] == finished + 100
        totals.append([sum(column) for column in zip(*(row[2]["living_squares"] for row in rows), strict=True)])
    assert totals[0] == totals[1]


@pytest.mark.parametrize(
    "arguments",
    [
        {"trials": 0},
        {"trials": 1.5},
        {"seed": -1},
        {"workers": 0},
        {"workers": "many"},
        {"dtype": "float16"},
        {"inputs": "nosuch:3"},
        {"inputs": [[1.0, 2.0]]},
        {"network": 3},
        {"relative_error": 0.0},
        {"relative_error": 1.0},
        {"relative_error": float("nan")},
        {"max_trials": 100},
        {"relative_error": 0.1, "max_trials": 0},
        {"max_seconds": 0},
        {"max_seconds": float("inf")},
    ],
)
def test_bad_input_leaves_nothing_behind(arguments, tmp_path):
    path = tmp_path / "store.sqlite"
    with pytest.raises(InvalidArgumentError):
        simulate(**{"network": NETWORK, "store": path, **arguments})
    assert not path.exists()


def task_of(width, depth=12, **options):
    return Task(Network([width] * depth, **options), input_set("gaussian:64", dimension=width))


def totals(store_path):
    with Store(store_path, readonly=True) as store:
        return {
            task_id: (trials, {name: values.tolist() for name, values in sums.items()})
            for task_id, seed, _ in store.contents()
            for trials, sums in [sum_statistics(store.shards(task_id, seed))]
        }


def test_trials_are_a_rule_of_many():
    assert simulate(NETWORK).trials == 1000
    assert simulate(NETWORK, trials=50, max_seconds=60).trials == 50
    assert simulate(NETWORK, trials=50, relative_error=0.01).trials == 50
    assert simulate(NETWORK, max_trials=120, relative_error=0.01).trials == 120


def test_a_relative_error_is_reached_and_resumed(tmp_path):
    path = tmp_path / "store.sqlite"
    first = simulate(NETWORK, relative_error=0.1, seed=1, store=path)
    assert first.alive_stderr[-1] / min(first.alive[-1], first.death[-1]) < 0.12
    assert 100 <= first.trials < 2000
    with Store(path, readonly=True) as store:
        pilot = store.done(first.task_id, pilot_seed(1))
    before = dump(path)
    again = simulate(NETWORK, relative_error=0.1, seed=1, store=path)
    assert again.trials == first.trials
    assert dump(path) == before
    finer = simulate(NETWORK, relative_error=0.02, seed=1, store=path)
    assert finer.alive_stderr[-1] / min(finer.alive[-1], finer.death[-1]) < 0.024
    assert 15 < finer.trials / first.trials < 40  # a fifth of the error: about 25 times the trials
    # the same trials as in a run with this number of trials, and none of the pilot
    typed = simulate(NETWORK, trials=finer.trials, seed=1)
    assert finer.alive.tolist() == typed.alive.tolist()
    with Store(path, readonly=True) as store:
        assert store.done(first.task_id, pilot_seed(1)) == pilot
        assert pilot


def test_what_never_happens_ends_at_the_cap():
    flipped = simulate(Network([8] * 3, sign_flip="neuron"), "gaussian:5", relative_error=0.1, max_trials=700)
    assert flipped.trials == 700
    assert flipped.alive[-1] == 1.0


@seeds
def test_a_pilot_leaves_the_estimate_unbiased(seed):
    """Runs with a relative error, large enough that stopping could bias them, agree with a long run.

    The estimate of the pilot would be biased: stopping when the error looks small favours runs with many deaths.
    """
    network, many = Network([3] * 5, input_dim=3), 200
    truth = simulate(network, "gaussian:8", trials=100_000, seed=10**6 + seed)
    runs = [
        simulate(network, "gaussian:8", relative_error=0.4, seed=seed * many + i, workers=1).death[-1]
        for i in range(many)
    ]
    stderr = np.hypot(np.std(runs) / np.sqrt(many), truth.alive_stderr[-1])
    assert_agrees(np.mean(runs), stderr, truth.death[-1])
    assert_refutes(np.mean(runs), stderr, 1.3 * truth.death[-1])


def test_a_run_that_ends_by_its_time_limit_keeps_a_prefix_of_every_task(tmp_path):
    path = tmp_path / "store.sqlite"
    tasks = [task_of(width, 40) for width in (8, 9, 10)]
    with Store(path) as store:
        begun = time.monotonic()
        run_tasks(tasks, store, goal=check_goal(None, max_seconds=0.4), seed=0, workers=2, quiet=True)
        assert time.monotonic() - begun < 20  # far from 2^31 trials, which would be the default limit
        once = {task.task_id: store.done(task.task_id, 0) for task in tasks}
        run_tasks(tasks, store, goal=check_goal(None, max_seconds=0.2), seed=0, workers=2, quiet=True)
        twice = {task.task_id: store.done(task.task_id, 0) for task in tasks}
    for task in tasks:
        shards = twice[task.task_id]
        assert shards[0][0] == 0
        assert all(stop == start for (_, stop), (start, _) in pairwise(shards))
        assert shards[: len(once[task.task_id])] == once[task.task_id]
    assert sum(map(len, twice.values())) > sum(map(len, once.values()))
    counts = sorted(len(shards) for shards in twice.values())
    assert counts[-1] - counts[0] <= 8  # in turn, up to the shards in flight


def test_queues_in_turn():
    queues = [iter("abc"), iter(""), iter("x"), iter("12")]
    assert "".join(in_turn(queues)) == "ax1b2c"


@given(
    st.integers(1, 7),
    st.integers(0, 5000),
    st.lists(st.integers(0, 5000), max_size=8),
    st.sampled_from([task_of(4), task_of(40, 100), task_of(5)]),
)
def test_parts_share_everything_and_overlap_nowhere(count, goal, edges, task):
    edges = sorted(set(edges))
    done = list(zip(edges[::2], edges[1::2], strict=False))
    parts = [Part(index, count) for index in range(1, count + 1)]
    shards = [list(part.missing(task, done, goal)) for part in parts]
    assert sorted(shard for mine in shards for shard in mine) == list(WHOLE.missing(task, done, goal))
    for part, mine in zip(parts, shards, strict=True):
        assert part.n_missing(task, done, goal) == sum(stop - start for start, stop in mine)
    # a line of the shard grid belongs to the same part for every goal
    lines = [{start // task.shard_trials for start, _ in mine} for mine in shards]
    later = [{start // task.shard_trials for start, _ in part.missing(task, [], goal + 3000)} for part in parts]
    assert all(old <= new for old, new in zip(lines, later, strict=True))
    assert sum(map(len, later)) == len(set().union(*later))


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "1.5/2", "-1/2", None])
def test_bad_parts(text):
    with pytest.raises(InvalidArgumentError, match="I/N"):
        Part.parse(text)


def test_parts_in_one_store_make_the_whole(tmp_path):
    """Parts give the whole, even if they are extended in another order."""
    tasks = [task_of(width, 40) for width in (4, 20, 21)]
    together, whole = tmp_path / "together.sqlite", tmp_path / "whole.sqlite"
    with Store(together) as store:
        for trials, order in ((700, (1, 2, 3)), (2500, (3, 1, 2))):
            for index in order:
                run_tasks(tasks, store, trials=trials, seed=0, workers=2, part=Part(index, 3), quiet=True)
    with Store(whole) as store:
        run_tasks(tasks, store, trials=700, seed=0, workers=2, quiet=True)
        run_tasks(tasks, store, trials=2500, seed=0, workers=2, quiet=True)
    assert dump(together) == dump(whole)


def test_a_part_with_a_relative_error_keeps_no_pilot(tmp_path):
    task = task_of(4)
    with Store(tmp_path / "store.sqlite") as store:
        goal = check_goal(None, 0.02)
        run_tasks([task], store, goal=goal, seed=0, workers=1, part=Part(1, 2), quiet=True)
        assert store.done(task.task_id, 0)
        assert not store.done(task.task_id, pilot_seed(0))


class InterferingPool(LocalPool):
    """A pool during whose work another run stores other shards of the same trials."""

    def __init__(self, store_path, task):
        super().__init__(2)
        self.store_path, self.task, self.interfered = store_path, task, False

    def submit(self, task, seed, stretches):
        if not self.interfered:
            self.interfered = True
            with Store(self.store_path) as other:
                run_tasks([self.task], other, trials=2 * task.shard_trials + 10, seed=0, workers=1, quiet=True)
        return super().submit(task, seed, stretches)


def test_two_runs_with_different_goals_on_one_store(tmp_path):
    path, whole = tmp_path / "store.sqlite", tmp_path / "whole.sqlite"
    task = task_of(4)
    trials = 6 * task.shard_trials
    pool = InterferingPool(path, task)
    with Store(path) as store:
        run_tasks([task], store, trials=trials, seed=0, pool=pool, quiet=True)
        done = store.done(task.task_id, 0)
    pool.close()
    assert (2 * task.shard_trials, 2 * task.shard_trials + 10) in done
    assert sum(stop - start for start, stop in done) == trials
    with Store(whole) as store:
        run_tasks([task], store, trials=trials, seed=0, workers=2, quiet=True)
    assert totals(path) == totals(whole)


def test_a_sweep_of_many_tiny_tasks(tmp_path):
    inputs = input_set("gaussian:2", dimension=2)
    tasks = [Task(Network([2] * depth, bias_variance=bias), inputs) for depth in range(1, 11) for bias in range(30)]
    with Store(tmp_path / "store.sqlite") as store:
        run_tasks(tasks, store, trials=30, seed=0, workers=3, quiet=True)
        run_tasks(tasks, store, trials=30, seed=0, workers=3, quiet=True)
        assert [store.done(task.task_id, 0) for task in tasks] == [[(0, 30)]] * 300


class FullDisk(Store):
    """A store that fails after three shards."""

    taken = 0

    def add_many(self, shards):
        shards = list(shards)
        self.taken += len(shards)
        if self.taken > 3:
            raise OSError(28, "No space left on device")
        return super().add_many(shards)


def test_a_store_that_fails_ends_the_run_and_loses_nothing(tmp_path):
    path, task = tmp_path / "store.sqlite", task_of(4)
    with FullDisk(path) as store, pytest.raises(OSError, match="No space"):
        run_tasks([task], store, trials=20 * task.shard_trials, seed=0, workers=2, quiet=True)
    with Store(path) as store:
        assert 1 <= len(store.done(task.task_id, 0)) <= 3
        run_tasks([task], store, trials=20 * task.shard_trials, seed=0, workers=2, quiet=True)
        assert len(store.done(task.task_id, 0)) == 20


def test_plans_say_what_a_run_then_does(tmp_path):
    tasks = [task_of(4), task_of(5)]
    goal = check_goal(3000)
    with Store(tmp_path / "store.sqlite") as store:
        run_tasks(tasks[:1], store, trials=1000, seed=0, workers=1, quiet=True)
        first, second = plan_tasks(tasks, store, seed=0, goal=goal)
        assert (first.stored, first.goal, first.to_do) == (1000, 3000, 2000)
        assert first.seconds == pytest.approx(2 * store.effort(tasks[0].task_id, 0)[1])
        assert (second.stored, second.to_do, second.seconds) == (0, 3000, None)
        parts = [plan_tasks(tasks, store, seed=0, goal=goal, part=Part(index, 3)) for index in (1, 2, 3)]
        assert [sum(part[i].to_do for part in parts) for i in (0, 1)] == [2000, 3000]
        by_error = check_goal(None, 0.1)
        assert [plan.goal for plan in plan_tasks(tasks, store, seed=0, goal=by_error)] == [None, None]
        run_tasks(tasks, store, goal=by_error, seed=0, workers=1, quiet=True)
        assert [plan.to_do for plan in plan_tasks(tasks, store, seed=0, goal=by_error)] == [0, 0]
        run_tasks(tasks, store, goal=goal, seed=0, workers=1, quiet=True)
        assert [plan.to_do for plan in plan_tasks(tasks, store, seed=0, goal=goal)] == [0, 0]
    assert plan_tasks(tasks, None, seed=0, goal=check_goal(None, max_seconds=1.0))[0].goal is None
    assert plan_tasks(tasks, None, seed=0, goal=goal)[0].to_do == 3000

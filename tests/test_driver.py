"""Runs: the same numbers with any number of workers, interrupted, resumed, topped up."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from neurondeath_theory.errors import InvalidArgumentError
from neurondeath_theory.network import Network
from simulations.monte_carlo import simulate
from simulations.store import Store

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
            except Exception:  # the store is only just being made
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
    ],
)
def test_bad_input_leaves_nothing_behind(arguments, tmp_path):
    path = tmp_path / "store.sqlite"
    with pytest.raises(InvalidArgumentError):
        simulate(**{"network": NETWORK, "store": path, **arguments})
    assert not path.exists()

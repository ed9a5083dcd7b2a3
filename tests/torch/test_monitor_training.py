"""A monitor in training: autocast, accumulated gradients, processes that share the work, and training that resumes."""

import copy
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.watching.monitor import DeadUnitMonitor


def perceptron():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 6), nn.GELU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].bias[:3] = -40.0
    return model


def points(n, seed=0):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))


def test_autocast_is_counted_in_its_precision():
    model, x = perceptron(), points(50)
    with torch.autocast("cpu", torch.bfloat16):
        with DeadUnitMonitor(model) as monitor:
            model(x)
        by_hand = functional.relu(model[0](x))
    assert by_hand.dtype == torch.bfloat16
    assert monitor.report()["1"].n_active.tolist() == (by_hand != 0).sum(0).tolist()


def test_accumulated_gradients_are_those_without_a_monitor():
    watched, bare = perceptron(), perceptron()
    with DeadUnitMonitor(watched) as monitor:
        for model in (watched, bare):
            optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
            for part in points(40).split(10):
                (model(part).square().mean() / 4).backward()
            optimiser.step()
    assert monitor.n_batches == 4
    for ours, theirs in zip(watched.parameters(), bare.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(ours.grad, theirs.grad)


def reports_agree(first, second):
    for ours, theirs in zip(first.activities, second.activities, strict=True):
        assert (ours.name, ours.layer) == (theirs.name, theirs.layer)
        for name in ("n_active", "mean_size", "last_fired", "pruned"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        assert (ours.n_samples, ours.n_positions, ours.n_batches) == (
            theirs.n_samples,
            theirs.n_positions,
            theirs.n_batches,
        )
    assert first.constant_outputs == second.constant_outputs
    assert first.constant_inputs.keys() == second.constant_inputs.keys()


def test_counts_go_on_where_training_resumes():
    model = perceptron()
    batches = points(120).split(20)
    with DeadUnitMonitor(model) as whole:
        for batch in batches:
            model(batch)
    with DeadUnitMonitor(model) as before:
        for batch in batches[:2]:
            model(batch)
    file = io.BytesIO()
    torch.save(before.state_dict(), file)
    file.seek(0)
    resumed = DeadUnitMonitor(copy.deepcopy(model))
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.report().activities[0].layer == "0"
    assert resumed.report().activities[0].n_active.tolist() == before.report().activities[0].n_active.tolist()
    with resumed:
        for batch in batches[2:]:
            resumed._model(batch)
    reports_agree(resumed.report(), whole.report())


TORN = {"threshold": 0.0, "n_batches": 1, "lost": {}, "constants": {}, "sites": {"1": {"layer": "0"}}}


@pytest.mark.parametrize("state", [None, {}, {"threshold": 0.0}, TORN, {**TORN, "sites": 3}])
def test_states_of_something_else_are_refused(state):
    with pytest.raises(InvalidArgumentError, match="be the state of a DeadUnitMonitor"):
        DeadUnitMonitor(perceptron()).load_state_dict(state)


def test_a_state_of_another_threshold_is_refused():
    state = DeadUnitMonitor(perceptron(), threshold=0.5).state_dict()
    with pytest.raises(InvalidArgumentError, match="have the threshold 0"):
        DeadUnitMonitor(perceptron()).load_state_dict(state)


class Odd(nn.Module):
    """Sorts all numbers of a batch: no layer's units are left, and their number changes with the batch."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x):
        h = functional.relu(self.a(x))
        order = torch.sort((h @ torch.ones(4, 4)).flatten()).values.relu()
        return self.b(h) + order.sum() * 0.0


def test_a_last_batch_loses_nothing_but_what_cannot_be_counted():
    model = Odd()
    with DeadUnitMonitor(model) as monitor:
        for batch in (points(30), points(30, 1), points(7, 2)):
            model(batch)
    report = monitor.report()
    assert [one.name for one in report.activities] == ["relu"]
    assert report.activities[0].n_samples == 67
    assert report.not_watched == {"relu#2": "no layer is known to make its units, and their number changes"}


WORKER = """
import sys, torch
from torch import nn
import torch.distributed as dist
from tests.torch.test_monitor_training import perceptron, points
from neurondeath_torch.watching.monitor import DeadUnitMonitor
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=sys.argv[2], rank=rank, world_size=2)
wrapped = nn.parallel.DistributedDataParallel(perceptron())
optimiser = torch.optim.SGD(wrapped.parameters(), lr=0.1)
with DeadUnitMonitor(wrapped.module) as monitor:
    for batch in points(80).split(20)[rank::2]:
        optimiser.zero_grad()
        wrapped(batch).square().mean().backward()
        optimiser.step()
print(*monitor.report()["1"].n_active.tolist(), monitor.n_batches, flush=True)
dist.destroy_process_group()
"""


def test_two_processes_count_their_own_halves(tmp_path):
    address = f"file://{tmp_path / 'meeting'}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), address], stdout=subprocess.PIPE, text=True, env=environment
        )
        for rank in range(2)
    ]
    found = [[int(word) for word in worker.communicate(timeout=120)[0].split()] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert all(counts[-1] == 2 and counts[:3] == [0, 0, 0] for counts in found)
    assert found[0] != found[1]

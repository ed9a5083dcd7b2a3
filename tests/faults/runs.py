"""Runs in separate processes, and the checks of their store afterwards."""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from neurondeath.simulations.stores.store import Store
from tests.faults.acknowledging import line

ROOT = Path(__file__).parents[2]
START = [sys.executable, "-m", "tests.faults.acknowledging"]


class GridRun:
    """A command with a store in a folder, and a log of the acknowledged shards."""

    def __init__(self, folder, options, trials, store="store.sqlite"):
        self.folder, self.options, self.trials = Path(folder), options, trials
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store, self.log = self.folder / store, self.folder.parent / f"{self.folder.name}.log"

    def command(self, trials=None):
        limits = ["--trials", str(trials or self.trials), "--store", str(self.store), "--format", "csv"]
        return [*START, str(self.log), "simulate", *self.options.split(), *limits]

    def start(self, trials=None, **process):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command(trials), env=environment, **pipes, **process)

    def finish(self, trials=None):
        """Run to the end and return the standard output."""
        process = self.start(trials)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return out

    def acknowledged(self):
        return set(self.log.read_text().splitlines(keepends=True)) if self.log.exists() else set()

    def wait_for(self, n_lines, process, seconds=60.0):
        """Wait until this many shards are acknowledged; return False if the process ends before."""
        deadline = time.monotonic() + seconds
        while len(self.acknowledged()) < n_lines:
            if process.poll() is not None:
                return False
            assert time.monotonic() < deadline, "no shard was acknowledged in time"
            time.sleep(0.002)
        return True

    def shards(self):
        """Read all that is stored: one line per shard, with a digest of its numbers."""
        if not self.store.exists():
            return []
        with Store(self.store, readonly=True) as store:
            return [
                line(shard) for task_id, seed, _ in store.contents(pilots=True) for shard in store.shards(task_id, seed)
            ]

    def check(self):
        """Check that no acknowledged shard is lost and none is stored twice; return the number of shards."""
        acknowledged = self.acknowledged()
        stored = self.shards() if acknowledged else []
        assert acknowledged <= set(stored), "an acknowledged shard is lost or changed"
        rows = sorted((task, int(seed), int(start), int(stop)) for task, seed, start, stop, _ in map(str.split, stored))
        for before, after in pairwise(rows):
            assert before[:2] != after[:2] or before[3] <= after[2], "trials are stored twice"
        return len(rows)

    def assert_same_as(self, other):
        """Check that two stores hold the same shards to the last bit, in one plain file each."""
        assert sorted(self.shards()) == sorted(other.shards())
        for grid_run in (self, other):
            assert [file.name for file in grid_run.folder.iterdir()] == [grid_run.store.name]

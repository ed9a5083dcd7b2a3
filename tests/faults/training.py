"""Runs of `neurondeath train` in processes that are forked from a server with PyTorch loaded, and their checks.

A process that starts from nothing needs seconds to load PyTorch; a forked one is at work after some milliseconds.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import torch

from neurondeath_torch.training.run_store import RunStore, StoredRun

TIMES = ("train_seconds",)
PRELOADED = [
    "neurondeath.commands.train", "neurondeath.__main__", "sklearn.datasets", "sklearn.model_selection",
    "torch._dynamo",  # which PyTorch loads with the first optimiser
]  # fmt: skip
CONFIG = """
epochs = 4
seeds = [0, 1]
[data]
n_train = 120
n_test = 40
[model]
widths = [10, 8]
[optimiser]
kind = "{optimiser}"
batch_size = 20
learning_rate = 0.02
schedule = "cosine"
[method]
{method}
[grid]
"model.batch_norm" = [false, true]
"""
METHODS = {
    "none": 'kind = "none"',
    "redo": 'kind = "redo"\nevery = 2',
    "stripping": 'kind = "synaptic-stripping"\nevery = 2',
    "demon": 'kind = "demon-pruning"\npeak = 1e-3\nremove_every = 7\npenalise = "weights"',
    "magnitude": 'kind = "magnitude-pruning"\nevery = 2\nshare = 0.2',
}


def server():
    """Return the context whose processes are forked from the server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def line(experiment_id, seed, epoch, measured):
    """Describe an epoch by the digest of its numbers."""
    numbers = {name: value for name, value in measured.items() if name not in TIMES}
    digest = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:20]
    return f"{experiment_id} {seed} {epoch} {digest}\n"


def acknowledge(log):
    """Make every store of this process log what it has committed."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    note = RunStore.note

    def note_and_log(self, experiment_id, seed, epoch, measured, **options):
        stored = note(self, experiment_id, seed, epoch, measured, **options)
        os.write(file, line(experiment_id, seed, epoch, measured).encode())
        return stored

    RunStore.note = note_and_log


def command(folder, arguments, log, limit):
    """Run the command line in a process of its own."""
    from neurondeath.__main__ import main

    os.setsid()
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(f"{log}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    sys.modules["__main__"].__spec__ = None  # workers of --jobs import nothing of the tests
    sys.modules["__main__"].__dict__.pop("__file__", None)
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    acknowledge(log)
    sys.argv = ["neurondeath", *arguments]
    code = main()
    sys.stdout.flush()
    os._exit(code)


class TrainRun:
    """A `train` command with its store and checkpoints in a folder, and a log of the acknowledged epochs beside it."""

    def __init__(self, folder, config, *options):
        self.folder, self.options = Path(folder), options
        self.folder.mkdir(parents=True)
        (self.folder / "config.toml").write_text(config)
        self.log = self.folder.parent / f"{self.folder.name}.log"
        self.store = self.folder / "store.sqlite"

    def start(self, *more, limit=None):
        arguments = ["train", "config.toml", "--store", "store.sqlite", "--format", "csv", *self.options, *more]
        process = server().Process(target=command, args=(str(self.folder), arguments, str(self.log), limit))
        process.start()
        return process

    def finish(self, *more):
        """Run to the end."""
        process = self.start(*more)
        process.join(300)
        assert process.exitcode == 0, self.stderr()
        process.close()

    def stderr(self):
        return Path(f"{self.log}.err").read_text()

    def stdout(self):
        return Path(f"{self.log}.out").read_text()

    def acknowledged(self):
        if not self.log.exists():
            return set()
        return {one for one in self.log.read_text().splitlines(keepends=True) if one.endswith("\n")}

    def wait_for(self, n_lines, process, seconds=120.0):
        """Wait until this many epochs are acknowledged; return False if the process ends before."""
        deadline = time.monotonic() + seconds
        while len(self.acknowledged()) < n_lines:
            if process.exitcode is not None:
                return False
            assert time.monotonic() < deadline, "no epoch was acknowledged in time"
            time.sleep(0.001)
        return True

    def runs(self) -> list[StoredRun]:
        if not self.store.exists():
            return []
        with contextlib.closing(RunStore(self.store, readonly=True)) as store:
            return store.runs()

    def epochs(self):
        """Read all that is stored: one line per epoch, with a digest of its numbers."""
        return [
            line(run.experiment_id, run.seed, epoch, measured)
            for run in self.runs()
            for epoch, measured in enumerate(run.epochs)
        ]

    def check(self):
        """Check that no acknowledged epoch is lost or changed and none is stored twice; return their number."""
        acknowledged = self.acknowledged()
        stored = self.epochs()
        assert acknowledged <= set(stored), "an acknowledged epoch is lost or changed"
        assert len({one.rsplit(" ", 1)[0] for one in stored}) == len(stored)
        return len(stored)

    def checkpoints(self):
        """Read all checkpoints, times aside."""
        found = {}
        for path in sorted((self.folder / "store.sqlite.checkpoints").iterdir()):
            state = torch.load(path, weights_only=True)
            for measured in state["measured"]:
                for name in TIMES:
                    measured.pop(name)
            found[path.name] = plain(state)
        return found

    def assert_same_as(self, other):
        """Check that two runs have stored the same to the last bit, and left the same files."""
        assert sorted(self.epochs()) == sorted(other.epochs())
        assert self.checkpoints() == other.checkpoints()
        for run in (self, other):
            names = sorted(file.name for file in run.folder.iterdir())
            assert names == ["config.toml", "store.sqlite", "store.sqlite.checkpoints"]


def plain(value):
    """Turn a state into what `==` compares to the last bit."""
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return repr(value)

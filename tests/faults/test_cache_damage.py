"""Runs whose compiled-code cache is damaged, emptied or shared give the results of a run without one."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.runs import ROOT

COMMAND = "simulate --width 3 --depth 2 --inputs gaussian:8 --trials 300 --seed 5 --workers 1 --format csv --store"


def start(folder, cache):
    """Start a run in a new folder."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache), "HOME": str(folder)}
    environment.pop("XDG_CACHE_HOME", None)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "neurondeath", *COMMAND.split(), "store.sqlite"]
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def outcome(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    for word in ("Traceback", "Warning", "interrupted", "Exception"):
        assert word not in err
    return out


def files_of(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


def harm(file, choose):
    """Damage a file in one of many ways."""
    size = file.stat().st_size
    kind = choose.choice(["flip", "flip", "cut", "empty", "zeros", "delete", "folder", "pipe", "link", "tail"])
    if kind == "flip":
        raw = bytearray(file.read_bytes())
        raw[choose.randrange(size)] ^= 1 << choose.randrange(8)
        file.write_bytes(bytes(raw))
    elif kind == "cut":
        os.truncate(file, choose.randrange(size))
    elif kind == "empty":
        os.truncate(file, 0)
    elif kind == "zeros":
        file.write_bytes(bytes(size))
    elif kind == "tail":
        file.write_bytes(file.read_bytes() + b"x")
    else:
        file.unlink()
        if kind == "folder":
            file.mkdir()
        elif kind == "pipe":
            os.mkfifo(file)
        elif kind == "link":
            file.symlink_to("/dev/zero")


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Return the output of a run with a new cache, and that cache."""
    folder = tmp_path_factory.mktemp("truth")
    out = outcome(start(folder / "run", folder / "cache"))
    assert files_of(folder / "cache")
    return out, folder / "cache"


def copy_of(cache, folder):
    """Copy a cache, which keeps its permissions."""
    return Path(shutil.copytree(cache, folder / "cache"))


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(6))
def test_damaged_caches(tmp_path, truth, seed):
    out, cache = truth
    choose = random.Random(seed)
    cache = copy_of(cache, tmp_path)
    for file in files_of(cache):
        if seed == 0 or choose.random() < 0.5:
            harm(file, choose)
    assert outcome(start(tmp_path / "run", cache)) == out
    assert outcome(start(tmp_path / "again", cache)) == out


@pytest.mark.faults
def test_processes_that_begin_at_the_same_time(tmp_path, truth):
    runs = [start(tmp_path / f"run{i}", tmp_path / "cache") for i in range(3)]
    assert [outcome(run) for run in runs] == [truth[0]] * 3
    assert all(path.suffix == ".nbc" for path in files_of(tmp_path / "cache"))


@pytest.mark.faults
def test_a_cache_that_is_emptied_and_harmed_all_the_time(tmp_path, truth):
    choose = random.Random(1)
    cache = copy_of(truth[1], tmp_path)
    run = start(tmp_path / "run", cache)
    while run.poll() is None:
        for file in files_of(cache):
            if choose.random() < 0.3:
                try:
                    harm(file, choose)
                except (OSError, ValueError):  # it is being replaced at this moment
                    continue
        if choose.random() < 0.1:
            shutil.rmtree(cache, ignore_errors=True)
        time.sleep(0.05)
    assert outcome(run) == truth[0]


@pytest.mark.faults
@pytest.mark.parametrize("mode", [0o777, 0o500, 0o000])
def test_a_cache_that_cannot_be_used(tmp_path, truth, mode):
    cache = copy_of(truth[1], tmp_path)
    (folder,) = cache.iterdir()
    folder.chmod(mode)
    assert outcome(start(tmp_path / "run", cache)) == truth[0]
    folder.chmod(0o700)
    assert files_of(cache) or mode == 0o777


@pytest.mark.faults
@pytest.mark.parametrize("cache", ["/proc/nowhere", "/dev/null/x", "x" * 5000, "relative", "\n"])
def test_hostile_names_of_the_folder(tmp_path, truth, cache):
    assert outcome(start(tmp_path / "run", cache)) == truth[0]

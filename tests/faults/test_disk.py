"""A full disk, a limit on the size of files, and a read-only medium."""

import resource
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from neurondeath.simulations.stores.store import Store, StoreError
from tests.faults.runs import GridRun
from tests.simulations.test_store import TASK, die, filled, shard
from tests.simulations.test_store_schema import assert_as_in_schema_1, make_schema_1

OPTIONS = "--width 2,3,4,5 --depth 200 --inputs gaussian:8 --workers 2"
TRIALS = 20_000


@contextmanager
def mounted(folder, *arguments):
    """Mount a file system on a folder; skip the test where that is not allowed."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # also where a failed test left a file open


def assert_stopped_without_room(process, words):
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert any(word in err.splitlines()[-1] for word in words), err
    assert "run the same command again" in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.faults
def test_a_full_disk(tmp_path):
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as disk:
        grid_run = GridRun(disk / "grid_run", OPTIONS, TRIALS)
        grid_run.log = tmp_path / "grid_run.log"
        for _ in range(3):  # the disk stays full: each run keeps what is stored
            assert_stopped_without_room(grid_run.start(), ["no room", "the disk refused"])
            assert grid_run.check() > 0
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        grid_run.finish()
        whole = GridRun(tmp_path / "whole", OPTIONS, TRIALS)
        whole.finish()
        grid_run.assert_same_as(whole)


def limited(n_bytes):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


@pytest.mark.faults
@pytest.mark.parametrize("n_bytes", [2_000, 40_000])
def test_a_limit_on_the_size_of_files(tmp_path, n_bytes):
    grid_run = GridRun(tmp_path / "grid_run", OPTIONS, TRIALS)
    process = grid_run.start(preexec_fn=limited(n_bytes))
    assert_stopped_without_room(process, ["no room", "the disk refused"])
    grid_run.check()
    grid_run.finish()
    whole = GridRun(tmp_path / "whole", OPTIONS, TRIALS)
    whole.finish()
    grid_run.assert_same_as(whole)


@pytest.mark.faults
@pytest.mark.parametrize("left_behind", ["a plain file", "a log", "a log without its index"])
def test_a_medium_that_cannot_be_written(tmp_path, left_behind):
    source = tmp_path / "source"
    source.mkdir()
    path = source / "store.sqlite"
    if left_behind == "a plain file":
        filled(path, 20)
    else:
        die(path, "writing")
        if left_behind == "a log without its index":
            path.with_name(path.name + "-shm").unlink()
    before = {file.name: file.read_bytes() for file in source.iterdir()}
    with mounted(tmp_path / "medium", "--bind", "-o", "ro", str(source)) as medium:
        if subprocess.run(["touch", str(medium / "x")], capture_output=True).returncode == 0:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(medium)], check=True)
        with Store(medium / path.name, readonly=True) as store:
            ((task_id, seed, _),) = store.contents()
            assert len(list(store.shards(task_id, seed))) == 20
        with pytest.raises(StoreError, match="cannot write the store"):
            Store(medium / path.name)
        with pytest.raises(StoreError, match="cannot write the store"):
            Store(medium / "new.sqlite")
    assert {file.name: file.read_bytes() for file in source.iterdir()} == before


@pytest.mark.faults
def test_no_room_while_a_store_is_brought_to_this_schema(tmp_path):
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as disk:
        make_schema_1(tmp_path / "old.sqlite")
        shutil.copy(tmp_path / "old.sqlite", disk / "old.sqlite")
        room = 256 * 1024 - (disk / "old.sqlite").stat().st_size
        (disk / "ballast").write_bytes(bytes(room - 8192))
        with pytest.raises(StoreError, match=r"no room|the disk refused"):
            Store(disk / "old.sqlite")
        assert_as_in_schema_1(disk / "old.sqlite")
        (disk / "ballast").unlink()
        with Store(disk / "old.sqlite") as store:
            store.add(shard(30, 40))
            assert store.effort(TASK.task_id, 0)[0] == 40

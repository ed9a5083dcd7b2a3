"""Compiled kernels are cached, an edit of any kernel file is noticed, and no state of the cache harms a result."""

import os
import pickle
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.registry import cpu_target

import neurondeath
from neurondeath.simulations.kernels import kernel_cache
from neurondeath.simulations.kernels.kernel_cache import CacheFolder, KernelCache

PROGRAM = """
import numpy as np
from neurondeath.simulations.kernels.jit import is_compiled
from neurondeath.simulations.kernels.normals import fill_normals
from neurondeath.simulations.kernels.packed_arguments import Counters, Position
before = is_compiled()
out, words = np.empty(64, np.float32), np.empty(64, np.uint32)
counters = Counters(np.zeros(16, np.uint32), np.zeros(16, np.uint32))
position = Position((np.uint64(1), np.uint64(2)), 0, 0, np.uint64(0))
fill_normals(out, words, counters, 64, position, 0, np.float32(1))
print(before, words[0])
"""


def test_an_edit_of_an_imported_kernel_is_noticed(tmp_path):
    top = Path(neurondeath.__file__).parent.parent
    for name in ("neurondeath", "neurondeath_theory"):
        shutil.copytree(top / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    package = tmp_path / "neurondeath" / "simulations"
    environment = dict(os.environ, PYTHONPATH=str(tmp_path), NUMBA_CACHE_DIR=str(tmp_path / "cache"))

    def run():
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
        )
        return done.stdout.split()

    first = run()
    assert first[0] == "False"
    assert run() == ["True", first[1]]
    philox = package / "kernels" / "philox.py"
    source = philox.read_text()
    edited = source.replace("range(10)", "range(9)")
    assert edited != source
    philox.write_text(edited)  # `fill_normals` itself is unchanged, only what it calls
    third = run()
    assert third[0] == "False"
    assert third[1] != first[1]


def test_without_a_place_to_write_kernels_still_compile(tmp_path):
    (tmp_path / "file").write_text("")
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), str(tmp_path / "file" / "x"))
    environment = dict(os.environ, **nowhere)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
    )
    assert done.stdout.startswith("False")
    assert done.stderr == ""
    assert os.listdir(tmp_path) == ["file"]


def plus_one(x):
    return x + 1.0


def outcome(folder, sources="a", x=2.0, function=plus_one):
    """Call a kernel whose cache is in a folder; return its result and whether it was found compiled."""
    dispatcher = numba.njit(function)
    if dispatcher is function:
        pytest.skip("the compiler is switched off")
    dispatcher._cache = KernelCache(function, sources, CacheFolder([folder]))
    return dispatcher(x), sum(dispatcher.stats.cache_hits.values()) == 1


@pytest.fixture
def made(tmp_path):
    """Return a folder with one compiled kernel, and its file."""
    folder = tmp_path / "cache"
    assert outcome(folder) == (3.0, False)
    assert outcome(folder) == (3.0, True)
    (file,) = folder.iterdir()
    return folder, file


def test_files_are_for_their_owner_only(made):
    folder, file = made
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def as_folder(file):
    file.unlink()
    (file / "sub").mkdir(parents=True)


def as_pipe(file):
    file.unlink()
    os.mkfifo(file)


def as_link(target):
    def damage(file):
        file.unlink()
        file.symlink_to(target)

    return damage


def flipped(position):
    def damage(file):
        raw = bytearray(file.read_bytes())
        raw[int(position * (len(raw) - 1))] ^= 0x10
        file.write_bytes(bytes(raw))

    return damage


class Touch:
    """Something whose pickle runs code."""

    def __reduce__(self):
        return os.mkdir, ("pwned",)


DAMAGE = {
    "deleted": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "cut in its head": lambda file: os.truncate(file, 30),
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "cut by one": lambda file: os.truncate(file, file.stat().st_size - 1),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"x"),
    "huge": lambda file: os.truncate(file, 2**40),
    "of numba": lambda file: file.write_bytes(pickle.dumps(numba.__version__) + pickle.dumps(({}, {}))),
    "a foreign pickle": lambda file: file.write_bytes(pickle.dumps(Touch())),
    "a foreign pickle behind our head": lambda file: file.write_bytes(file.read_bytes()[:53] + pickle.dumps(Touch())),
    "a folder": as_folder,
    "a pipe": as_pipe,
    "a link to a device": as_link("/dev/zero"),
    "a link to itself": as_link("x.nbc"),
    "writable by others": lambda file: file.chmod(0o602),
    "writable by a group": lambda file: file.chmod(0o620),
    **{f"flipped at {i / 20:.0%}": flipped(i / 20) for i in range(21)},
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_compiled_again(made, kind, monkeypatch):
    folder, file = made
    monkeypatch.chdir(folder.parent)
    DAMAGE[kind](file)
    assert outcome(folder) == (3.0, False)
    assert outcome(folder) == (3.0, kind != "a folder")  # a file replaces anything but a folder
    assert os.listdir(folder) == [file.name]
    assert os.listdir() == ["cache"]


def test_a_kernel_is_not_taken_for_another(made):
    folder, file = made

    def other(x):
        return x + 100.0

    other.__qualname__ = "plus_one"
    assert outcome(folder, sources="b", function=other) == (102.0, False)
    assert outcome(folder, x=2) == (3.0, False)  # other types
    files = sorted(folder.iterdir())
    assert len(files) == 3
    whole = file.read_bytes()
    for each in files:  # whole files under wrong names
        each.write_bytes(whole)
    assert outcome(folder, sources="b", function=other) == (102.0, False)
    assert outcome(folder) == (3.0, True)


def test_versions_and_machines_have_their_own_files(made, monkeypatch):
    folder, _ = made
    monkeypatch.setattr(kernel_cache.llvmlite, "__version__", "another version")
    assert outcome(folder) == (3.0, False)
    assert outcome(folder) == (3.0, True)
    codegen = type(cpu_target.target_context.codegen())
    monkeypatch.setattr(codegen, "magic_tuple", lambda self: ("another machine",))
    assert outcome(folder) == (3.0, False)
    assert outcome(folder) == (3.0, True)
    assert len(os.listdir(folder)) == 3


def test_a_folder_that_others_can_write_to_is_passed_over(made, tmp_path):
    folder, _ = made
    own = tmp_path / "own"
    for mode in (0o777, 0o1777, 0o770):
        folder.chmod(mode)
        assert outcome(folder) == (3.0, False)
        assert CacheFolder([folder, own]).path == own
    folder.chmod(0o700)
    assert CacheFolder([folder, own]).path == folder


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_files_of_somebody_else_are_not_loaded(made):
    folder, file = made
    os.chown(file, 12345, 12345)
    assert outcome(folder) == (3.0, False)
    os.chown(folder, 12345, 12345)
    assert outcome(folder) == (3.0, False)
    assert CacheFolder([folder]).path is None


def test_folders_that_are_none(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    bad = [*(tmp_path / name for name in ("file", "link", "loop", "pipe", "file/x", "x" * 300)), Path("relative")]
    assert CacheFolder(bad).path is None
    assert CacheFolder(bad).files() == []
    assert CacheFolder([*bad, tmp_path / "new" / "own"]).path == tmp_path / "new" / "own"
    assert outcome(tmp_path / "file") == (3.0, False)
    assert not Path("relative").exists()


def test_a_folder_that_goes_away_in_mid_run(tmp_path):
    dispatcher = numba.njit(plus_one)
    if dispatcher is plus_one:
        pytest.skip("the compiler is switched off")
    folder = tmp_path / "cache"
    dispatcher._cache = KernelCache(plus_one, "a", CacheFolder([folder]))
    assert dispatcher(2.0) == 3.0
    shutil.rmtree(folder)
    assert dispatcher(2) == 3.0
    assert len(os.listdir(folder)) == 1
    shutil.rmtree(folder)
    folder.write_text("")
    assert dispatcher(True) == 2.0
    assert folder.read_text() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the size of files is bounded by RLIMIT_FSIZE")
def test_a_full_disk_leaves_no_file(tmp_path):
    program = f"""
import resource, signal
from pathlib import Path
from tests.simulations.test_kernel_cache import outcome
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
print(outcome(Path({str(tmp_path / "cache")!r})))
"""
    top = Path(neurondeath.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=top, check=True)
    assert done.stdout == "(3.0, False)\n"
    assert done.stderr == ""
    assert os.listdir(tmp_path / "cache") == []
